"""The closed sessions of calendars as they were last read: the next question reads the later ones.

A calendar's sessions close in order and are never changed; an event of the tenant `market` tells
each, so that they are right until the next market position.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, datetime
from threading import Lock
from typing import NamedTuple
from uuid import UUID

from projections.asking import Database, Readable, ask
from projections.performance.state import universal

NAME = "performance"
CALENDARS_MAX = 16
"""Calendars of schemas that are kept in one process."""

_LATER = "session, starts_at, ends_at FROM {schema}.sessions WHERE calendar = %s AND position > %s"


class Sessions(NamedTuple):
    """Dates in order, and when each began and ended, in UTC; not to be written to."""

    days: Sequence[date] = ()
    starts: Sequence[datetime] = ()
    ends: Sequence[datetime] = ()

    def until(self, last: date) -> "Sessions":
        """Give those up to a date."""
        count = bisect_right(self.days, last)
        return Sessions(self.days[:count], self.starts[:count], self.ends[:count])


_Log = tuple[UUID, int]
"""The log, and the edition of the tables made of it."""


class _Read(NamedTuple):
    """Sessions as of a market position."""

    of: _Log
    until: int
    sessions: Sessions


class _Kept:
    """What this process remembers, the calendar asked for longest ago first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[tuple[Database, str, str], _Read] = {}

    def sessions(self, readable: Readable, calendar: str, of: _Log, until: int) -> Sessions:
        (partition,) = readable.partitions
        key = (readable.database, NAME + partition.suffix, calendar)
        with self._lock:
            known = self._known.get(key)
        if known is None or known.of != of or known.until > until:
            known = _Read(of, -1, Sessions())
        sessions = known.sessions
        if known.until != until:  # The lock is not held meanwhile: what is kept is never changed.
            sessions = _read_on(readable, calendar, known)
        with self._lock:
            self._known.pop(key, None)
            self._known[key] = _Read(of, until, sessions)
            while len(self._known) > CALENDARS_MAX:
                del self._known[next(iter(self._known))]
        return sessions


_KEPT = _Kept()


def closed_sessions(readable: Readable, calendar: str, of: _Log, market_position: int) -> Sessions:
    """Give a calendar's closed sessions, as of the snapshot; `of` and position say which it is.

    Raises:
        ReadModelMissing: there are no tables yet.
    """
    return _KEPT.sessions(readable, calendar, of, market_position)


def _read_on(readable: Readable, calendar: str, known: _Read) -> Sessions:
    before = known.sessions
    rows = ask(readable, NAME, _LATER, (calendar, known.until), order="ORDER BY session").rows
    if not rows:
        return before
    if before.days and rows[0][0] <= before.days[-1]:
        return _read_on(readable, calendar, _Read(known.of, -1, Sessions()))
    days, starts, ends = zip(*rows, strict=True)
    return Sessions(
        (*before.days, *days),
        (*before.starts, *map(universal, starts)),
        (*before.ends, *map(universal, ends)),
    )
