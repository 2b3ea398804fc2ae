"""Tables and rows of the read model `market`; they belong to all tenants.

`marks` is everything told: marks, rates, closes and write-downs, by name and business time. An FX
pair is named `EUR/USD`, which no instrument can be. A corrected close stands at its correction's
position; a cancelled one keeps its row without a price. The last mark is not stored: it is the
first row of a name from behind, one probe of the primary key.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

DDL = """
CREATE TABLE {schema}.marks (
    name text COLLATE "C",
    at timestamptz,
    position bigint,
    price numeric,
    kind text NOT NULL,
    source text,
    calendar text COLLATE "C",
    session date,
    status text,
    findings text[] NOT NULL,
    replaces numeric,
    reason text,
    corrected_position bigint,
    PRIMARY KEY (name, at, position)
);
CREATE INDEX ON {schema}.marks (status, name, at, position)
    WHERE status IN ('suspect', 'corrected', 'cancelled');
CREATE TABLE {schema}.names (
    name text COLLATE "C" PRIMARY KEY,
    currency text NOT NULL,
    calendar text COLLATE "C",
    suspended_at timestamptz,
    delisted_on date
);
CREATE TABLE {schema}.calendars (
    calendar text COLLATE "C" PRIMARY KEY,
    session date NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
);
CREATE TABLE {schema}.business_time (
    is_one boolean PRIMARY KEY,
    reached timestamptz NOT NULL
);
"""

TABLES = ("marks", "names", "calendars", "business_time")


class MarkKind(StrEnum):
    """How a price was told."""

    MARK = "mark"
    CLOSE = "close"
    WRITE_DOWN = "write_down"


class CloseStatus(StrEnum):
    """What is thought of a close; a suspect one counts until it is corrected."""

    ACCEPTED = "accepted"
    SUSPECT = "suspect"
    CORRECTED = "corrected"
    CANCELLED = "cancelled"


class MarkRow(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A price or rate in force from `at`; a close has a calendar, a session and a status.

    `findings` is the text of an array.
    """

    name: str
    at: datetime
    position: int
    price: Decimal | None
    kind: MarkKind
    source: str | None = None
    calendar: str | None = None
    session: date | None = None
    status: CloseStatus | None = None
    findings: str = "{}"
    replaces: Decimal | None = None
    reason: str | None = None
    corrected_position: int | None = None


class NameRow(msgspec.Struct, frozen=True, gc=False):
    """What has marks: an instrument, or without a calendar a pair; prices are in `currency`."""

    name: str
    currency: str
    calendar: str | None
    suspended_at: datetime | None = None
    delisted_on: date | None = None


class CalendarRow(msgspec.Struct, frozen=True, gc=False):
    """A calendar's last closed session."""

    calendar: str
    session: date
    starts_at: datetime
    ends_at: datetime


class TimeRow(msgspec.Struct, frozen=True, gc=False):
    """The newest instant that a mark, a session or time itself has told: the only row."""

    is_one: bool
    reached: datetime
