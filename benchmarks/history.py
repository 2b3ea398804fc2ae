"""A history as a desk writes it: trades of 200 portfolios and marks between them, from one seed."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from commands.command import (
    CaptureTrade,
    Command,
    DepositCash,
    Issued,
    MarkMarket,
    OpenPortfolio,
    Outcome,
    RegisterInstrument,
    Status,
    fingerprint_of,
)
from commands.desk import Desk
from domain.identity import MARKET_TENANT
from domain.instrument import AssetClass
from domain.lots import CostBasis, Side
from domain.market import Mark
from domain.money import Money
from domain.trade import Capture, Intent
from eventstore.log import Log

TENANT = "benchmark"
PORTFOLIOS = 200
INSTRUMENTS = 50
COMMANDS_AT_ONCE = 500
TRADES_PER_MARKS = 50
MARKS = 10
SEED = 20_260_103


def write_history(conninfo: str, *, trades: int) -> int:
    """Have a desk write the history into an empty log; give the position of the books' opening."""
    draw = random.Random(SEED)
    with Log(conninfo, clock=lambda: datetime.now(UTC), build="benchmark") as log:
        desk = Desk(log)
        desk.start()
        began = datetime.now(UTC)
        _submit(desk, list(opening_commands(began)))
        opening = log.head().position
        wanted: list[Issued] = []
        for command in trading_commands(draw, trades, began):
            wanted.append(command)
            if len(wanted) == COMMANDS_AT_ONCE:
                _submit(desk, wanted)
                wanted = []
        _submit(desk, wanted)
        desk.stop()
    return opening


def opening_commands(began: datetime) -> Iterator[Issued]:
    """Register the instruments, open the portfolios and fund them."""
    for number in range(INSTRUMENTS):
        name = f"I{number:03}"
        yield issue(
            RegisterInstrument(
                instrument=name,
                symbol=name,
                currency="USD",
                asset_class=AssetClass.EQUITY,
                calendar="24/7",
            ),
            tenant=MARKET_TENANT,
        )
    for number in range(PORTFOLIOS):
        name = f"P{number:03}"
        cash = Money(Decimal(10) ** 12, "USD")
        yield issue(OpenPortfolio(portfolio=name, base_currency="USD", cost_basis=CostBasis.FIFO))
        yield issue(DepositCash(portfolio=name, amount=cash, value_date=began.date()))


def trading_commands(draw: random.Random, trades: int, began: datetime) -> Iterator[Issued]:
    """Draw trades with marks between them."""
    for number in range(trades):
        at = began + timedelta(microseconds=number)
        yield issue(capture(draw, number, at))
        if number % TRADES_PER_MARKS == 0:
            yield issue(marks(draw, at), tenant=MARKET_TENANT)


def capture(draw: random.Random, number: int, at: datetime) -> CaptureTrade:
    """Draw a fill: three purchases for one sale."""
    return CaptureTrade(
        Capture(
            portfolio=f"P{draw.randrange(PORTFOLIOS):03}",
            source="benchmark",
            external_id=f"execution-{number:09}",
            intent=Intent.EXECUTED,
            instrument=f"I{draw.randrange(INSTRUMENTS):03}",
            side=Side.SELL if draw.random() < 0.25 else Side.BUY,
            quantity=Decimal(draw.randrange(1, 1_000)),
            price=price(draw),
            currency="USD",
            fee=Decimal("1.25"),
            executed_at=at,
        )
    )


def marks(draw: random.Random, at: datetime) -> MarkMarket:
    """Draw new prices of a few instruments."""
    names = draw.sample(range(INSTRUMENTS), MARKS)
    return MarkMarket(
        source="benchmark",
        at=at,
        marks=tuple(Mark(instrument=f"I{name:03}", price=price(draw)) for name in names),
    )


def price(draw: random.Random) -> Decimal:
    """Draw a price of two places."""
    return Decimal(draw.randrange(100, 100_000)).scaleb(-2)


def issue(command: Command, *, tenant: str = TENANT) -> Issued:
    """Wrap a command as the gateway would."""
    name = uuid4()
    return Issued(
        command_id=name,
        tenant=tenant,
        actor="benchmark",
        correlation_id=name,
        received_at=datetime.now(UTC),
        fingerprint=fingerprint_of(command),
        command=command,
    )


def _submit(desk: Desk, wanted: list[Issued]) -> None:
    outcomes: list[Outcome] = desk.submit_batch(wanted, is_atomic=False).result()
    refused = [each for each in outcomes if each.status is not Status.ACCEPTED]
    if refused:
        raise RuntimeError(f"the benchmark's own command was not accepted: {refused[0]}")
