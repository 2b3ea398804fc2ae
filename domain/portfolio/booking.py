"""Booking a fill: what it does to lots and cash, on time or late in book order."""

from decimal import Decimal
from uuid import UUID

from domain.book import Book, History, Outcome
from domain.held import BookTotals
from domain.lots import ClosedLot, Fill, Matching, Side, match
from domain.money import product, within
from domain.portfolio.events import (
    LOTS_PER_EVENT_MAX,
    LotsClosed,
    LotsRestated,
    Reason,
    SettlementPolicy,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.restating import pages_of, restatement, totals_of
from domain.portfolio.state import Portfolio
from domain.refolding import with_entry, without

Booking = TradeBooked | LotsClosed | LotsRestated
Unbooking = TradeUnbooked | LotsRestated


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
        restating = with_entry(book, fill, history, version=portfolio.version + 1)
        book.worked_out = restating
        matching, totals = _matching(restating.own), totals_of(restating.after)
        restated = restatement(opened.portfolio, instrument, currency, book, restating)
    else:
        matching = match(book, fill)
        totals = _totals_after(book, matching)
    pages = [] if late else pages_of(matching.closed, LOTS_PER_EVENT_MAX)
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
        is_awaited=is_awaited(portfolio, fill),
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
    fill, own = restating.entry, _matching(restating.own)
    assert isinstance(fill, Fill), "a trade is booked by its fill"
    change = within("cash change", -cash_change(fill))
    unbooked = TradeUnbooked(
        portfolio=opened.portfolio,
        instrument=instrument,
        currency=currency,
        fill=fill,
        reason=reason,
        totals=totals_of(restating.after),
        cash_change=change,
        cash_after=within("cash", portfolio.balance(currency) + change),
        realised_gross=within("realised_gross", -own.realised_gross),
        realised_net=within("realised_net", -own.realised_net),
        last_fill=restating.last_fill,
        is_awaited=is_awaited(portfolio, fill),
    )
    pages = restatement(opened.portfolio, instrument, currency, book, restating)
    return [unbooked, *pages]


def _matching(outcome: Outcome) -> Matching:
    assert isinstance(outcome, Matching), "a fill matches lots"
    return outcome


def is_awaited(portfolio: Portfolio, fill: Fill) -> bool:
    """Say whether the cash of a fill settles by a custodian's word only."""
    assert portfolio.opened is not None, "only an open portfolio books"
    is_actual = portfolio.opened.settlement is SettlementPolicy.ACTUAL
    return is_actual and fill.value_date is not None


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
