"""Questions to the log, each answered from one index, on a connection that is handed in.

A binary cursor reads an event in under 5 µs; COPY TO STDOUT unpacked by hand took 9 µs, because
the driver makes ids and moments in C.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Cursor, errors
from psycopg.rows import tuple_row

from eventstore import packing
from eventstore.connections import Connection
from eventstore.envelope import Excerpt, Head, Receipt, RecordedEvent
from eventstore.failures import LogDamaged, LogNotCreated
from eventstore.tables import (
    FORMAT,
    LIMITED_PREDICATE,
    OPENED_PREDICATE,
    PARKING_PREDICATE,
    SHARED_PREDICATE,
)

POSITION_MAX = 2**63 - 1

HEAD: LiteralString = (
    "SELECT position, (extract(epoch FROM recorded_at) * 1000000)::bigint - 946684800000000 "
    "FROM log.events ORDER BY position DESC LIMIT 1"
)
"""Gives one row, or none from an empty log; the moment in microseconds since 2000."""

_COLUMNS: LiteralString = f"SELECT {packing.EVENT_COLUMNS}"
_EVENTS: LiteralString = f"{_COLUMNS} FROM log.events WHERE "
_RANGE: LiteralString = "position > %s AND position <= %s ORDER BY position LIMIT %s"
ALL: LiteralString = _EVENTS + _RANGE
_EXCERPTS: LiteralString = (
    "SELECT position, recorded_at, command_id, event_type, tenant, data"  # noqa: S608 - a constant
    f" FROM log.events WHERE {_RANGE}"
)
SHARED: LiteralString = f"{_EVENTS}{SHARED_PREDICATE} AND {_RANGE}"
PARKING: LiteralString = f"{_EVENTS}{PARKING_PREDICATE} AND {_RANGE}"
OPENED: LiteralString = f"{_EVENTS}{OPENED_PREDICATE} AND {_RANGE}"
LIMITED: LiteralString = f"{_EVENTS}{LIMITED_PREDICATE} AND {_RANGE}"
# The bound keeps to the index of positions: nothing is sorted, and what is left out costs little.
_OF_TYPES: LiteralString = (
    f"{_EVENTS}event_type = ANY(%s) AND position > %s AND position <= %s ORDER BY position"
)
_OF_TENANTS: LiteralString = (
    f"{_EVENTS}tenant = ANY(%s) AND event_type = ANY(%s) AND position > %s AND position <= %s"
    " ORDER BY position LIMIT %s"
)
_COUNT_OF_TENANTS: LiteralString = (
    "SELECT count(*), max(position) FROM (SELECT position FROM log.events WHERE"
    " tenant = ANY(%s) AND event_type = ANY(%s) AND position > %s AND position <= %s"
    " ORDER BY position LIMIT %s) AS first"
)
_LAST_OF_TENANTS: LiteralString = (
    f"{_EVENTS}tenant = ANY(%s) AND event_type = ANY(%s) AND position <= %s"
    " ORDER BY position DESC LIMIT 1"
)
_BY_VERSION: LiteralString = "stream_version > %s ORDER BY stream_version LIMIT %s"
_STREAM: LiteralString = f"{_EVENTS}stream_id = %s AND {_BY_VERSION}"
_STREAM_UNTIL: LiteralString = (
    # Versions have no gap, so the bound leaves nothing out and spares the rest of a long stream.
    f"{_EVENTS}stream_id = %s AND position <= %s AND stream_version <= %s ORDER BY stream_version"
)
_MOMENT: LiteralString = "SELECT recorded_at FROM log.events WHERE position = %s"
_LAST_SHARED: LiteralString = (
    "SELECT position FROM log.events WHERE "  # noqa: S608 - constants only
    + SHARED_PREDICATE
    + " AND position <= %s ORDER BY position DESC LIMIT 1"
)
_KEY: LiteralString = f"{_EVENTS}stream_id = %s AND key = %s AND {_BY_VERSION}"
_TYPES_UNTIL: LiteralString = (
    "event_type = ANY(%s) AND position <= %s AND stream_version > %s"
    " ORDER BY stream_version LIMIT %s"
)
_STREAM_TYPES_UNTIL: LiteralString = f"{_EVENTS}stream_id = %s AND {_TYPES_UNTIL}"
_KEYS_TYPES_UNTIL: LiteralString = f"{_EVENTS}stream_id = %s AND key = ANY(%s) AND {_TYPES_UNTIL}"
_LAST_OF_KEY: LiteralString = (
    f"{_EVENTS}stream_id = %s AND key = %s AND position <= %s ORDER BY stream_version DESC LIMIT 1"
)
_FIRST: LiteralString = _EVENTS + "stream_id = ANY(%s) AND stream_version = 1"
# One backward step in the primary key per stream, however long the streams are.
_VERSIONS: LiteralString = """
SELECT asked.stream_id, newest.stream_version
FROM unnest(%s::uuid[]) AS asked (stream_id)
CROSS JOIN LATERAL (
    SELECT stream_version FROM log.events WHERE events.stream_id = asked.stream_id
    ORDER BY stream_version DESC LIMIT 1
) AS newest
"""
# One step in the index per stream and key.
_STREAMS_WITH: LiteralString = """
SELECT keys.key, streams.stream_id
FROM unnest(%s::text[]) AS keys (key) CROSS JOIN unnest(%s::uuid[]) AS streams (stream_id)
WHERE EXISTS (
    SELECT FROM log.events
    WHERE events.stream_id = streams.stream_id AND events.key = keys.key AND events.key IS NOT NULL
)
"""
_RECEIPTS: LiteralString = """
SELECT command_id, tenant, fingerprint, outcome, position, recorded_at
FROM log.receipts WHERE command_id = ANY(%s)
"""


# A probe for what is nearly always new: one round trip, and nothing to fetch. One step in an index
# per id leaves the planner no choice: `= ANY` of hundreds is estimated id by id, then parallel.
_KNOWN: LiteralString = """
SELECT found.id
FROM unnest(%b::uuid[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT command_id AS id FROM log.receipts WHERE command_id = asked.id LIMIT 1
) AS found
UNION ALL
SELECT found.id
FROM unnest(%b::uuid[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT stream_id AS id FROM log.events
    WHERE stream_id = asked.id AND stream_version = 1 LIMIT 1
) AS found
"""
KNOWN_OF_ARRAYS = _KNOWN.replace("%b", "$1", 1).replace("%b", "$2", 1)
"""The same question as the server numbers parameters: command ids, stream ids."""


def head_of(row: tuple[int, int] | None) -> tuple[Head, int]:
    """Make the head of the row `HEAD` gives, beside its moment in microseconds since 2000."""
    if row is None:
        return Head(0, None), 0
    position, recorded_at = row
    return Head(position, packing.moment(recorded_at)), recorded_at


def read_head(connection: Connection) -> Head:
    """Read where the log ends."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return head_of(cursor.execute(HEAD).fetchone())[0]


def read_log_id(connection: Connection) -> UUID:
    """Read the identity of the log.

    Raises:
        LogNotCreated: the database holds no log, or one of another format.
    """
    try:
        with connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute("SELECT log_id, format FROM log.identity").fetchone()
    except (errors.UndefinedTable, errors.InvalidSchemaName) as error:
        raise LogNotCreated("the database holds no log") from error
    if row is None or row[1] != FORMAT:
        raise LogNotCreated(f"the log is not of format {FORMAT}: {row}")
    log_id: UUID = row[0]
    return log_id


def read_events(
    connection: Connection, *, after: int, limit: int, until: int | None = None
) -> list[RecordedEvent]:
    """Read events behind position `after`, up to `until`, in order of position.

    Raises:
        LogDamaged: a position is missing.
    """
    events = read_selected(connection, ALL, after=after, limit=limit, until=until)
    _require_whole(events, after)
    return events


def read_excerpts(
    connection: Connection, *, after: int, limit: int, until: int | None = None
) -> list[Excerpt]:
    """Read, like `read_events`, only what folding needs.

    Raises:
        LogDamaged: a position is missing.
    """
    bound = POSITION_MAX if until is None else until
    with connection.cursor(binary=True, row_factory=_excerpts) as cursor:
        events = cursor.execute(_EXCERPTS, (after, bound, limit)).fetchall()
    _require_whole(events, after)
    return events


def _require_whole(events: Sequence[Excerpt | RecordedEvent], after: int) -> None:
    if events and events[-1].position != after + len(events):
        raise LogDamaged(f"a position is missing between {after} and {events[-1].position}")


def read_selected(
    connection: Connection,
    statement: LiteralString,
    *,
    after: int,
    limit: int,
    until: int | None = None,
) -> list[RecordedEvent]:
    """Read what one of `ALL`, `SHARED`, `PARKING`, `OPENED`, `LIMITED` selects, in order."""
    bound = POSITION_MAX if until is None else until
    return _fetch(connection, statement, (after, bound, limit))


def read_of_types(
    connection: Connection, event_types: Iterable[str], *, after: int, until: int
) -> list[RecordedEvent]:
    """Read the events of some types behind position `after`, up to `until`, in order."""
    return _fetch(connection, _OF_TYPES, (list(event_types), after, until))


def read_of_tenants(
    connection: Connection,
    tenants: Iterable[str],
    event_types: Iterable[str],
    *,
    after: int,
    until: int,
    limit: int,
) -> list[RecordedEvent]:
    """Read some tenants' events of some types behind `after`, up to `until`, in order."""
    parameters = (list(tenants), list(event_types), after, until, limit)
    return _fetch(connection, _OF_TENANTS, parameters)


def count_of_tenants(
    connection: Connection,
    tenants: Iterable[str],
    event_types: Iterable[str],
    *,
    after: int,
    until: int,
    limit: int,
) -> tuple[int, int]:
    """Count what `read_of_tenants` would read; and give the position of its last, 0 for none."""
    parameters = (list(tenants), list(event_types), after, until, limit)
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_COUNT_OF_TENANTS, parameters).fetchone()
    assert row is not None, "a count is one row"
    return row[0], row[1] or 0


def read_last_of_tenants(
    connection: Connection, tenants: Iterable[str], event_types: Iterable[str], *, until: int
) -> RecordedEvent | None:
    """Read the last of some tenants' events of some types up to position `until`."""
    found = _fetch(connection, _LAST_OF_TENANTS, (list(tenants), list(event_types), until))
    return found[0] if found else None


def read_stream(
    connection: Connection, stream_id: UUID, *, after_version: int, limit: int
) -> list[RecordedEvent]:
    """Read a stream's events behind `after_version`, in order."""
    return _fetch(connection, _STREAM, (stream_id, after_version, limit))


def read_stream_until(
    connection: Connection, stream_id: UUID, *, until: int, limit: int
) -> list[RecordedEvent]:
    """Read a stream's first events up to position `until`, in order."""
    return _fetch(connection, _STREAM_UNTIL, (stream_id, until, limit))


def read_position_at(connection: Connection, at: datetime) -> int:
    """Find the last position recorded up to a moment, 0 before the first; moments never go back."""

    def recorded_at(position: int) -> datetime:
        with connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(_MOMENT, (position,)).fetchone()
        if row is None:
            raise LogDamaged(f"position {position} is missing")
        moment: datetime = row[0]
        return moment

    positions = range(1, read_head(connection).position + 1)
    return bisect_right(positions, at, key=recorded_at)


def read_last_shared(connection: Connection, until: int) -> int:
    """Find the position of the last event up to `until` that all tenants share; 0 without any."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_LAST_SHARED, (until,)).fetchone()
    return row[0] if row else 0


def read_key(
    connection: Connection, stream_id: UUID, key: str, *, after_version: int, limit: int
) -> list[RecordedEvent]:
    """Read a stream's events of one key behind `after_version`, in order."""
    return _fetch(connection, _KEY, (stream_id, key, after_version, limit))


def read_types_until(
    connection: Connection,
    stream_id: UUID,
    *,
    event_types: Iterable[str],
    until: int,
    after_version: int,
    limit: int,
    keys: Iterable[str] | None = None,
) -> list[RecordedEvent]:
    """Read a stream's events of some types behind a version up to a position; all keys or some."""
    which = (list(event_types), until, after_version, limit)
    if keys is None:
        return _fetch(connection, _STREAM_TYPES_UNTIL, (stream_id, *which))
    return _fetch(connection, _KEYS_TYPES_UNTIL, (stream_id, list(keys), *which))


def read_last_of_key(
    connection: Connection, stream_id: UUID, key: str, *, until: int
) -> RecordedEvent | None:
    """Read a stream's last event of one key up to position `until`: one step in the index."""
    found = _fetch(connection, _LAST_OF_KEY, (stream_id, key, until))
    return found[0] if found else None


def read_streams_with(
    connection: Connection, stream_ids: Iterable[UUID], keys: Sequence[str]
) -> list[tuple[str, UUID]]:
    """Give each key with each of the streams that hold an event of it."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(_STREAMS_WITH, (list(keys), list(stream_ids))).fetchall()


def read_first_events(
    connection: Connection, stream_ids: Iterable[UUID]
) -> dict[UUID, RecordedEvent]:
    """Read the event of version 1 of each stream that exists."""
    return {event.stream_id: event for event in _fetch(connection, _FIRST, (list(stream_ids),))}


def read_versions(connection: Connection, stream_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Read the newest version of each stream that exists."""
    with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        return dict(cursor.execute(_VERSIONS, (list(stream_ids),)).fetchall())


def read_receipts(connection: Connection, command_ids: Iterable[UUID]) -> dict[UUID, Receipt]:
    """Read the receipts of the commands that have one."""
    with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        rows = cursor.execute(_RECEIPTS, (list(command_ids),)).fetchall()
    return {row[0]: Receipt(*row) for row in rows}


def read_known(
    connection: Connection, command_ids: Iterable[UUID], stream_ids: Iterable[UUID]
) -> set[UUID]:
    """Find which commands have receipts and which streams exist."""
    with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        rows = cursor.execute(_KNOWN, (list(command_ids), list(stream_ids))).fetchall()
    return {row[0] for row in rows}


def _fetch(
    connection: Connection, statement: LiteralString, parameters: Sequence[Any]
) -> list[RecordedEvent]:
    with connection.cursor(binary=True, row_factory=_recorded_events) as cursor:
        return cursor.execute(statement, parameters).fetchall()


def _recorded_event(values: Sequence[Any]) -> RecordedEvent:
    return RecordedEvent(*values)


def _excerpt(values: Sequence[Any]) -> Excerpt:
    return Excerpt(*values)


def _excerpts(_cursor: Cursor[Any]) -> Any:  # noqa: ANN401 - psycopg's own row maker type
    return _excerpt


def _recorded_events(_cursor: Cursor[Any]) -> Any:  # noqa: ANN401 - psycopg's own row maker type
    return _recorded_event
