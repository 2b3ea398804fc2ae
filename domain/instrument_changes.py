"""Deciding what changes in the life of an instrument: told as facts, each with its own date."""

from collections.abc import Callable
from datetime import datetime
from typing import assert_never

from domain.calendars import local_date
from domain.declaring import declare, reverse
from domain.instrument import (
    CorporateActionDeclared,
    CorporateActionReversed,
    Instrument,
    InstrumentChange,
    InstrumentDelisted,
    InstrumentRenamed,
    InstrumentResumed,
    InstrumentSuspended,
    SectorAssigned,
    SymbolChanged,
    TradingChange,
    WrittenDown,
    differing_fields,
)
from domain.rejection import Conflict, Rejection
from domain.rules.proposal import CLOCK_SKEW


def change_instrument(
    instrument: Instrument,
    wanted: InstrumentChange,
    *,
    now: datetime,
    instrument_of: Callable[[str], Instrument | None],
) -> InstrumentChange | None:
    """Decide a change in the life of a registered instrument; None when it holds already.

    `instrument_of` gives other instruments.

    Raises:
        Conflict: `instrument_already_suspended` or `instrument_already_delisted` otherwise, and
            what `declaring` says.
        Rejection: `instrument_not_suspended`, `instrument_delisted`, `suspension_out_of_order`,
            `suspension_from_the_future`, `write_down_from_the_future`.
    """
    match wanted:
        case InstrumentRenamed() | SymbolChanged() | SectorAssigned():
            return None if wanted in instrument.terms.get(type(wanted), ()) else wanted
        case InstrumentSuspended() | InstrumentResumed():
            return _change_trading(instrument, wanted, now)
        case InstrumentDelisted():
            return _delist(instrument, wanted)
        case WrittenDown():
            _require_reached("write_down", wanted.at, now)
            return None if wanted == instrument.written_down else wanted
        case CorporateActionDeclared():
            return declare(instrument, wanted, instrument_of=instrument_of)
        case CorporateActionReversed():
            return reverse(instrument, wanted)
        case _:
            assert_never(wanted)


def _change_trading(
    instrument: Instrument, wanted: TradingChange, now: datetime
) -> TradingChange | None:
    name, last = wanted.instrument, instrument.trading[-1] if instrument.trading else None
    if wanted == last:
        return None
    _require_reached("suspension", wanted.from_at, now)
    if instrument.is_delisted_on(local_date(instrument.calendar, wanted.from_at)):
        raise Rejection("instrument_delisted", f"{name} was delisted before; nothing trades.")
    is_suspended = isinstance(last, InstrumentSuspended)
    if is_suspended and last is not None and isinstance(wanted, InstrumentSuspended):
        message = f"{name} is suspended since {last.from_at.isoformat()}; resume it first."
        fields = differing_fields(last, wanted)
        raise Conflict("instrument_already_suspended", message, fields=fields)
    if not is_suspended and isinstance(wanted, InstrumentResumed):
        raise Rejection("instrument_not_suspended", f"{name} is not suspended.")
    if last is not None and wanted.from_at <= last.from_at:
        message = f"Tell suspensions in order: the last change was at {last.from_at.isoformat()}."
        raise Rejection("suspension_out_of_order", message)
    return wanted


def _delist(instrument: Instrument, wanted: InstrumentDelisted) -> InstrumentDelisted | None:
    known = instrument.delisted
    if known is None:
        return wanted
    if known == wanted:
        return None
    message = f"{wanted.instrument} is delisted on {known.on_date.isoformat()} already."
    raise Conflict("instrument_already_delisted", message, fields=("on_date",))


def _require_reached(what: str, at: datetime, now: datetime) -> None:
    if at > now + CLOCK_SKEW:
        raise Rejection(f"{what}_from_the_future", f"{at.isoformat()} is not reached yet.")
