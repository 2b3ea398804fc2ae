"""Booking a fill: what it does to lots and cash, on time or late in book order."""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

import msgspec

from domain.book import Book, lots_between, refold
from domain.lots import ClosedLot, Fill, Matching, Side, match
from domain.money import ZERO, product, within
from domain.portfolio.events import (
    CHANGES_PER_EVENT_MAX,
    LOTS_PER_EVENT_MAX,
    BookTotals,
    LotsClosed,
    LotsRestated,
    RealisedChange,
    Reason,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.state import Portfolio

Booking = TradeBooked | LotsClosed | LotsRestated
Unbooking = TradeUnbooked | LotsRestated
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
        restating = _insert(book, fill, earlier)
        matching, totals = restating.own, _totals(restating.after)
        restated = _restatement(opened.portfolio, instrument, currency, fill, book, restating)
    else:
        matching = match(book, fill)
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


def unbook_fill(
    portfolio: Portfolio,
    *,
    instrument: str,
    currency: str,
    trade_id: UUID,
    reason: Reason,
    earlier: Callable[[], Iterable[Fill]],
) -> list[Unbooking]:
    """Decide what taking a booked fill out does; facts that grow with history come in pages.

    `earlier` gives all fills booked in this instrument so far; called where the book has forgotten.

    Raises:
        Rejection: `out_of_range` when a result cannot be carried.
    """
    assert portfolio.opened is not None, "only an open portfolio books"
    opened, book = portfolio.opened, portfolio.book(instrument)
    restating = _remove(book, trade_id, earlier)
    fill, own = restating.fill, restating.own
    change = within("cash change", -cash_change(fill))
    unbooked = TradeUnbooked(
        portfolio=opened.portfolio,
        instrument=instrument,
        currency=currency,
        fill=fill,
        reason=reason,
        totals=_totals(restating.after),
        cash_change=change,
        cash_after=within("cash", portfolio.balance(currency) + change),
        realised_gross=within("realised_gross", -own.realised_gross),
        realised_net=within("realised_net", -own.realised_net),
        last_fill=restating.last_fill,
    )
    pages = _restatement(opened.portfolio, instrument, currency, fill, book, restating)
    return [unbooked, *pages]


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


class _Restating(msgspec.Struct, frozen=True):
    """A fill put in its place, or taken out of it.

    `own` is what it does or did itself, `last_fill` the one last in the book `after`, `changes`
    what all others realise more, by date.
    """

    fill: Fill
    own: Matching
    after: Book
    last_fill: Fill | None
    changes: list[RealisedChange]


def _insert(book: Book, late: Fill, earlier: Callable[[], Iterable[Fill]]) -> _Restating:
    """Put a late fill in its place: from what the book remembers if that reaches, else history."""
    if book.remembers(late.key):
        after = book.copy()
        own, redone = after.insert(late)
        changes = _changes((step.fill, step.matching, now) for step, now in redone)
        return _Restating(late, own, after, after.steps[-1].fill, changes)
    history = list(earlier())
    known = {fill.trade_id: matching for fill, matching in refold(history, book.basis)[1]}
    after, steps = refold([*history, late], book.basis)
    own = next(matching for fill, matching in steps if fill.trade_id == late.trade_id)
    others = [each for each in steps if each[0].trade_id != late.trade_id]
    changes = _changes((fill, known[fill.trade_id], now) for fill, now in others)
    return _Restating(late, own, after, steps[-1][0], changes)


def _remove(book: Book, trade_id: UUID, earlier: Callable[[], Iterable[Fill]]) -> _Restating:
    """Take a fill out of its place: from what the book remembers if that reaches, else history."""
    found = next((step.fill for step in book.steps if step.fill.trade_id == trade_id), None)
    if found is not None and len(book.steps) > 1:
        after = book.copy()
        own, redone = after.remove(found)
        changes = _changes((step.fill, step.matching, now) for step, now in redone)
        return _Restating(found, own, after, after.steps[-1].fill, changes)
    history = {fill.trade_id: fill for fill in earlier()}
    known = {fill.trade_id: matching for fill, matching in refold(history.values(), book.basis)[1]}
    gone = history.pop(trade_id)
    after, steps = refold(history.values(), book.basis)
    last_fill = steps[-1][0] if steps else None
    changes = _changes((fill, known[fill.trade_id], now) for fill, now in steps)
    return _Restating(gone, known[trade_id], after, last_fill, changes)


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
    before: Book,
    restating: _Restating,
) -> list[LotsRestated]:
    totals = _totals(restating.after)
    index, removed, lots = lots_between(before.lots, restating.after.lots)
    lot_pages = _pages(lots, LOTS_PER_EVENT_MAX)
    change_pages = _pages(restating.changes, CHANGES_PER_EVENT_MAX)
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
