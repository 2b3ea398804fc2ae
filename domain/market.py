"""The market: marks, FX rates, closed sessions and corrected closes.

Prices are in the instrument's currency; a rate is units of `quote` for one of `base`. A session is
the interval [starts_at, ends_at); facts between two sessions belong to the later one.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from domain.event import Event

MARKS_PER_EVENT_MAX = 1_000
CLOSES_PER_SESSION_MAX = 2_000


class Finding(StrEnum):
    """What makes a close suspect. It is kept, used and listed; only a correction replaces it."""

    FAR_FROM_PREVIOUS = "far_from_previous"
    OUTSIDE_RANGE = "outside_range"
    HIGH_BELOW_LOW = "high_below_low"
    NO_OPEN = "no_open"
    NO_RANGE = "no_range"
    NO_VOLUME = "no_volume"


class Mark(msgspec.Struct, frozen=True, gc=False):
    """One instrument's price."""

    instrument: str
    price: Decimal


class Rate(msgspec.Struct, frozen=True, gc=False):
    """An FX rate: units of `quote` for one of `base`."""

    base: str
    quote: str
    rate: Decimal


class Close(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One instrument's close of a session, with what its source says of the day.

    `has_bar` says that the source gives open, high, low and volume at all: only then is a missing
    one a finding.
    """

    instrument: str
    price: Decimal
    has_bar: bool = False
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    volume: Decimal | None = None
    findings: tuple[Finding, ...] = ()


class MarketMarked(Event, frozen=True):
    """A conflated batch of marks and rates, all in force from `at`."""

    source: str
    at: datetime
    marks: tuple[Mark, ...] = ()
    rates: tuple[Rate, ...] = ()


class SessionClosed(Event, frozen=True):
    """A session ended: its closes are marks with business time `ends_at`, and NAVs are struck."""

    calendar: str
    session: date
    starts_at: datetime
    ends_at: datetime
    closes: tuple[Close, ...] = ()


class FollowingClose(msgspec.Struct, frozen=True, gc=False):
    """The findings of an instrument's next close, judged anew against a corrected one."""

    session: date
    findings: tuple[Finding, ...]


class CloseCorrected(Event, frozen=True):
    """A close was corrected; `price` absent: cancelled, the previous mark is in force again.

    `replaces` is the close before, absent where the session had none.
    """

    calendar: str
    session: date
    ends_at: datetime
    instrument: str
    price: Decimal | None
    replaces: Decimal | None
    reason: str
    findings: tuple[Finding, ...] = ()
    following: FollowingClose | None = None


class BusinessTimeReached(Event, frozen=True):
    """Business time came to an instant: what waits for it may go on."""

    at: datetime


MarketEvent = MarketMarked | SessionClosed | CloseCorrected | BusinessTimeReached
