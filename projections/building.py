"""Folding a read model from the first event into a schema of its own, beside the live tables."""

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeAlias

import msgspec
import psycopg
from psycopg import sql

from eventstore.envelope import RecordedEvent
from eventstore.log import Log
from projections.batches import Batch, decode_batch, is_transient, whole_commands
from projections.checkpoint import Checkpoint, Move, create_checkpoint, move_checkpoints
from projections.read_model import Fold, ReadModel

Connection: TypeAlias = psycopg.Connection[Any]
Progress: TypeAlias = Callable[[int, int], None]
"""Told the position reached and the one to be reached; whatever it raises ends the work."""

BATCH_EVENTS_MAX = 10_000
LOCK_WAIT_SECONDS = 2


class BuildRunning(Exception):
    """Another process is rebuilding or verifying this read model right now."""


class BuildFailed(Exception):
    """An event cannot be folded; `position` is its own, or the first of the batch it stands in."""

    def __init__(self, recorded: RecordedEvent, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.position = recorded.position
        self.event_type = recorded.event_type


class CheckpointMoved(Exception):
    """Somebody else wrote into a schema that was ours alone."""


def ignore_progress(_position: int, _target: int) -> None:
    """Watch nothing."""


def connect(conninfo: str, *, application_name: str) -> Connection:
    """Open a connection for folding: a lost tail is folded again, so commits need not wait."""
    connection = psycopg.connect(conninfo, autocommit=True, application_name=application_name)
    connection.execute("SET synchronous_commit = off; SET jit = off; SET TIME ZONE 'UTC'")
    return connection


def lock_model(connection: Connection, name: str) -> None:
    """Be the only one to build beside this read model, until the connection closes.

    Raises:
        BuildRunning: somebody else is.
    """
    try:
        with connection.transaction():
            # A session that has just ended may hold its lock for a moment longer.
            connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT_SECONDS}s'")
            statement = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
            connection.execute(statement, (f"pms read model {name}",))
    except psycopg.errors.LockNotAvailable as error:
        message = f"read model {name} is being rebuilt or verified by another process"
        raise BuildRunning(message) from error


def drop_schema(connection: Connection, schema: str) -> None:
    """Drop a schema with all it holds, if it is there."""
    statement = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
    connection.execute(statement)


def create_schema(
    connection: Connection, model: ReadModel, schema: str, checkpoint: Checkpoint
) -> None:
    """Make a model's empty tables and its checkpoint, in one transaction."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        cursor.execute(model.ddl(schema).encode())
        create_checkpoint(cursor, schema, checkpoint)


def nothing_folded(model: ReadModel, log: Log) -> Checkpoint:
    """Give the checkpoint of empty tables."""
    return Checkpoint(0, 0, None, model.calculation_version, log.log_id)


class Building:
    """One model on its way from nothing to a position, in `schema`, which it makes anew."""

    def __init__(self, model: ReadModel, log: Log, connection: Connection, schema: str) -> None:
        self._model = model
        self._log = log
        self._connection = connection
        self.schema = schema
        self.checkpoint = nothing_folded(model, log)
        self._fold: Fold = model.new_fold(schema)

    def __enter__(self) -> Self:
        drop_schema(self._connection, self.schema)
        create_schema(self._connection, self._model, self.schema, self.checkpoint)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(psycopg.Error):  # What remains, the next one clears away.
            drop_schema(self._connection, self.schema)

    def fold_until(self, target: int, progress: Progress) -> None:
        """Fold up to `target`, one transaction per batch."""
        while self.checkpoint.position < target:
            batch = self._read(target)
            with self._connection.transaction(), self._connection.cursor() as cursor:
                self._take(cursor, batch)
            progress(self.checkpoint.position, target)

    def fold_within(self, cursor: psycopg.Cursor[Any], target: int) -> None:
        """Fold up to `target` inside the caller's transaction; if that fails, throw this away."""
        while self.checkpoint.position < target:
            self._take(cursor, self._read(target))

    def _read(self, target: int) -> Batch:
        after = self.checkpoint.position
        events = self._log.read(after, BATCH_EVENTS_MAX, target)
        if events and events[-1].position < target:
            events = whole_commands(events, limit=BATCH_EVENTS_MAX)
        batch = decode_batch(events, self._model.event_types)
        if batch.undecodable is not None and not batch.size:
            raise BuildFailed(batch.undecodable.recorded, batch.undecodable) from batch.undecodable
        assert batch.size, "the log holds every position up to a target that was read from it"
        return batch

    def _take(self, cursor: psycopg.Cursor[Any], batch: Batch) -> None:
        target = batch.moved(self.checkpoint)
        if not move_checkpoints(cursor, [Move(self.schema, self.checkpoint, target)]):
            raise CheckpointMoved(f"the checkpoint of {self.schema} was moved by somebody else")
        if batch.decoded:
            try:
                self._fold.fold(cursor, batch.decoded)
            except Exception as error:
                if is_transient(error):
                    raise
                raise BuildFailed(batch.decoded[0].recorded, error) from error
        self.checkpoint = target

    def set_edition(self, cursor: psycopg.Cursor[Any], edition: int) -> None:
        """Write the edition that the tables will have once they are live."""
        statement = sql.SQL("UPDATE {} SET edition = %s")
        table = sql.Identifier(self.schema, "checkpoint")
        cursor.execute(statement.format(table), (edition,))
        self.checkpoint = msgspec.structs.replace(self.checkpoint, edition=edition)
