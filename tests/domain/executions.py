"""The 9,367 real executions in pieces, and the disorder in which word of them comes.

Each execution is split into one to four fills with ids of their own, some equal twins and some at
one instant; 2 % of them are busted before they arrive, 2 % are amended; arrival is shuffled over
windows of five days.
"""

import csv
import gzip
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import NamedTuple

from domain.correcting import Amend
from domain.lots import Side
from domain.trade import Capture
from tests.domain.blotter import Bust
from tests.domain.scenes import told

EXECUTIONS = 9_367
DAYS_LATE = 5
SESSION_SECONDS = 23_400
Row = dict[str, str]


class Arrival(NamedTuple):
    """A message and when it comes: days since the year 1, the day of the trade included."""

    at: float
    message: Capture | Amend | Bust


def read_executions(shared_data: Path) -> list[Row]:
    """Read the rows of the real file."""
    with gzip.open(shared_data / "pyfolio_txn.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == EXECUTIONS
    return rows


def opening_of(day: date) -> datetime:
    """When a day's session opens, at half past two in the afternoon all year round."""
    return datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)


def fills_of(number: int, row: Row, random: Random) -> list[Capture]:
    """Split one execution into fills of whole shares, twins and ties among them."""
    opens_at = opening_of(date.fromisoformat(row[""][:10]))
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


def arrivals(rows: list[Row], random: Random) -> list[Arrival]:
    """All messages in their order of arrival."""
    due: list[Arrival] = []
    for number, row in enumerate(rows):
        for capture in fills_of(number, row, random):
            at = day_of(capture) + random.random() * DAYS_LATE
            fate = random.random()
            if fate < 0.02:
                due.append(Arrival(at - random.random(), Bust(capture.external_id)))
                due.append(Arrival(at, capture))
            elif fate < 0.04:
                wrong = Decimal(random.randint(1, 50))
                due.append(Arrival(at, told_with(capture, quantity=wrong)))
                due.append(Arrival(at + random.uniform(-1, DAYS_LATE), Amend(1, capture)))
            else:
                due.append(Arrival(at, capture))
    return sorted(due, key=lambda arrival: arrival.at)


def day_of(capture: Capture) -> int:
    """Number the day of a trade from the year 1."""
    assert capture.trade_date is not None, "each fill here has a date"
    return capture.trade_date.toordinal()


def told_with(capture: Capture, **changes: object) -> Capture:
    """The same capture with other content."""
    kept = {name: getattr(capture, name) for name in capture.__struct_fields__}
    return Capture(**(kept | changes))


def final_facts(arrived: list[Arrival]) -> list[Capture]:
    """What holds of all messages in the end, in book order."""
    final: dict[str, Capture] = {}
    for _, message in arrived:
        if isinstance(message, Capture):
            final.setdefault(message.external_id, message)
    for _, message in arrived:
        if isinstance(message, Amend):
            final[message.capture.external_id] = message.capture
    for _, message in arrived:
        if isinstance(message, Bust):
            del final[message.external_id]
    return sorted(
        final.values(),
        key=lambda each: (each.executed_at, each.side is Side.SELL, each.external_id),
    )
