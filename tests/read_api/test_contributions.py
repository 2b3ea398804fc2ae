"""Contributions, sectors and attribution over HTTP."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from domain.identity import MARKET_TENANT
from domain.statistics.attribution import linked_contributions
from tests.gateway.serving import assert_problem, new_tenant
from tests.read_api.conftest import NewTeller, Teller

FIRST = date(2021, 2, 1)
SESSIONS = 70
ONE, OTHER, INDEX = "CONTRIB.A", "CONTRIB.B", "CONTRIB.INDEX"
PATH = "/v1/portfolios/contributing"


@pytest.fixture(scope="module")
def owner(teller: NewTeller) -> Teller:
    """Two stocks of two sectors on a calendar of its own, compared with a benchmark of both."""
    market, owner = teller("market_data", tenant=MARKET_TENANT), teller(tenant=new_tenant())
    for name, sector in ((ONE, "Energy"), (OTHER, "Technology")):
        market.tell(
            "/v1/instruments", instrument=name, symbol=name, currency="CHF",
            asset_class="equity", calendar="XSWX", sector=sector,
        )  # fmt: skip
    market.tell(
        "/v1/benchmarks", benchmark=INDEX, from_date=FIRST.isoformat(), currency="CHF",
        calendar="XSWX", kind="fixed_shares",
        constituents=[{"instrument": name, "amount": "1"} for name in (ONE, OTHER)],
    )  # fmt: skip
    owner.tell("/v1/portfolios", portfolio="contributing", base_currency="CHF", calendar="XSWX")
    owner.tell(f"{PATH}/deposits", amount="10000", currency="CHF", value_date=FIRST.isoformat())
    for number, (name, quantity) in enumerate(((ONE, "60"), (OTHER, "30"))):
        owner.trade(
            "buy", quantity, "100", portfolio="contributing", instrument=name, currency="CHF",
            trade_date=FIRST.isoformat(), external_id=f"contributing-{number}",
        )  # fmt: skip
    last: dict[str, Any] = {}
    for number in range(SESSIONS):
        on = (FIRST + timedelta(days=number)).isoformat()
        last = market.tell(
            "/v1/sessions", calendar="XSWX", session=on, starts_at=f"{on}T08:00:00Z",
            ends_at=f"{on}T16:30:00Z",
            closes=[
                {"instrument": ONE, "price": str(100 + number % 5)},
                {"instrument": OTHER, "price": str(100 - number % 3)},
            ],
        )  # fmt: skip
    owner.tell(f"{PATH}/benchmarks", benchmark=INDEX, from_date=FIRST.isoformat())
    owner.ask(f"{PATH}/attribution", min_position=last["position"], wait_seconds=20)
    return owner


class TestContributions:
    """What added to the return."""

    @pytest.mark.parametrize("by", ["position", "sector"])
    def test_sum_to_the_return_of_the_range(self, owner: Teller, by: str) -> None:
        """And each says its weight and its result."""
        told = owner.ask(f"{PATH}/performance/contributions", by=by)
        item = told["item"]

        total = sum(line["contribution"] for line in item["lines"]) + item["trading"]
        assert told["calculation"] == "contributions 2"
        assert total == pytest.approx(item["range_return"], rel=1e-9)
        assert {line["name"] for line in item["lines"]} == (
            {ONE, OTHER, "cash:CHF"} if by == "position" else {"Energy", "Technology", "Cash"}
        )

    @pytest.mark.parametrize("by", ["position", "sector"])
    def test_are_explained_day_by_day(self, owner: Teller, by: str) -> None:
        """Every line, and trading: the days sum to it, and the named function gives it."""
        path = f"{PATH}/performance/contributions"
        whole = owner.ask(path, by=by)["item"]
        listed = {each["name"]: each["contribution"] for each in whole["lines"]}

        for name, contribution in (listed | {"trading": whole["trading"]}).items():
            item = owner.ask(f"{path}/explain", by=by, name=name)["item"]
            days = item["daily"]
            again = linked_contributions(
                np.array([[day["contribution"]] for day in days]),
                np.array([day["portfolio_return"] for day in days]),
            )
            assert len(days) == whole["days"]
            assert item["function"] == "domain.statistics.attribution.linked_contributions"
            assert item["contribution"] == pytest.approx(contribution, rel=1e-12, abs=1e-15)
            assert float(again[0]) == item["contribution"]
            total = math.fsum(day["linked"] for day in days)
            assert total == pytest.approx(contribution, rel=1e-12, abs=1e-15)

    def test_of_no_day_is_nothing(self, owner: Teller) -> None:
        """Trading has a name on any days, and none of them adds anything."""
        path = f"{PATH}/performance/contributions/explain"
        item = owner.ask(path, name="trading", since="2100-01-01")["item"]

        assert (item["contribution"], item["daily"]) == (0.0, [])

    @pytest.mark.parametrize("query", ["name=NOBODY", "name=Energy&by=position"])
    def test_of_what_was_not_held_is_not_found(self, owner: Teller, query: str) -> None:
        """A name of nothing, and a sector among positions; without a name nothing is asked."""
        path = f"{PATH}/performance/contributions/explain"

        assert_problem(owner.read.get(f"{path}?{query}"), 404, "not_found")
        assert_problem(owner.read.get(path), 400, "parameter_invalid")

    def test_sectors_say_what_is_held_of_each(self, owner: Teller) -> None:
        """60 of one, 30 of the other, and 1,000 in cash."""
        sectors = {each["sector"]: each for each in owner.ask(f"{PATH}/sectors")["item"]["sectors"]}

        last = SESSIONS - 1
        assert sectors["Energy"]["exposure"] == 60 * (100 + last % 5)
        assert sectors["Technology"]["exposure"] == 30 * (100 - last % 3)
        assert sectors["Cash"]["exposure"] == 1_000
        assert sum(each["weight"] for each in sectors.values()) == pytest.approx(1.0)

    def test_sectors_are_correlated_in_pairs(self, owner: Teller) -> None:
        """Each once, with its days; cash does not move, so it has no coefficient."""
        pairs = owner.ask(f"{PATH}/sectors/correlations")["item"]["pairs"]

        found = {(each["one"], each["other"]): each for each in pairs}
        assert len(found) == 3
        assert found["Energy", "Technology"]["n"] >= 60
        assert -1 < found["Energy", "Technology"]["coefficient"] < 1
        assert found["Cash", "Energy"]["coefficient"] is None


class TestAttribution:
    """Why the return was another than the benchmark's."""

    def test_sums_against_the_assigned_benchmark(self, owner: Teller) -> None:
        """By default it is the one assigned to the portfolio."""
        item = owner.ask(f"{PATH}/attribution")["item"]

        effects = sum(
            each["allocation"] + each["selection"] + each["interaction"] for each in item["sectors"]
        )
        assert item["benchmark"] == INDEX
        assert effects + item["trading"] == pytest.approx(
            item["active_return"], rel=1e-6, abs=1e-12
        )

    def test_explains_itself_day_by_day(self, owner: Teller) -> None:
        """With the functions and their inputs."""
        item = owner.ask(f"{PATH}/attribution/explain", since=(FIRST + timedelta(60)).isoformat())[
            "item"
        ]

        assert item["functions"][0] == "domain.statistics.attribution.daily_effects"
        assert len(item["daily"]) == item["attribution"]["days"] == SESSIONS - 60
        assert item["sectors"] == ["Cash", "Energy", "Technology"]

    def test_without_a_benchmark_says_so(self, owner: Teller) -> None:
        """Null with a reason."""
        item = owner.ask(f"{PATH}/attribution", benchmark="NO-SUCH")["item"]

        assert (item["reason"], item["active_return"]) == ("no_benchmark", None)
