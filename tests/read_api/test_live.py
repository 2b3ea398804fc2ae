"""Live as a dashboard meets it: a snapshot, then what changes, in step with the log."""

from __future__ import annotations

import pytest

from domain.identity import MARKET_TENANT
from tests.gateway.serving import new_tenant, token
from tests.read_api.conftest import Addresses, NewTeller, Teller
from tests.read_api.watching import watching

OWN = "/v1/portfolios/growth"
DAY = "2024-01-03"
POSITIONS = "portfolios/growth/positions"
NAME = "LIVEX"


@pytest.fixture(scope="module", autouse=True)
def instrument(teller: NewTeller) -> None:
    """What is traded here."""
    teller("market_data", tenant=MARKET_TENANT).tell(
        "/v1/instruments",
        instrument=NAME,
        symbol=NAME,
        currency="USD",
        asset_class="equity",
        calendar="XNYS",
    )


def trade(owner: Teller, side: str, quantity: str, price: str, **changes: object) -> int:
    """Trade it; give the position."""
    told = owner.trade(side, quantity, price, instrument=NAME, **changes)
    position: int = told["position"]
    return position


def funded(teller: NewTeller, tenant: str) -> Teller:
    """A portfolio that holds 100,000 dollars."""
    owner = teller(tenant=tenant)
    owner.tell("/v1/portfolios", portfolio="growth", base_currency="USD")
    last = owner.tell(f"{OWN}/deposits", amount="100000", currency="USD", value_date=DAY)
    owner.ask(f"{OWN}/cash", min_position=last["position"], wait_seconds=20)
    return owner


class TestASubscription:
    """From the first message to the last."""

    def test_begins_with_all_there_is_and_goes_on_with_what_changes(
        self, addresses: Addresses, teller: NewTeller
    ) -> None:
        """A buy, a sale of a part, and a sale of the rest, which takes the position out."""
        tenant = new_tenant()
        owner = funded(teller, tenant)
        bought = trade(owner, "buy", "100", "150", fee="1.5")
        owner.ask(f"{OWN}/positions", min_position=bought, wait_seconds=20)

        with watching(addresses.read, token(tenant, "viewer")) as watcher:
            first = watcher.subscribe("p", POSITIONS)
            assert first["type"] == "snapshot"
            assert first["rows"][NAME]["quantity"] == "100"
            assert first["position"] >= bought
            sold = trade(owner, "sell", "40", "170")
            state = watcher.until_state("p", lambda rows: rows[NAME]["quantity"] == "60")
            assert bought < state[NAME]["changed_position"] <= sold
            trade(owner, "sell", "60", "170")
            assert watcher.until_state("p", lambda rows: not rows) == {}
            assert watcher.positions["p"] > sold
            assert watcher.kinds["p"] == ["snapshot", "change", "change"]
