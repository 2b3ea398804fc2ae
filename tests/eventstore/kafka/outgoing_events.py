"""Recorded events as the relay reads them, made without a database."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from eventstore.envelope import RecordedEvent
from eventstore.kafka.outgoing import OutgoingEvent, Row
from eventstore.kafka.preparing import prepared
from eventstore.packing import microseconds
from schemas.avro_codec import AvroEncoder


def outgoing(event: RecordedEvent) -> OutgoingEvent:
    """Write a recorded event's envelope as PostgreSQL would."""
    return OutgoingEvent(
        position=event.position,
        position_text=str(event.position).encode(),
        stored_moment=struct.pack(">q", microseconds(event.recorded_at)),
        stream_id=str(event.stream_id).encode(),
        stream_version=str(event.stream_version).encode(),
        command_id=str(event.command_id).encode(),
        correlation_id=None
        if event.correlation_id == event.command_id
        else str(event.correlation_id).encode(),
        causation_id=None if event.causation_id is None else str(event.causation_id).encode(),
        event_type=event.event_type.encode(),
        tenant=event.tenant.encode(),
        actor=event.actor.encode(),
        build=event.build.encode(),
        key=None if event.key is None else event.key.encode(),
        trace_context=None if event.trace_context is None else event.trace_context.encode(),
        data=event.data,
    )


def prepare(events: Sequence[RecordedEvent], encoder: AvroEncoder) -> list[Row]:
    """Prepare recorded events as the relay's second process does."""
    return prepared([outgoing(event) for event in events], encoder)
