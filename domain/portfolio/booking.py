"""Booking a fill: what it does to lots and cash, on time or late in book order."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from domain.book import Book, History, Refolded, lots_between
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
from domain.refolding import with_late, without

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
    history: History,
    rate_to_base: Decimal | None,
) -> list[Booking]:
    """Decide what a fill does; facts that grow with history come in pages.

    `history` is that of this instrument; asked only for a fill so late that the book forgot.

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
        restating = with_late(book, fill, history, version=portfolio.version + 1)
        book.worked_out = restating
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
    history: History,
) -> list[Unbooking]:
    """Decide what taking a booked fill out does; facts that grow with history come in pages.

    `history` is that of this instrument; asked where the book has forgotten.

    Raises:
        Rejection: `out_of_range` when a result cannot be carried.
    """
    assert portfolio.opened is not None, "only an open portfolio books"
    opened, book = portfolio.opened, portfolio.book(instrument)
    restating = without(book, trade_id, history, version=portfolio.version + 1)
    book.worked_out = restating
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
    restating: Refolded,
) -> list[LotsRestated]:
    totals = _totals(restating.after)
    index, removed, lots = lots_between(before.lots, restating.after.lots)
    lot_pages = _pages(lots, LOTS_PER_EVENT_MAX)
    change_pages = _pages(_changes(restating.redone), CHANGES_PER_EVENT_MAX)
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
