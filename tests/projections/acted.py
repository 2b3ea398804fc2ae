"""A blotter that tells what it decides as a story: corporate actions as the domain decides them."""

from datetime import date
from uuid import UUID

import msgspec

from domain import identity
from domain.correcting import Corrected
from domain.event import Event
from domain.instrument import InstrumentChange
from domain.lots import CostBasis
from domain.portfolio.events import PortfolioEvent
from domain.portfolio.settling import settle_due
from tests.domain.blotter import CASH, OTHER_FUND, Blotter
from tests.domain.scenes import ACME, APPLE, FIFO, FUND, deposited, opened, registered
from tests.projections.story import MARKET, Story


class ActedStory(Blotter):
    """Every command of a blotter, told to a story: the two hold the same."""

    def __init__(self, basis: CostBasis = FIFO) -> None:
        super().__init__(basis)
        self.story = Story()
        self._tell_instrument(APPLE, registered(APPLE))
        for name in (FUND, OTHER_FUND):
            funded = msgspec.structs.replace(deposited(CASH), portfolio=name)
            stream = identity.portfolio_stream(ACME, name)
            self.story.tell((ACME, stream, opened(basis, portfolio=name)))
            self.story.tell((ACME, stream, funded))

    def settle(self, until: date) -> None:
        """Settle what is due, and pay dividends."""
        for name, portfolio in self.portfolios.items():
            events = settle_due(portfolio, name=name, until=until)
            self._tell_portfolio(name, *events)
            for event in events:
                self.fold(event)

    def _register(self, name: str) -> tuple[object, ...]:  # type: ignore[override]
        self._tell_instrument(name, registered(name))
        return super()._register(name)

    def _change(self, change: InstrumentChange) -> None:
        version = self.instruments[change.instrument].version
        super()._change(change)
        if self.instruments[change.instrument].version > version:
            self._tell_instrument(change.instrument, change)

    def _fold_all(self, events: tuple[PortfolioEvent, ...]) -> None:
        super()._fold_all(events)
        for name in self.portfolios:
            self._tell_portfolio(name, *(each for each in events if each.portfolio == name))

    def _take(self, name: UUID, decided: Corrected) -> tuple[object, ...]:  # type: ignore[override]
        bookings = [
            (ACME, identity.portfolio_stream(ACME, event.portfolio), event)
            for event in decided.bookings
        ]
        self.story.tell(*((ACME, name, event) for event in decided.trade), *bookings)
        return super()._take(name, decided)

    def _tell_portfolio(self, name: str, *events: Event) -> None:
        if events:
            stream = identity.portfolio_stream(ACME, name)
            self.story.tell(*((ACME, stream, event) for event in events))

    def _tell_instrument(self, name: str, event: Event) -> None:
        self.story.tell((MARKET, identity.instrument_stream(name), event))
