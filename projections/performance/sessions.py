"""The closed sessions of calendars as they were last read: the next question reads the later ones.

A calendar's sessions close in order and are never changed; an event of the tenant `market` tells
each, so that they are right until the next market position.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from projections.asking import Database, Readable, ask
from projections.bounded_memory import BoundedMemory
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
_Key = tuple[Database, str, _Log, str]
"""The database, schema, what its tables are of, and the calendar."""


class _Read(NamedTuple):
    """Sessions as of a market position."""

    until: int
    sessions: Sessions


_NOTHING = _Read(-1, Sessions())
_KEPT: BoundedMemory[_Key, _Read] = BoundedMemory(CALENDARS_MAX)


def closed_sessions(readable: Readable, calendar: str, of: _Log, market_position: int) -> Sessions:
    """Give a calendar's closed sessions, as of the snapshot; `of` and position say which it is.

    Raises:
        ReadModelMissing: there are no tables yet.
    """
    (partition,) = readable.partitions
    key = (readable.database, NAME + partition.suffix, of, calendar)
    known = _KEPT.get(key)
    if known is None or known.until > market_position:
        known = _NOTHING
    if known.until != market_position:  # Not locked while reading: nothing kept changes.
        known = _Read(market_position, _read_on(readable, calendar, known))
        _KEPT.keep(key, known)
    return known.sessions


def _read_on(readable: Readable, calendar: str, known: _Read) -> Sessions:
    before = known.sessions
    rows = ask(readable, NAME, _LATER, (calendar, known.until), order="ORDER BY session").rows
    if not rows:
        return before
    if before.days and rows[0][0] <= before.days[-1]:
        return _read_on(readable, calendar, _NOTHING)
    days, starts, ends = zip(*rows, strict=True)
    return Sessions(
        (*before.days, *days),
        (*before.starts, *map(universal, starts)),
        (*before.ends, *map(universal, ends)),
    )
