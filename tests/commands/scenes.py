"""Words for command tests: issue commands to a desk and read what came of them."""

import hashlib
import itertools
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from commands.command import (
    CaptureTrade,
    Command,
    DepositCash,
    Issued,
    OpenPortfolio,
    Outcome,
    RegisterInstrument,
    fingerprint_of,
)
from commands.desk import Desk
from domain.identity import MARKET_TENANT, command_id
from domain.instrument import AssetClass
from domain.lots import CostBasis, Side
from domain.money import Money
from domain.trade import Capture, Intent

ACME = "acme"
RIVAL = "rival"
APPLE = "AAPL"
MONDAY = date(2024, 1, 8)
TUESDAY = date(2024, 1, 9)
NOON = datetime(2024, 1, 12, 12, tzinfo=UTC)
WAIT_SECONDS = 20

_keys = itertools.count(1)


def issue(
    command: Command, *, tenant: str = ACME, key: str | None = None, now: datetime = NOON
) -> Issued:
    """Wrap a command as the gateway would."""
    name = command_id(tenant, key or f"key-{next(_keys)}")
    return Issued(
        command_id=name,
        tenant=tenant,
        actor="tester",
        source="desk-1",
        correlation_id=UUID(bytes=hashlib.md5(name.bytes, usedforsecurity=False).digest()),
        received_at=now,
        fingerprint=fingerprint_of(command),
        command=command,
    )


def done(desk: Desk, command: Command, **how: Any) -> Outcome:
    """Submit a command and wait for its outcome."""
    return desk.submit(issue(command, **how)).result(WAIT_SECONDS)


def capture(external_id: str, **changes: Any) -> CaptureTrade:
    """A capture of 100 AAPL at 10 on Monday, with changes."""
    wanted = Capture(
        portfolio="alpha",
        source="desk-1",
        external_id=external_id,
        intent=Intent.PROPOSED,
        instrument=APPLE,
        side=Side.BUY,
        quantity=Decimal(100),
        price=Decimal(10),
        currency="USD",
        trade_date=MONDAY,
    )
    return CaptureTrade(msgspec.structs.replace(wanted, **changes))


def register(instrument: str = APPLE, currency: str = "USD") -> RegisterInstrument:
    """Register an equity on the New York calendar."""
    return RegisterInstrument(
        instrument=instrument,
        symbol=instrument,
        currency=currency,
        asset_class=AssetClass.EQUITY,
        calendar="XNYS",
    )


def open_alpha(desk: Desk, *, tenant: str = ACME, cash: int = 100_000, **how: Any) -> None:
    """Open the portfolio alpha with cash, and register AAPL."""
    opened = OpenPortfolio(portfolio="alpha", base_currency="USD", cost_basis=CostBasis.FIFO, **how)
    done(desk, opened, tenant=tenant)
    money = Money(Decimal(cash), "USD")
    done(desk, DepositCash(portfolio="alpha", amount=money, value_date=MONDAY), tenant=tenant)
    done(desk, register(), tenant=MARKET_TENANT)
