"""The eventsourcing library's shipped recorder tests, run against our append path."""

from __future__ import annotations

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import PostgresProcessRecorder
from eventsourcing.tests import persistence as shipped

from eventstore.log import Log
from eventstore.recorder import LogRecorder
from infra.database import Database
from tests.eventstore.samples import new_event

TRACKING_TABLE = "notification_tracking"


class TrackingLogRecorder(LogRecorder, PostgresProcessRecorder):
    """Our recorder with the library's tracking, whose table a test's owner has made."""


class RecorderCase:
    """Gives the shipped cases an empty log each."""

    @pytest.fixture(autouse=True)
    def open_log(self, log: Log, log_database: Database) -> None:
        """Take the log; the tracking table is made as the library would, by the owner."""
        self.log = log
        with psycopg.connect(log_database.owner_conninfo) as owner:
            owner.execute(
                "CREATE TABLE log.notification_tracking"
                " (application_name text PRIMARY KEY, notification_id bigint)"
            )
            owner.execute("GRANT SELECT, INSERT, UPDATE ON log.notification_tracking TO pms_app")

    def create_recorder(self) -> TrackingLogRecorder:
        """Make the recorder under test."""
        recorder = TrackingLogRecorder(
            self.log, tenant="library", actor="tests", tracking_table_name=TRACKING_TABLE
        )
        recorder.create_table()
        return recorder


class TestRecordingForAnApplication(RecorderCase, shipped.ApplicationRecorderTestCase):
    """The contract of an application recorder."""

    def test_insert_subscribe(self) -> None:
        """A subscription receives what is there and what comes, by our NOTIFY channel."""
        self.optional_test_insert_subscribe()


class TestRecordingFromTwoWriters(RecorderCase, shipped.NonInterleavingNotificationIDsBaseCase):
    """Positions of two concurrent appends do not interleave."""


class TestRecordingForAProcess(RecorderCase, shipped.ProcessRecorderTestCase):
    """Tracking is stored in the append's own transaction."""


class TestRecordingInTheLog:
    """The library's events are events of the log like any other."""

    def test_shares_positions_with_other_writers(self, log: Log) -> None:
        """Whoever appends, there is one order."""
        recorder = LogRecorder(log, tenant="library", actor="somebody")
        ours = new_event()
        theirs = StoredEvent(new_event().stream_id, 1, "a.topic", b"state")
        with log.writing() as writing:
            writing.append([ours])

        assert recorder.insert_events([theirs]) == [2]

        recorded = log.read(0, 10)
        assert [event.stream_id for event in recorded] == [ours.stream_id, theirs.originator_id]
        assert (recorded[1].tenant, recorded[1].actor) == ("library", "somebody")
        assert [found.id for found in recorder.select_notifications(None, 10)] == [1, 2]

    def test_a_version_twice_is_an_integrity_error(self, log: Log) -> None:
        """Tried once, not ten times as by the library."""
        recorder = LogRecorder(log, tenant="library", actor="somebody")
        event = StoredEvent(new_event().stream_id, 1, "a.topic", b"state")
        recorder.insert_events([event])

        with pytest.raises(IntegrityError):
            recorder.insert_events([event])
