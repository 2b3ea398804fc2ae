"""Instruments: registered once, known to every tenant, owned by the tenant `market`.

Title, symbol and sector are in force from a date on, whenever that was told; the last told for a
date holds. An instrument is suspended from one instant until another, and not listed any more from
the day of its delisting on.
"""

from bisect import bisect_right
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias, assert_never

import msgspec

from domain.calendars import require_calendar
from domain.corporate_actions import Action, Terms
from domain.currencies import require_currency
from domain.event import Event
from domain.rejection import Conflict


class AssetClass(StrEnum):
    """What kind of instrument it is: those whose value is quantity x price.

    Bonds, futures and options wait for a multiplier and a quotation unit: without these every
    figure of theirs would be wrong.
    """

    EQUITY = "equity"
    FUND = "fund"
    CRYPTO = "crypto"
    OTHER = "other"


class InstrumentRegistered(Event, frozen=True):
    """An instrument became known; `sector` is absent where none was given."""

    instrument: str
    symbol: str
    currency: str
    asset_class: AssetClass
    calendar: str
    sector: str | None = None


class InstrumentRenamed(Event, frozen=True):
    """Its title from a date on, such as the company's name."""

    instrument: str
    title: str
    from_date: date


class SymbolChanged(Event, frozen=True):
    """It trades under another symbol from a date on; its name here stays."""

    instrument: str
    symbol: str
    from_date: date


class SectorAssigned(Event, frozen=True):
    """Its sector from a date on; absent: unclassified."""

    instrument: str
    from_date: date
    sector: str | None = None


class InstrumentSuspended(Event, frozen=True):
    """Trading stopped at an instant, for a short coded reason; its last mark stays, stale."""

    instrument: str
    from_at: datetime
    reason: str


class InstrumentResumed(Event, frozen=True):
    """Trading goes on from an instant."""

    instrument: str
    from_at: datetime


class InstrumentDelisted(Event, frozen=True):
    """Not listed any more: `on_date` is the first day without; its last mark stays, stale."""

    instrument: str
    on_date: date


class WrittenDown(Event, frozen=True):
    """Valued at `price`, in its currency, from `at` until the next price; nothing was traded."""

    instrument: str
    price: Decimal
    at: datetime
    reason: str


class CorporateActionDeclared(Event, frozen=True):
    """An action takes effect on its ex-date for every holder; its name is used up for ever."""

    instrument: str
    terms: Terms


class CorporateActionReversed(Event, frozen=True):
    """An action that was declared is taken back: for every holder as if it had never been."""

    instrument: str
    action: str
    reason: str


TermsChange: TypeAlias = InstrumentRenamed | SymbolChanged | SectorAssigned
TradingChange: TypeAlias = InstrumentSuspended | InstrumentResumed
ActionChange: TypeAlias = CorporateActionDeclared | CorporateActionReversed
InstrumentChange: TypeAlias = (
    TermsChange | TradingChange | InstrumentDelisted | WrittenDown | ActionChange
)
InstrumentEvent = (
    InstrumentRegistered
    | InstrumentRenamed
    | SymbolChanged
    | SectorAssigned
    | InstrumentSuspended
    | InstrumentResumed
    | InstrumentDelisted
    | WrittenDown
    | CorporateActionDeclared
    | CorporateActionReversed
)


class Instrument(msgspec.Struct):
    """The state of an instrument; terms by the date they are in force from, trading in order.

    `told` gives the version of the last event of each content. `actions` are all ever declared, by
    name, `reversed_actions` the reasons of those taken back.
    """

    version: int = 0
    registered: InstrumentRegistered | None = None
    terms: dict[type[TermsChange], tuple[TermsChange, ...]] = {}
    trading: tuple[TradingChange, ...] = ()
    delisted: InstrumentDelisted | None = None
    written_down: WrittenDown | None = None
    told: dict[InstrumentEvent, int] = {}
    actions: dict[str, Action] = {}
    reversed_actions: dict[str, str] = {}

    @property
    def currency(self) -> str:
        """Its trading currency."""
        assert self.registered is not None, "only a registered instrument is asked its currency"
        return self.registered.currency

    @property
    def calendar(self) -> str:
        """Its market calendar."""
        assert self.registered is not None, "only a registered instrument is asked its calendar"
        return self.registered.calendar

    def title_on(self, day: date) -> str | None:
        """Its title on a date; None while it has none."""
        found = self._in_force(InstrumentRenamed, day)
        return found.title if isinstance(found, InstrumentRenamed) else None

    def symbol_on(self, day: date) -> str:
        """Its symbol on a date."""
        assert self.registered is not None, "only a registered instrument is asked its symbol"
        found = self._in_force(SymbolChanged, day)
        return found.symbol if isinstance(found, SymbolChanged) else self.registered.symbol

    def sector_on(self, day: date) -> str | None:
        """Its sector on a date; None: unclassified."""
        assert self.registered is not None, "only a registered instrument is asked its sector"
        if not self.terms:
            return self.registered.sector
        found = self._in_force(SectorAssigned, day)
        return found.sector if isinstance(found, SectorAssigned) else self.registered.sector

    def _in_force(self, kind: type[TermsChange], day: date) -> TermsChange | None:
        changes = self.terms.get(kind, ())
        index = bisect_right(changes, day, key=_from_date)
        return changes[index - 1] if index else None

    def is_suspended_at(self, at: datetime) -> bool:
        """Say whether trading in it was suspended at an instant."""
        index = bisect_right(self.trading, at, key=_from_at)
        return bool(index) and isinstance(self.trading[index - 1], InstrumentSuspended)

    def is_delisted_on(self, day: date) -> bool:
        """Say whether it was not listed any more on a date."""
        return self.delisted is not None and self.delisted.on_date <= day

    def fork(self) -> "Instrument":
        """Copy, so that the twin can be folded further without touching this one."""
        return msgspec.structs.replace(
            self,
            terms=self.terms.copy(),
            told=self.told.copy(),
            actions=self.actions.copy(),
            reversed_actions=self.reversed_actions.copy(),
        )

    def apply(self, event: InstrumentEvent) -> None:
        """Fold one event."""
        match event:
            case InstrumentRegistered():
                self.registered = event
            case InstrumentRenamed() | SymbolChanged() | SectorAssigned():
                known = self.terms.get(type(event), ())
                others = [each for each in known if each.from_date != event.from_date]
                self.terms[type(event)] = tuple(sorted([*others, event], key=_from_date))
            case InstrumentSuspended() | InstrumentResumed():
                self.trading = (*self.trading, event)
            case InstrumentDelisted():
                self.delisted = event
            case WrittenDown():
                self.written_down = event
            case CorporateActionDeclared():
                self.actions[event.terms.action.action] = event.terms.action
            case CorporateActionReversed():
                self.reversed_actions[event.action] = event.reason
            case _:
                assert_never(event)
        self.version += 1
        self.told[event] = self.version


def _from_date(change: TermsChange) -> date:
    return change.from_date


def _from_at(change: TradingChange) -> datetime:
    return change.from_at


def register_instrument(
    current: Instrument | None, *, wanted: InstrumentRegistered
) -> InstrumentRegistered | None:
    """Decide a registration; None when it is registered with the same content already.

    Raises:
        Conflict: `instrument_already_registered` with other content.
        Rejection: `currency_unknown` or `calendar_unknown`.
    """
    require_currency(wanted.currency)
    require_calendar(wanted.calendar)
    if current is None or current.registered is None:
        return wanted
    fields = differing_fields(current.registered, wanted)
    if fields:
        message = f"Instrument {wanted.instrument} is registered with other {', '.join(fields)}."
        raise Conflict("instrument_already_registered", message, fields=fields)
    return None


def differing_fields(one: msgspec.Struct, other: msgspec.Struct) -> tuple[str, ...]:
    """Name the fields in which two structs of one type differ."""
    names = one.__struct_fields__
    return tuple(name for name in names if getattr(one, name) != getattr(other, name))
