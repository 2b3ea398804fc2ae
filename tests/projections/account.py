"""An account as the storyteller keeps it: cash and books, decided by `domain.lots`."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

import msgspec

from domain.book import Book
from domain.event import Event
from domain.held import BookTotals
from domain.lots import ClosedLot, CostBasis, Fill, Lot, Side, match
from domain.money import ZERO, product
from domain.portfolio.events import (
    CashSettled,
    LotsClosed,
    LotsRestated,
    Reason,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.restating import lots_between
from domain.refolding import refold
from domain.trade import Capture

SETTLED_AFTER = timedelta(days=2)
PAGE = 2
"""Lots per page: small, so that paged events are met often."""

Item = TypeVar("Item")


def pages_of(items: Sequence[Item]) -> list[tuple[Item, ...]]:
    """Cut into pages; nothing gives one empty page."""
    cut = [tuple(items[start : start + PAGE]) for start in range(0, len(items), PAGE)]
    return cut or [()]


class Account:
    """What the story knows of a portfolio."""

    def __init__(self, tenant: str, name: str, basis: CostBasis) -> None:
        self.tenant = tenant
        self.name = name
        self.basis = basis
        self.cash: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self.pending: dict[str, dict[date, Decimal]] = defaultdict(dict)
        self.fills: dict[str, list[Fill]] = defaultdict(list)
        self.books: dict[str, Book] = defaultdict(lambda: Book(basis))

    def book(self, instrument: str, fill: Fill, currency: str) -> list[Event]:
        """Decide a fill: its booking and the pages that follow."""
        change = fill.consideration if fill.side is Side.SELL else -fill.consideration
        self.cash[currency] += change - fill.fee
        self._pend(currency, fill, change - fill.fee)
        self.fills[instrument].append(fill)
        before = self.books[instrument]
        is_late = before.last_key is not None and fill.key < before.last_key
        if is_late:
            book, steps = refold(self.fills[instrument], self.basis)
            self.books[instrument] = book
            matching = next(done for each, done in steps if each is fill)
        else:
            book = before
            matching = match(book, fill)
            book.add(fill, matching)
        pages = pages_of(matching.closed)
        booked = TradeBooked(
            portfolio=self.name,
            instrument=instrument,
            currency=currency,
            fill=fill,
            totals=totals_of(book),
            cash_change=change - fill.fee,
            cash_after=self.cash[currency],
            realised_gross=matching.realised_gross,
            realised_net=matching.realised_net,
            is_late=is_late,
            opened=None if is_late else matching.opened,
            closed=() if is_late else pages[0],
            closed_pages=0 if is_late else len(pages) - 1,
        )
        if is_late:
            return [booked, *self._restated(instrument, fill, currency, list(before.lots))]
        return [booked, *self._closed(instrument, pages[1:])]

    def unbook(self, instrument: str, fill: Fill, currency: str, reason: Reason) -> list[Event]:
        """Take a booked fill out again: what that does, and the pages that follow."""
        fills = self.fills[instrument]
        before, steps = refold(fills, self.basis)
        own = next(done for each, done in steps if each is fill)
        fills.remove(fill)
        book, steps = refold(fills, self.basis)
        self.books[instrument] = book
        change = fill.consideration if fill.side is Side.BUY else -fill.consideration
        self.cash[currency] += change + fill.fee
        self._pend(currency, fill, change + fill.fee)
        unbooked = TradeUnbooked(
            portfolio=self.name,
            instrument=instrument,
            currency=currency,
            fill=fill,
            reason=reason,
            totals=totals_of(book),
            cash_change=change + fill.fee,
            cash_after=self.cash[currency],
            realised_gross=-own.realised_gross,
            realised_net=-own.realised_net,
            last_fill=steps[-1][0] if steps else None,
        )
        return [unbooked, *self._restated(instrument, fill, currency, list(before.lots))]

    def _pend(self, currency: str, fill: Fill, change: Decimal) -> None:
        if fill.value_date is not None:
            dates = self.pending[currency]
            dates[fill.value_date] = dates.get(fill.value_date, ZERO) + change

    def settle(self, until: date) -> list[Event]:
        """Settle what is due."""
        events: list[Event] = []
        for currency, dates in self.pending.items():
            for day in sorted(day for day in dates if day <= until):
                amount = dates.pop(day)
                events.append(
                    CashSettled(
                        portfolio=self.name,
                        value_date=day,
                        currency=currency,
                        amount=amount,
                        settled_after=self.cash[currency] - sum(dates.values(), ZERO),
                    )
                )
        return events

    def _closed(self, instrument: str, pages: list[tuple[ClosedLot, ...]]) -> Iterator[Event]:
        for number, page in enumerate(pages, start=1):
            yield LotsClosed(
                portfolio=self.name,
                instrument=instrument,
                trade_id=self.fills[instrument][-1].trade_id,
                page=number,
                pages=len(pages),
                closed=page,
            )

    def _restated(
        self, instrument: str, fill: Fill, currency: str, before: Iterable[Lot]
    ) -> Iterator[Event]:
        """Replace what differs between the lots before and after."""
        book = self.books[instrument]
        index, removed, lots = lots_between(before, book.lots)
        pages = pages_of(lots)
        for number, page in enumerate(pages, start=1):
            yield LotsRestated(
                portfolio=self.name,
                instrument=instrument,
                currency=currency,
                from_trade_id=fill.trade_id,
                from_date=fill.trade_date,
                page=number,
                pages=len(pages),
                totals=totals_of(book),
                index=index,
                removed=removed,
                lots=page,
            )
            index, removed = index + len(page), 0


def totals_of(book: Book) -> BookTotals:
    """The totals an event carries."""
    return BookTotals(book.quantity, book.cost, book.fees, book.realised_gross, book.realised_net)


def fill_of(capture: Capture, trade_id: UUID) -> Fill:
    """The fill that books a capture."""
    assert capture.trade_date is not None
    return Fill(
        trade_id=trade_id,
        source=capture.source,
        external_id=capture.external_id,
        side=capture.side,
        quantity=capture.quantity,
        price=capture.price,
        consideration=product(capture.quantity, capture.price),
        fee=capture.fee,
        trade_date=capture.trade_date,
        executed_at=capture.executed_at,
        value_date=capture.trade_date + SETTLED_AFTER,
    )


def amended(capture: Capture, quantity: str, price: str, fee: str, day: date) -> Capture:
    """A capture with other content and the same name."""
    signed = Decimal(quantity)
    return msgspec.structs.replace(
        capture,
        side=Side.SELL if signed < 0 else Side.BUY,
        quantity=abs(signed),
        price=Decimal(price),
        fee=Decimal(fee),
        trade_date=day,
    )
