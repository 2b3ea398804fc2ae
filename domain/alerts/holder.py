"""One portfolio that is watched: what it holds, whether its books are behind, what it is worth."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from decimal import Decimal

from domain.alerts.market import WatchedMarket
from domain.alerts.seen import Restating, Seen, restated
from domain.event import Event
from domain.holding import Held
from domain.limits.exposure import Valuing, worth_of
from domain.portfolio.corporate_events import CorporateActionApplied, CorporateActionUnapplied
from domain.portfolio.events import (
    CashDeposited,
    CashWithdrawn,
    PortfolioOpened,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut

BOOKINGS = (TradeBooked, TradeUnbooked)
FLOWS = (CashDeposited, CashWithdrawn, LotsTransferredIn, LotsTransferredOut)


class Holder:
    """Folds a portfolio.

    `restating` are facts since the last judging that may restate what was seen, `is_flow` says
    whether cash or lots came in or went out since.
    """

    def __init__(self, tenant: str, opened: PortfolioOpened, market: WatchedMarket) -> None:
        self.held = Held(tenant, opened)
        self.restating: list[Restating] = []
        self.is_flow = False
        self._market = market
        self._facts = 0
        self._opened_on: dict[str, date] = {}
        self._applied: set[tuple[str, str]] = set()

    @property
    def name(self) -> str:
        """The portfolio's."""
        return self.held.opened.portfolio

    def holds(self, instrument: str) -> bool:
        """Say whether it holds any of an instrument."""
        book = self.held.books.get(instrument)
        return book is not None and bool(book.quantity)

    def fold(self, event: Event) -> str | None:
        """Fold one of `HOLDING_EVENTS`; name the instrument it concerns, if it does one."""
        name = self.held.fold(event)
        if isinstance(event, BOOKINGS):
            self.restating.append(event)
        elif isinstance(event, FLOWS):
            self.is_flow = True
        elif isinstance(event, CorporateActionApplied):
            self._applied.add((event.instrument, event.terms.action.action))
        elif isinstance(event, CorporateActionUnapplied):
            self._applied.discard((event.instrument, event.terms.action.action))
        if name is not None:
            self._facts += 1
            self._note_opening(name, event)
        return name

    def see(self, by: Valuing) -> Seen | None:
        """Value it as the market stands; None where that is incomplete."""
        held = self.held
        base = held.opened.base_currency
        worth = worth_of(held, held.balances, base_currency=base, by=by)
        if worth is None:
            return None
        return Seen.of(worth, base, by.at, self._facts + self._market.closings)

    def restate(self, seen: Seen) -> Seen:
        """Give what was seen by what is known now."""
        for event in self.restating:
            seen = restated(seen, event, marks=self._market.prices.marks, rated=self._rated)
        return seen

    @property
    def is_behind(self) -> bool:
        """Whether a corporate action is to be applied to any of its books, or taken back."""
        acted = self._market.acted
        return bool(acted) and any(
            self._lacks(name) for name in acted & self.held.books.keys() if self.holds(name)
        )

    def _lacks(self, name: str) -> bool:
        instrument = self._market.instruments[name]
        today = self._market.prices.today(instrument.calendar)
        opened_on = self._opened_on.get(name, date.min)
        for action in instrument.actions.values():
            is_applied = (name, action.action) in self._applied
            if action.action in instrument.reversed_actions:
                if is_applied:
                    return True
            elif not is_applied and opened_on < action.ex_date <= today:
                return True
        return False

    def _note_opening(self, name: str, event: Event) -> None:
        """Remember since which date a position is there."""
        if not self.holds(name):
            self._opened_on.pop(name, None)
        elif isinstance(event, TradeBooked):
            day = event.fill.trade_date
            self._opened_on[name] = min(day, self._opened_on.get(name, day))
        else:
            today = self._market.prices.today(self._market.instruments[name].calendar)
            self._opened_on.setdefault(name, today)

    def _rated(self, currency: str) -> Decimal | None:
        return self._market.rate(currency, self.held.opened.base_currency)


class HeldInstrument:
    """An instrument that is held in a portfolio, or in any: its mark, and who holds it.

    `holding` names, by instrument, who may hold it.
    """

    def __init__(
        self,
        market: WatchedMarket,
        holders: Mapping[str, Holder],
        holding: Mapping[str, AbstractSet[str]],
        instrument: str,
        portfolio: str | None,
    ) -> None:
        self._market = market
        self._holders = holders
        self._holding = holding
        self._instrument = instrument
        self._portfolio = portfolio

    def marked_at(self, at: datetime) -> datetime | None:
        """Say of when the mark in force is."""
        quote = self._market.prices.marks.in_force(self._instrument, at)
        return None if quote is None else quote.at

    def quantities(self) -> dict[str, Decimal]:
        """Give what each holds of it."""
        name = self._instrument
        return {
            portfolio: self._holders[portfolio].held.books[name].quantity
            for portfolio in self._holding.get(name, ())
            if self._portfolio in {None, portfolio} and self._holders[portfolio].holds(name)
        }
