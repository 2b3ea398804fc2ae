"""Returns by period, statistics, drawdowns and money-weighting over HTTP."""

from __future__ import annotations

import importlib
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from domain.identity import MARKET_TENANT
from domain.statistics.money_weighted import Earned, money_weighted
from projections.performance import ex_post
from read_api.performance import ExplainedFigure
from tests.gateway.serving import new_tenant
from tests.read_api.conftest import APPLE, NewTeller, Teller

FIRST = date(2020, 6, 1)
SESSIONS = 25
CALENDAR = "XLON"
STOCK, INDEX = "EXPOST", "EXPOST.INDEX"
PATH = "/v1/portfolios/ex-post/performance"


def price(number: int) -> int:
    """A close that goes up and down."""
    return 100 + (number * 7) % 12 + number


@pytest.fixture(scope="module")
def owner(teller: NewTeller) -> Teller:
    """A portfolio with a stock on a calendar of its own, compared with an index."""
    market, tenant = teller("market_data", tenant=MARKET_TENANT), new_tenant()
    owner = teller(tenant=tenant)
    for name in (STOCK, INDEX):
        market.tell(
            "/v1/instruments", instrument=name, symbol=name, currency="GBP",
            asset_class="equity", calendar=CALENDAR,
        )  # fmt: skip
    owner.tell("/v1/portfolios", portfolio="ex-post", base_currency="GBP", calendar=CALENDAR)
    owner.tell(
        "/v1/portfolios/ex-post/deposits", amount="10000", currency="GBP",
        value_date=FIRST.isoformat(),
    )  # fmt: skip
    owner.trade(
        "buy", "50", "100", portfolio="ex-post", instrument=STOCK, currency="GBP",
        trade_date=FIRST.isoformat(), external_id="ex-post-1",
    )  # fmt: skip
    for number in range(SESSIONS):
        on = (FIRST + timedelta(days=number)).isoformat()
        last = market.tell(
            "/v1/sessions", calendar=CALENDAR, session=on, starts_at=f"{on}T08:00:00Z",
            ends_at=f"{on}T16:30:00Z",
            closes=[
                {"instrument": STOCK, "price": str(price(number))},
                {"instrument": INDEX, "price": str(price(number) * 10)},
            ],
        )  # fmt: skip
    owner.ask(PATH, min_position=last["position"], wait_seconds=20)
    return owner


class TestStatistics:
    """Figures by name, with method, reason and n."""

    def test_say_what_they_are(self, owner: Teller) -> None:
        """Half the money follows the index: beta is near a half, and each names its method."""
        told = owner.ask(f"{PATH}/statistics", benchmark=INDEX, risk_free="0.01")

        item = told["item"]
        assert told["calculation"] == "performance 4"
        assert told["market_position"] > 0
        assert (item["benchmark"], item["risk_free"]) == (INDEX, 0.01)
        assert (item["chain_from"], item["sessions"]) == (FIRST.isoformat(), SESSIONS)
        assert item["figures"]["beta"]["value"] == pytest.approx(0.5, abs=0.05)
        assert item["figures"]["beta"]["n"] == SESSIONS - 1
        assert item["figures"]["volatility"]["n"] == SESSIONS
        assert "ddof 1" in item["figures"]["sharpe"]["method"]
        assert item["figures"]["annualised_return"]["value"] is None
        assert item["figures"]["annualised_return"]["reason"] == "under_a_year"

    def test_compare_with_the_assigned_benchmark(self, owner: Teller) -> None:
        """Without one named it is the portfolio's, for the sessions it is in force on."""
        before = owner.ask(f"{PATH}/statistics")["item"]
        path, last_day = "/v1/portfolios/ex-post/benchmarks", FIRST + timedelta(days=SESSIONS - 1)
        last = owner.tell(path, benchmark=INDEX, from_date=last_day.isoformat())
        early = owner.ask(
            f"{PATH}/statistics", min_position=last["position"],
            until=last_day - timedelta(days=1),
        )["item"]  # fmt: skip
        after = owner.ask(f"{PATH}/statistics", min_position=last["position"])["item"]
        owner_path = "/v1/portfolios/ex-post/attribution"
        attributed = owner.ask(owner_path, min_position=last["position"])["item"]

        assert before["benchmark"] is None
        assert before["figures"]["beta"]["reason"] == "no_benchmark"
        assert early["benchmark"] is None
        assert (after["benchmark"], after["figures"]["beta"]["n"]) == (INDEX, 1)
        assert after["benchmark_return"]["n"] == 1
        assert attributed["reason"] == "no_benchmark"

    @pytest.mark.parametrize(
        "asked",
        [{"risk_free": "-1"}, {"risk_free": "nan"}, {"benchmark": "a b"}, {"since": "soon"}],
    )
    def test_refuse_what_makes_no_sense(self, owner: Teller, asked: dict[str, str]) -> None:
        """A problem, never a 500."""
        assert owner.read.get(f"{PATH}/statistics", params=asked).status_code == 400


class TestDrawdowns:
    """The deepest first."""

    def test_are_dated(self, owner: Teller) -> None:
        """As many as asked for, of all there are."""
        item = owner.ask(f"{PATH}/drawdowns", limit=2)["item"]

        first, second = item["drawdowns"]
        assert first["depth"] <= second["depth"] < 0
        assert item["maximum_drawdown"]["value"] == pytest.approx(first["depth"])
        assert first["peak"] < first["trough"]
        assert item["count"] > 2


class TestPeriods:
    """Result and return by period."""

    def test_chain(self, owner: Teller) -> None:
        """Five weeks of one month: NAV to NAV, page by page."""
        pages: list[dict[str, Any]] = [owner.ask(f"{PATH}/periods", by="week", limit=3)]
        pages.append(
            owner.ask(f"{PATH}/periods", by="week", limit=3, cursor=pages[0]["next_cursor"])
        )

        items = [item for page in pages for item in page["items"]]
        assert len(items) == 4
        for before, after in pairwise(items):
            assert before["nav_end"] == after["nav_start"]
            assert before["last_session"] == after["start_session"]
        (month,) = owner.ask(f"{PATH}/periods")["items"]
        (whole,) = owner.ask(f"{PATH}/periods", by="all")["items"]
        assert month == whole
        assert month["flows"] == "10000"


class TestMoneyWeighting:
    """Rates with their flows."""

    def test_has_one_flow(self, owner: Teller) -> None:
        """Then both rates are the growth."""
        item = owner.ask(f"{PATH}/money-weighted")["item"]

        growth = float(item["end_value"]) / 10_000 - 1
        assert item["flows"] == [{"session": FIRST.isoformat(), "amount": "10000"}]
        assert item["money_weighted"]["value"] == pytest.approx(growth, rel=1e-9)
        assert item["modified_dietz"]["value"] == pytest.approx(growth, rel=1e-9)
        assert item["annual_rate"]["reason"] == "under_a_year"


class TestOpeningABridge:
    """GET …/bridge/explain."""

    def test_adds_up_part_by_part(self, owner: Teller) -> None:
        """Page by page, to the bridge itself."""
        path = "/v1/portfolios/ex-post/bridge"
        bridge = owner.ask(path)["item"]
        told = owner.ask(f"{path}/explain", limit=1)
        rest = owner.ask(f"{path}/explain", cursor=told["next_cursor"])

        lines = [*told["items"], *rest["items"]]
        assert told["bridge"] == rest["bridge"] == bridge
        assert [(line["part"], line["kind"], line["name"]) for line in lines] == [
            ("external_flows", "cash", "GBP"), ("unrealised_price", "revaluation", STOCK)
        ]  # fmt: skip
        assert [line["amount"] for line in lines] == [
            bridge["external_flows"], bridge["unrealised_price"]
        ]  # fmt: skip
        assert Decimal(told["total"]) == Decimal(bridge["nav_end"])
        history = owner.ask("/v1/portfolios/ex-post/history")["items"]
        (deposit,) = [event for event in history if event["position"] == lines[0]["event"]]
        assert deposit["type"] == "portfolio.cash_deposited.v1"

    def test_of_one_part(self, owner: Teller) -> None:
        """An unknown part is a problem."""
        path = "/v1/portfolios/ex-post/bridge/explain"

        assert owner.ask(path, part="taxes")["items"] == []
        assert owner.read.get(path, params={"part": "luck"}).status_code == 400


class TestOpeningWhatWasRealised:
    """GET …/realised/explain."""

    def test_lists_the_lots_that_were_closed(self, story: Teller) -> None:
        """120 sold at 170: 100 bought at 150 with a fee of 1.5, and 20 of 50 bought at 160."""
        path = "/v1/portfolios/growth/realised"
        sale = next(row for row in story.ask(path)["items"] if row["instrument"] == APPLE)

        (told,) = story.ask(f"{path}/explain", trade_id=sale["trade_id"])["items"]

        assert told["realised"] == sale
        assert [(lot["quantity"], lot["cost"], lot["proceeds"]) for lot in told["lots"]] == [
            ("100", "15000", "17000"), ("20", "3200", "3400")
        ]  # fmt: skip
        gross = sum(Decimal(lot["realised_gross"]) for lot in told["lots"])
        fees = sum(Decimal(lot["opening_fee"]) for lot in told["lots"])
        assert gross == Decimal(sale["realised_gross"]) == 2200
        assert fees == Decimal("1.5")
        assert gross - fees - Decimal(told["closing_fee"]) == Decimal(sale["realised_net"])

    def test_of_what_closed_nothing_is_not_found(self, story: Teller) -> None:
        """No trade of that id; no id at all."""
        path = "/v1/portfolios/growth/realised/explain"

        assert story.read.get(path, params={"trade_id": str(UUID(int=4))}).status_code == 404
        assert story.read.get(path, params={"trade_id": "4"}).status_code == 400
        assert story.read.get(path).status_code == 400


@pytest.mark.parametrize("what", ["statistics", "drawdowns", "periods", "money-weighted"])
def test_is_of_the_tenant_alone(owner: Teller, teller: NewTeller, what: str) -> None:
    """Another tenant finds nothing."""
    assert owner.read.get(f"{PATH}/{what}").status_code == 200
    assert teller().read.get(f"{PATH}/{what}").status_code == 404


def published(name: str) -> Any:  # noqa: ANN401
    """Find the function that an explanation names."""
    module, function = name.rsplit(".", 1)
    return getattr(importlib.import_module(module), function)


class TestExplain:
    """What a figure is made of, in one answer that anybody can calculate again."""

    def explained(self, owner: Teller, figure: str, **asked: object) -> dict[str, Any]:
        """Ask what a figure is made of."""
        told = owner.ask(f"{PATH}/explain", figure=figure, benchmark=INDEX, **asked)
        assert told["calculation"] == "performance 4"
        item: dict[str, Any] = told["item"]
        return item

    @pytest.mark.parametrize("figure", sorted(ex_post.FIGURES))
    def test_a_statistic_is_its_function_of_its_inputs(self, owner: Teller, figure: str) -> None:
        """From the answer alone, to the last bit."""
        item = self.explained(owner, figure, risk_free="0.02")
        asked = owner.ask(f"{PATH}/statistics", benchmark=INDEX, risk_free="0.02")

        arrays = [np.array(item["returns"])]
        if item["benchmark_returns"] is not None:
            arrays.append(np.array(item["benchmark_returns"]))
        found = published(item["function"])(*arrays, **item["parameters"])

        figures = asked["item"]["figures"]
        told = {name: figures[figure][name] for name in ("value", "reason", "n")}
        assert item["measured"] == told
        assert (found.value, found.reason, found.n) == (told["value"], told["reason"], told["n"])

    @pytest.mark.parametrize("figure", ["money_weighted", "modified_dietz", "annual_rate"])
    def test_a_money_weighted_rate_too(self, owner: Teller, figure: str) -> None:
        """Of values, flows and days."""
        item = self.explained(owner, figure)
        function = published(item["function"])
        earned = Earned(
            float(item["start_value"]), float(item["end_value"]), item["days"],
            item["flow_days"], [float(flow["amount"]) for flow in item["flows"]],
        )  # fmt: skip

        if figure == "annual_rate":
            found = function(money_weighted(earned), earned.days)
        else:
            found = function(earned)

        assert item["measured"] == {"value": found.value, "reason": found.reason, "n": found.n}

    def test_a_time_weighted_return_is_its_days(self, owner: Teller) -> None:
        """Chained, exactly."""
        item = self.explained(owner, "time_weighted_return")
        days = [(Decimal(day["daily_return"]), day["return_reason"]) for day in item["days"]]

        *_, value = published(item["function"])(days)

        assert value == Decimal(item["value"])
        (whole,) = owner.ask(f"{PATH}/periods", by="all")["items"]
        assert whole["period_return"] == item["value"]

    @pytest.mark.parametrize("number", [0, 7, None])
    def test_a_day_adds_up(self, owner: Teller, number: int | None) -> None:
        """Lines to the NAV, sub-periods to the return; by default the last session's."""
        asked = {} if number is None else {"session": FIRST + timedelta(days=number)}
        item = self.explained(owner, "nav", **asked)
        days = {day["session"]: day for day in owner.ask(PATH)["items"]}
        known = days[item["session"]]

        assert number is not None or item["session"] == max(days)
        assert sum(Decimal(line["value"]) for line in item["lines"]) == Decimal(item["nav"])
        assert item["nav"] == known["current"]["nav"]
        assert item["difference"] == "0"
        assert {line["kind"] for line in item["lines"]} == {"position", "cash"}
        inputs = item["return_inputs"]
        (part,) = inputs["sub_periods"]
        factor = Decimal(part["end_value"]) / Decimal(part["start_value"])
        assert Decimal(item["daily_return"]) == pytest.approx(factor - 1, abs=Decimal("1e-18"))
        assert item["restatement_of_nav"]["struck"] == known["struck"]["nav"]
        assert item["restatement_of_nav"]["restated"] == "0"
        assert self.explained(owner, "daily_return", **asked) == item

    def test_events_are_those_of_the_log(self, owner: Teller) -> None:
        """The deposit and the purchase, by position."""
        item = self.explained(owner, "nav")
        history = owner.ask("/v1/portfolios/ex-post/history")["items"]
        types = {event["position"]: event["type"] for event in history}

        by_name = {line["name"]: line for line in item["lines"]}
        assert [types[each] for each in by_name[STOCK]["events"]] == ["portfolio.trade_booked.v1"]
        assert {types[each] for each in by_name["GBP"]["events"]} == {
            "portfolio.cash_deposited.v1", "portfolio.trade_booked.v1"
        }  # fmt: skip

    def test_of_nothing_is_not_found(self, owner: Teller) -> None:
        """No session that day; an unknown figure; another tenant's portfolio."""

        def status(**asked: str) -> int:
            return owner.read.get(f"{PATH}/explain", params=asked).status_code

        assert status(figure="nav", session="2019-01-01") == 404
        assert status(figure="luck") == 400
        assert status() == 400

    def test_every_figure_can_be_asked_for(self) -> None:
        """What is measured can be explained."""
        assert ex_post.FIGURES.keys() <= set(ExplainedFigure)
