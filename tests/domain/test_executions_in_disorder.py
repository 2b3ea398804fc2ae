"""The 9,367 real executions in pieces, late, amended and busted: the books are those of book order.

Each execution is split into one to four fills with ids of their own, some equal twins and some at
one instant; 2 % of them are busted before they arrive, 2 % are amended; arrival is shuffled over
windows of five days.
"""

import csv
import gzip
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from domain.book import refold
from domain.correcting import Amend
from domain.lots import CostBasis, Fill, Side
from domain.portfolio.booking import cash_change
from domain.portfolio.events import LotsRestated, TradeBooked, TradeUnbooked
from domain.trade import Capture
from tests.domain.blotter import CASH, Blotter, Bust, Message
from tests.domain.scenes import FUND, instrument, told

EXECUTIONS = 9_367
DAYS_LATE = 5
SESSION_SECONDS = 23_400
Parts = defaultdict[tuple[str, date], Decimal]


@pytest.fixture(scope="module")
def executions(shared_data: Path) -> list[dict[str, str]]:
    """The rows of the real file."""
    with gzip.open(shared_data / "pyfolio_txn.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


def fills_of(number: int, row: dict[str, str], random: Random) -> list[Capture]:
    """Split one execution into fills of whole shares, twins and ties among them."""
    opens_at = datetime.fromisoformat(row[""]).astimezone(UTC) + timedelta(hours=14.5)
    left = abs(int(row["amount"]))
    count = min(random.randint(1, 4), left)
    captures = []
    at = opens_at
    for child in range(count):
        last = child == count - 1
        share = left if last else max(1, left // (count - child))
        left -= share
        if random.random() < 0.8:
            at = opens_at + timedelta(seconds=random.randrange(SESSION_SECONDS))
        captures.append(
            told(
                f"{number}-{child}",
                instrument=row["symbol"],
                side=Side.BUY if row["amount"][0] != "-" else Side.SELL,
                quantity=Decimal(share),
                price=round(Decimal(row["price"]), 6),
                trade_date=opens_at.date(),
                executed_at=at,
                fee=Decimal(random.randrange(100)).scaleb(-2),
            )
        )
    return captures


def arrivals(rows: list[dict[str, str]], random: Random) -> list[Message]:
    """All messages in their order of arrival."""
    due: list[tuple[float, int, Message]] = []

    def send(at: float, message: Message) -> None:
        due.append((at, len(due), message))

    for number, row in enumerate(rows):
        for capture in fills_of(number, row, random):
            assert capture.trade_date is not None
            at = capture.trade_date.toordinal() + random.random() * DAYS_LATE
            fate = random.random()
            if fate < 0.02:
                send(at - random.random(), Bust(capture.external_id))
                send(at, capture)
            elif fate < 0.04:
                wrong = Decimal(random.randint(1, 50))
                send(at, told_with(capture, quantity=wrong))
                send(at + random.uniform(-1, DAYS_LATE), Amend(1, capture))
            else:
                send(at, capture)
    return [message for _, _, message in sorted(due, key=lambda each: each[:2])]


def told_with(capture: Capture, **changes: Decimal) -> Capture:
    """The same capture with other content."""
    kept = {name: getattr(capture, name) for name in capture.__struct_fields__}
    return Capture(**(kept | changes))


def realised_of(blotter: Blotter) -> Parts:
    """What the events say was realised, gross, by instrument and date."""
    parts: Parts = defaultdict(Decimal)
    for events in blotter.commands:
        for event in events:
            if isinstance(event, TradeBooked | TradeUnbooked):
                parts[event.instrument, event.fill.trade_date] += event.realised_gross
            elif isinstance(event, LotsRestated):
                for change in event.changes:
                    parts[event.instrument, change.trade_date] += change.gross
    return defaultdict(Decimal, {key: amount for key, amount in parts.items() if amount})


@pytest.mark.slow
@pytest.mark.parametrize("basis", CostBasis)
def test_ends_in_the_books_of_book_order(
    executions: list[dict[str, str]], basis: CostBasis
) -> None:
    """Lots, totals, cash, and what was realised on each date."""
    assert len(executions) == EXECUTIONS
    random = Random(20_04)
    blotter = Blotter(basis)
    for name in {row["symbol"] for row in executions}:
        blotter.instruments[name] = instrument(name)

    blotter.tell(*arrivals(executions, random))

    final: dict[str, list[Fill]] = {
        name: list(fills.values()) for (_, name), fills in blotter.fills.items()
    }
    held = blotter.portfolios[FUND]
    expected: Parts = defaultdict(Decimal)
    for name, fills in final.items():
        book, steps = refold(fills, basis)
        found = held.book(name)
        assert list(found.lots) == list(book.lots)
        assert (found.quantity, found.cost, found.fees) == (book.quantity, book.cost, book.fees)
        assert found.realised_gross == book.realised_gross
        assert found.realised_net == book.realised_net
        for fill, matching in steps:
            expected[name, fill.trade_date] += matching.realised_gross
    assert held.balance("USD") == CASH + sum(
        cash_change(each) for fills in final.values() for each in fills
    )
    told_parts = realised_of(blotter)
    assert told_parts == {key: amount for key, amount in expected.items() if amount}
    assert sum(len(fills) for fills in final.values()) > 2 * EXECUTIONS
    assert any(isinstance(event, TradeUnbooked) for events in blotter.commands for event in events)
