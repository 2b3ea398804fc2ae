"""What an append promises: order, gaplessness, all or nothing, and back out what went in."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstore.envelope import (
    EVENT_BYTES_MAX,
    FINGERPRINT_BYTES,
    Head,
    NewEvent,
    NewReceipt,
    Receipt,
)
from eventstore.failures import (
    AppendRefused,
    EventTooLarge,
    LogDamaged,
    LogUnavailable,
    ReceiptConflict,
    VersionConflict,
)
from eventstore.log import Log
from infra.database import Database
from tests.eventstore.conftest import BUILD
from tests.eventstore.samples import (
    MONDAY,
    SettableClock,
    as_written,
    new_event,
    new_receipt,
    stream_of,
)

ON_ONE_LOG = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
UNUSUAL_TEXTS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30
)
SIZES = st.sampled_from([0, 1, 2, 260, 2_000, 8_191, 70_000, EVENT_BYTES_MAX])
DATA = st.binary(max_size=300) | st.builds(
    lambda size, byte: byte * size, SIZES, st.binary(min_size=1, max_size=1)
)
EVENTS = st.builds(
    NewEvent,
    stream_id=st.uuids(),
    stream_version=st.integers(1, 2**63 - 1),
    event_type=UNUSUAL_TEXTS,
    data=DATA,
    key=st.none() | UNUSUAL_TEXTS,
    tenant=UNUSUAL_TEXTS,
    actor=UNUSUAL_TEXTS,
    command_id=st.uuids(),
    correlation_id=st.uuids(),
    causation_id=st.none() | st.uuids(),
    trace_context=st.none() | UNUSUAL_TEXTS,
)


class Unfinished(Exception):
    """Raised by tests inside a writing block."""


def append(log: Log, events: list[NewEvent], receipts: list[NewReceipt] | None = None) -> int:
    """Append and give the last position."""
    with log.writing() as writing:
        return writing.append(events, receipts or []).last_position


def unique_by_version(events: list[NewEvent]) -> list[NewEvent]:
    """Keep the first event of each stream and version."""
    return list({(event.stream_id, event.stream_version): event for event in events}.values())


class TestAppending:
    """One transaction's promises."""

    @ON_ONE_LOG
    @given(events=st.lists(EVENTS, min_size=1, max_size=12).map(unique_by_version))
    def test_gives_back_exactly_what_was_written(self, log: Log, events: list[NewEvent]) -> None:
        """Law: reading what was packed is the same events, however odd their texts and sizes."""
        events = [event for event in events if not log.stream_versions([event.stream_id])]
        before = log.head().position

        append(log, events)

        recorded = log.read(before, len(events) + 1)
        assert [as_written(event) for event in recorded] == events
        assert {event.build for event in recorded} <= {BUILD}

    @ON_ONE_LOG
    @given(sizes=st.lists(st.integers(0, 600), max_size=6))
    def test_numbers_events_without_gaps(self, log: Log, sizes: list[int]) -> None:
        """Law: positions go on by one, over appends and over blocks, whatever their sizes."""
        before = log.head().position

        with log.writing() as writing:
            for size in sizes:
                appended = writing.append(stream_of(size))
                assert appended.last_position - appended.first_position + 1 == size
                assert writing.head.position == appended.last_position

        positions = [event.position for event in log.read(before, 10_000)]
        assert positions == list(range(before + 1, before + sum(sizes) + 1))

    @ON_ONE_LOG
    @given(steps=st.lists(st.timedeltas(timedelta(days=-2), timedelta(days=2)), max_size=8))
    def test_never_records_an_earlier_moment(
        self, log: Log, clock: SettableClock, steps: list[timedelta]
    ) -> None:
        """Law: `recorded_at` is the larger of the clock and the moment before."""
        for step in steps:
            before = log.head()
            clock.now += step

            append(log, [new_event()])

            expected = max(clock.now, before.recorded_at or clock.now)
            assert log.head() == Head(before.position + 1, expected)

    def test_begins_at_position_one(self, log: Log) -> None:
        """An empty log has position 0 and no moment."""
        assert log.head() == Head(0, None)

        append(log, [new_event()])

        assert log.head() == Head(1, MONDAY)

    def test_sees_the_head_and_the_events_below(self, log: Log) -> None:
        """Under the lock the writer compares the head and folds what it has not seen."""
        append(log, stream_of(3))

        with log.writing() as writing:
            assert writing.head == Head(3, MONDAY)
            assert [event.position for event in writing.read(1, 10)] == [2, 3]

    def test_of_nothing_changes_nothing(self, log: Log) -> None:
        """An empty block and an empty append leave the log as it is."""
        with log.writing():
            pass
        with log.writing() as writing:
            writing.append([])

        assert log.head() == Head(0, None)


class TestAppendingReceipts:
    """A receipt is stored with its command's events or not at all."""

    def test_names_the_position_of_the_last_event(self, log: Log) -> None:
        """And the head below the batch where the command has no event."""
        append(log, [new_event()])
        with_events, without = new_receipt(1), new_receipt(None)

        append(log, stream_of(3), [with_events, without])

        found = log.receipts([with_events.command_id, without.command_id, uuid4()])
        assert found == {
            receipt.command_id: Receipt(
                command_id=receipt.command_id,
                tenant="acme",
                fingerprint=receipt.fingerprint,
                outcome=receipt.outcome,
                position=position,
                recorded_at=MONDAY,
            )
            for receipt, position in ((with_events, 3), (without, 1))
        }

    def test_alone_is_recorded(self, log: Log) -> None:
        """A command may be answered without any event."""
        receipt = new_receipt(None)

        append(log, [], [receipt])

        assert log.receipts([receipt.command_id])[receipt.command_id].position == 0

    @ON_ONE_LOG
    @given(
        receipts=st.lists(
            st.builds(
                NewReceipt,
                command_id=st.uuids(),
                tenant=UNUSUAL_TEXTS,
                fingerprint=st.binary(min_size=FINGERPRINT_BYTES, max_size=FINGERPRINT_BYTES),
                outcome=DATA,
                last_event=st.none() | st.just(0),
            ),
            max_size=8,
            unique_by=lambda receipt: receipt.command_id,
        )
    )
    def test_gives_back_exactly_what_was_written(
        self, log: Log, receipts: list[NewReceipt]
    ) -> None:
        """Law: a receipt comes back as it went in."""
        receipts = [found for found in receipts if not log.receipts([found.command_id])]

        append(log, [new_event()], receipts)

        found = log.receipts([receipt.command_id for receipt in receipts])
        for receipt in receipts:
            stored = found[receipt.command_id]
            assert (stored.tenant, stored.fingerprint, stored.outcome) == (
                receipt.tenant, receipt.fingerprint, receipt.outcome,
            )  # fmt: skip

    def test_a_second_time_leaves_nothing(self, log: Log) -> None:
        """A command has one outcome; the events that came with the second are not stored either."""
        receipt = new_receipt(0)
        append(log, [new_event()], [receipt])

        with pytest.raises(ReceiptConflict):
            append(log, [new_event()], [new_receipt(0), receipt])

        assert log.head().position == 1

    def test_shows_them_under_the_lock(self, log: Log) -> None:
        """A desk that was overtaken looks again before it appends."""
        receipt = new_receipt(None)
        append(log, [], [receipt])

        with log.writing() as writing:
            assert list(writing.receipts([receipt.command_id])) == [receipt.command_id]


class TestFailingToAppend:
    """Whatever goes wrong before COMMIT, nothing of the block is in the log."""

    def append_and_break_off(self, log: Log, receipt: NewReceipt) -> None:
        """Leave the block by an exception."""
        with log.writing() as writing:
            writing.append(stream_of(2), [receipt])
            raise Unfinished

    def append_and_swallow(self, log: Log, taken: NewEvent) -> None:
        """Go on after a refused append."""
        with log.writing() as writing:
            writing.append([new_event()])
            with pytest.raises(VersionConflict):
                writing.append([taken])

    def append_over_a_lost_connection(self, log: Log) -> None:
        """Append, lose the connection, append."""
        with log.writing() as writing:
            writing.append([new_event()])
            end_sessions_of(log)
            writing.append([new_event()])

    def test_leaves_nothing_after_an_exception(self, log: Log) -> None:
        """Events and receipts of the block are gone, and the next append takes their positions."""
        receipt = new_receipt(1)

        with pytest.raises(Unfinished):
            self.append_and_break_off(log, receipt)

        assert (log.head().position, log.receipts([receipt.command_id])) == (0, {})
        assert append(log, [new_event()]) == 1

    def test_leaves_nothing_after_a_version_conflict(self, log: Log) -> None:
        """Neither the events before the conflict, nor those after, nor the receipts."""
        taken = new_event()
        append(log, [taken])
        receipt = new_receipt(0)

        with pytest.raises(VersionConflict, match=str(taken.stream_id)):
            append(log, [new_event(), new_event(taken.stream_id, 1), new_event()], [receipt])

        assert (log.head().position, log.receipts([receipt.command_id])) == (1, {})

    def test_cannot_be_swallowed(self, log: Log) -> None:
        """A block that goes on after a refused append does not commit what else it appended."""
        taken = new_event()
        append(log, [taken])

        with pytest.raises(VersionConflict):
            self.append_and_swallow(log, taken)

        assert log.head().position == 1

    def test_sends_nothing_of_a_batch_with_an_event_too_large(self, log: Log) -> None:
        """The bound is checked first, so the block is still good for a smaller batch."""
        with log.writing() as writing:
            with pytest.raises(EventTooLarge):
                writing.append([new_event(), new_event(data=bytes(EVENT_BYTES_MAX + 1))])
            writing.append([new_event()])

        assert log.head().position == 1

    def test_is_certain_when_the_connection_ends_before_commit(self, log: Log) -> None:
        """The server rolls back what it never was asked to commit."""
        with pytest.raises(LogUnavailable):
            self.append_over_a_lost_connection(log)

        assert log.head().position == 0

    def test_is_certain_when_the_server_refuses_the_commit(
        self, log: Log, log_database: Database
    ) -> None:
        """An ERROR in answer to COMMIT says that all was rolled back."""
        with psycopg.connect(log_database.owner_conninfo) as owner:
            owner.execute(
                "CREATE FUNCTION log.refuse() RETURNS trigger LANGUAGE plpgsql"
                " AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$"
            )
            owner.execute(
                "CREATE CONSTRAINT TRIGGER refusal AFTER INSERT ON log.events"
                " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log.refuse()"
            )

        with pytest.raises(AppendRefused, match="not today"):
            append(log, [new_event()])

        assert log.head().position == 0

    def test_names_damage_when_somebody_wrote_without_the_lock(
        self, log: Log, log_database: Database
    ) -> None:
        """A gap made by hand is met by the next reader."""
        append(log, [new_event()])
        with psycopg.connect(log_database.app_conninfo) as connection:
            connection.execute(
                "INSERT INTO log.events SELECT position + 5, recorded_at, gen_random_uuid(), 1,"
                " command_id, correlation_id, NULL, event_type, tenant, actor, build, NULL, NULL,"
                " data FROM log.events"
            )

        with pytest.raises(LogDamaged, match="missing between 0 and 6"):
            log.read(0, 10)


def end_sessions_of(log: Log) -> None:
    """End every session of the log's pool, as a restart of the server would."""
    with psycopg.connect(log._conninfo, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'pms log'"
        )


class TestUsingAPoolWhoseServerWentAway:
    """Connections that died while idle are replaced before anybody uses them."""

    def test_goes_on_without_a_failure(self, log: Log) -> None:
        """The pool looks at the line first, so a restart costs idle callers nothing."""
        append(log, [new_event()])
        end_sessions_of(log)

        assert append(log, [new_event()]) == 2
