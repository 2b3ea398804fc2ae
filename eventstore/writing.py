"""One append to the log: begin under the lock, store events and receipts together, commit.

The transaction holds the append lock from its first statement to its end, so positions follow the
order of commits and a reader that has seen position n will never see a smaller one appear.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple, TypeAlias
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import DictRow, dict_row

from eventstore import packing, reading, records
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
from eventstore.packing import Texts
from eventstore.tables import APPEND_LOCK, CHANNEL
from eventstore.together import Asked, Statement, ask_together, ids, integers

LOCK_STATEMENT = f"SELECT pg_advisory_xact_lock({APPEND_LOCK})"
_BEGIN = Statement(b"pms_begin", b"BEGIN ISOLATION LEVEL READ COMMITTED")
# Plans are kept, so none may depend on how full a table was when it was made: without scans of
# tables there is one index for each question.
_PLANS = Statement(
    b"pms_plans",
    b"SELECT set_config('plan_cache_mode', 'force_generic_plan', true),"
    b" set_config('enable_seqscan', 'off', true)",
)
_LOCK = Statement(b"pms_lock", LOCK_STATEMENT.encode())
_HEAD = Statement(b"pms_head", reading.HEAD.encode())
_KNOWN = Statement(b"pms_known", reading.KNOWN_OF_ARRAYS.encode())
_ROW_TYPES = Statement(
    b"pms_row_types",
    b"SELECT 'log.events'::regtype::oid::bigint, 'log.receipts'::regtype::oid::bigint",
)
_INSERT_EVENTS = Statement(
    b"pms_insert_events",
    f"INSERT INTO log.events ({packing.EVENT_COLUMNS})"  # noqa: S608 - constants only
    f" SELECT {packing.EVENT_COLUMNS} FROM unnest($1::log.events[])".encode(),
)
_INSERT_RECEIPTS = Statement(
    b"pms_insert_receipts",
    f"INSERT INTO log.receipts ({packing.RECEIPT_COLUMNS})"  # noqa: S608 - constants only
    f" SELECT {packing.RECEIPT_COLUMNS} FROM unnest($1::log.receipts[])".encode(),
)
_HINT = Statement(b"pms_hint", f"SELECT pg_notify('{CHANNEL}', $1)".encode())
_COMMIT = Statement(b"", b"; COMMIT")
"""Not kept, so that who listens on the line for a commit finds these bytes where one is."""

_ROLLBACK = Statement(b"", b"ROLLBACK")
_KEPT = (
    _BEGIN, _PLANS, _LOCK, _HEAD, _KNOWN, _ROW_TYPES, _INSERT_EVENTS, _INSERT_RECEIPTS, _HINT,
)  # fmt: skip
_COPY_EVENTS: LiteralString = (
    f"COPY log.events ({packing.EVENT_COLUMNS}) FROM STDIN (FORMAT BINARY)"
)
_COPY_RECEIPTS: LiteralString = (
    f"COPY log.receipts ({packing.RECEIPT_COLUMNS}) FROM STDIN (FORMAT BINARY)"
)

ROWS_WITH_COMMIT_MAX = 1_000
BYTES_WITH_COMMIT_MAX = 1024 * 1024
"""What travels with COMMIT is held as a whole until it is stored; more is copied in chunks."""

_CONFLICTS: dict[str | None, type[LogFailure]] = {
    "events_pkey": VersionConflict,
    "receipts_pkey": ReceiptConflict,
    "events_position": LogDamaged,
}


Place: TypeAlias = Mapping[str, int]
"""Where rows stand: `first_position`, and `recorded_at` in microseconds since 2000."""


class RowTypes(NamedTuple):
    """The row types of the log's tables, as this database numbers them."""

    events: int
    receipts: int


_row_types: WeakKeyDictionary[Connection, RowTypes] = WeakKeyDictionary()
"""Those connections that keep the statements above."""


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
        self._with_commit: list[Asked] = []
        self.known: set[UUID] = set()
        """Of what `begin` was asked: the commands with receipts and the streams that exist."""
        self.head = Head(0, None)
        """Where the log ends, this transaction's appends included."""
        self._appended: list[tuple[Appended, Sequence[NewEvent]]] = []

    def begin(self, known_of: tuple[Sequence[UUID], Sequence[UUID]] | None = None) -> None:
        """Begin, wait for the append lock and read the head: one round trip.

        With it, under the lock, goes the question which commands and streams are known.
        """
        # Each statement has a snapshot of its own, so the head is read as it stands once the lock
        # is held.
        asked = [Asked(_BEGIN), Asked(_PLANS), Asked(_LOCK), Asked(_HEAD)]
        if known_of is not None:
            commands, streams = known_of
            values = records.uuid_array(commands), records.uuid_array(streams)
            asked.append(Asked(_KNOWN, values))
        head, *known = self._ask_prepared(asked)[3:]
        self.head, self._recorded_at = reading.head_of(integers(head))
        if known:
            self.known = ids(known[0])

    def _ask_prepared(self, asked: list[Asked]) -> list[PGresult]:
        """Run the first statements of a transaction, prepared before or with them."""
        if self._connection in _row_types:
            try:
                return ask_together(self._connection, asked)
            except psycopg.errors.InvalidSqlStatementName:
                del _row_types[self._connection]  # The driver lets go of all when it rolls back.
        *results, types = ask_together(self._connection, [*asked, Asked(_ROW_TYPES)], prepare=_KEPT)
        row_types = integers(types)
        assert row_types is not None, "types are one row"
        _row_types[self._connection] = RowTypes(*row_types)
        return results

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

        Not too many of an append that `is_last` in its block travel with COMMIT, which saves round
        trips: what the database has against them is raised when the block is left.

        Raises:
            AppendRefused: the same append would be refused again; see its subclasses.
            LogUnavailable: the database gave up; nothing was written.
        """
        texts = packing.admit_events(events, version_min=self._stream_version_min)
        tenants = packing.admit_receipts(receipts, events=len(events))
        first_position = self.head.position + 1
        last_position = self.head.position + len(events)
        recorded_at = max(packing.microseconds(self._clock()), self._recorded_at)
        place = {"first_position": first_position, "recorded_at": recorded_at}
        is_sent_later = is_last and _are_few(events, receipts)
        self._has_written = True
        try:
            if events:
                self._store_events(events, texts, place, is_sent_later=is_sent_later)
            if receipts:
                self._store_receipts(receipts, tenants, place, is_sent_later=is_sent_later)
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

    def _store_events(
        self, events: Sequence[NewEvent], texts: Texts, place: Place, *, is_sent_later: bool
    ) -> None:
        build = self._build
        if not is_sent_later:
            self._copy(_COPY_EVENTS, packing.event_rows(events, texts=texts, build=build, **place))
            return
        row_type = _row_types[self._connection].events
        value = records.event_records(events, row_type=row_type, texts=texts, build=build, **place)
        self._with_commit.append(Asked(_INSERT_EVENTS, (value,)))

    def _store_receipts(
        self, receipts: Sequence[NewReceipt], texts: Texts, place: Place, *, is_sent_later: bool
    ) -> None:
        if not is_sent_later:
            self._copy(_COPY_RECEIPTS, packing.receipt_rows(receipts, texts=texts, **place))
            return
        row_type = _row_types[self._connection].receipts
        value = records.receipt_records(receipts, row_type=row_type, texts=texts, **place)
        self._with_commit.append(Asked(_INSERT_RECEIPTS, (value,)))

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
        hint = Asked(_HINT, (str(self.head.position).encode(),))
        try:
            results = ask_together(self._connection, [*self._with_commit, hint, Asked(_COMMIT)])
        except psycopg.Error as error:
            if is_gone(self._connection) or error.diag.severity_nonlocalized != "ERROR":
                self._connection.close()
                raise CommitUnknown(str(error), self._command_ids) from error
            raise _certain(error) from error
        if (status := results[-1].command_status) != b"COMMIT":
            raise LogUnavailable(f"COMMIT was answered by {status!r}")

    def roll_back(self) -> None:
        """Undo everything; a connection that cannot is closed, which undoes it as well."""
        status = self._connection.info.transaction_status
        try:
            if status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
                ask_together(self._connection, [Asked(_ROLLBACK)])
        except psycopg.Error:
            self._connection.close()
        if self._connection.info.transaction_status != TransactionStatus.IDLE:
            self._connection.close()


def _are_few(events: Sequence[NewEvent], receipts: Sequence[NewReceipt]) -> bool:
    """Tell whether rows may be held as a whole, here and in the server, until they are stored."""
    if len(events) + len(receipts) > ROWS_WITH_COMMIT_MAX:
        return False
    size = sum([len(event.data) for event in events]) + sum(
        [len(each.outcome) for each in receipts]
    )
    return size <= BYTES_WITH_COMMIT_MAX


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
