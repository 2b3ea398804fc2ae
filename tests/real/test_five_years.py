"""Five real years of 470 names in two portfolios, and what oracles make of the raw files.

Commands go to a desk session by session, a projector folds the log, questions are asked over HTTP.
Every oracle counts from the files (`tests/real/oracle.py`), with the convention of ours set.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import empyrical
import numpy as np
import pytest
import pyxirr

from domain.bridge import Part
from tests.real import telling
from tests.real.attributing import CASH, UNCLASSIFIED, attributed, drifted_sides, sides_of
from tests.real.files import Floats
from tests.real.oracle import (
    Account,
    account_of,
    benchmark_returns,
    deepest,
    modified_dietz,
    past_returns,
    shares_of,
)
from tests.real.telling import CAPS, CORE, EURO, TENANT, Story, ends_at, fixed_at
from tests.real.told import NewDatabase, Told
from tests.real.told import telling as told_to

SESSIONS = 1_259
WINDOW = 500
BASES = {CORE: "USD", EURO: "EUR"}
TO_ORACLE = 1e-9

pytestmark = [pytest.mark.slow, pytest.mark.longest, pytest.mark.timeout(1800)]


class World(NamedTuple):
    """The story, what runs, what the files say of both portfolios, and all their days."""

    story: Story
    told: Told
    accounts: dict[str, Account]
    days: dict[str, list[dict[str, Any]]]

    def ask(self, portfolio: str, path: str, **parameters: object) -> dict[str, Any]:
        """Ask about a portfolio; give the item."""
        found = self.told.ask(f"/v1/portfolios/{portfolio}/{path}", **parameters)
        item: dict[str, Any] = found["item"]
        return item


@pytest.fixture(scope="module")
def world(shared_data: Path, new_log_database: NewDatabase) -> Iterator[World]:
    """The five years, told."""
    story = telling.story(shared_data)
    accounts = {portfolio: account_of(story, portfolio) for portfolio in BASES}
    with told_to(new_log_database(), telling.commands(story), TENANT) as told:
        days = {each: told.items(f"/v1/portfolios/{each}/performance") for each in BASES}
        yield World(story, told, accounts, days)


def close_to(expected: object) -> Any:  # noqa: ANN401 - what pytest gives
    """To 1e-9 relative; of arrays by element."""
    return pytest.approx(expected, rel=TO_ORACLE, abs=1e-15)


both = pytest.mark.parametrize("portfolio", [CORE, EURO])


@both
class TestDays:
    """The value and return of each of 1,259 sessions."""

    def test_are_worth_what_the_files_say(self, world: World, portfolio: str) -> None:
        """Cash, fees, shorts, pounds by way of the euro; all in dollars, and all in euros."""
        days, account = world.days[portfolio], world.accounts[portfolio]

        assert len(days) == SESSIONS
        assert [day["session"] for day in days] == [
            each.isoformat() for each in world.story.closes.sessions
        ]
        navs = np.array([float(day["current"]["nav"]) for day in days])
        assert np.abs(navs / account.nav - 1).max() < 1e-12
        assert all(day["struck"]["nav"] == day["current"]["nav"] for day in days)

    def test_return_what_their_flows_leave(self, world: World, portfolio: str) -> None:
        """In at the start, out at the end; the one of an afternoon parts its day."""
        days, account = world.days[portfolio], world.accounts[portfolio]
        found = np.array([float(day["current"]["daily_return"]) for day in days])

        assert np.abs(found - account.returns).max() < 1e-12
        whole = float(np.prod(1 + account.returns) - 1)
        assert float(days[-1]["cumulative_return"]) == close_to(whole)

    def test_say_that_rates_are_stale_after_four_days(self, world: World, portfolio: str) -> None:
        """Behind Easter and Christmas, and from Monday on: the last rate is of Wednesday."""
        currency, held_from = ("GBP", 100) if portfolio == CORE else ("USD", 0)
        fixings = [fixed_at(day) for day in sorted(world.story.rates)]
        expected = []
        for session in world.story.closes.sessions[held_from:]:
            end = ends_at(session)
            if end - fixings[bisect_left(fixings, end) - 1] > timedelta(days=4):
                expected.append(session.isoformat())
        name = f"FX:{currency}/{BASES[portfolio]}"
        late = [d["session"] for d in world.days[portfolio] if name in d["current"]["stale"]]

        assert late == expected
        assert late[-5:-3] == ["2017-04-17", "2017-12-26"]
        assert late[-3:] == ["2018-02-05", "2018-02-06", "2018-02-07"]


@both
class TestStatistics:
    """Ex post, of the days' own returns."""

    def test_are_those_of_empyrical(self, world: World, portfolio: str) -> None:
        """Its downside deviation divides by n, ours by n - 1; its alpha is compounded."""
        r = world.accounts[portfolio].returns
        figures = world.ask(portfolio, "performance/statistics")["figures"]
        degrees = np.sqrt(len(r) / (len(r) - 1))
        expected = {
            "volatility": empyrical.annual_volatility(r, annualization=252),
            "downside_deviation": empyrical.downside_risk(r, annualization=252) * degrees,
            "sharpe": empyrical.sharpe_ratio(r, annualization=252),
            "sortino": empyrical.sortino_ratio(r, annualization=252) / degrees,
            "calmar": empyrical.calmar_ratio(r, annualization=252),
            "maximum_drawdown": empyrical.max_drawdown(r),
            "annualised_return": empyrical.annual_return(r, annualization=252),
        }
        assert {name: figures[name]["value"] for name in expected} == close_to(expected)
        assert {figures[name]["n"] for name in expected} == {SESSIONS}

    def test_find_the_deepest_fall_where_it_was(self, world: World, portfolio: str) -> None:
        """Its peak, trough and recovery, by looking at every pair of days."""
        depth, peak, trough, recovery = deepest(world.accounts[portfolio].returns)
        (found,) = world.ask(portfolio, "performance/drawdowns", limit=1)["drawdowns"]
        days = [None, *(each.isoformat() for each in world.story.closes.sessions)]

        assert found["depth"] == close_to(depth)
        assert (found["peak"], found["trough"]) == (days[peak], days[trough])
        assert found["recovery"] == (None if recovery is None else days[recovery])

    @pytest.mark.parametrize("benchmark", [CAPS, *(f"{n}-LEVEL" for n in ("SP500", "USMV"))])
    def test_compare_with_benchmarks_as_numpy_does(
        self, world: World, portfolio: str, benchmark: str
    ) -> None:
        """In the portfolio's currency, over the sessions both know: a fund's begin in 2014."""
        account = world.accounts[portfolio]
        r = account.returns
        b, begins = benchmark_returns(world.story, benchmark)
        b = (1 + b) * account.rates["USD"][begins + 1 :] / account.rates["USD"][begins:-1] - 1
        r = r[begins + 1 :]
        answer = world.ask(portfolio, "performance/statistics", benchmark=benchmark)
        found = {name: each["value"] for name, each in answer["figures"].items()}

        beta = np.cov(r, b, ddof=1)[0, 1] / np.var(b, ddof=1)
        active = r - b
        assert answer["figures"]["beta"]["n"] == len(b)
        assert found["beta"] == close_to(beta)
        assert found["alpha"] == close_to((r.mean() - beta * b.mean()) * 252)
        assert found["tracking_error"] == close_to(active.std(ddof=1) * np.sqrt(252))
        ratio = active.mean() / active.std(ddof=1) * np.sqrt(252)
        assert found["information_ratio"] == close_to(ratio)
        assert answer["benchmark_return"]["value"] == close_to(np.prod(1 + b) - 1)


class TestBenchmarks:
    """The S&P 500 by market caps of the last day as fixed shares, beside the index itself."""

    def test_fixed_shares_return_almost_what_the_index_does(self, world: World) -> None:
        """+78.7 % and +76.7 %, as told in convention 13; every day is numpy's."""
        for benchmark, whole in ((CAPS, 0.787), ("SP500-LEVEL", 0.767)):
            rows = world.told.items(f"/v1/benchmarks/{benchmark}/returns")
            expected, _ = benchmark_returns(world.story, benchmark)
            found = np.array([float(row["daily_return"]) for row in rows])

            assert np.abs(found - expected).max() < 1e-12
            assert float(rows[-1]["cumulative_return"]) == pytest.approx(whole, abs=0.0005)

    @pytest.mark.parametrize("factor", telling.FACTORS)
    def test_factor_funds_are_levels(self, world: World, factor: str) -> None:
        """From the first session of 2014 on."""
        rows = world.told.items(f"/v1/benchmarks/{factor}-LEVEL/returns")
        expected, begins = benchmark_returns(world.story, f"{factor}-LEVEL")

        known = [row for row in rows if row["daily_return"] is not None]
        assert [float(row["daily_return"]) for row in known] == close_to(expected.tolist())
        assert known[0]["session"] == world.story.closes.sessions[begins + 1].isoformat()


@both
class TestRisk:
    """Ex ante: today's holdings by the returns of the last 500 sessions."""

    def test_has_the_tails_of_numpy(self, world: World, portfolio: str) -> None:
        """Historical ones by its linear quantile, which is rule 7; parametric ones by w'Σw."""
        returns, values = past_returns(world.accounts[portfolio], BASES[portfolio], WINDOW)
        item = world.ask(portfolio, "risk")
        found = {name: each["value"] for name, each in item["figures"].items()}
        losses = -(returns @ values)
        deviation = float(np.sqrt(values @ np.cov(returns, rowvar=False) @ values))

        assert (item["valued"]["days"], item["valued"]["uncovered"]) == (WINDOW, [])
        for level in (95, 99):
            quantile = np.quantile(losses, level / 100, method="linear")
            beyond = losses[losses >= quantile].mean()
            z = NormalDist().inv_cdf(level / 100)
            shortfall = deviation * NormalDist().pdf(z) / (1 - level / 100)
            for name, expected in (
                ("value_at_risk_historical", quantile),
                ("expected_shortfall_historical", beyond),
                ("value_at_risk_parametric", z * deviation),
                ("expected_shortfall_parametric", shortfall),
            ):
                assert found[f"{name}_1d_{level}"] == close_to(expected)
                assert found[f"{name}_10d_{level}"] == close_to(expected * np.sqrt(10))
        nav = world.accounts[portfolio].nav[-1]
        assert found["volatility"] == close_to(deviation * np.sqrt(252) / nav)
        held = world.accounts[portfolio].values[-1]
        assert found["leverage"] == close_to(np.abs(held).sum() / nav)
        assert found["herfindahl"] == close_to(((held / np.abs(held).sum()) ** 2).sum())

    def test_parts_its_tails_among_the_lines(self, world: World, portfolio: str) -> None:
        """Of the parametric VaR each line's w(Σw) over the deviation; all sum to the figures."""
        returns, values = past_returns(world.accounts[portfolio], BASES[portfolio], WINDOW)
        moved = np.cov(returns, rowvar=False) @ values
        z = NormalDist().inv_cdf(0.99)
        expected = z * values * moved / np.sqrt(values @ moved)
        item = world.ask(portfolio, "risk/contributions", level=0.99)
        found = {each["name"]: each["parametric_value_at_risk"] for each in item["lines"]}

        names = world.accounts[portfolio].names
        told = np.array([found.get(name, 0.0) for name in names])
        assert np.abs(told - expected[: len(names)]).max() < TO_ORACLE * np.abs(expected).max()
        for column in ("parametric_value_at_risk", "historical_value_at_risk"):
            total = sum(each[column] for each in item["lines"])
            assert total == close_to(item["total"][column])


class TestContributions:
    """What each name and sector added to five years, in dollars."""

    def test_are_results_over_capital(self, world: World) -> None:
        """Linked by what a unit of the first day had become; with `trading` they sum."""
        account = world.accounts[CORE]
        expected = dict(zip(account.names, linked(world).tolist(), strict=True))
        item = world.ask(CORE, "performance/contributions", by="position")
        found = {each["name"]: each["contribution"] for each in item["lines"]}

        assert {name: found[name] for name in expected} == close_to(expected)
        assert item["range_return"] == close_to(np.prod(1 + account.returns) - 1)
        assert sum(found.values()) + item["trading"] == close_to(item["range_return"])

    def test_of_sectors_are_those_of_their_names(self, world: World) -> None:
        """Exposure at the end and contribution, of names by sector; what has none is a sector."""
        account, sectors = world.accounts[CORE], world.story.sectors
        exposure: dict[str, float] = defaultdict(float)
        added: dict[str, float] = defaultdict(float)
        lines = zip(account.names, account.values[-1].tolist(), linked(world).tolist(), strict=True)
        for name, value, contribution in lines:
            exposure[sectors.get(name, UNCLASSIFIED)] += value
            added[sectors.get(name, UNCLASSIFIED)] += contribution
        item = world.ask(CORE, "sectors")
        found = {each["sector"]: each for each in item["sectors"] if each["sector"] != CASH}

        assert {name: each["exposure"] for name, each in found.items()} == close_to(exposure)
        assert {name: each["contribution"] for name, each in found.items()} == close_to(added)
        assert len(found) == 12


def linked(world: World) -> Floats:
    """What each name of `core` added: its daily results over capital, linked."""
    account = world.accounts[CORE]
    paid = np.zeros_like(account.values)
    column = {name: place for place, name in enumerate(account.names)}
    for order in world.story.orders:
        if order.portfolio == CORE:
            cost = order.quantity * float(order.price) + float(order.fee)
            paid[order.session, column[order.name]] += cost
    before = np.vstack([np.zeros(len(account.names)), account.values[:-1]])
    results = account.values - before - paid
    worth = np.concatenate([[1.0], np.cumprod(1 + account.returns)[:-1]])
    return np.asarray((worth / account.capital) @ results)


class TestAttribution:
    """Against the index by market caps, Brinson-Fachler by sector, linked by Carino."""

    def test_is_that_of_plain_loops(self, world: World) -> None:
        """Of 1,258 days: the first is what the portfolio began with."""
        account, story = world.accounts[CORE], world.story
        prices, shares = story.closes.of(*story.held), shares_of(story)
        gained = account.rates_gained()
        expected = attributed(
            [
                (
                    float(account.returns[session]),
                    sides_of(account, gained, session, story.sectors),
                    drifted_sides(shares, prices, story.held, session, story.sectors),
                )
                for session in range(1, SESSIONS)
            ]
        )
        item = world.ask(CORE, "attribution", benchmark=CAPS)

        assert (item["reason"], item["days"]) == (None, SESSIONS - 1)
        for effect in ("allocation", "selection", "interaction"):
            found = {each["sector"]: each[effect] for each in item["sectors"]}
            assert found == pytest.approx(getattr(expected, effect), rel=TO_ORACLE, abs=1e-13)
        assert item["trading"] == close_to(expected.trading)
        effects = [each[n] for each in item["sectors"] for n in ("allocation", "selection")]
        effects += [each["interaction"] for each in item["sectors"]]
        assert sum(effects) + item["trading"] == close_to(item["active_return"])
        active = item["portfolio_return"] - item["benchmark_return"]
        assert item["active_return"] == close_to(active)


@both
class TestMoneyWeighted:
    """With real values and the flows of the story."""

    def test_is_pyxirrs_rate(self, world: World, portfolio: str) -> None:
        """ACT/365 from the first deposit on, the last value as last flow."""
        account, sessions = world.accounts[portfolio], world.story.closes.sessions
        amounts = account.flows.tolist()
        flows = [(day, -amount) for day, amount in zip(sessions, amounts, strict=True) if amount]
        flows.append((sessions[-1], float(account.nav[-1])))
        rate = pyxirr.xirr([day for day, _ in flows], [amount for _, amount in flows])
        item = world.ask(portfolio, "performance/money-weighted")

        assert rate is not None
        assert item["annual_rate"]["value"] == close_to(rate)
        years = (sessions[-1] - sessions[0]).days / 365
        assert item["money_weighted"]["value"] == close_to((1 + rate) ** years - 1)
        assert item["modified_dietz"]["value"] == close_to(modified_dietz(account, sessions))


class TestTheBridge:
    """What changed the values of five years, part by part."""

    @both
    @pytest.mark.parametrize("since", ["2013-02-08", "2014-01-02", "2017-06-30"])
    def test_adds_up_exactly(self, world: World, portfolio: str, since: str) -> None:
        """To the values at both ends, which are those of the files."""
        account, first = world.accounts[portfolio], date.fromisoformat(since)
        item = world.ask(portfolio, "bridge", since=since)
        place = world.story.closes.at(first)

        start, end = Decimal(item["nav_start"]), Decimal(item["nav_end"])
        assert sum(Decimal(item[part]) for part in Part) == end - start
        assert float(start) == close_to(account.nav[place - 1] if place else 0.0)
        assert float(end) == close_to(account.nav[-1])
        assert float(item["external_flows"]) == close_to(account.flows[place:].sum())

    def test_parts_prices_from_rates(self, world: World) -> None:
        """Of 40 sessions without a trade: dollars revalued, gains, and costs as rates moved."""
        account, (before, last) = world.accounts[EURO], (758, 798)
        bought = {each.name: float(each.price) for each in world.story.orders
                  if each.portfolio == EURO and each.session == 0}  # fmt: skip
        held = account.quantities[last]
        cost = held @ np.array([bought[name] for name in account.names])
        worth = (account.quantities * account.prices).sum(axis=1)
        rate = account.rates["USD"]
        sessions = world.story.closes.sessions
        item = world.ask(EURO, "bridge", since=sessions[before + 1], until=sessions[last])

        moved = rate[last] - rate[before]
        gains = (worth[last] - cost) * rate[last] - (worth[before] - cost) * rate[before]
        assert float(item["unrealised_price"]) == close_to(gains)
        assert float(item["fx_on_positions"]) == close_to(cost * moved)
        assert float(item["fx_on_cash"]) == close_to(account.cash["USD"][last] * moved)
        others = {part: item[part] for part in Part if Decimal(item[part])}
        assert others.keys() == {"unrealised_price", "fx_on_positions", "fx_on_cash"}
