"""One append to the log: begin under the lock, store events and receipts together, commit.

The transaction holds the append lock from its first statement to its end, so positions follow the
order of commits and a reader that has seen position n will never see a smaller one appear.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row, tuple_row

from eventstore import packing, reading
from eventstore.connections import Connection, is_gone
from eventstore.envelope import (
    Appended,
    Head,
    NewEvent,
    NewReceipt,
    Receipt,
    RecordedEvent,
    as_recorded,
)
from eventstore.failures import (
    AppendRefused,
    CommitUnknown,
    LogDamaged,
    LogFailure,
    LogUnavailable,
    ReceiptConflict,
    VersionConflict,
)
from eventstore.tables import APPEND_LOCK, CHANNEL

# One message, one round trip. Each statement has a snapshot of its own, so the head is read as it
# stands once the lock is held.
LOCK_STATEMENT = f"SELECT pg_advisory_xact_lock({APPEND_LOCK})"
_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED; {LOCK_STATEMENT}; {reading.HEAD}"
_COPY_EVENTS: LiteralString = (
    f"COPY log.events ({packing.EVENT_COLUMNS}) FROM STDIN (FORMAT BINARY)"
)
_COPY_RECEIPTS: LiteralString = (
    f"COPY log.receipts ({packing.RECEIPT_COLUMNS}) FROM STDIN (FORMAT BINARY)"
)

RECEIPTS_WITH_COMMIT_MAX = 64

_CONFLICTS: dict[str | None, type[LogFailure]] = {
    "events_pkey": VersionConflict,
    "receipts_pkey": ReceiptConflict,
    "events_position": LogDamaged,
}


class WritingTransaction:
    """A transaction that alone may append; made by `Log.writing`, ended when its block is left."""

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Callable[[], datetime],
        build: bytes,
        stream_version_min: int = 1,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._build = build
        self._stream_version_min = stream_version_min
        self._recorded_at = 0
        self._has_written = False
        self._failure: LogFailure | None = None
        self._command_ids: list[UUID] = []
        self._with_commit = ""
        self.known: set[UUID] = set()
        """Of what `begin` was asked: the commands with receipts and the streams that exist."""
        self.head = Head(0, None)
        """Where the log ends, this transaction's appends included."""
        self._appended: list[tuple[Appended, Sequence[NewEvent]]] = []

    def begin(self, known_of: tuple[Sequence[UUID], Sequence[UUID]] | None = None) -> None:
        """Begin, wait for the append lock and read the head: one round trip.

        With it, under the lock, goes the question which commands and streams are known.
        """
        cursor = self._connection.cursor(row_factory=tuple_row)
        cursor.execute(_BEGIN if known_of is None else _BEGIN + reading.known_text(*known_of))
        cursor.nextset()
        cursor.nextset()
        self.head, self._recorded_at = reading.head_of(cursor.fetchone())
        if cursor.nextset():
            self.known = {row[0] for row in cursor.fetchall()}

    def read(self, after: int, limit: int) -> list[RecordedEvent]:
        """Read up to `limit` events behind position `after`, in order, as of under the lock."""
        return reading.read_events(self._connection, after=after, limit=limit)

    def receipts(self, command_ids: Iterable[UUID]) -> dict[UUID, Receipt]:
        """Find the receipts of the commands that have one, as of under the lock."""
        return reading.read_receipts(self._connection, command_ids)

    def library_cursor(self) -> psycopg.Cursor[DictRow]:
        """Lend a cursor to the library's recorder, which stores its tracking with the events."""
        self._has_written = True
        return self._connection.cursor(row_factory=dict_row)

    def append(
        self,
        events: Sequence[NewEvent],
        receipts: Sequence[NewReceipt] = (),
        *,
        is_last: bool = False,
    ) -> Appended:
        """Store the events behind the head, and the receipts with them.

        A few receipts of an append that `is_last` in its block travel with COMMIT, which saves two
        round trips: what the database has against them is raised when the block is left.

        Raises:
            AppendRefused: the same append would be refused again; see its subclasses.
            LogUnavailable: the database gave up; nothing was written.
        """
        texts = packing.admit_events(events, version_min=self._stream_version_min)
        tenants = packing.admit_receipts(receipts, events=len(events))
        first_position = self.head.position + 1
        last_position = self.head.position + len(events)
        recorded_at = max(packing.microseconds(self._clock()), self._recorded_at)
        event_rows = packing.event_rows(
            events,
            texts=texts,
            build=self._build,
            first_position=first_position,
            recorded_at=recorded_at,
        )
        receipt_rows = packing.receipt_rows(
            receipts, texts=tenants, first_position=first_position, recorded_at=recorded_at
        )
        self._has_written = True
        try:
            if events:
                self._copy(_COPY_EVENTS, event_rows)
            if receipts and is_last and len(receipts) <= RECEIPTS_WITH_COMMIT_MAX:
                self._with_commit = packing.receipts_text(
                    receipts, first_position=first_position, recorded_at=recorded_at
                )
            elif receipts:
                self._copy(_COPY_RECEIPTS, receipt_rows)
        except psycopg.Error as error:
            self._failure = _certain(error)
            raise self._failure from error
        self._command_ids += [receipt.command_id for receipt in receipts]
        appended = Appended(first_position, last_position, packing.moment(recorded_at))
        if events:
            self.head = Head(last_position, appended.recorded_at)
            self._recorded_at = recorded_at
            self._appended.append((appended, events))
        return appended

    def recorded(self) -> list[RecordedEvent]:
        """Give what was appended as the log now holds it."""
        build = packing.build_text(self._build)
        return [
            as_recorded(event, position=position, recorded_at=appended.recorded_at, build=build)
            for appended, events in self._appended
            for position, event in enumerate(events, start=appended.first_position)
        ]

    def _copy(self, statement: LiteralString, chunks: Iterable[bytes]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for chunk in chunks:
                copy.write(chunk)

    def commit(self) -> None:
        """Make the append durable and wake the followers: one round trip.

        Raises:
            LogUnavailable: certainly rolled back.
            CommitUnknown: the connection ended before the answer came.
            AppendRefused: an append of this block had failed and its failure was swallowed.
        """
        if self._failure is not None:
            raise self._failure
        if not self._has_written:
            self.roll_back()
            return
        try:
            hint = f"NOTIFY {CHANNEL}, '{self.head.position}'; COMMIT"
            cursor = self._connection.execute(self._with_commit + hint)
        except psycopg.Error as error:
            if is_gone(self._connection) or error.diag.severity_nonlocalized != "ERROR":
                self._connection.close()
                raise CommitUnknown(str(error), self._command_ids) from error
            raise _certain(error) from error
        while cursor.nextset():
            pass
        if cursor.statusmessage != "COMMIT":
            raise LogUnavailable(f"COMMIT was answered by {cursor.statusmessage}")

    def roll_back(self) -> None:
        """Undo everything; a connection that cannot is closed, which undoes it as well."""
        status = self._connection.info.transaction_status
        try:
            if status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
                self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self._connection.close()
        if self._connection.info.transaction_status != TransactionStatus.IDLE:
            self._connection.close()


def _certain(error: psycopg.Error) -> LogFailure:
    """Name a failure after which nothing was written; a session ended by the server is no bug."""
    if error.diag.severity_nonlocalized == "FATAL":
        return LogUnavailable(str(error))
    if isinstance(error, psycopg.errors.UniqueViolation):
        conflict = _CONFLICTS.get(error.diag.constraint_name, AppendRefused)
        return conflict(error.diag.message_detail or str(error))
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return LogUnavailable(str(error))
    return AppendRefused(str(error))
