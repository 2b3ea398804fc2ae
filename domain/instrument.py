"""Instruments: registered once, known to every tenant, owned by the tenant `market`."""

from enum import StrEnum
from typing import assert_never

import msgspec

from domain.calendars import require_calendar
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


InstrumentEvent = InstrumentRegistered


class Instrument(msgspec.Struct):
    """The state of an instrument."""

    version: int = 0
    registered: InstrumentRegistered | None = None
    is_active: bool = False

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

    def apply(self, event: InstrumentEvent) -> None:
        """Fold one event."""
        match event:
            case InstrumentRegistered():
                self.registered = event
                self.is_active = True
            case _:
                assert_never(event)
        self.version += 1


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
