"""The life of an instrument over HTTP: each address takes one kind of change.

The body is the change without the instrument's name, which is part of the address.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, NamedTuple

from starlette.responses import Response

from commands.command import ChangeInstrument
from domain.instrument import (
    InstrumentChange,
    InstrumentDelisted,
    InstrumentRenamed,
    InstrumentResumed,
    InstrumentSuspended,
    SectorAssigned,
    SymbolChanged,
    WrittenDown,
)
from gateway.decoding import Instant, Line, Number, not_negative, plausible_day, utc
from gateway.interface import Call, Handle
from gateway.openapi import PathParameter
from write_api.bodies import Body, Reason
from write_api.issuing import Issuing
from write_api.reading_bodies import BodyReader

INSTRUMENT = PathParameter(
    "instrument", r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}\Z", "The instrument's name."
)


class TitleBody(Body, frozen=True):
    """An instrument's title from a date on."""

    title: Line
    from_date: date


class SymbolBody(Body, frozen=True):
    """An instrument's symbol from a date on."""

    symbol: Line
    from_date: date


class SectorBody(Body, frozen=True):
    """An instrument's sector from a date on; null: unclassified."""

    sector: Line | None
    from_date: date


class SuspensionBody(Body, frozen=True):
    """Since when trading is suspended, and why."""

    from_at: Instant
    reason: Reason


class ResumptionBody(Body, frozen=True):
    """Since when trading goes on."""

    from_at: Instant


class DelistingBody(Body, frozen=True):
    """The first day on which it is not listed any more."""

    on_date: date


class WriteDownBody(Body, frozen=True):
    """What it is worth from an instant on, until it has a newer price, and why."""

    price: Number
    at: Instant
    reason: Reason


def _titled(name: str, body: TitleBody) -> InstrumentChange:
    from_date = plausible_day("from_date", body.from_date)
    return InstrumentRenamed(instrument=name, title=body.title, from_date=from_date)


def _symbol_changed(name: str, body: SymbolBody) -> InstrumentChange:
    from_date = plausible_day("from_date", body.from_date)
    return SymbolChanged(instrument=name, symbol=body.symbol, from_date=from_date)


def _sector_assigned(name: str, body: SectorBody) -> InstrumentChange:
    from_date = plausible_day("from_date", body.from_date)
    return SectorAssigned(instrument=name, sector=body.sector, from_date=from_date)


def _suspended(name: str, body: SuspensionBody) -> InstrumentChange:
    from_at = utc("from_at", body.from_at)
    return InstrumentSuspended(instrument=name, from_at=from_at, reason=body.reason)


def _resumed(name: str, body: ResumptionBody) -> InstrumentChange:
    return InstrumentResumed(instrument=name, from_at=utc("from_at", body.from_at))


def _delisted(name: str, body: DelistingBody) -> InstrumentChange:
    return InstrumentDelisted(instrument=name, on_date=plausible_day("on_date", body.on_date))


def _written_down(name: str, body: WriteDownBody) -> InstrumentChange:
    price, at = not_negative("price", body.price), utc("at", body.at)
    return WrittenDown(instrument=name, price=price, at=at, reason=body.reason)


class Change(NamedTuple):
    """One kind of change: the last part of its address, its body, and the fact it becomes."""

    path: str
    name: str
    summary: str
    body: type[Body]
    build: Callable[[str, Any], InstrumentChange]

    def handle(self, issuing: Issuing) -> Handle:
        """Make the endpoint's coroutine."""
        reader = BodyReader(self.body)

        async def handle(call: Call) -> Response:
            instrument = call.named(INSTRUMENT)
            change = self.build(instrument, await reader.read(call))
            return await issuing.single(call, ChangeInstrument(change))

        return handle


CHANGES: Sequence[Change] = (
    Change("titles", "rename_instrument", "Give an instrument a title", TitleBody, _titled),
    Change(
        "symbols", "change_symbol", "Change an instrument's symbol", SymbolBody, _symbol_changed
    ),
    Change(
        "sectors", "assign_sector", "Assign an instrument to a sector", SectorBody, _sector_assigned
    ),
    Change("suspensions", "suspend_instrument", "Suspend trading", SuspensionBody, _suspended),
    Change("resumptions", "resume_instrument", "Resume trading", ResumptionBody, _resumed),
    Change("delistings", "delist_instrument", "Delist an instrument", DelistingBody, _delisted),
    Change(
        "write-downs", "write_down_instrument", "Write an instrument down", WriteDownBody,
        _written_down,
    ),
)  # fmt: skip
