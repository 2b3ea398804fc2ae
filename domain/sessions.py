"""Sessions of exchanges: on which days, and between which hours of local time.

Both are searched in committed tables; beyond the ends of a table nothing is known, nothing guessed.
"""

from bisect import bisect_right
from datetime import date, datetime, time
from functools import cache
from typing import NamedTuple, TypeAlias

from domain.business_days import SESSIONS, closed_ordinals
from domain.calendars import local_time
from domain.session_hours import SessionHours
from domain.session_hours.xams import HOURS as XAMS
from domain.session_hours.xasx import HOURS as XASX
from domain.session_hours.xbom import HOURS as XBOM
from domain.session_hours.xetr import HOURS as XETR
from domain.session_hours.xhkg import HOURS as XHKG
from domain.session_hours.xlon import HOURS as XLON
from domain.session_hours.xmad import HOURS as XMAD
from domain.session_hours.xmil import HOURS as XMIL
from domain.session_hours.xnys import HOURS as XNYS
from domain.session_hours.xpar import HOURS as XPAR
from domain.session_hours.xses import HOURS as XSES
from domain.session_hours.xsto import HOURS as XSTO
from domain.session_hours.xswx import HOURS as XSWX
from domain.session_hours.xtks import HOURS as XTKS
from domain.session_hours.xtse import HOURS as XTSE

ALWAYS_OPEN = "24/7"
SATURDAY = 5
HOURS = {
    "XNYS": XNYS,
    "XNAS": XNYS,  # The same hours and half days.
    "XTSE": XTSE,
    "XLON": XLON,
    "XETR": XETR,
    "XPAR": XPAR,
    "XAMS": XAMS,
    "XMIL": XMIL,
    "XMAD": XMAD,
    "XSWX": XSWX,
    "XSTO": XSTO,
    "XTKS": XTKS,
    "XHKG": XHKG,
    "XSES": XSES,
    "XASX": XASX,
    "XBOM": XBOM,
}

Span: TypeAlias = tuple[time, time]
"""From when until when, both included."""


class _Read(NamedTuple):
    """A table as it is searched: from which dates on which hours, and days with others."""

    since: list[date]
    regular: list[tuple[Span, ...]]
    special: dict[date, tuple[Span, ...]]


def has_session(calendar: str, day: date) -> bool | None:
    """Say whether an exchange has a session on a date; None where that is not known."""
    if calendar == ALWAYS_OPEN:
        return True
    table = SESSIONS[calendar]
    if not table.first <= day <= table.last:
        return None
    return day.weekday() < SATURDAY and day.toordinal() not in closed_ordinals(table)


def hours_on(calendar: str, day: date) -> tuple[Span, ...]:
    """Give the hours of a date that has a session, in local time; breaks are between them."""
    table = _read(calendar)
    found = table.special.get(day)
    if found is not None:
        return found
    return table.regular[bisect_right(table.since, day) - 1]


def is_in_session(calendar: str, at: datetime) -> bool | None:
    """Say whether an instant is in a session, its first and last included; None if not known."""
    if calendar == ALWAYS_OPEN:
        return True
    local = local_time(calendar, at)
    day, clock = local.date(), local.time()
    has = has_session(calendar, day)
    if not has:
        return has
    return any(opens <= clock <= closes for opens, closes in hours_on(calendar, day))


@cache
def _read(calendar: str) -> _Read:
    table: SessionHours = HOURS[calendar]
    eras = [line.split() for line in table.regular.split("\n") if line]
    special: dict[date, tuple[Span, ...]] = {}
    for line in table.special.split("\n"):
        if line:
            hours, year, *days = line.split()
            for day in days:
                special[date(int(year), int(day[:2]), int(day[2:]))] = _spans(hours)
    return _Read(
        [date.fromisoformat(since) for since, _ in eras],
        [_spans(hours) for _, hours in eras],
        special,
    )


def _spans(hours: str) -> tuple[Span, ...]:
    spans = (each.split("-") for each in hours.split(","))
    return tuple((_clock(opens), _clock(closes)) for opens, closes in spans)


def _clock(text: str) -> time:
    return time(int(text[:2]), int(text[2:]))
