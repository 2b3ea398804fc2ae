"""The life of an instrument, over HTTP from command to query."""

from __future__ import annotations

from typing import Any

import pytest

from domain.identity import MARKET_TENANT
from tests.read_api.conftest import NewTeller, Teller

FAILED = "FAILED"
PATH = f"/v1/instruments/{FAILED}"


@pytest.fixture(scope="module")
def market(teller: NewTeller) -> Teller:
    """Who writes the shared facts, one instrument of this module among them."""
    market = teller("market_data", tenant=MARKET_TENANT)
    kind = {"currency": "USD", "asset_class": "equity", "calendar": "24/7"}
    market.tell("/v1/instruments", instrument=FAILED, symbol="OLD", **kind)
    return market


def listed(market: Teller, position: int) -> dict[str, Any]:
    """The instrument as it is listed once a position is reached."""
    items = market.ask("/v1/instruments", min_position=position, wait_seconds=20)["items"]
    (found,) = (item for item in items if item["instrument"] == FAILED)
    return dict(found)


class TestALife:
    """Told change by change."""

    def test_is_listed_as_it_is_in_force(self, market: Teller) -> None:
        """Named, moved, assigned, suspended and written down, then gone."""
        market.tell(f"{PATH}/titles", title="Failed Bank", from_date="2023-01-02")
        market.tell(f"{PATH}/symbols", symbol="NEW", from_date="2023-01-02")
        market.tell(f"{PATH}/sectors", sector="Financials", from_date="2023-01-02")
        market.tell(f"{PATH}/suspensions", from_at="2023-03-10T13:30:00Z", reason="halted")
        last = market.tell(
            f"{PATH}/write-downs", price="0.05", at="2023-03-11T00:00:00Z", reason="bankruptcy"
        )

        found = listed(market, last["position"])
        assert (found["title"], found["symbol"]) == ("Failed Bank", "NEW")
        assert (found["sector"], found["is_delisted"]) == ("Financials", False)
        assert found["suspended_at"] == "2023-03-10T13:30:00Z"

        market.tell(f"{PATH}/resumptions", from_at="2023-03-12T13:30:00Z")
        market.tell(f"{PATH}/sectors", sector=None, from_date="2023-01-03")
        last = market.tell(f"{PATH}/delistings", on_date="2023-03-11")
        found = listed(market, last["position"])
        assert (found["suspended_at"], found["sector"]) == (None, None)
        assert (found["delisted_on"], found["is_delisted"]) == ("2023-03-11", True)

    def test_names_what_it_refuses(self, market: Teller) -> None:
        """What is not registered has no life; what is gone is gone once."""
        unknown = market.send("/v1/instruments/NOBODY/delistings", 422, {"on_date": "2023-03-11"})
        assert unknown["code"] == "instrument_unknown"
        market.tell("/v1/instruments", instrument="GONE", symbol="GONE", currency="USD",
                    asset_class="equity", calendar="XNYS")  # fmt: skip
        first = market.tell("/v1/instruments/GONE/delistings", on_date="2023-03-11")

        again = market.tell("/v1/instruments/GONE/delistings", on_date="2023-03-11")
        other = market.send("/v1/instruments/GONE/delistings", 409, {"on_date": "2023-03-12"})

        assert (again["replayed"], again["position"]) == (True, first["position"])
        assert (other["code"], other["fields"]) == ("instrument_already_delisted", ["on_date"])
