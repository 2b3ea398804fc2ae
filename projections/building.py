"""Folding read models from the first event into schemas of their own, beside the live tables."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeAlias

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from domain.event import Event
from eventstore.collecting import rare_collections
from eventstore.connections import NETWORK
from eventstore.log import Log
from eventstore.partitions import WHOLE, Partition
from projections.batches import Batch, is_transient, read_batch
from projections.checkpoint import Checkpoint, Move, create_checkpoint, move_checkpoints
from projections.gathering import GatheringCursor, send
from projections.read_model import Decoded, Deferring, Fold, Placed, ReadModel
from schemas.codec import event_name

Connection: TypeAlias = psycopg.Connection[Any]
Progress: TypeAlias = Callable[[int, int], None]
"""Told the position reached and the one to be reached; whatever it raises ends the work."""

BATCH_EVENTS_MAX = 20_000
LOCK_WAIT_SECONDS = 2


class BuildRunning(Exception):
    """Another process is rebuilding or verifying this read model right now."""


class BuildFailed(Exception):
    """An event cannot be folded; `position` is its own, or the first of the batch it stands in.

    Of what a fold left to the end nobody knows from which event it comes: then it is the first that
    the model folds.
    """

    def __init__(self, position: int, event_type: str, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.position = position
        self.event_type = event_type


class CheckpointMoved(Exception):
    """Somebody else wrote into a schema that was ours alone."""


def ignore_progress(_position: int, _target: int) -> None:
    """Watch nothing."""


def whole_batches() -> int:
    """Hold no batch small: how many events of the log one may have at most."""
    return BATCH_EVENTS_MAX


def connect(conninfo: str, *, application_name: str) -> Connection:
    """Open a connection for folding: a lost tail is folded again, so commits need not wait."""
    parameters: dict[str, Any] = NETWORK | conninfo_to_dict(conninfo)
    parameters["application_name"] = application_name
    connection = psycopg.connect(**parameters, autocommit=True, cursor_factory=GatheringCursor)
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


def lock_schema_name(cursor: psycopg.Cursor[Any], schema: str) -> None:
    """Be the only one to make or rename a schema of this name, until the transaction ends."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"schema {schema}",))


def drop_schema(connection: Connection, schema: str) -> None:
    """Drop a schema with all it holds, if it is there."""
    statement = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
    connection.execute(statement)


def create_schema(
    connection: Connection,
    model: ReadModel,
    schema: str,
    checkpoint: Checkpoint,
    *,
    indexed: bool = True,
) -> None:
    """Make a model's empty tables and its checkpoint, in one transaction."""
    tables, indexes = _statements(model, schema)
    with connection.transaction(), connection.cursor() as cursor:
        lock_schema_name(cursor, schema)
        cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        for statement in tables + indexes if indexed else tables:
            cursor.execute(statement.encode())
        create_checkpoint(cursor, schema, checkpoint)


def _statements(model: ReadModel, schema: str) -> tuple[list[str], list[str]]:
    """Part what makes tables from what makes indexes for queries."""
    statements = [each.strip() for each in model.ddl(schema).split(";") if each.strip()]
    indexes = [each for each in statements if each.startswith("CREATE INDEX")]
    return [each for each in statements if each not in indexes], indexes


def found_counts(connection: Connection, models: Sequence[ReadModel]) -> tuple[int, ...]:
    """Tell in how many partitions read models are kept here: 1 is the whole log.

    Several, where tables of another feed or of another generation of the topic are still there;
    (1,) where there are none at all.
    """
    names = "|".join(model.name for model in models)
    rows = connection.execute(
        "SELECT DISTINCT coalesce((regexp_match(nspname, '_of_([0-9]+)$'))[1], '1')::int"
        " FROM pg_namespace WHERE nspname ~ %s",
        (f"^({names})(_[0-9]+_of_[0-9]+)?$",),
    ).fetchall()
    return tuple(sorted(count for (count,) in rows)) or (1,)


def nothing_folded(model: ReadModel, log: Log) -> Checkpoint:
    """Give the checkpoint of empty tables."""
    return Checkpoint(0, 0, None, model.calculation_version, log.log_id)


class Built:
    """One model within a building: its own schema, fold and checkpoint."""

    def __init__(self, model: ReadModel, log: Log, schema: str) -> None:
        self.model = model
        self.schema = schema
        self.checkpoint = nothing_folded(model, log)
        self.fold: Fold = model.new_fold(schema)
        self._first: Decoded | None = None

    def defer(self, cursor: psycopg.Cursor[Any]) -> None:
        """Have the fold leave to the end what it may."""
        if isinstance(self.fold, Deferring):
            self.fold.defer(cursor)

    def settle(self, cursor: psycopg.Cursor[Any]) -> None:
        """Have the fold write what it left."""
        if isinstance(self.fold, Deferring):
            with self._failing_at(self._first):
                self.fold.settle(cursor)
                send(cursor)

    def take(self, cursor: psycopg.Cursor[Any], batch: Batch) -> None:
        """Fold a batch behind the checkpoint, which was moved already."""
        types = self.model.event_types
        own = [decoded for decoded in batch.decoded if type(decoded.event) in types]
        if own:
            self._first = self._first or own[0]
            with self._failing_at(own[0]):
                self.fold.fold(cursor, own)
                send(cursor)
        self.checkpoint = batch.moved(self.checkpoint)

    @contextlib.contextmanager
    def _failing_at(self, first: Decoded | None) -> Iterator[None]:
        """Name the event from which on something cannot be folded, if the database is there."""
        try:
            yield
        except Exception as error:
            if first is None or is_transient(error):
                raise
            raise BuildFailed(first.position, event_name(first.event), error) from error


class Building:
    """Models on their way from nothing to one position, in schemas of their own, made anew.

    They are folded from one partition of the log, by default from the whole of it. A batch is read
    and decoded once for all of them, by a thread of its own while the one before is folded. Indexes
    for queries are made by `index`, once the rows are there.
    """

    def __init__(
        self,
        models: Sequence[ReadModel],
        log: Log,
        connection: Connection,
        *,
        suffix: str,
        partition: Partition = WHOLE,
    ) -> None:
        self._log = log
        self._partition = partition
        self._connection = connection
        self._types = frozenset[type[Event]]().union(*(model.event_types for model in models))
        self.built = [
            Built(model, log, Placed(model, partition).schema + suffix) for model in models
        ]

    @property
    def position(self) -> int:
        """The last log position folded."""
        return self.built[0].checkpoint.position

    def __enter__(self) -> Self:
        for built in self.built:
            drop_schema(self._connection, built.schema)
            create_schema(
                self._connection, built.model, built.schema, built.checkpoint, indexed=False
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(psycopg.Error):  # What remains, the next one clears away.
            for built in self.built:
                drop_schema(self._connection, built.schema)

    def fold_until(
        self, target: int, progress: Progress, events_max: Callable[[], int] = whole_batches
    ) -> None:
        """Fold up to `target`, one transaction per batch of at most so many events.

        From nothing, what folds leave (see `Deferring`) is written behind the last batch.
        """
        if self.position >= target:
            return
        is_beginning = not self.position
        if is_beginning:
            self._have_all(Built.defer)
        with rare_collections(), ThreadPoolExecutor(1, "read ahead") as ahead:
            coming = ahead.submit(self._read, self.position, target, events_max())
            while self.position < target:
                batch, most = coming.result(), events_max()
                if batch.size > 2 * most:  # Read ahead before it was slowed down.
                    batch = self._read(self.position, target, most)
                if batch.position < target:
                    coming = ahead.submit(self._read, batch.position, target, most)
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    self._take(cursor, batch)
                progress(self.position, target)
            if is_beginning:
                self._have_all(Built.settle)

    def fold_within(self, cursor: psycopg.Cursor[Any], target: int) -> None:
        """Fold up to `target` inside the caller's transaction; if that fails, throw this away."""
        while self.position < target:
            self._take(cursor, self._read(self.position, target, BATCH_EVENTS_MAX))

    def index(self) -> None:
        """Make the indexes that queries need."""
        for built in self.built:
            for statement in _statements(built.model, built.schema)[1]:
                self._connection.execute(statement.encode())

    def _have_all(self, act: Callable[[Built, psycopg.Cursor[Any]], None]) -> None:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            for built in self.built:
                act(built, cursor)

    def _read(self, after: int, target: int, limit: int) -> Batch:
        batch = read_batch(
            self._log,
            self._partition,
            after=after,
            limit=limit,
            until=target,
            event_types=self._types,
        )
        assert batch is not None, "the log holds every position up to a target read from it"
        unread = batch.undecodable
        if unread is not None and not batch.size:
            raise BuildFailed(unread.position, unread.event_type, unread) from unread
        return batch

    def _take(self, cursor: psycopg.Cursor[Any], batch: Batch) -> None:
        moves = [
            Move(built.schema, built.checkpoint, batch.moved(built.checkpoint))
            for built in self.built
        ]
        if not move_checkpoints(cursor, moves):
            raise CheckpointMoved("a checkpoint of ours was moved by somebody else")
        for built in self.built:
            built.take(cursor, batch)
