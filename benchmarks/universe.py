"""A log of many portfolios over many sessions, as a desk writes it, from one seed.

Each portfolio gets cash and then trades its instruments over the first sessions, with marks between
the trades; each session closes with a price of every instrument, and what is due is settled as the
reaction would settle it. Prices are those of a file, or drawn as a random walk.
"""

from __future__ import annotations

import csv
import gzip
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from benchmarks.history import issue
from benchmarks.pipeline.load import INSTRUMENTS
from commands.command import (
    CaptureTrade,
    CloseSession,
    DepositCash,
    Issued,
    MarkMarket,
    OpenPortfolio,
    Outcome,
    RegisterInstrument,
    SettleCash,
    Status,
)
from commands.desk import Desk
from domain.identity import MARKET_TENANT
from domain.instrument import AssetClass
from domain.lots import CostBasis, Side
from domain.market import Close, Mark
from domain.money import Money
from domain.sessions import has_session
from domain.trade import Capture, Intent
from eventstore.log import Log

CALENDAR = "XNYS"
CURRENCY = "USD"
SOURCE = "universe"
SECTORS = ("Energy", "Financials", "Health Care", "Industrials", "Information Technology")
FIRST_SESSION = date(2013, 2, 8)
CLOSES_AT = time(22, 0, tzinfo=UTC)
CASH = Decimal(10_000_000)
COMMANDS_AT_ONCE = 250
TRADES_PER_MARKS = 50
MARKS = 10
SETTLED_AFTER = 4
"""In how many sessions a trade of those years is due for certain: T+3, or a bank holiday more."""

SALES_PART = 0.25
SEED = 20_260_103

_TOO_LATE = (Status.NOT_ATTEMPTED, Status.UNKNOWN)

Progress = Callable[[int, int], None]
Closes = dict[str, Decimal]


class Size(NamedTuple):
    """How large: of each portfolio's `positions`, each is traded `trades` times.

    They are traded over the first `trading_sessions` of `sessions`; there are `instruments` in all.
    """

    portfolios: int = 1_000
    positions: int = 50
    instruments: int = 470
    trades: int = 1
    sessions: int = 20
    trading_sessions: int = 20

    @property
    def trade_count(self) -> int:
        """How many trades all portfolios make."""
        return self.portfolios * self.positions * self.trades


class Prices(NamedTuple):
    """A close of every instrument for every session, in order."""

    days: Sequence[date]
    closes: Sequence[Closes]


def portfolio_name(number: int) -> str:
    """Name a portfolio; the first ones are those the pipeline's load trades in."""
    return f"P{number:03}"


def instrument_names(symbols: Sequence[str]) -> tuple[str, ...]:
    """Name the instruments; the first ones are those the pipeline's load trades."""
    return (*INSTRUMENTS, *symbols)[: len(symbols)]


def drawn_prices(size: Size) -> Prices:
    """Draw a random walk of 1 % a session for every instrument, over real sessions."""
    draw = random.Random(SEED)
    names = instrument_names([f"S{number:03}" for number in range(size.instruments)])
    days: list[date] = []
    day = FIRST_SESSION
    while len(days) < size.sessions:
        if has_session(CALENDAR, day):
            days.append(day)
        day += timedelta(days=1)
    last = {name: 20.0 + draw.random() * 100 for name in names}
    closes: list[Closes] = []
    for _ in days:
        last = {name: max(1.0, price * draw.gauss(1.0003, 0.01)) for name, price in last.items()}
        closes.append({name: Decimal(f"{price:.2f}") for name, price in last.items()})
    return Prices(days, closes)


def file_prices(path: Path, size: Size) -> Prices:
    """Read the closes of those names of a file (date, close, symbol) that have every session."""
    by_symbol: defaultdict[str, dict[date, Decimal]] = defaultdict(dict)
    with gzip.open(path, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            by_symbol[row["symbol"]][date.fromisoformat(row["date"])] = Decimal(row["close"])
    days = sorted({day for closes in by_symbol.values() for day in closes})[: size.sessions]
    whole = [
        symbol for symbol in sorted(by_symbol) if all(day in by_symbol[symbol] for day in days)
    ]
    symbols = whole[: size.instruments]
    named = list(zip(instrument_names(symbols), symbols, strict=True))
    return Prices(days, [{name: by_symbol[symbol][day] for name, symbol in named} for day in days])


def write_universe(conninfo: str, *, size: Size, prices: Prices, progress: Progress) -> int:
    """Have a desk write it into an empty log; give the position of the last event.

    `progress` is told of trades and sessions, and of how many there will be; what it raises ends
    the work.
    """
    total = size.trade_count + len(prices.days)
    return write_commands(conninfo, _commands(size, prices), lambda done: progress(done, total))


def write_commands(
    conninfo: str, commands: Iterable[Issued], progress: Callable[[int], None] | None = None
) -> int:
    """Have a desk decide commands that are all accepted; give the position of the last event.

    `progress` is told of how many trades and sessions.
    """
    done = 0
    with Log(conninfo, clock=lambda: datetime.now(UTC), build="benchmark") as log:
        desk = Desk(log)
        desk.start()
        try:
            coming = iter(commands)
            while wanted := list(islice(coming, COMMANDS_AT_ONCE)):
                _submit(desk, wanted)
                done += sum(
                    isinstance(each.command, CaptureTrade | CloseSession) for each in wanted
                )
                if progress is not None:
                    progress(done)
        finally:
            desk.stop()
        return log.head().position


def _commands(size: Size, prices: Prices) -> Iterator[Issued]:
    draw = random.Random(SEED)
    names = list(prices.closes[0])
    yield from _openings(size, names, prices.days[0])
    trades = _drawn_trades(size, names, draw)
    each = -(-size.trade_count // min(size.trading_sessions, len(prices.days)))
    traded: dict[int, set[str]] = {}
    ended = datetime.combine(prices.days[0] - timedelta(days=1), CLOSES_AT)
    number = 0
    for index, (day, closes) in enumerate(zip(prices.days, prices.closes, strict=True)):
        ends_at = datetime.combine(day, CLOSES_AT)
        for portfolio, instrument, side in trades[index * each : (index + 1) * each]:
            at = ends_at - timedelta(hours=6) + timedelta(milliseconds=number % each)
            yield _trade(draw, number, at, portfolio, instrument, side, closes)
            traded.setdefault(index, set()).add(portfolio)
            if number % TRADES_PER_MARKS == 0:
                yield _marks(draw, at, closes)
            number += 1
        told = tuple(Close(instrument=name, price=price) for name, price in closes.items())
        closing = CloseSession(
            calendar=CALENDAR, session=day, starts_at=ended, ends_at=ends_at, closes=told
        )
        yield issue(closing, tenant=MARKET_TENANT)
        ended = ends_at
        for portfolio in sorted(traded.pop(index - SETTLED_AFTER, ())):
            yield issue(SettleCash(portfolio=portfolio, until=day))


def _openings(size: Size, names: Sequence[str], first: date) -> Iterator[Issued]:
    for number, name in enumerate(names):
        instrument = RegisterInstrument(
            instrument=name, symbol=name, currency=CURRENCY, asset_class=AssetClass.EQUITY,
            calendar=CALENDAR, sector=SECTORS[number % len(SECTORS)],
        )  # fmt: skip
        yield issue(instrument, tenant=MARKET_TENANT)
    for number in range(size.portfolios):
        name = portfolio_name(number)
        yield issue(
            OpenPortfolio(
                portfolio=name, base_currency=CURRENCY, cost_basis=CostBasis.FIFO,
                calendar=CALENDAR, allows_leverage=True,
            )
        )  # fmt: skip
        yield issue(DepositCash(portfolio=name, amount=Money(CASH, CURRENCY), value_date=first))


def _drawn_trades(
    size: Size, names: Sequence[str], draw: random.Random
) -> list[tuple[str, str, Side]]:
    """Draw who trades what: every position is bought first; later trades are a sale in four."""
    trades = []
    for turn in range(size.trades):
        places = [
            (portfolio_name(number), names[(number * 7 + place) % len(names)])
            for number in range(size.portfolios)
            for place in range(size.positions)
        ]
        draw.shuffle(places)
        for portfolio, instrument in places:
            is_sale = turn > 0 and draw.random() < SALES_PART
            trades.append((portfolio, instrument, Side.SELL if is_sale else Side.BUY))
    return trades


def _trade(
    draw: random.Random,
    number: int,
    at: datetime,
    portfolio: str,
    instrument: str,
    side: Side,
    closes: Closes,
) -> Issued:
    most = 50 if side is Side.SELL else 200  # A sale is of what the purchase before it brought.
    capture = Capture(
        portfolio=portfolio, source=SOURCE, external_id=f"execution-{number:09}",
        intent=Intent.EXECUTED, instrument=instrument, side=side,
        quantity=Decimal(draw.randrange(most - 49, most + 1)),
        price=_near(draw, closes[instrument]), currency=CURRENCY, fee=Decimal("1.25"),
        executed_at=at,
    )  # fmt: skip
    return issue(CaptureTrade(capture))


def _marks(draw: random.Random, at: datetime, closes: Closes) -> Issued:
    chosen = draw.sample(list(closes), min(MARKS, len(closes)))
    marks = tuple(Mark(instrument=name, price=_near(draw, closes[name])) for name in chosen)
    return issue(MarkMarket(source=SOURCE, at=at, marks=marks), tenant=MARKET_TENANT)


def _near(draw: random.Random, price: Decimal) -> Decimal:
    return (price * Decimal(draw.randrange(990, 1_011)) / 1_000).quantize(Decimal("0.01"))


def _submit(desk: Desk, wanted: list[Issued]) -> None:
    """Have commands decided; what waits too long on a crowded machine is sent again."""
    while wanted:
        outcomes: list[Outcome] = desk.submit_batch(wanted, is_atomic=False).result()
        told = list(zip(wanted, outcomes, strict=True))
        wanted = [each for each, outcome in told if outcome.status in _TOO_LATE]
        for _, outcome in told:
            if outcome.status is not Status.ACCEPTED and outcome.status not in _TOO_LATE:
                raise RuntimeError(f"the benchmark's own command was not accepted: {outcome}")
