"""Reading the log for Kafka: the same envelope as any reader gets, written as text."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.connections import connect
from eventstore.envelope import RecordedEvent
from eventstore.kafka.outgoing import OutgoingEvent, read_outgoing, whole_commands
from eventstore.log import Log
from infra.database import Database
from tests.eventstore.kafka.outgoing_events import outgoing
from tests.eventstore.kafka.test_records import plain_event
from tests.eventstore.samples import SettableClock, new_event


class TestReading:
    """What PostgreSQL writes."""

    def test_gives_the_envelope_any_reader_gets(
        self, log: Log, log_database: Database, clock: SettableClock
    ) -> None:
        """Every field, absent ones and foreign letters too, in order of position."""
        clock.advance(microseconds=1)
        with log.writing() as writing:
            writing.append(
                [
                    new_event(),
                    new_event(key="AAPL", causation_id=uuid4(), trace_context="00-ab-cd-01"),
                    new_event(tenant="zürich", actor="Ω", stream_version=1),
                ]
            )

        with connect(log_database.app_conninfo, application_name="test") as connection:
            read = read_outgoing(connection, after=0, limit=10)
            later = read_outgoing(connection, after=1, limit=1)

        assert read == [outgoing(event) for event in log.read(0, 10)]
        assert later == read[1:2]


def events_of(commands: list[int]) -> list[OutgoingEvent]:
    """Make events of the given commands, at positions from 1."""
    made: list[RecordedEvent] = [
        plain_event(position=position, command_id=UUID(int=command))
        for position, command in enumerate(commands, start=1)
    ]
    return [outgoing(event) for event in made]


class TestCutting:
    """A batch that the limit ended."""

    @pytest.mark.parametrize(
        ("commands", "kept", "is_whole"),
        [
            ([1, 1, 2, 2], 2, True),
            ([1, 2, 2, 2], 1, True),
            ([1, 2, 3, 4], 3, True),
            ([1, 1, 1, 1], 4, False),
            ([1, 2, 2], 3, True),
        ],
    )
    def test_ends_with_a_whole_command(
        self, commands: list[int], kept: int, *, is_whole: bool
    ) -> None:
        """Unless one is as long as the batch; below the limit the log itself ended it."""
        events = events_of(commands)

        assert whole_commands(events, limit=4) == (events[:kept], is_whole)

    @given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=30), limit=st.integers(1, 8))
    def test_loses_and_repeats_nothing(self, lengths: list[int], limit: int) -> None:
        """Batch after batch from where the last one ended gives every event once."""
        commands = [number for number, length in enumerate(lengths) for _ in range(length)]
        events = events_of(commands)
        given: list[OutgoingEvent] = []

        while len(given) < len(events):
            batch, is_whole = whole_commands(events[len(given) :][:limit], limit=limit)
            given += batch
            behind = events[len(given) :][:1]
            if is_whole:
                assert not behind or behind[0].command_id != batch[-1].command_id

        assert given == events
