"""Booking a fill: what it does to lots and cash, on time or late in book order."""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import TypeVar

from domain.book import Book, lots_between, refold
from domain.lots import ClosedLot, CostBasis, Fill, Lot, Matching, Side, match
from domain.money import ZERO, product, within
from domain.portfolio.events import (
    CHANGES_PER_EVENT_MAX,
    LOTS_PER_EVENT_MAX,
    BookTotals,
    LotsClosed,
    LotsRestated,
    RealisedChange,
    TradeBooked,
)
from domain.portfolio.state import Portfolio

Booking = TradeBooked | LotsClosed | LotsRestated
Item = TypeVar("Item")


def cash_change(fill: Fill) -> Decimal:
    """Give what a fill does to cash: consideration and fee, from the owner's side."""
    amount = -fill.consideration if fill.side is Side.BUY else fill.consideration
    return amount - fill.fee


def consideration(quantity: Decimal, price: Decimal, given: Decimal | None) -> Decimal:
    """Give the source's amount, else the product; positive either way."""
    return product(quantity, price) if given is None else given


def book_fill(
    portfolio: Portfolio,
    *,
    instrument: str,
    currency: str,
    fill: Fill,
    earlier: Callable[[], Iterable[Fill]],
    rate_to_base: Decimal | None,
) -> list[Booking]:
    """Decide what a fill does; facts that grow with history come in pages.

    `earlier` gives all fills booked in this instrument so far; called only for a late fill.

    Raises:
        Rejection: `out_of_range` when a result cannot be carried.
    """
    assert portfolio.opened is not None, "only an open portfolio books"
    opened, book = portfolio.opened, portfolio.book(instrument)
    change = within("cash change", cash_change(fill))
    after = within("cash", portfolio.balance(currency) + change)
    late = book.is_late(fill)
    restated: list[LotsRestated] = []
    if late:
        book_after, matching, changes = _restate(book, fill, opened.cost_basis, earlier)
        totals = _totals(book_after)
        splice = lots_between(book.lots, book_after.lots)
        restated = _restatement(
            opened.portfolio, instrument, currency, fill, totals, splice, changes
        )
    else:
        matching = match(book, fill, opened.cost_basis)
        totals = _totals_after(book, matching)
    pages = [] if late else _pages(matching.closed, LOTS_PER_EVENT_MAX)
    booked = TradeBooked(
        portfolio=opened.portfolio,
        instrument=instrument,
        currency=currency,
        fill=fill,
        totals=totals,
        cash_change=change,
        cash_after=after,
        realised_gross=within("realised_gross", matching.realised_gross),
        realised_net=within("realised_net", matching.realised_net),
        opened=None if late else matching.opened,
        closed=tuple(pages[0]) if pages else (),
        closed_pages=max(len(pages) - 1, 0),
        is_late=late,
        rate_to_base=rate_to_base,
    )
    return [booked, *_further_closed(booked, pages[1:]), *restated]


def _further_closed(booked: TradeBooked, pages: list[list[ClosedLot]]) -> list[LotsClosed]:
    return [
        LotsClosed(
            portfolio=booked.portfolio,
            instrument=booked.instrument,
            trade_id=booked.fill.trade_id,
            page=number,
            pages=booked.closed_pages,
            closed=tuple(page),
        )
        for number, page in enumerate(pages, start=1)
    ]


def _totals(book: Book) -> BookTotals:
    return BookTotals(
        quantity=within("quantity", book.quantity),
        cost=within("cost", book.cost),
        fees=within("fees", book.fees),
        realised_gross=within("realised_gross", book.realised_gross),
        realised_net=within("realised_net", book.realised_net),
    )


def _totals_after(book: Book, matching: Matching) -> BookTotals:
    """Give the totals after a matching without touching the book or its lots."""
    quantity, cost, fees = book.quantity, book.cost, book.fees
    realised_gross, realised_net = book.realised_gross, book.realised_net
    for part in matching.closed:
        quantity -= part.quantity
        cost -= part.cost
        fees -= part.opening_fee
    if matching.closed:
        realised_gross = within("realised_gross", realised_gross + matching.realised_gross)
        realised_net = within("realised_net", realised_net + matching.realised_net)
    if matching.opened is not None:
        quantity += matching.opened.quantity
        cost += matching.opened.cost
        fees += matching.opened.fee
    return BookTotals(
        quantity=within("quantity", quantity),
        cost=within("cost", cost),
        fees=within("fees", fees),
        realised_gross=realised_gross,
        realised_net=realised_net,
    )


def _restate(
    book: Book, late: Fill, basis: CostBasis, earlier: Callable[[], Iterable[Fill]]
) -> tuple[Book, Matching, list[RealisedChange]]:
    """Put a late fill in its place; give the book after, its own part, and what changed by date.

    From what the book remembers if that reaches back far enough, else from all of history.
    """
    if book.remembers(late.key):
        after = book.copy()
        own, redone = after.insert(late, basis)
        return after, own, _changes((step.fill, step.matching, now) for step, now in redone)
    history = list(earlier())
    _, before = refold(history, basis)
    assert before[-1][0].key == book.last_key, "the history given is the whole of it"
    after, steps = refold([*history, late], basis)
    known = {fill.trade_id: matching for fill, matching in before}
    own = next(matching for fill, matching in steps if fill.trade_id == late.trade_id)
    moved = [each for each in steps if each[0].trade_id != late.trade_id]
    return after, own, _changes((fill, known[fill.trade_id], now) for fill, now in moved)


def _changes(redone: Iterable[tuple[Fill, Matching, Matching]]) -> list[RealisedChange]:
    """Sum, by date, what fills now realise beyond what they did; dates without change left out."""
    changes: dict[date, list[Decimal]] = {}
    for fill, then, now in redone:
        gross = now.realised_gross - then.realised_gross
        net = now.realised_net - then.realised_net
        if gross or net:
            sums = changes.setdefault(fill.trade_date, [ZERO, ZERO])
            sums[0] += gross
            sums[1] += net
    return [
        RealisedChange(day, within("realised_gross", gross), within("realised_net", net))
        for day, (gross, net) in sorted(changes.items())
        if gross or net
    ]


def _restatement(
    portfolio: str,
    instrument: str,
    currency: str,
    fill: Fill,
    totals: BookTotals,
    splice: tuple[int, int, list[Lot]],
    changes: list[RealisedChange],
) -> list[LotsRestated]:
    index, removed, lots = splice
    lot_pages = _pages(lots, LOTS_PER_EVENT_MAX)
    change_pages = _pages(changes, CHANGES_PER_EVENT_MAX)
    pages = max(len(lot_pages), len(change_pages), 1)
    return [
        LotsRestated(
            portfolio=portfolio,
            instrument=instrument,
            currency=currency,
            from_trade_id=fill.trade_id,
            from_date=fill.trade_date,
            page=number + 1,
            pages=pages,
            totals=totals,
            index=min(index + number * LOTS_PER_EVENT_MAX, index + len(lots)),
            removed=removed if number == 0 else 0,
            lots=tuple(lot_pages[number]) if number < len(lot_pages) else (),
            changes=tuple(change_pages[number]) if number < len(change_pages) else (),
        )
        for number in range(pages)
    ]


def _pages(items: Iterable[Item], size: int) -> list[list[Item]]:
    listed = list(items)
    if len(listed) <= size:
        return [listed] if listed else []
    return [listed[start : start + size] for start in range(0, len(listed), size)]
