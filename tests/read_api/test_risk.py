"""Ex-ante risk over HTTP: figures, contributions, stress, correlations, explanations."""

from __future__ import annotations

import importlib
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from domain.identity import MARKET_TENANT
from domain.statistics.ex_ante import TAIL_FIGURES
from domain.statistics.measured import Floats
from projections.performance.explaining_risk import EXPLAINED
from projections.performance.explaining_risk_contributions import (
    EXPLAINED as CONTRIBUTIONS_EXPLAINED,
)
from tests.gateway.serving import assert_problem, new_tenant
from tests.read_api.conftest import NewTeller, Teller

FIRST = date(2021, 3, 1)
SESSIONS = 70
CALENDAR = "XTKS"
LONG, SHORT = "RISK.LONG", "RISK.SHORT"
PATH = "/v1/portfolios/at-risk/risk"
BAD_DAY = (FIRST + timedelta(days=30)).isoformat()
DAY_BEFORE = (FIRST + timedelta(days=29)).isoformat()


def closes(number: int) -> dict[str, str]:
    """Prices that move a little, and on day 30 by a tenth."""
    fall = 90 if number == 30 else 100
    return {LONG: str(fall + number % 3), SHORT: str(50 + (number * 7) % 5)}


@pytest.fixture(scope="module")
def owner(teller: NewTeller) -> Teller:
    """A portfolio long of one, short of another, with euros, after seventy sessions."""
    market, owner = teller("market_data", tenant=MARKET_TENANT), teller(tenant=new_tenant())
    for name, sector in ((LONG, "Energy"), (SHORT, "Utilities")):
        market.tell(
            "/v1/instruments", instrument=name, symbol=name, currency="JPY",
            asset_class="equity", calendar=CALENDAR, sector=sector,
        )  # fmt: skip
    owner.tell(
        "/v1/portfolios", portfolio="at-risk", base_currency="JPY", calendar=CALENDAR,
        allows_short=True,
    )  # fmt: skip
    for amount, currency in (("100000", "JPY"), ("100", "EUR")):
        owner.tell(
            "/v1/portfolios/at-risk/deposits", amount=amount, currency=currency,
            value_date=FIRST.isoformat(),
        )  # fmt: skip
    for name, side, quantity in ((LONG, "buy", "100"), (SHORT, "sell", "40")):
        owner.trade(
            side, quantity, "100", portfolio="at-risk", instrument=name, currency="JPY",
            trade_date=FIRST.isoformat(),
        )  # fmt: skip
    for number in range(SESSIONS):
        on = (FIRST + timedelta(days=number)).isoformat()
        market.tell(
            "/v1/marks", at=f"{on}T05:00:00Z",
            rates=[{"base": "EUR", "quote": "JPY", "rate": str(130 + number % 4)}],
        )  # fmt: skip
        last = market.tell(
            "/v1/sessions", calendar=CALENDAR, session=on, starts_at=f"{on}T00:00:00Z",
            ends_at=f"{on}T06:00:00Z",
            closes=[{"instrument": name, "price": each} for name, each in closes(number).items()],
        )  # fmt: skip
    owner.ask(PATH, min_position=last["position"], wait_seconds=20)
    return owner


class TestFigures:
    """By name, each with its method and n."""

    def test_say_what_they_are(self, owner: Teller) -> None:
        """All tails have a value; amounts are exact."""
        told = owner.ask(PATH)
        item, last = told["item"], closes(SESSIONS - 1)

        assert told["calculation"] == "risk 2"
        assert told["market_position"] > 0
        gross = 100 * Decimal(last[LONG]) + 40 * Decimal(last[SHORT])
        assert Decimal(item["valued"]["gross"]) == gross
        assert item["valued"]["days"] == SESSIONS - 1
        assert set(TAIL_FIGURES) < set(item["figures"])
        assert all(item["figures"][name]["value"] > 0 for name in TAIL_FIGURES)
        assert "Hyndman-Fan 7" in item["figures"]["value_at_risk_historical_1d_95"]["method"]
        assert (item["paths"], item["seed"]) == (100_000, 20_260_101)

    def test_follow_conventions_asked_for(self, owner: Teller) -> None:
        """Another rule gives another quantile, and says so."""
        name = "value_at_risk_historical_1d_99"
        usual = owner.ask(PATH)["item"]["figures"][name]
        other = owner.ask(PATH, quantile_rule=6, ten_days="overlapping")["item"]

        assert other["figures"][name]["value"] > usual["value"]
        assert "Hyndman-Fan 6" in other["figures"][name]["method"]
        ten = other["figures"]["value_at_risk_historical_10d_99"]
        assert "overlapping" in ten["method"]

    def test_of_a_session_are_of_what_was_known_by_its_end(self, owner: Teller) -> None:
        """61 sessions were enough, 31 were not."""
        late = owner.ask(PATH, until=(FIRST + timedelta(days=60)).isoformat())["item"]
        early = owner.ask(PATH, until=BAD_DAY)["item"]

        assert late["valued"]["days"] == 60
        assert early["figures"]["volatility"]["reason"] == "coverage_incomplete"
        assert early["valued"]["session"] == BAD_DAY


class TestContributions:
    """Columns sum to the totals."""

    def test_are_by_line(self, owner: Teller) -> None:
        """Two positions and the euros."""
        item = owner.ask(f"{PATH}/contributions", level="0.95")["item"]

        assert [line["name"] for line in item["lines"]] == [LONG, SHORT, "cash:EUR"]
        figures = owner.ask(PATH)["item"]["figures"]
        for column in ("parametric_value_at_risk", "historical_value_at_risk"):
            total = sum(line[column] for line in item["lines"])
            method = column.split("_", maxsplit=1)[0]
            expected = figures[f"value_at_risk_{method}_1d_95"]["value"]
            assert total == pytest.approx(expected, rel=1e-9)
            assert item["total"][column] == pytest.approx(total, rel=1e-12)


class TestStress:
    """Shocks multiply."""

    def test_of_market_sector_and_instrument(self, owner: Teller) -> None:
        """-10 % of all, -20 % of Energy: -28 % of the long; the short gains a tenth."""
        last = closes(SESSIONS - 1)
        item = owner.ask(
            f"{PATH}/stress", market="-0.1", sectors="Energy:-0.2,None:-0.5", currencies="EUR:-0.5"
        )["item"]

        lines = {line["name"]: line for line in item["lines"]}
        assert lines[LONG]["shock"] == pytest.approx(-0.28, rel=1e-12)
        assert lines[LONG]["sector"] == "Energy"
        assert lines[SHORT]["gain"] == pytest.approx(4 * float(last[SHORT]), rel=1e-12)
        assert lines["cash:EUR"]["shock"] == -0.5
        assert item["gain"] == pytest.approx(sum(line["gain"] for line in item["lines"]))
        assert item["nav"] == pytest.approx(float(item["valued"]["nav"]) + item["gain"])
        assert item["unused"] == ["sector:None"]

    def test_of_a_sector_is_of_that_in_force_on_the_day(
        self, owner: Teller, teller: NewTeller
    ) -> None:
        """The short leaves its sector on the last day: it is unclassified from then on."""
        market = teller("market_data", tenant=MARKET_TENANT)
        last = FIRST + timedelta(days=SESSIONS - 1)
        told = market.tell(
            f"/v1/instruments/{SHORT}/sectors", sector=None, from_date=last.isoformat()
        )
        shocks = {"sectors": "Utilities:-0.5,Unclassified:-0.1", "wait_seconds": 20}
        now = owner.ask(f"{PATH}/stress", min_position=told["position"], **shocks)["item"]
        before = owner.ask(
            f"{PATH}/stress", until=(last - timedelta(days=1)).isoformat(), **shocks
        )["item"]

        def of(item: dict[str, Any]) -> tuple[str, float]:
            (line,) = (line for line in item["lines"] if line["name"] == SHORT)
            return line["sector"], round(line["shock"], 12)

        assert of(now) == ("Unclassified", -0.1)
        assert of(before) == ("Utilities", -0.5)

    def test_of_a_window(self, owner: Teller) -> None:
        """The bad day again: the long falls from 102 to 90."""
        item = owner.ask(f"{PATH}/stress", window_since=DAY_BEFORE, window_until=BAD_DAY)["item"]

        lines = {line["name"]: line for line in item["lines"]}
        before, after = closes(29), closes(30)
        fallen = float(after[LONG]) / float(before[LONG]) - 1
        assert lines[LONG]["shock"] == pytest.approx(fallen, rel=1e-12)
        assert lines["cash:EUR"]["shock"] == pytest.approx(132 / 131 - 1, rel=1e-12)
        assert (item["since"], item["until"]) == (DAY_BEFORE, BAD_DAY)

    def test_of_a_time_without_closes_is_none(self, owner: Teller) -> None:
        """Nobody has prices of 2008 here."""
        item = owner.ask(f"{PATH}/stress", scenario="lehman_2008")["item"]

        assert (item["gain"], item["reason"]) == (None, "no_history")

    @pytest.mark.parametrize(
        "asked",
        [
            {}, {"market": "-2"}, {"market": "nan"}, {"instruments": "AAPL"},
            {"instruments": "AAPL:-0.1,AAPL:-0.2"}, {"sectors": "Energy:-7"},
            {"currencies": "EUR:1.2.3"}, {"scenario": "none"}, {"window_since": "2020-01-01"},
            {"window_since": "2020-01-02", "window_until": "2020-01-01"},
            {"market": "-0.1", "scenario": "lehman_2008"},
        ],
    )  # fmt: skip
    def test_refuses_what_makes_no_sense(self, owner: Teller, asked: dict[str, str]) -> None:
        """A problem, never a 500."""
        assert owner.read.get(f"{PATH}/stress", params=asked).status_code == 400


class TestCorrelations:
    """Of the largest lines."""

    def test_are_symmetric_with_counts(self, owner: Teller) -> None:
        """69 common days; three lines by size, or two."""
        item = owner.ask(f"{PATH}/correlations")["item"]
        fewer = owner.ask(f"{PATH}/correlations", limit=2)["item"]

        assert sorted(item["names"]) == sorted([LONG, SHORT, "cash:EUR"])
        found = np.array(item["coefficients"])
        assert np.array_equal(found, found.T)
        assert np.allclose(np.diag(found), 1.0, rtol=1e-12)
        assert item["days"][0][1] == SESSIONS - 1
        assert fewer["names"] == item["names"][:2]

    def test_are_unknown_under_sixty_days(self, owner: Teller) -> None:
        """30 common days are shown, and nothing else."""
        item = owner.ask(f"{PATH}/correlations", until=BAD_DAY)["item"]

        assert item["days"][0][1] == 30
        assert item["coefficients"][0][1] is None


def given_by(told: dict[str, Any]) -> Floats:
    """Call what the explanation says, with what it lists."""
    module = importlib.import_module(told["function"].rpartition(".")[0])
    known = vars(module) | told["parameters"]
    known |= {name: np.array(each) for name, each in told["inputs"].items()}
    return np.asarray(eval(told["call"], known))  # noqa: S307 - our own answer


class TestExplanations:
    """The inputs, fed to the function, give the figure."""

    @pytest.mark.parametrize("ten_days", ["scaled", "overlapping"])
    @pytest.mark.parametrize("figure", EXPLAINED)
    def test_give_the_figure(self, owner: Teller, figure: str, ten_days: str) -> None:
        """Every one of them, by every method; additive ones as the sum of their lines."""
        told = owner.ask(f"{PATH}/explain", figure=figure, ten_days=ten_days)["item"]

        if told["figure"] is None:
            total = sum(Decimal(line["amount"]) for line in told["lines"])
            assert told["amount"] == told["valued"][figure] == format(total, "f")
            return
        asked = owner.ask(PATH, ten_days=ten_days)["item"]["figures"][figure]
        assert told["figure"] == asked
        assert float(given_by(told)) == pytest.approx(asked["value"], rel=1e-12)

    @pytest.mark.parametrize("what", ["", "/contributions"])
    def test_of_unknown_figures_are_refused(self, owner: Teller, what: str) -> None:
        """And one has to be named."""
        for asked in ({}, {"figure": "luck"}):
            answer = owner.read.get(f"{PATH}{what}/explain", params=asked)
            assert_problem(answer, 400, "parameter_invalid")

    @pytest.mark.parametrize("figure", CONTRIBUTIONS_EXPLAINED)
    def test_give_the_contributions(self, owner: Teller, figure: str) -> None:
        """Each column, line by line, at the level asked for; sums are those of `/risk`."""
        path = f"{PATH}/contributions"
        whole = owner.ask(path, level="0.95")
        answer = owner.ask(f"{path}/explain", level="0.95", figure=figure)

        item, told = whole["item"], answer["item"]
        for name in ("position", "market_position", "calculation"):
            assert answer[name] == whole[name]
        assert told["valued"] == item["valued"]
        column = [line[figure] for line in item["lines"]]
        assert [line["contribution"] for line in told["lines"]] == column
        assert told["total"] == item["total"][figure]
        assert given_by(told) == pytest.approx(column, rel=1e-12)
        if figure == "volatility":
            volatility = owner.ask(PATH)["item"]["figures"]["volatility"]["value"]
            assert sum(column) == pytest.approx(volatility, rel=1e-12)

    @pytest.mark.parametrize(
        "asked",
        [
            {"market": "-0.1", "sectors": "Energy:-0.2,None:-0.5", "currencies": "EUR:-0.5"},
            {"instruments": f"{SHORT}:0.5", "market": "0.01"},
            {"window_since": FIRST.isoformat(), "window_until": BAD_DAY},
        ],
    )  # fmt: skip
    def test_give_the_stress(self, owner: Teller, asked: dict[str, str]) -> None:
        """All that the stress says, by what, and the call gives what each line gains."""
        whole, answer = (owner.ask(f"{PATH}/stress{what}", **asked) for what in ("", "/explain"))

        item, told = whole.pop("item"), answer.pop("item")
        lines = item.pop("lines")
        assert answer == whole
        assert {name: told[name] for name in item} == item
        for line, opened in zip(lines, told["lines"], strict=True):
            assert {name: opened[name] for name in line} == line
        gains = given_by(told | {"parameters": {}})
        assert gains.tolist() == [line["gain"] for line in lines]
        assert float(gains.sum()) == item["gain"]

    def test_of_a_stress_say_what_each_line_met(self, owner: Teller) -> None:
        """The long all three of its kinds, the euros their own; a window is history."""
        path = f"{PATH}/stress/explain"
        shocks = {"instruments": f"{LONG}:-0.3", "sectors": "Energy:-0.2", "currencies": "EUR:-0.5"}

        told = owner.ask(path, market="-0.1", **shocks)["item"]
        window = owner.ask(path, window_since=DAY_BEFORE, window_until=BAD_DAY)["item"]

        met = {
            line["name"]: {each["of"]: each["shock"] for each in line["met"]}
            for line in told["lines"]
        }
        assert met == {
            LONG: {"market": -0.1, f"instrument:{LONG}": -0.3, "sector:Energy": -0.2},
            SHORT: {"market": -0.1},
            "cash:EUR": {"currency:EUR": -0.5},
        }
        assert told["shock_function"] == "domain.statistics.stress.combined"
        assert window["sessions"] == [BAD_DAY]
        for line in window["lines"]:
            assert line["met"] == [{"of": "history", "shock": line["shock"]}]

    def test_of_an_unknown_stress_are_refused(self, owner: Teller) -> None:
        """A scenario of no name, and none; one of which there are no closes has a reason."""
        path = f"{PATH}/stress/explain"
        for asked in ({}, {"scenario": "none"}, {"market": "-2"}, {"sectors": "Energy"}):
            answer = owner.read.get(path, params=asked)
            assert_problem(answer, 400, "parameter_invalid")
        told = owner.ask(path, scenario="lehman_2008")["item"]
        assert (told["reason"], told["call"], told["lines"]) == ("no_history", None, [])

    def test_of_too_few_days_say_why_there_are_none(self, owner: Teller) -> None:
        """As the contributions themselves."""
        told = owner.ask(f"{PATH}/contributions/explain", figure="marginal", until=BAD_DAY)["item"]

        assert (told["reason"], told["lines"], told["call"]) == ("coverage_incomplete", [], None)


class TestFreshness:
    """Nothing is kept between two questions."""

    def test_a_mark_is_in_the_next_answer(self, owner: Teller, teller: NewTeller) -> None:
        """Ten euros more a unit: the NAV says so at once, and the market position with it."""
        market = teller("market_data", tenant=MARKET_TENANT)
        before = owner.ask(PATH)
        mark = market.tell(
            "/v1/marks", at=f"{FIRST + timedelta(days=SESSIONS)}T05:00:00Z",
            marks=[{"instrument": LONG, "price": "1000"}],
        )  # fmt: skip
        after = owner.ask(PATH, min_position=mark["position"], wait_seconds=20)

        gained = 100 * (1000 - Decimal(closes(SESSIONS - 1)[LONG]))
        nav = Decimal(after["item"]["valued"]["nav"]) - Decimal(before["item"]["valued"]["nav"])
        assert nav == gained
        assert after["market_position"] > before["market_position"]


@pytest.mark.parametrize(
    "what",
    [
        "", "/contributions", "/contributions/explain?figure=marginal", "/stress?market=-0.1",
        "/stress/explain?market=-0.1",
        "/correlations", "/explain?figure=nav",
    ],
)  # fmt: skip
def test_is_of_the_tenant_alone(owner: Teller, teller: NewTeller, what: str) -> None:
    """Another tenant finds nothing, and nobody a portfolio that is not there."""
    nobody = PATH.replace("at-risk", "nobody")
    assert_problem(owner.read.get(f"{nobody}{what}"), 404, "not_found")
    assert owner.read.get(f"{PATH}{what}").status_code == 200
    assert_problem(teller().read.get(f"{PATH}{what}"), 404, "not_found")
