"""The market as those see it who watch: marks, rates, instruments, and how far time has come."""

from datetime import date, datetime
from decimal import Decimal

from domain.event import Event
from domain.instrument import (
    CorporateActionDeclared,
    CorporateActionReversed,
    Instrument,
    InstrumentEvent,
    InstrumentRegistered,
    SectorAssigned,
    WrittenDown,
)
from domain.limits.exposure import Valuing
from domain.market import (
    BusinessTimeReached,
    CloseCorrected,
    MarketEvent,
    MarketMarked,
    SessionClosed,
)
from domain.marking import Market
from domain.portfolio.overdue import Acting

ALWAYS_OPEN = "24/7"
"""Its date is the UTC day, by which the age of rates is looked at."""


def told_time(event: Event) -> datetime | None:
    """Say up to when business time comes with an event of the market's, if it tells that."""
    match event:
        case MarketMarked() | BusinessTimeReached():
            return event.at
        case SessionClosed():
            return event.ends_at
    return None


class WatchedMarket:
    """Folds what all tenants share.

    `days` is another object whenever a business date begins on the calendar of any instrument, or a
    UTC day, or a corporate action or a sector may be another; `rates_moved` says whether the last
    event told rates, `acted` are the instruments with corporate actions. `closings` counts what
    told closes.
    """

    def __init__(self) -> None:
        self.prices = Market()
        self.instruments: dict[str, Instrument] = {}
        self.acted: set[str] = set()
        self.days = object()
        self.rates_moved = False
        self.closings = 0
        self._dates: dict[str, date] = {ALWAYS_OPEN: date.min}
        self._quarter: int | None = None

    @property
    def reached(self) -> datetime | None:
        """How far business time has come."""
        return self.prices.reached

    @property
    def position(self) -> int:
        """That of the last event."""
        return self.prices.position

    @property
    def acting(self) -> Acting:
        """What is known of corporate actions."""
        return Acting(self.instruments.get, as_of=self.days, today=self.prices.today)

    def valuing(self) -> Valuing | None:
        """Give by what a portfolio is valued now; None before any time was told."""
        reached, prices = self.prices.reached, self.prices
        return (
            None if reached is None else Valuing(reached, prices.marks, prices.rate_at, self.acting)
        )

    def rate(self, currency: str, base: str) -> Decimal | None:
        """Give the rate that is in force now."""
        reached = self.prices.reached
        return None if reached is None else self.prices.rate_at(currency, base, reached)

    def fold(self, event: InstrumentEvent | MarketEvent, position: int) -> set[str]:
        """Fold one event; name the instruments that it concerns."""
        prices = self.prices
        prices.position = position
        self.closings += isinstance(event, SessionClosed | CloseCorrected)
        self.rates_moved = isinstance(event, MarketMarked) and bool(event.rates)
        if isinstance(event, InstrumentEvent):
            self.instruments.setdefault(event.instrument, Instrument()).apply(event)
            if isinstance(event, WrittenDown):
                prices.write_down(event)
            elif isinstance(event, InstrumentRegistered):
                self._dates[event.calendar] = prices.today(event.calendar)
        else:
            prices.apply(event)
            self._begin_dates()
        match event:
            case MarketMarked():
                return {mark.instrument for mark in event.marks}
            case SessionClosed():
                return {close.instrument for close in event.closes}
            case CloseCorrected() | WrittenDown():
                return {event.instrument}
            case CorporateActionDeclared() | CorporateActionReversed() | SectorAssigned():
                self.days = object()
                if not isinstance(event, SectorAssigned):
                    self.acted.add(event.instrument)
                return {event.instrument}
        return set()

    def _begin_dates(self) -> None:
        """Note the dates that have begun; everywhere they begin on a quarter of an hour."""
        if self.prices.quarter == self._quarter:
            return
        self._quarter = self.prices.quarter
        dates = {calendar: self.prices.today(calendar) for calendar in self._dates}
        if dates != self._dates:
            self._dates, self.days = dates, object()
