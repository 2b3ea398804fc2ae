"""Events on their way out of the log: read as the texts that a record's headers carry.

The database writes ids and numbers as text, so that no object is made here only to be written
again: reading and heading an event costs half of what it does by way of `RecordedEvent`.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from struct import Struct
from typing import Any, LiteralString, NamedTuple, TypeVar

from psycopg import Cursor
from psycopg.rows import RowMaker
from psycopg.types.string import ByteaBinaryLoader

from eventstore.connections import Connection
from eventstore.failures import LogDamaged
from eventstore.packing import moment

EventT = TypeVar("EventT", "OutgoingEvent", "PreparedEvent")


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
# What `_make` does, without a call of a Python function for each row.
_outgoing_event: RowMaker[OutgoingEvent] = partial(tuple.__new__, OutgoingEvent)
prepared_event: RowMaker[PreparedEvent] = partial(tuple.__new__, PreparedEvent)
"""Makes a prepared event of its fields in order."""


def read_outgoing(connection: Connection, *, after: int, limit: int) -> list[OutgoingEvent]:
    """Read up to `limit` events behind position `after`, in order.

    Raises:
        LogDamaged: a position is missing.
    """
    with connection.cursor(binary=True, row_factory=_outgoing_events) as cursor:
        cursor.adapters.register_loader("text", ByteaBinaryLoader)
        cursor.adapters.register_loader("timestamptz", ByteaBinaryLoader)
        events: list[OutgoingEvent] = cursor.execute(_SELECT, (after, limit)).fetchall()
    if events and events[-1].position != after + len(events):
        raise LogDamaged(f"a position is missing between {after} and {events[-1].position}")
    return events


def _outgoing_events(_cursor: Cursor[Any]) -> RowMaker[OutgoingEvent]:
    return _outgoing_event


def stored(moment_bytes: bytes) -> datetime:
    """Give the moment, in UTC, that PostgreSQL keeps in these eight bytes."""
    return moment(_moment(moment_bytes)[0])


def whole_commands(events: Sequence[EventT], *, limit: int) -> tuple[Sequence[EventT], bool]:
    """Leave out the last command where the limit may have cut it.

    False says that there is no other, and it goes on behind these events.
    """
    if len(events) < limit:
        return events, True
    last_command = events[-1].command_id
    kept = len(events) - 1
    while kept and events[kept - 1].command_id == last_command:
        kept -= 1
    return (events[:kept], True) if kept else (events, False)
