"""What is asked of `outcomes`: a source's drop copy, its state, its control totals.

A source's portfolios may be in several partitions. The drop copy ends at the position up to which
all of them are folded, so no later row stands before one that was served. Figures are summed over
partitions: they hold everything up to the position they name, and where a partition is further,
what that one has folded behind it.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import msgspec

from domain.money import canonical
from projections.asking import Answered, Readable, ask
from projections.outcomes.lines import OF_EVERY_PARTITION
from projections.outcomes.sequences import Arrived, arrived, together
from projections.outcomes.tables import NO_CURRENCY, UNDATED, TotalsRow

LINES_MAX = 5_000
LINES_AT_ONCE = 500
BYTES_MAX = 4 * 1024 * 1024
"""Lines are short but for a few; some hundred of the longest still fit into memory."""

GAPS_LISTED = 100

# The bound comes with each row, and alone where there is none.
_LINES = """
bound.until, line.position AS at, line.line FROM (
    SELECT least(checkpoint.position, (
        SELECT min(position) - 1 FROM {schema}.unfinished
        WHERE tenant = %s AND waits_for = 'booking'
    )) AS until
) AS bound LEFT JOIN LATERAL (
    SELECT position, line FROM {schema}.outcomes
    WHERE tenant = %s AND source = %s AND position > %s AND position <= bound.until
    ORDER BY position LIMIT %s
) AS line ON true
"""
_COUNTS = "kind, outcomes, last_position FROM {schema}.counts WHERE tenant = %s AND source = %s"
_CHUNKS = "chunk, arrived FROM {schema}.sequences WHERE tenant = %s AND source = %s"
_TOTALS = """
* FROM {schema}.control_totals
WHERE tenant = %s AND source = %s AND (trade_date BETWEEN %s AND %s OR trade_date = %s)
"""


class Lines(NamedTuple):
    """A stretch of a drop copy; all of it up to `complete_to` is in this and earlier stretches.

    Where it ends because it is long enough, it `may_go_on` behind that.
    """

    lines: list[str]
    complete_to: int
    may_go_on: bool = False


class SourceState(msgspec.Struct, frozen=True):
    """What has come of a source: its numbers, and its outcomes by kind."""

    position: int
    last_position: int
    counts: dict[str, int]
    arrived: Arrived | None


class DayTotals(msgspec.Struct, frozen=True):
    """Trades of one date and currency as they stand; both absent for what tells none."""

    trade_date: date | None
    currency: str | None
    trades: int
    quantity: Decimal
    consideration: Decimal
    fees: Decimal
    refused: int
    parked: int
    held: int


class ControlTotals(msgspec.Struct, frozen=True):
    """A source's totals, by date and currency."""

    position: int
    totals: list[DayTotals]


def outcomes_after(
    readable: Readable, *, tenant: str, source: str, after: int, limit: int
) -> Lines:
    """Give a source's lines behind a position, in log order: at most so many, or so many bytes.

    A reader's place never goes back: where it is ahead, it is complete up to there.
    """
    found = outcomes_behind(readable, tenant=tenant, source=source, after=after, limit=limit)
    return found._replace(complete_to=max(found.complete_to, after))


def outcomes_behind(
    readable: Readable, *, tenant: str, source: str, after: int, limit: int
) -> Lines:
    """Give the same, complete up to where the log is: less than `after`, where that is ahead."""
    assert 1 <= limit <= LINES_MAX, "the caller has checked the limit"
    found = Lines([], after)
    size = 0
    while len(found.lines) < limit and size < BYTES_MAX:
        wanted = min(LINES_AT_ONCE, limit - len(found.lines))
        more = _stretch(readable, tenant, source, found.complete_to, wanted)
        may_go_on = len(more.lines) == wanted
        found = Lines(found.lines + more.lines, more.complete_to, may_go_on)
        size += sum(map(len, more.lines))
        if not may_go_on:
            break
    return found


def _stretch(readable: Readable, tenant: str, source: str, after: int, limit: int) -> Lines:
    answered = ask(
        readable,
        "outcomes",
        _LINES,
        (tenant, tenant, source, after, limit),
        order="ORDER BY answer.at",
        merge=lambda row: (row[1] is not None, row[1]),
    )
    complete_to = min(until for until, _, _ in answered.rows)
    # What all partitions share is told by each of them: once is enough.
    found = {at: line for _, at, line in answered.rows if at is not None and at <= complete_to}
    positions = list(found)
    if len(positions) >= limit:
        positions = positions[:limit]
        complete_to = positions[-1]
    return Lines([found[at] for at in positions], complete_to)


def complete_position(readable: Readable, *, tenant: str) -> int:
    """Tell up to where every line of a tenant's sources is there."""
    answered = ask(readable, "outcomes", _LINES, (tenant, tenant, "", 0, 1), merge=lambda _: 0)
    complete_to: int = min(until for until, _, _ in answered.rows)
    return complete_to


def state_of(readable: Readable, *, tenant: str, source: str) -> SourceState:
    """Say what has arrived of a source, and what became of it."""
    counted = _all(readable, _COUNTS, (tenant, source))
    chunks = _all(readable, _CHUNKS, (tenant, source))
    counts: dict[str, int] = {}
    for kind, outcomes, _ in counted.rows:
        known = counts.get(kind, 0)
        counts[kind] = max(known, outcomes) if kind in OF_EVERY_PARTITION else known + outcomes
    return SourceState(
        min(counted.position, chunks.position),
        max((last for _, _, last in counted.rows), default=0),
        dict(sorted(counts.items())),
        arrived(together(chunks.rows), gaps_max=GAPS_LISTED),
    )


def control_totals_of(
    readable: Readable, *, tenant: str, source: str, from_date: date, to_date: date
) -> ControlTotals:
    """Sum up a source's trades by date and currency; what waits without a date is added always."""
    parameters = (tenant, source, from_date, to_date, UNDATED)
    answered = _all(readable, _TOTALS, parameters)
    rows: dict[tuple[date, str], TotalsRow] = {}
    for values in answered.rows:
        row = TotalsRow(*values)
        key = (row.trade_date, row.currency)
        known = rows.setdefault(key, row)
        if known is not row:
            _add(known, row)
    return ControlTotals(
        answered.position,
        [_shown(rows[key]) for key in sorted(rows) if _counts_something(rows[key])],
    )


def _all(readable: Readable, statement: str, parameters: Iterable[object]) -> Answered:
    return ask(readable, "outcomes", statement, tuple(parameters), merge=lambda _: 0)


def _add(total: TotalsRow, row: TotalsRow) -> None:
    total.trades += row.trades
    total.quantity += row.quantity
    total.consideration += row.consideration
    total.fees += row.fees
    total.refused += row.refused
    total.parked += row.parked
    total.held += row.held


def _counts_something(row: TotalsRow) -> bool:
    return bool(row.trades or row.refused or row.parked or row.held)


def _shown(row: TotalsRow) -> DayTotals:
    return DayTotals(
        None if row.trade_date == UNDATED else row.trade_date,
        None if row.currency == NO_CURRENCY else row.currency,
        row.trades,
        canonical(row.quantity),
        canonical(row.consideration),
        canonical(row.fees),
        row.refused,
        row.parked,
        row.held,
    )
