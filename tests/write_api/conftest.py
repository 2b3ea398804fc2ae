"""One running write side for all tests here: a real log, the desk, and the API over HTTP.

Tests do not disturb each other: each has a tenant of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import uuid4

import httpx
import pytest

from commands.desk import Desk
from domain.identity import MARKET_TENANT
from eventstore.log import Log
from infra.database import Database
from tests.gateway.serving import client_of, new_tenant, now, serving, surroundings, token
from write_api.application import create_app

BODY_BYTES_MAX = 2 * 1024 * 1024
EVERY_ROLE = ("admin",)

Client = Callable[..., httpx.Client]


@pytest.fixture(scope="package")
def written_log(new_log_database: Callable[[], Database]) -> Iterator[Log]:
    """The log that the desk of these tests writes."""
    with Log(new_log_database().app_conninfo, clock=now, build="test") as log:
        yield log


@pytest.fixture(scope="package")
def desk(written_log: Log) -> Iterator[Desk]:
    """A desk deciding on a fresh log."""
    desk = Desk(written_log)
    desk.start()
    yield desk
    desk.stop(timeout=30)


@pytest.fixture(scope="package")
def address(desk: Desk) -> Iterator[str]:
    """The address of the API over HTTP."""
    application = create_app(desk, surroundings(body_bytes_max=BODY_BYTES_MAX))
    with serving(application) as address:
        yield address


@pytest.fixture
def tenant() -> str:
    """A tenant of this test's own."""
    return new_tenant()


@pytest.fixture
def client(address: str, tenant: str) -> Iterator[Client]:
    """Open clients: of this test's tenant unless another is named, with all rights by default."""
    with ExitStack() as open_clients:

        def opened(
            *roles: str, tenant: str = tenant, source: str | None = "desk-1"
        ) -> httpx.Client:
            bearer = token(tenant, *(roles or EVERY_ROLE), source=source)
            return open_clients.enter_context(client_of(address, bearer))

        yield opened


@pytest.fixture
def market(client: Client) -> httpx.Client:
    """A client that writes the shared facts."""
    return client("market_data", tenant=MARKET_TENANT, source="exchange-1")


@pytest.fixture
def apple(market: httpx.Client) -> str:
    """An instrument registered for this test alone."""
    name = f"AAPL.{uuid4().hex[:12]}"
    answer = market.post("/v1/instruments", json=instrument(name), headers=key())
    assert answer.status_code == 201, answer.text
    return name


@pytest.fixture
def portfolio(client: Client) -> str:
    """An open portfolio of this test's tenant, with 100,000 dollars in it."""
    admin = client()
    opening = {"portfolio": "growth", "base_currency": "USD"}
    assert admin.post("/v1/portfolios", json=opening, headers=key()).status_code == 201
    deposit = {"amount": "100000", "currency": "USD", "value_date": "2020-01-02"}
    path = "/v1/portfolios/growth/deposits"
    assert admin.post(path, json=deposit, headers=key()).status_code == 201
    return "growth"


def key(name: str | None = None) -> dict[str, str]:
    """Give the header that names a command; a new name by default."""
    return {"Idempotency-Key": uuid4().hex if name is None else name}


def instrument(name: str, **changes: object) -> dict[str, object]:
    """Give an instrument as callers send it."""
    return {
        "instrument": name,
        "symbol": "AAPL",
        "currency": "USD",
        "asset_class": "equity",
        "calendar": "XNYS",
        "sector": "Information Technology",
    } | changes


def trade(instrument: str, **changes: object) -> dict[str, object]:
    """Give a trade as callers send it."""
    return {
        "portfolio": "growth",
        "external_id": uuid4().hex,
        "intent": "proposed",
        "instrument": instrument,
        "side": "buy",
        "quantity": "10",
        "price": "150.25",
        "currency": "USD",
        "trade_date": "2020-01-03",
    } | changes
