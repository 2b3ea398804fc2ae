"""Events on their way out of the log: read as the texts that a record's headers carry.

The database writes ids and numbers as text, so that no object is made here only to be written
again: reading and heading an event costs half of what it does by way of `RecordedEvent`.
"""

from collections.abc import Sequence
from datetime import datetime
from struct import Struct
from typing import Any, LiteralString, NamedTuple, TypeAlias, TypeVar

from psycopg.rows import tuple_row
from psycopg.types.string import ByteaBinaryLoader

from eventstore.connections import Connection
from eventstore.failures import LogDamaged
from eventstore.packing import moment

Row: TypeAlias = tuple[Any, ...]
"""The fields of an `OutgoingEvent` or a `PreparedEvent`, in order. A plain tuple where they are
many: making a named one of it takes as long as reading it."""

RowT = TypeVar("RowT", bound=Row)


class OutgoingEvent(NamedTuple):
    """An event of the log; texts are UTF-8, `stored_moment` is PostgreSQL's own eight bytes.

    `correlation_id` is absent where it is the command's id.
    """

    position: int
    position_text: bytes
    stored_moment: bytes
    stream_id: bytes
    stream_version: bytes
    command_id: bytes
    correlation_id: bytes | None
    causation_id: bytes | None
    event_type: bytes
    tenant: bytes
    actor: bytes
    build: bytes
    key: bytes | None
    trace_context: bytes | None
    data: bytes


class PreparedEvent(NamedTuple):
    """An outgoing event with its value encoded, and the portfolio it belongs to (None: all)."""

    position: int
    position_text: bytes
    stored_moment: bytes
    stream_id: bytes
    stream_version: bytes
    command_id: bytes
    correlation_id: bytes | None
    causation_id: bytes | None
    event_type: bytes
    tenant: bytes
    actor: bytes
    build: bytes
    key: bytes | None
    trace_context: bytes | None
    portfolio: str | None
    value: bytes


_SELECT: LiteralString = """
SELECT position, position::text AS position_text, recorded_at, stream_id::text,
       stream_version::text, command_id::text, nullif(correlation_id, command_id)::text,
       causation_id::text, event_type, tenant, actor, build, key, trace_context, data
FROM log.events WHERE position > %s ORDER BY events.position LIMIT %s
"""
_moment = Struct(">q").unpack
POSITION = PreparedEvent._fields.index("position")
COMMAND_ID = PreparedEvent._fields.index("command_id")


def read_rows(connection: Connection, *, after: int, limit: int) -> list[Row]:
    """Read up to `limit` events behind position `after`, in order, as plain tuples.

    Raises:
        LogDamaged: a position is missing.
    """
    with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        cursor.adapters.register_loader("text", ByteaBinaryLoader)
        cursor.adapters.register_loader("timestamptz", ByteaBinaryLoader)
        rows = cursor.execute(_SELECT, (after, limit)).fetchall()
    if rows and rows[-1][POSITION] != after + len(rows):
        raise LogDamaged(f"a position is missing between {after} and {rows[-1][POSITION]}")
    return rows


def read_outgoing(connection: Connection, *, after: int, limit: int) -> list[OutgoingEvent]:
    """Read events as `read_rows` does, with their fields' names."""
    return [OutgoingEvent(*row) for row in read_rows(connection, after=after, limit=limit)]


def stored(moment_bytes: bytes) -> datetime:
    """Give the moment, in UTC, that PostgreSQL keeps in these eight bytes."""
    return moment(_moment(moment_bytes)[0])


def whole_commands(events: Sequence[RowT], *, limit: int) -> tuple[Sequence[RowT], bool]:
    """Leave out the last command where the limit may have cut it.

    False says that there is no other, and it goes on behind these events.
    """
    if len(events) < limit:
        return events, True
    last_command = events[-1][COMMAND_ID]
    kept = len(events) - 1
    while kept and events[kept - 1][COMMAND_ID] == last_command:
        kept -= 1
    return (events[:kept], True) if kept else (events, False)
