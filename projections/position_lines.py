"""What a position is made of: every entry of its book, with what each changed of every figure.

Read from the log up to the position of `positions` that is answered from, and folded by the domain.
"""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar, get_args
from uuid import UUID

import msgspec

from domain.basis_change import BasisChange
from domain.book import Book, Entry, Outcome
from domain.book_order import CORPORATE_ACTION
from domain.corporate_actions import CashDividend, SpinOff, Split, StockDividend
from domain.held import Received
from domain.lots import ClosedLot, CostBasis, Fill, Matching, Side
from domain.money import ZERO, canonical
from domain.portfolio.entries import Entries, EntryTold, follow_entries
from domain.transfers import Given
from projections.asking import (
    PAGE_ROWS_MAX,
    Answered,
    HistoryTooLong,
    Readable,
    ReadModelReplaced,
    snapshot,
)
from projections.audit import market_position_at, told_until
from projections.paging import Page, page_of_lines, read_place
from projections.positions.queries import PositionView, PriceSource, portfolio_of, position_of
from projections.positions.tables import PortfolioRow

ENTRIES_MAX = 200_000
"""Entries of a book that are put in order for one answer."""

BLOTTER = "list its fills by `/trades?instrument=`, and what they realised by `/realised`"


class LineKind(StrEnum):
    """What stands in a book; `spun_off` are lots that came from a parent."""

    BUY = "buy"
    SELL = "sell"
    SPLIT = "split"
    STOCK_DIVIDEND = "stock_dividend"
    CASH_DIVIDEND = "cash_dividend"
    SPIN_OFF = "spin_off"
    SPUN_OFF = "spun_off"
    TRANSFER_OUT = "transfer_out"
    TRANSFER_IN = "transfer_in"
    COST_BASIS = "cost_basis"


class PositionFigures(NamedTuple):
    """The additive figures of a position; `fees` are the opening fees of open lots."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    fees: Decimal = ZERO
    realised_gross: Decimal = ZERO
    realised_net: Decimal = ZERO

    def less(self, other: "PositionFigures") -> "PositionFigures":
        """Give the difference, figure by figure."""
        pairs = zip(self, other, strict=True)
        return PositionFigures(*(canonical(one - two) for one, two in pairs))


FiguresT = TypeVar("FiguresT")


class PositionLine(msgspec.Struct, Generic[FiguresT], frozen=True, kw_only=True):
    """What one entry changed, and the figures behind it in book order.

    `event` is the log position of what told it; `name` is the source's id of a trade, else that of
    the action or the transfer; `fee` is the whole one of a trade. `closed` are the parts of lots
    that it closed.
    """

    event: int
    kind: LineKind
    entry_id: UUID
    name: str
    on_date: date
    at: datetime | None
    fee: Decimal
    change: FiguresT
    after: FiguresT
    closed: tuple[ClosedLot, ...]


class ExplainedPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position with its lines; they add up to `total`.

    Of the position that is answered from, `row` is its row with its value, and `price_event` that
    of what told the price; further pages of an earlier one have neither.
    """

    instrument: str
    currency: str
    total: PositionFigures
    row: PositionView | None
    price_event: int | None


def explained_position(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    instrument: str,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> tuple[ExplainedPosition | None, Page[PositionLine[PositionFigures]]]:
    """Open a position: a page of its lines in book order; nothing where it was never held.

    Raises:
        CursorInvalid: the cursor is not of this question.
        HistoryTooLong: it has more facts than are folded for one answer.
    """
    question = f"position lines {tenant} {portfolio} {instrument}"
    place, start = read_place(question, cursor)
    with snapshot(readable):
        opened, row, answered = held(readable, (tenant, portfolio), instrument, place)
        if opened is None or row is None:
            return None, page_of_lines(question, answered, [], start=0, limit=limit)[0]
        told = told_until(
            readable,
            answered.position,
            tenant=tenant,
            portfolio=portfolio,
            kinds=get_args(EntryTold),
            instrument=instrument,
        )
        entries: Entries = {}
        for decoded in told:
            assert isinstance(decoded.event, EntryTold), "only those were asked for"
            follow_entries(entries, decoded.position, decoded.event)
            if len(entries) > ENTRIES_MAX:
                raise HistoryTooLong(ENTRIES_MAX, instead=BLOTTER)
    lines = lines_of(entries, CostBasis(opened.cost_basis))
    page, last = page_of_lines(question, answered, lines, start=start, limit=limit)
    explained = ExplainedPosition(
        instrument=instrument,
        currency=row.currency,
        total=PositionFigures() if last is None else last.after,
        row=row if place is None else None,
        price_event=price_event(row, entries) if place is None else None,
    )
    return explained, page


def held(
    readable: Readable, owner: tuple[str, str], instrument: str, place: int | None
) -> tuple[PortfolioRow | None, PositionView | None, Answered]:
    """Give a portfolio and its position, and where an answer is of: `place`, or where these are.

    Raises:
        ReadModelMissing: the tables are being replaced.
    """
    tenant, portfolio = owner
    opened = portfolio_of(readable, tenant=tenant, portfolio=portfolio)
    found = position_of(readable, tenant=tenant, portfolio=portfolio, instrument=instrument)
    if opened.position != found.position:
        raise ReadModelReplaced("read model positions is being replaced")
    answered = Answered(found.position, found.market_position, [])
    if place is not None:
        answered = Answered(place, market_position_at(readable, place), [])
    return opened.row, found.row, answered


def lines_of(entries: Entries, basis: CostBasis) -> Iterator[PositionLine[PositionFigures]]:
    """Fold a book by the basis of its opening; give a line of each entry, in book order."""
    book, before = Book(basis), PositionFigures()
    for event, entry in sorted(entries.values(), key=lambda told: told[1].key):
        outcome = book.pass_over(entry)
        after = PositionFigures(
            *map(
                canonical,
                (book.quantity, book.cost, book.fees, book.realised_gross, book.realised_net),
            )
        )
        yield line_of(event, entry, outcome, change=after.less(before), after=after)
        before = after


def line_of(
    event: int, entry: Entry, outcome: Outcome, *, change: FiguresT, after: FiguresT
) -> PositionLine[FiguresT]:
    """Give the line of an entry, told by an event, that changed figures so."""
    return PositionLine(
        event=event,
        kind=_kind(entry),
        entry_id=entry.entry_id,
        name=entry.external_id if isinstance(entry, Fill) else entry.key[-1],
        on_date=entry.key[0],
        at=entry.executed_at if isinstance(entry, Fill) else None,
        fee=entry.fee if isinstance(entry, Fill) else ZERO,
        change=change,
        after=after,
        closed=_closed(outcome),
    )


def _closed(outcome: Outcome) -> tuple[ClosedLot, ...]:
    """Give what was closed in this book: a child's fraction is no part of its parent's."""
    if isinstance(outcome, Matching):
        return outcome.closed
    matchings = list(outcome.crossed)
    if outcome.in_lieu is not None and outcome.received is None:
        matchings.append(outcome.in_lieu)
    return tuple(part for each in matchings for part in each.closed)


def _kind(entry: Entry) -> LineKind:
    match entry:
        case Fill():
            return LineKind.BUY if entry.side is Side.BUY else LineKind.SELL
        case BasisChange():
            return LineKind.COST_BASIS
        case Given():
            return LineKind.TRANSFER_OUT
        case Received():
            is_child = entry.key[1] == CORPORATE_ACTION
            return LineKind.SPUN_OFF if is_child else LineKind.TRANSFER_IN
        case _:
            return _ACTIONS[type(entry)]


_ACTIONS: dict[type, LineKind] = {
    Split: LineKind.SPLIT,
    StockDividend: LineKind.STOCK_DIVIDEND,
    CashDividend: LineKind.CASH_DIVIDEND,
    SpinOff: LineKind.SPIN_OFF,
}


def price_event(row: PositionView, entries: Entries) -> int | None:
    """Give the event that told the price: a mark's, or that of the last execution."""
    if row.price_source is not PriceSource.TRADE:
        return row.mark_position
    executions = [told for told in entries.values() if isinstance(told[1], Fill)]
    return max(executions, key=lambda told: told[1].key)[0]
