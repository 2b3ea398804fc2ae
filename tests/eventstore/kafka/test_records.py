"""Headers: written and read again, and as the CloudEvents binding wants them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.envelope import RecordedEvent
from eventstore.kafka.records import (
    ForeignRecord,
    HeaderWriter,
    RecordHeaders,
    WatermarkHeaders,
    add_place,
    read_headers,
)
from tests.eventstore.kafka.outgoing_events import outgoing

LOG_ID = UUID("11111111-2222-3333-4444-555555555555")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
COMMAND = UUID(int=7)

positions = st.integers(1, 2**63 - 1)
moments = st.datetimes(timezones=st.just(UTC))
# What PostgreSQL keeps as text: everything but NUL.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
recorded_events = st.builds(
    RecordedEvent,
    position=positions,
    recorded_at=moments,
    stream_id=st.uuids(),
    stream_version=positions,
    command_id=st.uuids(),
    correlation_id=st.uuids(),
    causation_id=st.none() | st.uuids(),
    event_type=texts.filter(lambda text: text != "log.watermark.v1"),
    tenant=texts,
    actor=texts,
    build=texts,
    key=st.none() | texts | st.just("null"),
    trace_context=st.none() | texts,
    data=st.just(b"{}"),
)


def plain_event(**changes: object) -> RecordedEvent:
    """Make an event with as few headers as there can be."""
    fields: dict[str, object] = {
        "position": 42,
        "recorded_at": NOON,
        "stream_id": UUID(int=5),
        "stream_version": 3,
        "command_id": COMMAND,
        "correlation_id": COMMAND,
        "causation_id": None,
        "event_type": "trade.captured.v1",
        "tenant": "acme",
        "actor": "trader-7",
        "build": "abc",
        "key": None,
        "trace_context": None,
        "data": b"{}",
    }
    return RecordedEvent(**fields | changes)  # type: ignore[arg-type]


class TestEventHeaders:
    """The envelope on the wire."""

    @given(event=recorded_events, previous=positions, is_command_end=st.booleans())
    def test_come_back_as_they_were(
        self, event: RecordedEvent, previous: int, *, is_command_end: bool
    ) -> None:
        """Everything but the value, with the place in the partition."""
        written, _ = HeaderWriter(LOG_ID).event(outgoing(event))

        add_place(written, b"%d" % previous, is_command_end=is_command_end)
        read = read_headers(written.items())

        assert isinstance(read, RecordHeaders)
        for name in RecordedEvent.__struct_fields__:
            if name not in {"data", "correlation_id"}:
                assert getattr(read, name) == getattr(event, name), name
        assert (read.correlation_id or read.command_id) == event.correlation_id
        assert (read.log_id, read.previous) == (LOG_ID, previous)
        assert read.is_command_end is is_command_end

    def test_are_those_of_the_cloudevents_binding(self) -> None:
        """Named and written as readers in other languages expect them; nothing empty."""
        written, _ = HeaderWriter(LOG_ID).event(outgoing(plain_event()))

        add_place(written, b"40", is_command_end=True)

        assert written == {
            "ce_specversion": b"1.0",
            "content-type": b"application/avro",
            "ce_source": b"/pms/logs/11111111-2222-3333-4444-555555555555",
            "ce_logid": b"11111111-2222-3333-4444-555555555555",
            "ce_type": b"trade.captured.v1",
            "ce_tenant": b"acme",
            "ce_actor": b"trader-7",
            "ce_build": b"abc",
            "ce_time": b"2026-03-02T12:00:00.000000Z",
            "ce_id": b"42",
            "ce_position": b"42",
            "ce_subject": b"00000000-0000-0000-0000-000000000005",
            "ce_streamversion": b"3",
            "ce_commandid": b"00000000-0000-0000-0000-000000000007",
            "ce_previous": b"40",
            "ce_commandend": b"1",
        }


class TestWatermarkHeaders:
    """A record without an event."""

    @given(position=positions, recorded_at=moments, previous=positions)
    def test_come_back_as_they_were(
        self, position: int, recorded_at: datetime, previous: int
    ) -> None:
        """The position and its moment, and the last event before it."""
        written = HeaderWriter(LOG_ID).watermark(position, recorded_at, previous)

        assert read_headers(written.items()) == WatermarkHeaders(
            LOG_ID, position, recorded_at, previous
        )
        assert written["ce_id"] == b"watermark-%d" % position


class TestForeignRecords:
    """Somebody else's record in our topic."""

    @pytest.mark.parametrize(
        "headers",
        [
            None,
            [],
            [("ce_type", b"trade.captured.v1")],
            [("ce_type", b"\xff")],
            [("ce_type", None)],
        ],
    )
    def test_are_recognised(self, headers: list[tuple[str, bytes]] | None) -> None:
        """Without the headers of a log nothing can be said of a record."""
        with pytest.raises(ForeignRecord):
            read_headers(headers)
