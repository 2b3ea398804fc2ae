"""Opening the benchmark's portfolios, instruments and cash through the public API."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

from benchmarks.pipeline.load import (
    CALENDAR,
    CASH,
    CURRENCY,
    INSTRUMENTS,
    PORTFOLIOS,
    TENANT,
    Ticks,
)
from benchmarks.pipeline.sending import LANES, Doors
from client import Client
from client.market import Instrument
from client.portfolios import Deposit, Portfolio
from domain.identity import MARKET_TENANT
from gateway.access import Role
from infra.clock import now
from infra.keys import signing_key
from infra.running import RunningSystem
from infra.tokens import issue_token


def open_market(system: RunningSystem) -> Doors:
    """Register, open, deposit and mark; give the sender its way in.

    Raises:
        CallFailed: something was refused that had to be accepted, or not answered.
    """
    key = signing_key(system.data)

    def token(tenant: str, subject: str, role: Role) -> str:
        return issue_token(
            key,
            tenant=tenant,
            subject=subject,
            roles=[role.value],
            source=subject,
            issued_at=now(),
            token_id=uuid4(),
        )

    market = token(MARKET_TENANT, "exchange", Role.MARKET_DATA)
    with ExitStack() as opened:

        def client(bearer: str) -> Client:
            return opened.enter_context(Client.to(system.write_url, token=bearer))

        _open_instruments(client(market), at=now())
        _open_portfolios(client(token(TENANT, "operator", Role.PORTFOLIO_MANAGER)), at=now())
    address = urlsplit(system.write_url)
    assert address.hostname is not None, "a running system is reached by host and port"
    assert address.port is not None, "a running system is reached by host and port"
    lanes = tuple(token(TENANT, f"system-{number}", Role.ADMIN) for number in range(LANES))
    return Doors(address.hostname, address.port, lanes, market)


def _open_instruments(exchange: Client, *, at: datetime) -> None:
    registrations = (
        Instrument(
            instrument=name,
            symbol=name,
            currency=CURRENCY,
            asset_class="equity",
            calendar=CALENDAR,
        )
        for name in INSTRUMENTS
    )
    for answer in exchange.stream(registrations, key="instruments"):
        answer.require()
    exchange.send(Ticks().marks(at), key="first-marks").require()


def _open_portfolios(operator: Client, *, at: datetime) -> None:
    yesterday = (at - timedelta(days=1)).date()
    for name in PORTFOLIOS:
        opening = Portfolio(portfolio=name, base_currency=CURRENCY, calendar=CALENDAR)
        operator.send(opening, key=f"open-{name}").require()
        deposit = Deposit(portfolio=name, amount=CASH, currency=CURRENCY, value_date=yesterday)
        operator.send(deposit, key=f"cash-{name}").require()
