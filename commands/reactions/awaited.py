"""Which corporate actions wait for business time to come to their ex-date, folded from the log."""

from datetime import date, datetime
from typing import NamedTuple

import msgspec

from domain.calendars import local_date
from domain.instrument import (
    CorporateActionDeclared,
    CorporateActionReversed,
    InstrumentRegistered,
)
from domain.market import BusinessTimeReached, MarketMarked, SessionClosed
from eventstore.envelope import RecordedEvent
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode

_TOLD = {
    EVENT_NAMES[kind]
    for kind in (InstrumentRegistered, CorporateActionDeclared, CorporateActionReversed)
}
_SESSION_CLOSED = EVENT_NAMES[SessionClosed]
_TIMES = {EVENT_NAMES[kind] for kind in (MarketMarked, BusinessTimeReached)}


class _WithTime(msgspec.Struct, gc=False):
    """What business time needs of a mark or a time; the rest is skipped, not made."""

    at: datetime


class _WithEnd(msgspec.Struct, gc=False):
    """What business time needs of a session."""

    ends_at: datetime


class Awaiting(NamedTuple):
    """An action that is not effective yet."""

    instrument: str
    action: str
    ex_date: date
    calendar: str


_read_time = msgspec.json.Decoder(_WithTime).decode
_read_end = msgspec.json.Decoder(_WithEnd).decode


class Awaited:
    """Folds what is declared and how far business time has come."""

    def __init__(self) -> None:
        self.reached: datetime | None = None
        self.waiting: dict[tuple[str, str], Awaiting] = {}
        self._calendars: dict[str, str] = {}
        self._effective: set[tuple[str, str]] = set()

    def fold(self, recorded: RecordedEvent) -> set[str]:
        """Fold one event; give the instruments with an action that it puts in force or reverses."""
        if recorded.event_type in _TOLD:
            return self._tell(recorded)
        if recorded.event_type in _TIMES:
            return self._reach(_read_time(recorded.data).at)
        if recorded.event_type == _SESSION_CLOSED:
            return self._reach(_read_end(recorded.data).ends_at)
        return set()

    def _tell(self, recorded: RecordedEvent) -> set[str]:
        event = decode(recorded.event_type, recorded.data)
        if isinstance(event, InstrumentRegistered):
            self._calendars[event.instrument] = event.calendar
        elif isinstance(event, CorporateActionDeclared):
            action, calendar = event.terms.action, self._calendars[event.instrument]
            name = (event.instrument, action.action)
            self.waiting[name] = Awaiting(*name, action.ex_date, calendar)
            return self._put_in_force()
        elif isinstance(event, CorporateActionReversed):
            name = (event.instrument, event.action)
            self.waiting.pop(name, None)
            if name in self._effective:
                return {event.instrument}
        return set()

    def _reach(self, at: datetime) -> set[str]:
        if self.reached is not None and at <= self.reached:
            return set()
        self.reached = at
        return self._put_in_force() if self.waiting else set()

    def _put_in_force(self) -> set[str]:
        if self.reached is None:
            return set()
        found = [
            name
            for name, each in self.waiting.items()
            if each.ex_date <= local_date(each.calendar, self.reached)
        ]
        for name in found:
            del self.waiting[name]
        self._effective.update(found)
        return {instrument for instrument, _ in found}
