"""The book of one instrument: trades folded a second by cost basis, and what a late one costs.

Beside it, in the same run, the same fills folded into two totals without lots: the least any book
could cost. History is read back from its bytes in memory; what PostgreSQL adds is not in here.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import islice
from random import Random
from time import perf_counter
from typing import Any
from uuid import UUID

import msgspec

from domain.book import Book
from domain.lots import CostBasis, Fill, Side
from domain.money import ZERO
from domain.portfolio.booking import book_fill
from domain.portfolio.events import PortfolioOpened
from domain.portfolio.state import Portfolio
from eventstore.collecting import rare_collections

OPEN_LOTS = (10, 1_000, 100_000)
HISTORIES = (10_000, 1_000_000)
MEASURED = 20_000
LOTS_OF_HISTORY = 1_000
RESTATED_HISTORY = 100_000
LATE_BY = 1_000
ROUNDS = 5
NOON = datetime(2024, 1, 8, 12, tzinfo=UTC)
DAY = NOON.date()
MILLISECONDS = 1e3

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Fill).decode


def trades(lots: int, *, seed: int = 1) -> Iterator[Fill]:
    """Buy so many lots, then sell and buy one in turns, a millisecond apart, without end."""
    random = Random(seed)
    quantity, fee = Decimal(100), Decimal("1.25")
    number = 0
    while True:
        number += 1
        price = Decimal(random.randint(1_000, 9_999)).scaleb(-2)
        is_sale = number > lots and (number - lots) % 2
        yield Fill(
            trade_id=UUID(int=number),
            source="desk-1",
            external_id=str(number),
            side=Side.SELL if is_sale else Side.BUY,
            quantity=quantity,
            price=price,
            consideration=quantity * price,
            fee=fee,
            trade_date=DAY,
            executed_at=NOON + timedelta(milliseconds=number),
        )


def fold_all(book: Book, fills: Iterable[Fill]) -> None:
    """Fold fills as a portfolio does, checkpoints included."""
    for version, fill in enumerate(fills, start=1):
        book.fold(fill)
        book.keep_checkpoint(version + 1)


def seconds_of(act: Callable[[], object]) -> float:
    """Time one act."""
    started = perf_counter()
    act()
    return perf_counter() - started


def totalled(fills: Iterable[Fill]) -> tuple[Decimal, Decimal]:
    """Sum quantity and cash, and nothing else."""
    quantity = cash = ZERO
    for fill in fills:
        if fill.side is Side.BUY:
            quantity += fill.quantity
            cash -= fill.consideration + fill.fee
        else:
            quantity -= fill.quantity
            cash += fill.consideration - fill.fee
    return quantity, cash


def folded_per_second(basis: CostBasis, lots: int) -> float:
    """Fold some trades into a book with so many open lots."""
    book, coming = Book(basis), trades(lots)
    fold_all(book, islice(coming, lots))
    measured = list(islice(coming, MEASURED))
    return MEASURED / seconds_of(lambda: fold_all(book, measured))


def after_history(basis: CostBasis) -> dict[str, float]:
    """Microseconds a trade after a short and a long history, and what it left in memory."""
    book, coming = Book(basis), trades(LOTS_OF_HISTORY)
    found: dict[str, float] = {}
    done = resident = 0
    for history in HISTORIES:
        while done < history:
            fold_all(book, islice(coming, 10_000))
            done += 10_000
            if done == RESTATED_HISTORY:
                resident = resident_bytes()
        measured = list(islice(coming, MEASURED))
        seconds = seconds_of(partial(fold_all, book, measured))
        found[f"us_at_{history}"] = round(seconds / MEASURED * 1e6, 2)
    hundreds = (HISTORIES[-1] - RESTATED_HISTORY) / 100_000
    found["ratio"] = round(found[f"us_at_{HISTORIES[-1]}"] / found[f"us_at_{HISTORIES[0]}"], 2)
    found["kilobytes_per_100000_trades"] = round((resident_bytes() - resident) / hundreds / 1e3, 1)
    return found


def resident_bytes() -> int:
    """What this process holds in memory now (Linux)."""
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - not a file of ours
        return int(statm.read().split()[1]) * 4_096


class Restated:
    """A portfolio with a long history of one instrument, whose fills are read from their bytes."""

    def __init__(self, basis: CostBasis) -> None:
        self.portfolio = Portfolio()
        self.portfolio.apply(
            PortfolioOpened(
                portfolio="alpha", base_currency="USD", cost_basis=basis, calendar="24/7",
                allows_leverage=True, allows_short=True,
            )
        )  # fmt: skip
        self._stored: list[tuple[int, bytes]] = []
        for fill in islice(trades(LOTS_OF_HISTORY), RESTATED_HISTORY):
            self.take(fill)

    def history(self, from_version: int) -> Iterator[tuple[int, Fill]]:
        """Read what stands at a version or later."""
        for version, data in self._stored:
            if version >= from_version:
                yield version, _decode(data)

    def take(self, fill: Fill) -> None:
        """Decide and fold one fill."""
        version = self.portfolio.version + 1
        events = book_fill(
            self.portfolio, instrument="AAPL", currency="USD", fill=fill,
            history=self.history, rate_to_base=None,
        )  # fmt: skip
        for event in events:
            self.portfolio.apply(event)
        self._stored.append((version, _encode(fill)))

    def take_late(self, place: int, number: int) -> float:
        """Decide and fold a fill that stands behind that many others; give its milliseconds."""
        at = NOON + timedelta(milliseconds=place, microseconds=number + 1)
        late = msgspec.structs.replace(
            next(trades(1)),
            trade_id=UUID(int=10**9 + place * 100 + number),
            external_id=f"late-{place}-{number}",
            executed_at=at,
        )
        return seconds_of(lambda: self.take(late)) * MILLISECONDS


def restating(basis: CostBasis) -> dict[str, float]:
    """Give the milliseconds of a fill late by a thousand, and of one late to the first."""
    told = Restated(basis)
    late = [told.take_late(RESTATED_HISTORY - LATE_BY, number) for number in range(ROUNDS)]
    return {
        "restate_ms": round(max(late), 1),
        "restate_worst_ms": round(told.take_late(0, 0), 1),
    }


def run(*, progress: Callable[[int, int], None]) -> dict[str, object]:
    """Measure every cost basis; see the module for what."""
    steps = len(CostBasis) * (len(OPEN_LOTS) + 2)
    done = 0
    fills = list(islice(trades(10), MEASURED))
    result: dict[str, Any] = {
        "totals_alone_per_second": round(MEASURED / seconds_of(lambda: totalled(fills))),
        "trades_per_second": {},
        "history": {},
        "restating": {},
    }
    with rare_collections():
        for basis in CostBasis:
            speeds = result["trades_per_second"][basis.value] = {}
            for lots in OPEN_LOTS:
                speeds[str(lots)] = round(folded_per_second(basis, lots))
                progress(done := done + 1, steps)
            result["history"][basis.value] = after_history(basis)
            progress(done := done + 1, steps)
            result["restating"][basis.value] = restating(basis)
            progress(done := done + 1, steps)
    slowest = min(min(speeds.values()) for speeds in result["trades_per_second"].values())
    result["slowest_per_second"] = slowest
    result["ratio_to_totals_alone"] = round(slowest / result["totals_alone_per_second"], 3)
    return result
