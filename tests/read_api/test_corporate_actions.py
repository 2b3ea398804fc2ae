"""Corporate actions over HTTP: as declared, what they did to a holder, dividends to come."""

from __future__ import annotations

from typing import Any

import pytest

from domain.identity import MARKET_TENANT
from tests.gateway.serving import assert_problem
from tests.read_api.conftest import NewTeller, Teller

FRUIT, CORE = "FRUIT", "CORE"


@pytest.fixture(scope="module")
def market(teller: NewTeller) -> Teller:
    """Two instruments; a dividend, a split, and a spin-off that is taken back."""
    told = teller("market_data", tenant=MARKET_TENANT)
    for name in (FRUIT, CORE):
        told.tell(
            "/v1/instruments",
            instrument=name,
            symbol=name,
            currency="USD",
            asset_class="equity",
            calendar="XNYS",
        )
    path = f"/v1/instruments/{FRUIT}"
    told.tell(
        f"{path}/dividends",
        action="dividend-1",
        ex_date="2024-01-04",
        pay_date="2024-01-09",
        per_unit="0.5",
        currency="USD",
        withholding_rate="0.15",
    )
    told.tell(f"{path}/splits", action="split-1", ex_date="2024-01-05", new=7, old=1)
    terms: dict[str, object] = {"child": CORE, "new": 1, "old": 2, "cost_share": "0.2"}
    told.tell(f"{path}/spin-offs", action="spin-1", ex_date="2024-01-05", **terms)
    told.tell(f"{path}/reversals", action="spin-1", reason="declared_wrongly")
    return told


@pytest.fixture(scope="module")
def holder(teller: NewTeller, market: Teller) -> Teller:
    """Ten FRUIT bought at 645 before all of it, and one of the new ones at 93 behind it."""
    told = teller()
    told.tell("/v1/portfolios", portfolio="growth", base_currency="USD")
    told.trade("buy", "10", "645", instrument=FRUIT)
    last = told.trade("buy", "1", "93", instrument=FRUIT, trade_date="2024-01-05")
    for path in ("positions", "cash"):
        told.ask(f"/v1/portfolios/growth/{path}", min_position=last["position"], wait_seconds=20)
    return told


def items(holder: Teller, path: str, **asked: object) -> list[dict[str, Any]]:
    """What a query lists, one item a page."""
    found: list[dict[str, Any]] = []
    page = holder.ask(path, limit=1, **asked)
    found += page["items"]
    while page["next_cursor"] is not None:
        page = holder.ask(path, limit=1, cursor=page["next_cursor"], **asked)
        found += page["items"]
    return found


class TestDeclared:
    """GET /v1/instruments/{instrument}/actions."""

    def test_lists_terms_and_reversals_latest_first(self, holder: Teller) -> None:
        """Every tenant reads them; terms of other kinds are null."""
        split, spin, dividend = items(holder, f"/v1/instruments/{FRUIT}/actions")

        assert (split["action"], split["kind"], split["new"], split["old"]) == (
            "split-1",
            "split",
            7,
            1,
        )
        assert (spin["child"], spin["cost_share"], spin["reason"]) == (
            CORE,
            "0.2",
            "declared_wrongly",
        )
        assert spin["reversed_position"] > spin["declared_position"]
        assert (dividend["per_unit"], dividend["withholding_rate"]) == ("0.5", "0.15")
        assert (dividend["pay_date"], dividend["new"], dividend["reason"]) == (
            "2024-01-09",
            None,
            None,
        )

    def test_of_another_instrument_are_none(self, holder: Teller) -> None:
        """Nothing was declared on the child itself."""
        assert items(holder, f"/v1/instruments/{CORE}/actions") == []


class TestApplied:
    """GET /v1/portfolios/{portfolio}/actions."""

    def test_lists_what_they_did(self, holder: Teller) -> None:
        """The dividend met ten, and so did the split."""
        split, dividend = items(holder, "/v1/portfolios/growth/actions")

        assert (split["action"], split["held"], split["quantity_change"]) == ("split-1", "10", "60")
        assert (dividend["gross"], dividend["withheld"]) == ("5", "0.75")
        assert (dividend["due_currency"], dividend["is_reversed"]) == ("USD", False)
        assert items(holder, "/v1/portfolios/growth/actions", instrument=CORE) == []

    @pytest.mark.usefixtures("holder")
    def test_of_another_tenant_are_not_found(self, teller: NewTeller) -> None:
        """As if the portfolio were not there."""
        for path in ("actions", "receivables"):
            answer = teller().read.get(f"/v1/portfolios/growth/{path}")
            assert_problem(answer, 404, "not_found")


class TestReceivables:
    """GET /v1/portfolios/{portfolio}/receivables."""

    def test_lists_what_is_outstanding(self, holder: Teller) -> None:
        """From the ex-date until it is paid."""
        (due,) = items(holder, "/v1/portfolios/growth/receivables")

        assert (due["instrument"], due["action"], due["held"]) == (FRUIT, "dividend-1", "10")
        assert (due["gross"], due["withheld"], due["paid_gross"]) == ("5", "0.75", "0")
        assert (due["ex_date"], due["pay_date"]) == ("2024-01-04", "2024-01-09")
        assert items(holder, "/v1/portfolios/growth/receivables", include_paid="true") == [due]


class TestThePosition:
    """GET /v1/portfolios/{portfolio}/positions."""

    def test_is_in_new_units(self, holder: Teller) -> None:
        """Seventy and one, at the price of the last."""
        (held,) = holder.ask("/v1/portfolios/growth/positions")["items"]

        assert (held["quantity"], held["cost"]) == ("71", "6543")
        assert (held["price"], held["market_value"]) == ("93", "6603")
