"""The state of a portfolio: what decisions need of its past, folded from its events."""

from datetime import date
from decimal import Decimal

from domain.book import Book
from domain.book_order import BookKey
from domain.lots import Fill, Matching
from domain.money import ZERO
from domain.portfolio.events import (
    BookTotals,
    CashDeposited,
    CashSettled,
    CashWithdrawn,
    LotsClosed,
    LotsRestated,
    PortfolioEvent,
    PortfolioOpened,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked
from domain.portfolio.standing import Standing


class Portfolio:
    """Open lots by instrument, cash by currency, how it stands, and the stream's version.

    `cash` is trade-date cash; `pending` the part of it that settles later, by currency and value
    date, signed.

    `fork()` gives a twin that can be folded further without touching this one: books are copied
    only when first changed.
    """

    __slots__ = ("_owned", "books", "cash", "opened", "pending", "standing", "version")

    def __init__(self) -> None:
        self.version = 0
        self.opened: PortfolioOpened | None = None
        self.standing = Standing()
        self.cash: dict[str, Decimal] = {}
        self.pending: dict[str, dict[date, Decimal]] = {}
        self.books: dict[str, Book] = {}
        self._owned: set[str] = set()

    def fork(self) -> "Portfolio":
        """Copy on write."""
        twin = Portfolio()
        twin.version = self.version
        twin.opened = self.opened
        twin.standing = self.standing
        twin.cash = self.cash.copy()
        twin.pending = {currency: dates.copy() for currency, dates in self.pending.items()}
        twin.books = self.books.copy()
        self._owned = set()
        return twin

    def book(self, instrument: str) -> Book:
        """Give an instrument's book, empty if it never traded; not for changing."""
        assert self.opened is not None, "only an open portfolio has books"
        return self.books.get(instrument) or Book(self.opened.cost_basis)

    def balance(self, currency: str) -> Decimal:
        """Give the trade-date cash held in a currency."""
        return self.cash.get(currency, ZERO)

    def settled(self, currency: str) -> Decimal:
        """Give the cash of a currency without what is pending."""
        return self.balance(currency) - sum(self.pending.get(currency, {}).values(), ZERO)

    def apply(self, event: PortfolioEvent) -> None:
        """Fold one event; results are taken, nothing is decided again."""
        match event:
            case TradeBooked():
                self._apply_booking(event)
            case TradeUnbooked():
                self._apply_unbooking(event)
            case CashDeposited() | CashWithdrawn() | FeeCharged() | InterestBooked():
                self.cash[event.amount.currency] = event.balance
            case CashExchanged():
                self.cash[event.sold.currency] = event.balance_sold
                self.cash[event.bought.currency] = event.balance_bought
            case CashSettled():
                self.pending[event.currency].pop(event.value_date, None)
            case LotsClosed():
                self._apply_closing(event)
            case LotsRestated():
                self._apply_restatement(event)
            case PortfolioOpened():
                self.opened = event
            case _:
                self.standing = self.standing.after(event, self.version + 1)
        self.version += 1

    def _apply_booking(self, event: TradeBooked) -> None:
        book = self._own(event.instrument)
        self.cash[event.currency] = event.cash_after
        self._pend(event.currency, event.fill.value_date, event.cash_change)
        fill = event.fill
        if event.is_late:
            book = self._restate(event.instrument, book, fill)
        elif event.closed_pages:
            book.lots.take(event.closed, None)
            book.opening = event.opened  # behind the pages of closed lots that follow
            book.forget_all(fill.key)
        else:
            matching = Matching(
                event.closed, event.opened, event.realised_gross, event.realised_net
            )
            book.add(fill, matching)
            book.keep_checkpoint(self.version + 2)
        _take_totals(book, event.totals)

    def _apply_unbooking(self, event: TradeUnbooked) -> None:
        book = self._own(event.instrument)
        self.cash[event.currency] = event.cash_after
        self._pend(event.currency, event.fill.value_date, event.cash_change)
        last_key = None if event.last_fill is None else event.last_fill.key
        book = self._restate(event.instrument, book, event.fill, is_gone=True, last_key=last_key)
        _take_totals(book, event.totals)

    def _restate(
        self,
        instrument: str,
        book: Book,
        fill: Fill,
        *,
        is_gone: bool = False,
        last_key: BookKey | None = None,
    ) -> Book:
        """Put a late fill in, or take one out: as it was worked out to decide it, if so here."""
        before, worked_out = list(book.lots), book.worked_out
        if worked_out is not None and worked_out.fill == fill:
            self.books[instrument] = book = worked_out.after
        elif book.remembers(fill.key):
            _ = book.remove(fill) if is_gone else book.insert(fill)
        else:
            book.forget_checkpoints(fill.key)
            book.forget_all(last_key if is_gone else book.last_key)
        book.restating = before
        return book

    def _apply_closing(self, event: LotsClosed) -> None:
        book = self._own(event.instrument)
        book.lots.take(event.closed, book.opening if event.page == event.pages else None)
        if event.page == event.pages:
            book.opening = None

    def _apply_restatement(self, event: LotsRestated) -> None:
        """Take the restated lots; where the book remembered enough, it holds them already."""
        book = self._own(event.instrument)
        book.restating[event.index : event.index + event.removed] = event.lots
        _take_totals(book, event.totals)
        if event.page == event.pages:
            if book.restating != list(book.lots):
                book.replace_lots(book.restating)
            book.restating = []

    def _pend(self, currency: str, value_date: date | None, change: Decimal) -> None:
        """Add to what is pending; a date that comes to nothing stays until it is settled."""
        if value_date is not None:
            dates = self.pending.setdefault(currency, {})
            dates[value_date] = dates.get(value_date, ZERO) + change

    def _own(self, instrument: str) -> Book:
        if instrument not in self._owned:
            held = self.books.get(instrument)
            self.books[instrument] = self.book(instrument) if held is None else held.copy()
            self._owned.add(instrument)
        return self.books[instrument]


def _take_totals(book: Book, totals: BookTotals) -> None:
    book.quantity = totals.quantity
    book.cost = totals.cost
    book.fees = totals.fees
    book.realised_gross = totals.realised_gross
    book.realised_net = totals.realised_net
