"""A running write side for the client: a real log, the desk, and the API over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple
from uuid import uuid4

import pytest

from client import Client
from client.market import Instrument
from client.portfolios import Deposit, Portfolio
from commands.desk import Desk
from domain.identity import MARKET_TENANT
from eventstore.log import Log
from infra.database import Database
from tests.gateway.serving import new_tenant, now, serving, surroundings, token
from write_api.application import create_app

APPLE = "AAPL"


class WriteSide(NamedTuple):
    """Where commands go, the log they end in, and a tenant with a portfolio `growth`."""

    address: str
    log: Log
    tenant: str

    @property
    def token(self) -> str:
        """A token with all rights, for the source `desk`."""
        return token(self.tenant, "admin", source="desk")


@pytest.fixture(scope="package")
def write_side(new_log_database: Callable[[], Database]) -> Iterator[WriteSide]:
    """A write side with one instrument and one portfolio with cash."""
    with Log(new_log_database().app_conninfo, clock=now, build="test") as log:
        desk = Desk(log)
        desk.start()
        try:
            with serving(create_app(desk, surroundings())) as address:
                side = WriteSide(address, log, new_tenant())
                prepare(side)
                yield side
        finally:
            desk.stop(timeout=30)


def prepare(side: WriteSide) -> None:
    """Register the instrument, open the portfolio and bring its cash in."""
    market = token(MARKET_TENANT, "market_data", source="exchange")
    with Client.to(side.address, token=market) as exchange:
        apple = Instrument(
            instrument=APPLE, symbol=APPLE, currency="USD", asset_class="equity", calendar="XNYS"
        )
        exchange.send(apple, key=uuid4().hex).require()
    with Client.to(side.address, token=side.token) as client:
        client.send(Portfolio(portfolio="growth", base_currency="USD"), key="open").require()
        cash = Deposit(
            portfolio="growth", amount="1000000", currency="USD", value_date="2024-01-02"
        )
        client.send(cash, key="cash").require()
