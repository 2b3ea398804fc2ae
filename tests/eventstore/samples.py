"""Events and receipts for tests, with every field given a plain value unless the test names one."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from eventstore.envelope import NewEvent, NewReceipt, RecordedEvent

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FINGERPRINT = hashlib.sha256(b"what the command said").digest()


class SettableClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime = MONDAY) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now

    def advance(self, **step: float) -> None:
        """Move by a timedelta's arguments; a negative step moves back."""
        self.now += timedelta(**step)


def new_event(
    stream_id: UUID | None = None,
    stream_version: int = 1,
    *,
    event_type: str = "trade.captured.v1",
    data: bytes = b'{"quantity":"10"}',
    key: str | None = None,
    tenant: str = "acme",
    actor: str = "trader-7",
    command_id: UUID | None = None,
    causation_id: UUID | None = None,
    trace_context: str | None = None,
) -> NewEvent:
    """Make an event, by default the first of a stream of its own."""
    command = command_id or uuid4()
    return NewEvent(
        stream_id=stream_id or uuid4(),
        stream_version=stream_version,
        event_type=event_type,
        data=data,
        key=key,
        tenant=tenant,
        actor=actor,
        command_id=command,
        correlation_id=command,
        causation_id=causation_id,
        trace_context=trace_context,
    )


def stream_of(
    length: int, *, first_version: int = 1, stream_id: UUID | None = None
) -> list[NewEvent]:
    """Make consecutive events of one stream."""
    stream = stream_id or uuid4()
    return [new_event(stream, first_version + index) for index in range(length)]


def new_receipt(
    last_event: int | None = None,
    *,
    command_id: UUID | None = None,
    tenant: str = "acme",
    fingerprint: bytes = FINGERPRINT,
    outcome: bytes = b'{"outcome":"accepted"}',
) -> NewReceipt:
    """Make a receipt."""
    return NewReceipt(
        command_id=command_id or uuid4(),
        tenant=tenant,
        fingerprint=fingerprint,
        outcome=outcome,
        last_event=last_event,
    )


def as_written(event: RecordedEvent) -> NewEvent:
    """Take from a recorded event what its writer gave."""
    return NewEvent(**{name: getattr(event, name) for name in NewEvent.__struct_fields__})
