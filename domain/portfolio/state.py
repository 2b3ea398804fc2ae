"""The state of a portfolio: what decisions need of its past, folded from its events."""

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from domain.book import Book
from domain.book_order import BookKey
from domain.held import BookEntry, BookTotals
from domain.limits.events import BreachEvent, LimitBreachClosed, LimitBreachOpened
from domain.lots import Fill, Matching
from domain.money import ZERO
from domain.portfolio.basis_events import CostBasisApplied
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    DividendPaid,
    LotsSpunOff,
)
from domain.portfolio.day_counts import DayCounts
from domain.portfolio.dues import Dues
from domain.portfolio.entries import change_of, received_of
from domain.portfolio.events import (
    BookEvent,
    CashDeposited,
    CashSettled,
    CashWithdrawn,
    LotsClosed,
    LotsRestated,
    PortfolioEvent,
    PortfolioOpened,
    TradeBooked,
    TradeCashMoved,
    TradeUnbooked,
)
from domain.portfolio.life import (
    CashExchanged,
    CostBasisAssigned,
    FeeCharged,
    InterestBooked,
)
from domain.portfolio.standing import Standing
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut

if TYPE_CHECKING:
    from domain.rules.valuing import Valuation

Dated = dict[str, dict[date, Decimal]]
"""Signed amounts by currency and value date."""

BreachKey = tuple[str, str | None, str | None]
"""A limit's name, and the instrument or the sector it is breached in."""


class Traded(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The place in book order of an own fill, its price, and the date in whose units that is."""

    key: BookKey
    price: Decimal
    trade_date: date


def breach_key(event: BreachEvent) -> BreachKey:
    """Say which breach an event opens or closes: there is one of a limit at a place at most."""
    return event.limit, event.instrument, event.sector


class Portfolio:
    """Open lots by instrument, cash by currency, how it stands, and the stream's version.

    `cash` is trade-date cash; `pending` the part of it that settles with its value date, `awaited`
    what settles by a custodian's word only, and `failing` what a custodian reports so: each by
    currency and value date, signed. `dues` are the dividends that are due and not yet paid.
    `checked` says as of when no book was found to lack a corporate action or a change of basis,
    `valued` what the positions were worth, and `moved` what changed since; these are no state.
    `breaches` are the limits it is beyond without any trade, by limit and by the instrument or the
    sector concerned. `counts` say what was traded on the last trade dates, `traded` is the last
    fill of each instrument, in book order, with its price.

    `fork()` gives a twin that can be folded further without touching this one: books are copied
    only when first changed. What is `valued` stays behind; see `take_values`.
    """

    __slots__ = (
        "_owned",
        "awaited",
        "books",
        "breaches",
        "cash",
        "checked",
        "counts",
        "dues",
        "failing",
        "moved",
        "opened",
        "pending",
        "standing",
        "traded",
        "valued",
        "version",
    )

    def __init__(self) -> None:
        self.version = 0
        self.opened: PortfolioOpened | None = None
        self.standing = Standing()
        self.cash: dict[str, Decimal] = {}
        self.pending: Dated = {}
        self.awaited: Dated = {}
        self.failing: Dated = {}
        self.books: dict[str, Book] = {}
        self.dues = Dues()
        self.breaches: dict[BreachKey, LimitBreachOpened] = {}
        self.counts = DayCounts()
        self.traded: dict[str, Traded] = {}
        self.checked: object = None
        self.valued: Valuation | None = None
        self.moved: set[str] = set()
        self._owned: set[str] = set()

    def fork(self) -> "Portfolio":
        """Copy on write."""
        twin = Portfolio()
        twin.version = self.version
        twin.opened = self.opened
        twin.standing = self.standing
        twin.cash = self.cash.copy()
        twin.pending = _copied(self.pending)
        twin.awaited = _copied(self.awaited)
        twin.failing = _copied(self.failing)
        twin.books = self.books.copy()
        twin.dues = self.dues.copy()
        twin.breaches = self.breaches.copy()
        twin.counts = self.counts.fork()
        twin.traded = self.traded.copy()
        twin.checked = self.checked
        self._owned = set()
        return twin

    def take_values(self, other: "Portfolio") -> None:
        """Take over what the positions of the portfolio this was just forked from are worth."""
        self.valued, other.valued = other.valued, None
        self.moved, other.moved = other.moved, set()

    def book(self, instrument: str) -> Book:
        """Give an instrument's book, empty if it never traded; not for changing."""
        assert self.opened is not None, "only an open portfolio has books"
        return self.books.get(instrument) or Book(self.opened.cost_basis)

    def balance(self, currency: str) -> Decimal:
        """Give the trade-date cash held in a currency."""
        return self.cash.get(currency, ZERO)

    def settled(self, currency: str) -> Decimal:
        """Give the cash of a currency without what is pending, awaited or failing."""
        unsettled = (self.pending, self.awaited, self.failing)
        dates = (by_currency.get(currency, {}) for by_currency in unsettled)
        return self.balance(currency) - sum((sum(each.values(), ZERO) for each in dates), ZERO)

    def apply(self, event: PortfolioEvent) -> None:
        """Fold one event; results are taken, nothing is decided again."""
        match event:
            case TradeBooked():
                self._apply_booking(event)
            case TradeUnbooked():
                self._apply_unbooking(event)
            case CashDeposited() | CashWithdrawn() | FeeCharged() | InterestBooked():
                self._apply_flow(event)
            case CashExchanged():
                self._apply_exchange(event)
            case TradeCashMoved():
                _add(self.awaited, event.currency, event.value_date, event.awaited)
                _add(self.failing, event.currency, event.value_date, event.failing)
            case CashSettled():
                self.pending[event.currency].pop(event.value_date, None)
            case LotsClosed():
                self._apply_closing(event)
            case LotsRestated():
                self._apply_restatement(event)
            case CorporateActionApplied() | CorporateActionUnapplied() | LotsSpunOff():
                self._apply_action(event)
            case LotsTransferredOut() | LotsTransferredIn():
                self._apply_transfer(event)
            case CostBasisApplied():
                self._apply_basis(event)
            case DividendPaid():
                self.cash[event.currency] = event.cash_after
                self.dues.pay(event)
            case PortfolioOpened():
                self.opened = event
            case LimitBreachOpened():
                self.breaches[breach_key(event)] = event
            case LimitBreachClosed():
                self.breaches.pop(breach_key(event), None)
            case _:
                if isinstance(event, CostBasisAssigned):
                    self.checked = None
                self.standing = self.standing.after(event, self.version + 1)
        self.version += 1

    def _apply_flow(
        self, event: CashDeposited | CashWithdrawn | FeeCharged | InterestBooked
    ) -> None:
        currency = event.amount.currency
        if event.is_pending:
            change = event.balance - self.balance(currency)
            _add(self.pending, currency, event.value_date, change)
        self.cash[currency] = event.balance

    def _apply_exchange(self, event: CashExchanged) -> None:
        balances = (
            (event.sold.currency, event.balance_sold),
            (
                event.bought.currency,
                event.balance_bought,
            ),
        )
        for currency, balance in balances:
            if event.is_pending:
                change = balance - self.balance(currency)
                _add(self.pending, currency, event.value_date, change)
            self.cash[currency] = balance

    def _apply_trade_cash(self, event: TradeBooked | TradeUnbooked) -> None:
        self.cash[event.currency] = event.cash_after
        if event.fill.value_date is not None:
            where = self.awaited if event.is_awaited else self.pending
            _add(where, event.currency, event.fill.value_date, event.cash_change)

    def _apply_booking(self, event: TradeBooked) -> None:
        book = self._own(event.instrument)
        self._apply_trade_cash(event)
        fill = event.fill
        self.counts.add(event.instrument, event.currency, fill)
        self._note_traded(event.instrument, fill)
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
        self._apply_trade_cash(event)
        self.counts.take_back(event.instrument, event.currency, event.fill)
        self.traded.pop(event.instrument, None)
        if event.last_fill is not None:
            self._note_traded(event.instrument, event.last_fill)
        last_key = _last_key(book, event.last_fill)
        book = self._restate(event.instrument, book, event.fill, is_gone=True, last_key=last_key)
        _take_totals(book, event.totals)

    def _note_traded(self, instrument: str, fill: Fill) -> None:
        """Note a fill, unless one behind it in book order is there."""
        known, key = self.traded.get(instrument), fill.key
        if known is None or known.key < key:
            self.traded[instrument] = Traded(key, fill.price, fill.trade_date)

    def _apply_action(
        self, event: CorporateActionApplied | CorporateActionUnapplied | LotsSpunOff
    ) -> None:
        """Fold what an action did; the lots follow, where they change."""
        if event.cash_change:
            self.cash[event.currency] = event.cash_after
        entry: BookEntry = event.terms.action
        if isinstance(event, LotsSpunOff):
            entry = received_of(event)
        else:
            self.dues.take(event)
        if isinstance(event, CorporateActionApplied) and event.is_restated:
            return  # What changed it has restated the lots.
        book = self._restate_entry(event, entry)
        _take_totals(book, event.totals)

    def _apply_transfer(self, event: LotsTransferredOut | LotsTransferredIn) -> None:
        """Fold lots that left or came in; the lots follow."""
        if isinstance(event, LotsTransferredOut) and event.is_restated:
            return  # What changed it has restated the lots.
        book = self._restate_entry(event, event.entry)
        _take_totals(book, event.totals)

    def _apply_basis(self, event: CostBasisApplied) -> None:
        """Fold a change of basis; where lots change, they follow."""
        book = self._restate_entry(event, change_of(event))
        if book.basis is not event.in_force:
            book.basis = event.in_force
            book.replace_lots(book.lots)
        _take_totals(book, event.totals)

    def _restate_entry(self, event: BookEvent, entry: BookEntry) -> Book:
        """Put an entry that is no fill into a book, or take it out, as `_restate` does a fill."""
        book = self._own(event.instrument)
        before, worked_out = list(book.lots), book.worked_out
        if worked_out is not None and worked_out.entry == entry:
            self.books[event.instrument] = book = worked_out.after
        else:
            book.forget_checkpoints(entry.key)
            if isinstance(event, CorporateActionUnapplied):
                book.entries.pop(entry.entry_id, None)
                book.forget_all(_last_key(book, event.last_fill))
            else:
                book.place(entry)
                book.forget_all(max(entry.key, book.last_key or entry.key))
        book.restating = before
        _disturb(book)
        return book

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
        if worked_out is not None and worked_out.entry == fill:
            self.books[instrument] = book = worked_out.after
        elif book.remembers(fill.key):
            _ = book.remove(fill) if is_gone else book.insert(fill)
        else:
            book.forget_checkpoints(fill.key)
            book.note_first(fill.key)
            book.forget_all(last_key if is_gone else book.last_key)
        book.restating = before
        _disturb(book)
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

    def _own(self, instrument: str) -> Book:
        if self.valued is not None:
            self.moved.add(instrument)
        if instrument not in self._owned:
            held = self.books.get(instrument)
            self.books[instrument] = self.book(instrument) if held is None else held.copy()
            self._owned.add(instrument)
        return self.books[instrument]


def _last_key(book: Book, last_fill: Fill | None) -> BookKey | None:
    """Give the place of what is last in a book, by its entries and its last fill."""
    fills = () if last_fill is None else (last_fill.key,)
    return max([*book.entries.values(), *fills], default=None)


def _disturb(book: Book) -> None:
    """Note that something did not come at the end; what was prepared before is of no use."""
    book.disturbed = object()
    book.prepared = None


def _add(where: Dated, currency: str, value_date: date, change: Decimal) -> None:
    """Add to what a date holds; one that comes to nothing stays."""
    dates = where.setdefault(currency, {})
    dates[value_date] = dates.get(value_date, ZERO) + change


def _copied(by_currency: Dated) -> Dated:
    return {currency: dates.copy() for currency, dates in by_currency.items()}


def _take_totals(book: Book, totals: BookTotals) -> None:
    book.quantity = totals.quantity
    book.cost = totals.cost
    book.fees = totals.fees
    book.realised_gross = totals.realised_gross
    book.realised_net = totals.realised_net
