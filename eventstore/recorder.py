"""The eventsourcing library's recorder contract, kept over the log's own table and append path.

The library's statements read the log through the view `log.stored_events`, which names the columns
as the library does. Its table lock, its composite types and its database functions are not used.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from eventsourcing import persistence
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder

from eventstore.envelope import NewEvent
from eventstore.failures import AppendRefused, LogFailure, VersionConflict
from eventstore.log import Log
from eventstore.tables import CHANNEL


class LogRecorder(PostgresApplicationRecorder):
    """Records the library's events in the log, all under one tenant and actor.

    Notification ids are the log's positions. The library lets streams begin at version 0; here
    alone that is admitted.
    """

    def __init__(self, log: Log, *, tenant: str, actor: str, **kwargs: Any) -> None:
        super().__init__(log.datastore, events_table_name="stored_events", **kwargs)
        self._log = log
        self._tenant = tenant
        self._actor = actor
        self.channel_name = CHANNEL

    def create_table(self) -> None:
        """Make sure that the log is there; only `create_log` can make it.

        Raises:
            LogNotCreated: it is not.
        """
        _ = self._log.log_id

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append the events and give their positions; never tried again, unlike the library's.

        A retry after a lost answer to COMMIT would meet its own rows and report a conflict for
        events that are stored.

        Raises:
            IntegrityError: a stream already holds one of the versions.
            OperationalError: the database gave up; its cause tells whether that is certain.
        """
        try:
            with self._log.writing(stream_version_min=0) as writing:
                with writing.library_cursor() as cursor:
                    self._insert_events(cursor, stored_events, **kwargs)
                if not stored_events:
                    return None
                appended = writing.append([self._new_event(event) for event in stored_events])
        except LogFailure as error:
            raise _library_error(error) from error
        return list(range(appended.first_position, appended.last_position + 1))

    def _new_event(self, event: StoredEvent) -> NewEvent:
        assert isinstance(event.originator_id, UUID), "the log's streams have UUIDs"
        command_id = uuid5(event.originator_id, str(event.originator_version))
        return NewEvent(
            stream_id=event.originator_id,
            stream_version=event.originator_version,
            event_type=event.topic,
            data=event.state,
            key=None,
            tenant=self._tenant,
            actor=self._actor,
            command_id=command_id,
            correlation_id=command_id,
            causation_id=None,
            trace_context=None,
        )


def _library_error(failure: LogFailure) -> persistence.PersistenceError:
    """Say the failure in the library's words; its own failures come back as they were."""
    if isinstance(failure.__cause__, persistence.PersistenceError):
        return failure.__cause__
    if isinstance(failure, VersionConflict):
        return persistence.IntegrityError(str(failure))
    if isinstance(failure, AppendRefused):
        return persistence.ProgrammingError(str(failure))
    return persistence.OperationalError(str(failure))
