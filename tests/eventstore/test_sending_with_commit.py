"""Rows that travel with COMMIT: what went in comes out, and a conflict leaves nothing."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.envelope import FINGERPRINT_BYTES, NewEvent, NewReceipt
from eventstore.failures import CommitUnknown, LogUnavailable, ReceiptConflict, VersionConflict
from eventstore.log import Log
from infra.database import Database
from tests.eventstore.samples import as_written, new_event, new_receipt, stream_of
from tests.eventstore.test_appending import (
    EVENTS,
    ON_ONE_LOG,
    UNUSUAL_TEXTS,
    end_sessions_of,
    unique_by_version,
)

TENANTS = UNUSUAL_TEXTS | st.sampled_from(
    ["o'brien", "''", "\\", "\\'; DROP TABLE log.events; --", "$$", "%s"]
)
RECEIPTS = st.builds(
    NewReceipt,
    command_id=st.uuids(),
    tenant=TENANTS,
    fingerprint=st.binary(min_size=FINGERPRINT_BYTES, max_size=FINGERPRINT_BYTES),
    outcome=st.binary(max_size=200),
    last_event=st.none(),
)


def append_last(log: Log, events: list[NewEvent], receipts: list[NewReceipt]) -> None:
    """Append what travels with COMMIT."""
    with log.writing() as writing:
        writing.append(events, receipts, is_last=True)


def append_over_a_lost_connection(log: Log, receipt: NewReceipt) -> None:
    """Append what travels with COMMIT, and lose the connection before it does."""
    with log.writing() as writing:
        writing.append([new_event()], [receipt], is_last=True)
        end_sessions_of(log)


def on_one_connection(log: Log, database: Database) -> Log:
    """Give the same log over a pool of one connection: what is set on it meets who comes next."""
    return Log(database.app_conninfo, clock=log._clock, build="b", pool_size=1)


class TestRowsWithCommit:
    """Few rows of the last append of a block are sent in the message of COMMIT."""

    @ON_ONE_LOG
    @given(
        events=st.lists(EVENTS, max_size=8).map(unique_by_version),
        receipts=st.lists(RECEIPTS, max_size=4, unique_by=lambda each: each.command_id),
    )
    def test_come_out_as_they_went_in(
        self, log: Log, events: list[NewEvent], receipts: list[NewReceipt]
    ) -> None:
        """Whatever the texts and bytes: nulls, quotes and backslashes, and the largest events."""
        events = [event for event in events if not log.stream_versions([event.stream_id])]
        receipts = [each for each in receipts if not log.receipts([each.command_id])]
        before = log.head().position

        append_last(log, events, receipts)

        assert [as_written(event) for event in log.read(before, len(events) + 1)] == events
        found = log.receipts([each.command_id for each in receipts])
        for each in receipts:
            told = found[each.command_id]
            assert (told.tenant, told.fingerprint, told.outcome, told.position) == (
                each.tenant, each.fingerprint, each.outcome, before,
            )  # fmt: skip

    def test_name_their_last_events(self, log: Log) -> None:
        """A receipt has the position of the event that it names, and the moment of all."""
        append_last(log, [new_event()], [])
        receipts = [new_receipt(0), new_receipt(1), new_receipt(None)]

        append_last(log, stream_of(2), receipts)

        found = log.receipts([each.command_id for each in receipts])
        assert [found[each.command_id].position for each in receipts] == [2, 3, 1]
        assert {each.recorded_at for each in found.values()} == {log.head().recorded_at}

    def test_leave_nothing_behind_when_a_receipt_is_there_already(self, log: Log) -> None:
        """The conflict is raised where the block is left; the events beside it are not stored."""
        receipt = new_receipt(0)
        append_last(log, [new_event()], [receipt])

        with pytest.raises(ReceiptConflict):
            append_last(log, [new_event()], [receipt])

        assert log.head().position == 1

    def test_leave_nothing_behind_when_a_version_is_there_already(self, log: Log) -> None:
        """So with an event of a stream: neither the others nor the receipts are stored."""
        taken, receipt = new_event(), new_receipt(0)
        append_last(log, [taken], [])

        with pytest.raises(VersionConflict, match=str(taken.stream_id)):
            append_last(log, [new_event(), new_event(taken.stream_id), new_event()], [receipt])

        assert (log.head().position, log.receipts([receipt.command_id])) == (1, {})
        append_last(log, [new_event()], [receipt])
        assert log.head().position == 2

    def test_are_in_doubt_when_the_session_ends_before_they_are_sent(self, log: Log) -> None:
        """COMMIT went with them, so only the log can say what became of it: nothing."""
        receipt = new_receipt(0)

        with pytest.raises(CommitUnknown) as unknown:
            append_over_a_lost_connection(log, receipt)

        assert log.resolve(unknown.value.command_ids) == {}
        assert log.head().position == 0


class TestKeptStatements:
    """A connection keeps the statements of an append; it can do without."""

    def test_are_prepared_again_when_the_session_has_let_them_go(
        self, log: Log, log_database: Database
    ) -> None:
        """The driver does that when it rolls back; the next append finds them gone."""
        with on_one_connection(log, log_database) as alone:
            append_last(alone, [new_event()], [new_receipt(0)])
            with alone.datastore.connection() as connection:
                connection.execute("DEALLOCATE ALL")

            append_last(alone, [new_event()], [new_receipt(0)])

            assert alone.head().position == 2

    def test_are_prepared_when_the_first_attempt_waited_in_vain(
        self, log: Log, log_database: Database
    ) -> None:
        """Whoever does not get the lock leaves a connection that nobody uses again."""
        with log.writing(), on_one_connection(log, log_database) as other:
            with other.datastore.connection() as connection:
                connection.execute("SET lock_timeout = '50ms'")
            with pytest.raises(LogUnavailable), other.writing():
                pass

        append_last(log, [new_event()], [])
        assert log.head().position == 1

    def test_never_read_whole_tables(self, log: Log, log_database: Database) -> None:
        """Their plans are kept, also those made when the tables were known to be empty."""
        with psycopg.connect(log_database.owner_conninfo, autocommit=True) as owner:
            owner.execute("VACUUM ANALYZE log.events, log.receipts")
        plans = []

        with log.writing(known_of=([uuid4()], [uuid4()])) as writing:
            cursor = writing.library_cursor()
            for asked in ("pms_head", "pms_known(ARRAY[]::uuid[], ARRAY[]::uuid[])"):
                plans += [str(row) for row in cursor.execute(f"EXPLAIN (VERBOSE) EXECUTE {asked}")]

        told = "\n".join(plans)
        assert "Seq Scan" not in told
        for index in ("events_position", "receipts_pkey", "events_pkey"):
            assert index in told
        assert "$1" in told, "the plan is for any ids"
