"""What a position under one cost basis is made of: the entries of its book, and the open lots.

The books are those that `bases` folds, and folded by the same functions of the domain.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import partial
from typing import NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from domain.lots import CostBasis, Lot
from domain.money import canonical
from domain.side_by_side import (
    Folded,
    Passed,
    Totals,
    in_book_order,
    passed_as_booked,
    passed_under,
)
from projections.asking import PAGE_ROWS_MAX, Readable, snapshot
from projections.bases import NOTHING, BasisLine, Booking, Books, basis_line, not_booked
from projections.paging import Page, page_of_lines, read_place
from projections.position_lines import PositionLine, held, line_of, price_event
from projections.positions.queries import PositionView

LOTS_MAX = 1_000
"""Open lots that are listed for one answer, oldest first; `lots_count` says how many there are."""

Line: TypeAlias = PositionLine[Totals]


class ExplainedBasis(msgspec.Struct, frozen=True, kw_only=True):
    """A position under one cost basis; the changes of its lines add up to `total`.

    `lots` are those open at the end, at the pool's unit cost under AVERAGE; they add up to its
    quantity, cost and fees. Of the position that is answered from, and of no past date, `row` is
    its row with its value, and `price_event` that of what told the price; else it is not valued.
    """

    instrument: str
    currency: str
    total: BasisLine
    lots: tuple[Lot, ...]
    lots_count: int
    row: PositionView | None
    price_event: int | None


def explained_basis(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    instrument: str,
    cost_basis: CostBasis | None = None,
    valid_at: date | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> tuple[ExplainedBasis | None, Page[Line]]:
    """Open a position under a cost basis, or as it is booked: a page of lines in book order.

    Nothing where it was never held by then, or has no line of that basis.

    Raises:
        CursorInvalid: the cursor is not of this question.
        HistoryTooLong: it has more facts than are folded for one answer.
    """
    question = f"basis lines {tenant} {portfolio} {instrument} {cost_basis} {valid_at}"
    place, start = read_place(question, cursor)
    with snapshot(readable):
        opened, row, answered = held(readable, (tenant, portfolio), instrument, place)
        nothing: Page[Line] = Page([], answered.position, answered.market_position)
        if opened is None or row is None:
            return None, nothing
        books = Books(readable, (tenant, portfolio), answered, valid_at)
        opening = CostBasis(opened.cost_basis)
        folding = _folding(books, instrument, opening, cost_basis)
        if folding is None or (valid_at is not None and not books.entries_of(instrument)):
            return None, nothing
    lines = lines_passed(folding.passed, partial(books.event_of, instrument))
    told, last = page_of_lines(question, answered, lines, start=start, limit=limit)
    rows = [line for line, _ in told.rows]
    page = Page(rows, told.position, told.market_position, told.next_cursor)
    is_valued = place is None and valid_at is None
    explained = _explained(
        row,
        folding.booking,
        NOTHING if last is None else last[0].after,
        Folded(cost_basis or opening) if last is None else last[1],
        price_event=price_event(row, books.told_of(instrument)) if is_valued else None,
        is_valued=is_valued,
    )
    return explained, page


class _Folding(NamedTuple):
    """The entries of a book as they pass, by the basis that is booked or another."""

    booking: Booking
    passed: Iterator[Passed]


def _folding(
    books: Books, instrument: str, opening: CostBasis, asked: CostBasis | None
) -> _Folding | None:
    """Fold a book as a line of `bases` is; None where there is no such line."""
    entries = books.entries_of(instrument)
    if asked is not None and asked in not_booked(entries, opening):
        placed = in_book_order(books.family_of(instrument))
        passed = (each for name, each in passed_under(asked, placed) if name == instrument)
        return _Folding(Booking.NOT_BOOKED, passed)
    if asked in (None, opening):
        return _Folding(Booking.BOOKED, passed_as_booked(entries, opening))
    return None


def lines_passed(
    passed: Iterable[Passed], event_of: Callable[[UUID], int]
) -> Iterator[tuple[Line, Folded]]:
    """Give a line of each entry that passes, with its book, which later entries change.

    `event_of` gives the log position of what told an entry.
    """
    before = NOTHING
    for entry, outcome, folded in passed:
        after = folded.totals()
        change = Totals(*(canonical(one - two) for one, two in zip(after, before, strict=True)))
        event = event_of(entry.entry_id)
        yield line_of(event, entry, outcome, change=change, after=after), folded
        before = after


def _explained(
    row: PositionView,
    booking: Booking,
    totals: Totals,
    folded: Folded,
    *,
    price_event: int | None,
    is_valued: bool,
) -> ExplainedBasis:
    lots = folded.open_lots()
    value = row.market_value if is_valued else None
    return ExplainedBasis(
        instrument=row.instrument,
        currency=row.currency,
        total=basis_line(folded.book.basis, booking, totals, value),
        lots=lots[:LOTS_MAX],
        lots_count=len(lots),
        row=row if is_valued else None,
        price_event=price_event,
    )
