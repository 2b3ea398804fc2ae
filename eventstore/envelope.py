"""What surrounds an event's bytes: the envelope, before and after the log has recorded it.

Positions count from 1 without gaps over the whole log; stream versions count from 1 in each stream.
Every moment is UTC with microseconds. Texts are bounded in UTF-8 bytes.
"""

from datetime import datetime
from uuid import UUID

import msgspec

EVENT_BYTES_MAX = 256 * 1024
"""Most bytes of one event's data: what a Kafka record with its headers carries comfortably."""

OUTCOME_BYTES_MAX = 256 * 1024
"""Most bytes of one receipt's outcome."""

EVENT_TYPE_BYTES_MAX = 128
KEY_BYTES_MAX = 128
TENANT_BYTES_MAX = 128
ACTOR_BYTES_MAX = 256
BUILD_BYTES_MAX = 128
TRACE_CONTEXT_BYTES_MAX = 1024
FINGERPRINT_BYTES = 32


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as its writer wants it; `data` is its JSON, `key` the instrument of a booking."""

    stream_id: UUID
    stream_version: int
    event_type: str
    data: bytes
    key: str | None
    tenant: str
    actor: str
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    trace_context: str | None


class RecordedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as the log holds it: the writer's envelope, the position, the moment, the build."""

    position: int
    recorded_at: datetime
    stream_id: UUID
    stream_version: int
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    event_type: str
    tenant: str
    actor: str
    build: str
    key: str | None
    trace_context: str | None
    data: bytes


def as_recorded(
    event: NewEvent, *, position: int, recorded_at: datetime, build: str
) -> RecordedEvent:
    """Give an event as the log holds it once it is recorded there."""
    return RecordedEvent(
        position,
        recorded_at,
        event.stream_id,
        event.stream_version,
        event.command_id,
        event.correlation_id,
        event.causation_id,
        event.event_type,
        event.tenant,
        event.actor,
        build,
        event.key,
        event.trace_context,
        event.data,
    )


class Excerpt(msgspec.Struct, frozen=True, gc=False):
    """What folding needs of a recorded event: a third of what it costs to read the whole of it."""

    position: int
    recorded_at: datetime
    command_id: UUID
    event_type: str
    tenant: str
    data: bytes


class NewReceipt(msgspec.Struct, frozen=True, gc=False):
    """The first and only outcome of a command, appended with the command's events.

    `last_event` is the index of the command's last event in the appended batch; None says that
    it has no event there, and the receipt then names the head below the batch.
    """

    command_id: UUID
    tenant: str
    fingerprint: bytes
    outcome: bytes
    last_event: int | None


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """A receipt as the log holds it; `position` is that of the command's last event."""

    command_id: UUID
    tenant: str
    fingerprint: bytes
    outcome: bytes
    position: int
    recorded_at: datetime


class Head(msgspec.Struct, frozen=True, gc=False):
    """Where the log ends; position 0 without a moment is the empty log."""

    position: int
    recorded_at: datetime | None


class Appended(msgspec.Struct, frozen=True, gc=False):
    """The positions an append took; with no events `first_position` is `last_position` + 1."""

    first_position: int
    last_position: int
    recorded_at: datetime
