"""The whole way over HTTP: commands in, the desk, the log, the projector, queries out.

One story is told at the start; tests read it, or tell more under a tenant of their own.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest

from commands.desk import Desk
from domain.identity import MARKET_TENANT
from eventstore.log import Log
from infra.database import Database
from infra.embedded_valkey import EmbeddedValkey
from infra.read_models import READ_MODELS
from projections.leaderboard.keeping import board_client, keep_board
from projections.leaderboard.reading import Reader
from projections.listening import listen
from projections.projector import Projector
from projections.read_model import ReadModel
from projections.reading import Reading
from read_api.application import create_app as create_read_app
from read_api.live.opening import live_over
from read_api.live.places import Limits
from tests.gateway.serving import client_of, new_tenant, now, serving, surroundings, token
from write_api.application import create_app as create_write_app

OWNER = "story-teller"
APPLE = "AAPL"
BANK = "BANK"


# Fills of one day are booked in the order of their names, so these tell the order they are sent.
_FILLS = itertools.count(1)


class Addresses(NamedTuple):
    """Where both interfaces are served."""

    write: str
    read: str


class Teller:
    """Sends commands and queries of one tenant."""

    def __init__(self, write: httpx.Client, read: httpx.Client) -> None:
        self.write = write
        self.read = read

    def tell(self, path: str, **body: object) -> dict[str, Any]:
        """Send a command; give its acceptance."""
        return self.send(path, 201, body)

    def send(self, path: str, status: int, body: dict[str, object]) -> dict[str, Any]:
        """Send a command; give its answer."""
        answer = self.write.post(path, json=body, headers={"Idempotency-Key": uuid4().hex})
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def trade(self, side: str, quantity: str, price: str, **changes: object) -> dict[str, Any]:
        """Capture a trade in the portfolio `growth`."""
        body: dict[str, object] = {
            "portfolio": "growth",
            "external_id": f"fill-{next(_FILLS):06}",
            "intent": "executed",
            "instrument": APPLE,
            "side": side,
            "quantity": quantity,
            "price": price,
            "currency": "USD",
            "trade_date": "2024-01-03",
        }
        return self.tell("/v1/trades", **(body | changes))

    def ask(self, path: str, **parameters: object) -> dict[str, Any]:
        """Ask a query; give its answer."""
        # Empty parameters would remove those that the path already has.
        given = {name: str(it) for name, it in parameters.items()} or None
        answer = self.read.get(path, params=given)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


@pytest.fixture(scope="package")
def database(new_log_database: Callable[[], Database]) -> Database:
    """A database with a fresh log."""
    return new_log_database()


@pytest.fixture(scope="package")
def addresses(database: Database, valkey_server: EmbeddedValkey) -> Iterator[Addresses]:
    """Everything running: the desk, a projector of all models, both interfaces."""
    stop = threading.Event()
    conninfo = database.app_conninfo
    models: list[ReadModel] = [*READ_MODELS]
    with ExitStack() as running:
        log = running.enter_context(Log(conninfo, clock=now, build="test"))
        desk = Desk(log)
        desk.start()
        running.callback(desk.stop, 30)
        projector = Projector(log, conninfo, models, redis_url=valkey_server.url, clock=now)
        thread = threading.Thread(target=projector.run, args=(stop,), daemon=True)
        thread.start()
        running.callback(thread.join, 30)
        running.callback(stop.set)
        reading = running.enter_context(Reading(conninfo))
        client = running.enter_context(closing(board_client(valkey_server.url)))
        keeping = threading.Thread(
            target=keep_board, args=(reading, client, stop), kwargs={"name": "test"}, daemon=True
        )
        keeping.start()
        running.callback(keeping.join, 30)
        running.callback(stop.set)
        hints = partial(listen, valkey_server.url)
        write = create_write_app(desk, surroundings())
        around = surroundings()
        board = Reader(client)
        live = live_over(reading, around, Limits(subscriptions_max=20, stalled_seconds=2.0), board)
        read = create_read_app(reading, around, listen=hints, live=live, board=board)
        yield Addresses(running.enter_context(serving(write)), running.enter_context(serving(read)))


NewTeller = Callable[..., Teller]


@pytest.fixture(scope="package")
def teller(addresses: Addresses) -> Iterator[NewTeller]:
    """Make tellers: of a tenant, with roles, by default all rights of a new tenant."""
    with ExitStack() as open_clients:

        def made(*roles: str, tenant: str | None = None) -> Teller:
            bearer = token(tenant or new_tenant(), *(roles or ("admin",)), source="desk-1")
            write = open_clients.enter_context(client_of(addresses.write, bearer))
            return Teller(write, open_clients.enter_context(client_of(addresses.read, bearer)))

        yield made


@pytest.fixture(scope="package")
def story(teller: NewTeller) -> Teller:
    """A portfolio with longs, a closed position, a refusal, an exception, and two sessions."""
    market, owner = teller("market_data", tenant=MARKET_TENANT), teller(tenant=OWNER)
    for name in (APPLE, BANK):
        market.tell(
            "/v1/instruments",
            instrument=name,
            symbol=name,
            currency="USD",
            asset_class="equity",
            calendar="XNYS",
        )
    for name in ("growth", "income"):
        owner.tell("/v1/portfolios", portfolio=name, base_currency="USD")
    cash = {"currency": "USD", "value_date": "2024-01-02"}
    owner.tell("/v1/portfolios/growth/deposits", amount="100000", **cash)
    _close(market, 2, APPLE, "150.5")
    owner.trade("buy", "100", "150", fee="1.5")
    owner.trade("buy", "50", "160")
    owner.trade("sell", "120", "170")
    owner.trade("buy", "10", "40", instrument=BANK)
    owner.trade("sell", "10", "50", instrument=BANK)
    owner.trade("buy", "1", "0.0000001", instrument="NEWCO")
    refused: dict[str, object] = {"portfolio": "growth", "external_id": "too-much"}
    refused |= {
        "intent": "proposed",
        "instrument": APPLE,
        "side": "buy",
        "quantity": "1000000",
        "price": "1",
    }
    refused |= {"currency": "USD", "trade_date": "2024-01-03"}
    owner.send("/v1/trades", 422, refused)
    _close(market, 3, APPLE, "20")
    last = owner.tell("/v1/portfolios/growth/withdrawals", amount="1000", **cash)
    for path in ("positions", "cash", "trades", "performance"):
        owner.ask(f"/v1/portfolios/growth/{path}", min_position=last["position"], wait_seconds=20)
    return owner


def _close(market: Teller, day: int, instrument: str, price: str) -> None:
    market.tell(
        "/v1/sessions",
        calendar="XNYS",
        session=f"2024-01-{day:02}",
        starts_at=f"2024-01-{day:02}T14:30:00Z",
        ends_at=f"2024-01-{day:02}T21:00:00Z",
        closes=[{"instrument": instrument, "price": price}],
    )
