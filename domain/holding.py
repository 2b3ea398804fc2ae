"""What a portfolio holds, folded from as little as that needs: quantities, cash, last prices.

It stands beside the portfolio of decisions, which knows lots too, for those who only value it.
"""

from collections.abc import Iterable
from decimal import Decimal
from itertools import chain
from typing import Protocol

import msgspec

from domain.event import Event
from domain.limits.events import LimitBreachClosed, LimitBreachOpened
from domain.limits.exposure import Balance
from domain.lots import Fill
from domain.money import ZERO
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    DividendPaid,
    LotsSpunOff,
)
from domain.portfolio.events import (
    CashDeposited,
    CashWithdrawn,
    PortfolioOpened,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked
from domain.portfolio.state import BreachKey, Portfolio, Traded, breach_key
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut
from domain.rules.valuing import HasQuantity, Valuation

HOLDING_EVENTS = (
    TradeBooked,
    TradeUnbooked,
    LimitBreachOpened,
    LimitBreachClosed,
    CashDeposited,
    CashWithdrawn,
    FeeCharged,
    InterestBooked,
    CashExchanged,
    CorporateActionApplied,
    CorporateActionUnapplied,
    LotsSpunOff,
    LotsTransferredOut,
    LotsTransferredIn,
    DividendPaid,
)
"""Types of events that change what a portfolio holds, or its open breaches."""


class Quantity(msgspec.Struct, gc=False):
    """What is held of one instrument."""

    quantity: Decimal


class Booking(Protocol):
    """What holding needs of a booking, or of its undoing."""

    @property
    def instrument(self) -> str:
        """What was traded."""

    @property
    def currency(self) -> str:
        """That of its cash."""

    @property
    def fill(self) -> Fill:
        """The trade."""

    @property
    def totals(self) -> HasQuantity:
        """What is held of it then."""

    @property
    def cash_after(self) -> Decimal:
        """The balance then."""


class Held:
    """One portfolio: what is valued of it, and its open breaches.

    `cash` is that of the trade date, `due` what is outstanding of dividends, by currency. `moved`
    are the positions that changed since they were `valued`.
    """

    __slots__ = (
        "books",
        "breaches",
        "cash",
        "due",
        "moved",
        "opened",
        "tenant",
        "traded",
        "valued",
    )

    def __init__(self, tenant: str, opened: PortfolioOpened) -> None:
        self.tenant = tenant
        self.opened = opened
        self.books: dict[str, Quantity] = {}
        self.traded: dict[str, Traded] = {}
        self.cash: dict[str, Decimal] = {}
        self.due: dict[str, Decimal] = {}
        self.breaches: dict[BreachKey, LimitBreachOpened] = {}
        self.valued: Valuation | None = None
        self.moved: set[str] = set()

    @classmethod
    def of(cls, tenant: str, portfolio: Portfolio) -> "Held":
        """Begin with a portfolio as it stands."""
        assert portfolio.opened is not None, "only an open portfolio holds anything"
        held = cls(tenant, portfolio.opened)
        held.books = {
            name: Quantity(book.quantity) for name, book in portfolio.books.items() if book.quantity
        }
        held.traded = portfolio.traded.copy()
        held.cash = portfolio.cash.copy()
        for _, _, due in portfolio.dues:
            held._owe(due.currency, due.net)
        held.breaches = portfolio.breaches.copy()
        return held

    @property
    def is_foreign(self) -> bool:
        """Whether it has met any currency but its base."""
        return len(self.cash.keys() | {self.opened.base_currency}) > 1

    @property
    def balances(self) -> Iterable[Balance]:
        """What it holds and is owed, by currency."""
        return chain(self.cash.items(), self.due.items())

    def meet(self, currency: str) -> None:
        """Note that something is held in a currency."""
        self.cash.setdefault(currency, ZERO)

    def book(self, booking: Booking) -> str:
        """Fold a booking; name its instrument."""
        name = self._take_booking(booking)
        self._note_traded(name, booking.fill)
        return name

    def unbook(self, booking: Booking, last_fill: Fill | None) -> str:
        """Fold the undoing of a booking, behind which `last_fill` is the last; name it."""
        name = self._take_booking(booking)
        self.traded.pop(name, None)
        if last_fill is not None:
            self._note_traded(name, last_fill)
        return name

    def fold(self, event: Event) -> str | None:
        """Fold one of `HOLDING_EVENTS`; name the instrument it concerns, if it does one."""
        cash = self.cash
        match event:
            case TradeBooked():
                return self.book(event)
            case TradeUnbooked():
                return self.unbook(event, event.last_fill)
            case CashDeposited() | CashWithdrawn() | FeeCharged() | InterestBooked():
                cash[event.amount.currency] = event.balance
            case CashExchanged():
                cash[event.sold.currency] = event.balance_sold
                cash[event.bought.currency] = event.balance_bought
            case DividendPaid():
                cash[event.currency] = event.cash_after
                self._owe(event.currency, event.withheld - event.gross)
            case CorporateActionApplied() | CorporateActionUnapplied():
                if event.terms.cash_dividend is not None:
                    change = event.gross_change - event.withheld_change
                    self._owe(event.terms.cash_dividend.currency, change)
                self._take_fraction(event)
                return event.instrument
            case LotsSpunOff():
                self._take_fraction(event)
                return event.instrument
            case LotsTransferredOut() | LotsTransferredIn():
                self._take(event.instrument, event.totals)
                self.meet(event.currency)
                return event.instrument
            case LimitBreachOpened():
                self.breaches[breach_key(event)] = event
            case LimitBreachClosed():
                self.breaches.pop(breach_key(event), None)
            case _:
                raise AssertionError(f"{type(event).__name__} changes nothing that is held")
        return None

    def _take_fraction(
        self, event: CorporateActionApplied | CorporateActionUnapplied | LotsSpunOff
    ) -> None:
        if event.cash_change:
            self.cash[event.currency] = event.cash_after
        self._take(event.instrument, event.totals)

    def _owe(self, currency: str, change: Decimal) -> None:
        self.due[currency] = self.due.get(currency, ZERO) + change

    def _take_booking(self, booking: Booking) -> str:
        name = booking.instrument
        self._take(name, booking.totals)
        self.cash[booking.currency] = booking.cash_after
        return name

    def _take(self, name: str, totals: HasQuantity) -> None:
        self.books[name] = Quantity(totals.quantity)
        self.moved.add(name)

    def _note_traded(self, name: str, fill: Fill) -> None:
        """Note a fill, unless one behind it in book order is there."""
        known, key = self.traded.get(name), fill.key
        if known is None or known.key < key:
            self.traded[name] = Traded(key, fill.price, fill.trade_date)
            self.moved.add(name)
