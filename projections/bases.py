"""Positions under every cost basis side by side: as they are booked, and as they would be.

Made when it is asked for, at the one position of `positions` that it is answered from: what stands
in the books is read from the log up to there and folded by the domain (`domain.side_by_side`).
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import get_args
from uuid import UUID

import msgspec

from domain.basis_change import BasisChange
from domain.book import Entry
from domain.lots import CostBasis
from domain.money import ZERO, average, canonical
from domain.portfolio.corporate_events import LotsSpunOff
from domain.portfolio.entries import Entries, EntryTold, follow_entries
from domain.side_by_side import (
    Totals,
    as_booked,
    in_book_order,
    is_only_opened,
    totals_under,
)
from projections.asking import (
    PAGE_ROWS_MAX,
    Answered,
    HistoryTooLong,
    Readable,
    ReadModelReplaced,
    snapshot,
)
from projections.audit import FACTS_MAX, told_of_books, told_until
from projections.paging import Page, read_cursor, write_cursor
from projections.position_lines import BLOTTER, ENTRIES_MAX
from projections.positions.queries import PositionView, portfolio_of, positions_behind
from projections.read_model import Decoded

PLAIN_BASES = (CostBasis.FIFO, CostBasis.LIFO, CostBasis.HIFO, CostBasis.AVERAGE)
"""Those that need no more than the trades; SPECIFIC needs lots to be named."""

NOTHING = Totals(*[ZERO] * 6)

TOGETHER_MAX = 2_000
"""Events of the books of a page that are read at once."""


class Booking(StrEnum):
    """Whether a line is in the books."""

    BOOKED = "booked"
    NOT_BOOKED = "not_booked"


class BasisLine(msgspec.Struct, frozen=True, kw_only=True):
    """A position under one cost basis; see `domain.side_by_side.Totals`."""

    cost_basis: CostBasis
    booking: Booking
    quantity: Decimal
    cost: Decimal
    average_cost: Decimal | None
    fees: Decimal
    realised_gross: Decimal
    realised_net: Decimal
    unrealised_gross: Decimal | None
    moved_cost: Decimal


class SideBySide(msgspec.Struct, frozen=True, kw_only=True):
    """A position with its value, and under every cost basis; the booked one comes first.

    `is_rebased`: the booked one is that in force, after others before it.
    """

    position: PositionView
    is_rebased: bool
    lines: tuple[BasisLine, ...]


def bases_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    instrument: str | None = None,
    valid_at: date | None = None,
    include_closed: bool = False,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[SideBySide]:
    """List positions under every cost basis by instrument, as of now or the end of a date.

    A page ends early where more would have to be folded than one answer may; a position as of a
    date is not valued.

    Raises:
        CursorInvalid: the cursor is not of this question.
        HistoryTooLong: one position alone has more facts than are folded for one answer.
    """
    question = f"bases {tenant} {portfolio} {instrument} {valid_at} {include_closed}"
    after = "" if cursor is None else read_cursor(question, cursor, str)
    with snapshot(readable):
        opened = portfolio_of(readable, tenant=tenant, portfolio=portfolio)
        answered, views = positions_behind(
            readable,
            tenant=tenant,
            portfolio=portfolio,
            after=after,
            include_closed=include_closed or valid_at is not None or instrument is not None,
            limit=limit + 1,
            instrument=instrument,
        )
        if opened.position != answered.position:
            raise ReadModelReplaced("read model positions is being replaced")
        if opened.row is None:
            return Page([], answered.position, answered.market_position)
        books = Books(readable, (tenant, portfolio), answered, valid_at)
        books.read_together([view.instrument for view in views[:limit]])
        basis = CostBasis(opened.row.cost_basis)
        rows: list[SideBySide] = []
        last = after
        for view in views[:limit]:
            try:
                found = _bases(view, books, basis, is_valued=valid_at is None)
            except HistoryTooLong:
                if last == after:
                    raise
                break
            last = view.instrument
            books.go_on()
            if found is not None and (include_closed or instrument or found.lines[0].quantity):
                rows.append(found)
    has_more = bool(views) and last != views[-1].instrument
    next_cursor = write_cursor(question, last) if has_more else None
    return Page(rows, answered.position, answered.market_position, next_cursor)


class Books:
    """What stands in the books of a portfolio up to a date, read once, and only so much of it.

    The books of the first position may hold `ENTRIES_MAX` entries; `go_on` says that it is made:
    then they may hold `FACTS_MAX` with those of all others of the page.
    """

    def __init__(
        self,
        readable: Readable,
        owner: tuple[str, str],
        answered: Answered,
        valid_at: date | None,
    ) -> None:
        self._readable = readable
        self._owner = owner
        self._position = answered.position
        self._until = valid_at or date.max
        self._read = 0
        self._most = ENTRIES_MAX
        self._books: dict[str, list[Entry]] = {}
        self._parents: dict[str, set[str]] = {}
        self._entries: dict[str, Entries] = {}
        self._together: dict[str, list[Decoded]] = {}

    def read_together(self, names: Sequence[str]) -> None:
        """Read books with one question, where they are short; long ones are read one by one."""
        tenant, portfolio = self._owner
        found = told_of_books(
            self._readable,
            self._position,
            tenant=tenant,
            portfolio=portfolio,
            kinds=get_args(EntryTold),
            instruments=names,
            most=TOGETHER_MAX,
        )
        if found is not None:
            self._together = {name: found.get(name, []) for name in names}

    def go_on(self) -> None:
        """Read only so much more as makes one answer."""
        self._most = FACTS_MAX

    def entries_of(self, name: str) -> list[Entry]:
        """Give what stands in a book.

        Raises:
            HistoryTooLong: it is more than may be folded still.
        """
        if name not in self._books:
            entries: Entries = {}
            parents: set[str] = set()
            for decoded in self._told(name):
                self._read += 1
                if self._read > self._most:
                    raise HistoryTooLong(ENTRIES_MAX, instead=BLOTTER)
                assert isinstance(decoded.event, EntryTold), "only those were asked for"
                follow_entries(entries, decoded.position, decoded.event)
                if isinstance(decoded.event, LotsSpunOff):
                    parents.add(decoded.event.terms.action.instrument)
            self._parents[name] = parents
            self._entries[name] = entries
            self._books[name] = [
                entry for _, entry in entries.values() if entry.key[0] <= self._until
            ]
        return self._books[name]

    def told_of(self, name: str) -> Entries:
        """Give all that stands in a book that was read, with the log positions of its events."""
        return self._entries[name]

    def event_of(self, name: str, entry_id: UUID) -> int:
        """Give the log position of what told an entry of a book that was read.

        Lots that a spin-off gives only under another basis were told in the parent's book.
        """
        places = (self._entries[name], *self._entries.values())
        return next(entries[entry_id][0] for entries in places if entry_id in entries)

    def _told(self, name: str) -> Iterable[Decoded]:
        if name in self._together:
            return self._together.pop(name)
        tenant, portfolio = self._owner
        return told_until(
            self._readable,
            self._position,
            tenant=tenant,
            portfolio=portfolio,
            kinds=get_args(EntryTold),
            instrument=name,
        )

    def family_of(self, name: str) -> dict[str, list[Entry]]:
        """Give a book with those that its lots may have been spun off from, and theirs.

        Raises:
            HistoryTooLong: as `entries_of` says.
        """
        family: dict[str, list[Entry]] = {}
        wanted = [name]
        while wanted:
            each = wanted.pop()
            if each not in family:
                family[each] = self.entries_of(each)
                wanted += self._parents[each]
        return family


def _bases(
    view: PositionView, books: Books, opening: CostBasis, *, is_valued: bool
) -> SideBySide | None:
    """Fold one position; None where nothing stood in it by then."""
    entries = books.entries_of(view.instrument)
    if not entries and not is_valued:
        return None
    in_force, totals = as_booked(entries, opening)
    value = view.market_value if is_valued else None
    lines = [basis_line(in_force, Booking.BOOKED, totals, value)]
    is_alike = is_only_opened(entries)
    placed = [] if is_alike else in_book_order(books.family_of(view.instrument))
    for basis in not_booked(entries, opening):
        found = totals
        if not is_alike:
            found = totals_under(basis, placed).get(view.instrument, NOTHING)
        lines.append(basis_line(basis, Booking.NOT_BOOKED, found, value))
    is_rebased = any(isinstance(entry, BasisChange) for entry in entries)
    return SideBySide(position=view, is_rebased=is_rebased, lines=tuple(lines))


def not_booked(entries: Iterable[Entry], opening: CostBasis) -> list[CostBasis]:
    """List the bases of which a position has a line beside the booked one.

    That of its opening is one of them only where it is not in force from beginning to end.
    """
    changes = {entry.cost_basis for entry in entries if isinstance(entry, BasisChange)}
    others = [*PLAIN_BASES, *({CostBasis.SPECIFIC} & {opening, *changes})]
    return [basis for basis in others if changes or basis is not opening]


def basis_line(
    basis: CostBasis, booking: Booking, totals: Totals, value: Decimal | None
) -> BasisLine:
    """Give a position of some totals under one cost basis, at its value if it has one."""
    quantity, cost = totals.quantity, totals.cost
    return BasisLine(
        cost_basis=basis,
        booking=booking,
        quantity=quantity,
        cost=cost,
        average_cost=average(cost, quantity),
        fees=totals.fees,
        realised_gross=totals.realised_gross,
        realised_net=totals.realised_net,
        unrealised_gross=None if value is None else canonical(value - cost),
        moved_cost=totals.moved_cost,
    )
