"""The log: every fact once, in one total order, durable before the writer hears of it.

Positions count from 1 without gaps; `recorded_at` never goes back; what is recorded is never
changed, and the application's role could not change it.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import Self
from uuid import UUID

import psycopg

from eventstore import packing, reading
from eventstore.connections import LOCK_WAIT_SECONDS, Connection, LogDatastore, ask, connect
from eventstore.envelope import Excerpt, Head, Receipt, RecordedEvent
from eventstore.failures import LogBehindCheckpoint, LogUnavailable
from eventstore.following import (
    ReadOn,
    follow_tail,
    keep_tail,
    no_rest,
    read_everything,
)
from eventstore.snapshots import (
    Snapshot,
    delete_snapshot,
    keep_snapshot,
    read_newest_streams,
    read_snapshot,
)
from eventstore.tail import Tail
from eventstore.writing import LOCK_STATEMENT, WritingTransaction

POLL_SECONDS = 0.25
ASKED_SECONDS = 2
STREAM_EVENTS_MAX = 10_000


class Log:
    """The log in one database; safe to share between threads, closed by `close` or as a context.

    Every method that talks to the database raises `LogUnavailable` when it cannot.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        clock: Callable[[], datetime],
        build: str,
        pool_size: int = 8,
    ) -> None:
        self._conninfo = conninfo
        self._clock = clock
        self._build = packing.build_field(build)
        self.datastore = LogDatastore(conninfo, pool_size=pool_size)
        self.tail = Tail()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all pooled connections; followers end by their own `stop`."""
        self.datastore.close()

    @cached_property
    def log_id(self) -> UUID:
        """The identity of this log, made with its tables.

        Raises:
            LogNotCreated: the database holds no log, or one of another format.
        """
        with self.datastore.connection() as connection:
            return reading.read_log_id(connection)

    def require_there(self) -> None:
        """Ask the database, on a connection of its own, whether it answers, for 2 s at most."""
        ask(self._conninfo, application_name="pms log ask", seconds=ASKED_SECONDS)

    def head(self) -> Head:
        """Tell where the log ends."""
        with self.datastore.connection() as connection:
            return reading.read_head(connection)

    def require_not_behind(self, checkpoint: int) -> int:
        """Refuse to serve a log that lacks events somebody has folded or holds; give its head.

        Raises:
            LogBehindCheckpoint: the log ends before `checkpoint`.
        """
        head = self.head()
        if head.position < checkpoint:
            raise LogBehindCheckpoint(
                f"the log ends at {head.position}, a checkpoint stands at {checkpoint}"
            )
        return head.position

    def read(self, after: int, limit: int, until: int | None = None) -> list[RecordedEvent]:
        """Read up to `limit` events with `after` < position ≤ `until`, in order.

        Raises:
            LogDamaged: a position is missing.
        """
        with self.datastore.connection() as connection:
            return reading.read_events(connection, after=after, limit=limit, until=until)

    def read_excerpts(self, after: int, limit: int, until: int | None = None) -> list[Excerpt]:
        """Read, like `read`, only what folding needs of each event.

        Raises:
            LogDamaged: a position is missing.
        """
        with self.datastore.connection() as connection:
            return reading.read_excerpts(connection, after=after, limit=limit, until=until)

    def read_shared(self, after: int, limit: int, until: int | None = None) -> list[RecordedEvent]:
        """Read, like `read`, only events of the tenant `market`, which all portfolios share."""
        with self.datastore.connection() as connection:
            return reading.read_selected(
                connection, reading.SHARED, after=after, limit=limit, until=until
            )

    def read_parking(self, after: int, limit: int, until: int | None = None) -> list[RecordedEvent]:
        """Read, like `read`, only events of trades parked or released."""
        with self.datastore.connection() as connection:
            return reading.read_selected(
                connection, reading.PARKING, after=after, limit=limit, until=until
            )

    def read_opened(self, after: int, limit: int, until: int | None = None) -> list[RecordedEvent]:
        """Read, like `read`, only events of portfolios opened."""
        with self.datastore.connection() as connection:
            return reading.read_selected(
                connection, reading.OPENED, after=after, limit=limit, until=until
            )

    def read_limited(self, after: int, limit: int, until: int | None = None) -> list[RecordedEvent]:
        """Read, like `read`, only events of limits approved."""
        with self.datastore.connection() as connection:
            return reading.read_selected(
                connection, reading.LIMITED, after=after, limit=limit, until=until
            )

    def read_of_types(
        self, event_types: Iterable[str], after: int, until: int
    ) -> list[RecordedEvent]:
        """Read only events of some types with `after` < position ≤ `until`, in order."""
        with self.datastore.connection() as connection:
            return reading.read_of_types(connection, event_types, after=after, until=until)

    def read_stream(
        self, stream_id: UUID, after_version: int = 0, limit: int = STREAM_EVENTS_MAX
    ) -> list[RecordedEvent]:
        """Read up to `limit` of a stream's events behind `after_version`, in order."""
        with self.datastore.connection() as connection:
            return reading.read_stream(
                connection, stream_id, after_version=after_version, limit=limit
            )

    def read_key(
        self, stream_id: UUID, key: str, after_version: int = 0, limit: int = STREAM_EVENTS_MAX
    ) -> list[RecordedEvent]:
        """Read up to `limit` of a stream's events with `key` behind `after_version`, in order."""
        with self.datastore.connection() as connection:
            return reading.read_key(
                connection, stream_id, key, after_version=after_version, limit=limit
            )

    def last_of_key(self, stream_id: UUID, key: str, until: int) -> RecordedEvent | None:
        """Read a stream's last event with `key` up to position `until`; None without any."""
        with self.datastore.connection() as connection:
            return reading.read_last_of_key(connection, stream_id, key, until=until)

    def streams_with(
        self, stream_ids: Iterable[UUID], keys: Sequence[str]
    ) -> list[tuple[str, UUID]]:
        """Give each key with each of the streams that hold an event of it."""
        with self.datastore.connection() as connection:
            return reading.read_streams_with(connection, stream_ids, keys)

    def first_events(self, stream_ids: Iterable[UUID]) -> dict[UUID, RecordedEvent]:
        """Read the event of version 1 of each of the streams that exist, in one query."""
        with self.datastore.connection() as connection:
            return reading.read_first_events(connection, stream_ids)

    def stream_versions(self, stream_ids: Iterable[UUID]) -> dict[UUID, int]:
        """Read the newest version of each of the streams that exist, in one query."""
        with self.datastore.connection() as connection:
            return reading.read_versions(connection, stream_ids)

    def known(self, command_ids: Iterable[UUID], stream_ids: Iterable[UUID]) -> set[UUID]:
        """Find which commands have receipts and which streams exist, in one round trip."""
        with self.datastore.connection() as connection:
            return reading.read_known(connection, command_ids, stream_ids)

    def receipts(self, command_ids: Iterable[UUID]) -> dict[UUID, Receipt]:
        """Read the receipts of the commands that have one; the others may still get theirs."""
        with self.datastore.connection() as connection:
            return reading.read_receipts(connection, command_ids)

    def snapshot(self, stream_id: UUID, form: str, *, until: int) -> Snapshot | None:
        """Read the newest snapshot of a form that stands at a log position up to `until`."""
        with self.datastore.connection() as connection:
            return read_snapshot(connection, stream_id, form, until=until)

    def newest_snapshots(self, form: str, limit: int) -> list[UUID]:
        """List the streams whose snapshots of a form were taken last."""
        with self.datastore.connection() as connection:
            return read_newest_streams(connection, form, limit)

    def keep_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot and the one before it, no older ones and none of another form."""
        with self.datastore.connection() as connection:
            keep_snapshot(connection, snapshot)

    def delete_snapshot(self, snapshot: Snapshot) -> None:
        """Delete a snapshot; the stream is still in the log."""
        with self.datastore.connection() as connection:
            delete_snapshot(connection, snapshot)

    @contextmanager
    def writing(
        self,
        *,
        known_of: tuple[Sequence[UUID], Sequence[UUID]] | None = None,
        stream_version_min: int = 1,
    ) -> Iterator[WritingTransaction]:
        """Lend the one transaction that may append, under the append lock.

        `known_of` asks, in the same round trip, which commands and streams are `known`.

        Leaving the block commits; an exception inside it leaves nothing behind. Nothing here is
        tried again: only the caller knows whether the same append still is the right one.
        Streams begin at version 1; only the library's recorder lets them begin at 0.

        Raises:
            LogUnavailable: certainly nothing was written.
            AppendRefused: an append was refused and the block went on as if it had not been.
            CommitUnknown: the connection ended before COMMIT was answered; see `resolve`.
        """
        with self.datastore.connection() as connection:
            transaction = WritingTransaction(
                connection,
                clock=self._clock,
                build=self._build,
                stream_version_min=stream_version_min,
            )
            try:
                transaction.begin(known_of)
                yield transaction
                transaction.commit()
            except BaseException:
                transaction.roll_back()
                raise
        if self.tail.position is not None:
            self.tail.include(transaction.recorded())

    def resolve(
        self, command_ids: Iterable[UUID], wait_seconds: float = LOCK_WAIT_SECONDS
    ) -> dict[UUID, Receipt]:
        """Find the truth after `CommitUnknown`: receipts of all of the batch, or of none.

        Waits on a connection of its own for the append lock: whoever holds it, the transaction in
        doubt has ended by then, and what it wrote is there to see or never will be.

        Raises:
            LogUnavailable: also when the lock was not free within `wait_seconds`.
        """
        try:
            with (
                connect(self._conninfo, application_name="pms log resolve") as connection,
                connection.transaction(),
            ):
                longest = max(int(wait_seconds * 1_000), 1)
                connection.execute(f"SET LOCAL lock_timeout = {longest}")
                connection.execute(LOCK_STATEMENT)
                return reading.read_receipts(connection, command_ids)
        except psycopg.Error as error:
            raise LogUnavailable(str(error)) from error

    def follow(
        self,
        after: int,
        *,
        batch_events_max: int,
        stop: threading.Event,
        poll_seconds: float = POLL_SECONDS,
        rest_seconds: Callable[[], float] = no_rest,
        read: ReadOn = read_everything,
    ) -> Iterator[list[RecordedEvent]]:
        """Yield every event behind `after`, or those that `read` selects, until `stop` is set.

        An empty list says that the follower stands at the head; it comes at least every
        `poll_seconds` while the database answers, so that the caller can look around. A lost
        connection is opened again without end, and with nothing yielded meanwhile. At the head,
        `rest_seconds` pass between two looks, so that a busy log does not wake a follower of little
        at every append.

        Raises:
            LogBehindCheckpoint: the log ends before `after`, or another log took its place.
            LogDamaged: a position is missing.
        """
        yield from follow_tail(
            self.tail,
            self._connect_follower,
            log_id=self.log_id,
            after=after,
            batch_events_max=batch_events_max,
            stop=stop,
            poll_seconds=poll_seconds,
            rest_seconds=rest_seconds,
            read=read,
        )

    def keep_tail(self, stop: threading.Event) -> None:
        """Hold the newest events in memory until `stop`, for all who follow from now on."""
        keep_tail(self.tail, self._connect_follower, log_id=self.log_id, stop=stop)

    def _connect_follower(self) -> Connection:
        return connect(self._conninfo, application_name="pms log follow")
