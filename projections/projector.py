"""The one engine that keeps read models current: read a batch once, fold it for all, commit once.

Models that stand at the same position share the reading, the decoding and the transaction. A model
that lags, fails or rebuilds reads for itself until it is level. A transaction begins with a
compare-and-set of every checkpoint from exactly the position that was read: if one does not match,
another projector or a rebuild took over, and everything held in memory is dropped and loaded anew.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeAlias

import psycopg
import structlog

from eventstore.failures import LogUnavailable
from eventstore.log import POLL_SECONDS, Log
from eventstore.tables import CHANNEL
from projections.announcing import Announcement, Announcer
from projections.batches import Batch, Undecodable, decode_batch, is_transient, whole_commands
from projections.building import (
    BuildFailed,
    BuildRunning,
    Connection,
    connect,
    create_schema,
    nothing_folded,
    rare_collections,
)
from projections.checkpoint import Move, move_checkpoints, read_checkpoint
from projections.read_model import ReadModel
from projections.rebuild import rebuild
from projections.standing import BATCHES, DELAY, FOLDED, LOG_HEAD, Poison, Standing, State

BATCH_EVENTS_MAX = 5_000
CATCH_UP_EVENTS_MAX = 2_000
"""Smaller than a batch, so that a model catching up does not hold up those that are level."""

PAUSE_MAX_SECONDS = 5.0
REBUILD_PAUSE_SECONDS = 1.0
RACE_PAUSE_MAX_SECONDS = 2.0
HEAD_SECONDS = 1.0

_DATABASE_GONE = (psycopg.OperationalError, psycopg.InterfaceError, LogUnavailable)

Group: TypeAlias = list[Standing]


class RebuildInterrupted(Exception):
    """The projector stops; the rebuild begins again at the next start."""


class FoldFailed(Exception):
    """One model's fold raised; the transaction of the whole group is rolled back."""

    def __init__(self, standing: Standing, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.standing = standing
        self.cause = cause


class Projector:
    """Folds the log into read models until told to stop. `run` blocks; the rest is for watchers."""

    def __init__(
        self,
        log: Log,
        conninfo: str,
        models: Sequence[ReadModel],
        *,
        redis_url: str | None,
        clock: Callable[[], datetime],
        batch_events_max: int = BATCH_EVENTS_MAX,
    ) -> None:
        self._log = log
        self._conninfo = conninfo
        self._clock = clock
        self._batch_events_max = batch_events_max
        self._standings = [Standing(model) for model in models]
        self._announcer = Announcer(redis_url)
        self._head = 0
        self._head_read = -HEAD_SECONDS
        self._is_connected = False
        self._lost_races = 0
        self._rebuilds = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rebuild")
        self._logger = structlog.get_logger(__name__)

    def health(self) -> dict[str, object]:
        """Describe every model; `ready` while the database answers and all have begun."""
        now = self._clock()
        waiting = {State.STARTING, State.REBUILDING}
        return {
            "ready": self._is_connected
            and all(standing.state not in waiting for standing in self._standings),
            "degraded": [
                standing.model.name
                for standing in self._standings
                if standing.state is State.POISONED
            ],
            "head": self._head,
            "models": {
                standing.model.name: standing.health(head=self._head, now=now)
                for standing in self._standings
            },
        }

    def run(self, stop: threading.Event) -> None:
        """Fold until `stop` is set, then return within one batch; survives a lost database.

        Raises:
            LogBehindCheckpoint, LogDamaged: the log is not the one that was folded.
        """
        failures = 0
        with rare_collections(), self._announcer, self._rebuilds:
            while not stop.is_set():
                try:
                    with connect(self._conninfo, application_name="pms projector") as connection:
                        connection.execute(f"LISTEN {CHANNEL}")
                        failures = 0
                        self._follow(connection, stop)
                except _DATABASE_GONE as error:
                    self._is_connected = False
                    self._forget(self._standings)
                    self._logger.warning("projector_lost_database", error=str(error))
                    stop.wait(min(PAUSE_MAX_SECONDS, 0.05 * 2.0 ** min(failures, 10)))
                    failures += 1
        self._is_connected = False

    def _follow(self, connection: Connection, stop: threading.Event) -> None:
        while not stop.is_set():
            self._begin_new(connection, stop)
            self._is_connected = True
            has_moved = False
            for group in self._groups():
                has_moved |= self._advance(connection, group)
                if stop.is_set():
                    break
            self._observe()
            if self._lost_races:
                # Whoever won goes on folding; asking again at once would only hinder both.
                stop.wait(min(RACE_PAUSE_MAX_SECONDS, POLL_SECONDS * self._lost_races))
            # Hints that came while we were folding are taken as well, or they would pile up.
            pause = 0.0 if has_moved else POLL_SECONDS
            for _ in connection.notifies(timeout=pause, stop_after=None if has_moved else 1):
                pass

    def _begin_new(self, connection: Connection, stop: threading.Event) -> None:
        """Find out where the starting models stand: make, rebuild or take up their tables."""
        for standing in self._standings:
            if standing.state is not State.STARTING:
                continue
            model = standing.model
            with connection.cursor() as cursor:
                checkpoint = read_checkpoint(cursor, model.name)
            if checkpoint is None:
                checkpoint = nothing_folded(model, self._log)
                try:
                    create_schema(connection, model, model.name, checkpoint)
                except (psycopg.errors.DuplicateSchema, psycopg.errors.UniqueViolation):
                    continue  # Another projector was faster: look again.
            if (
                checkpoint.calculation_version != model.calculation_version
                or checkpoint.log_id != self._log.log_id
            ):
                standing.state = State.REBUILDING
                self._rebuilds.submit(self._rebuild, standing, stop)
                continue
            self._log.require_not_behind(checkpoint.position)
            standing.begin(checkpoint)

    def _groups(self) -> list[Group]:
        """Put models that stand at one position together, the foremost first."""
        groups: defaultdict[tuple[int, str], Group] = defaultdict(list)
        for standing in self._standings:
            if standing.state is State.LIVE:
                alone = "" if standing.events_max is None else standing.model.name
                groups[standing.position, alone].append(standing)
        return [groups[key] for key in sorted(groups, key=lambda key: (-key[0], key[1]))]

    def _advance(self, connection: Connection, group: Group) -> bool:
        """Read and fold one batch for a group; False when there was none."""
        started = time.perf_counter()
        batch = self._read(group)
        if batch is None:
            for standing in group:
                standing.behind_since = None
            return False
        for standing in group:
            standing.behind_since = batch.oldest_at or standing.behind_since
        if not batch.size:
            assert batch.undecodable is not None, "only an unreadable event makes a batch empty"
            self._poison_by_bytes(group, batch.undecodable)
            return True
        try:
            if not self._commit(connection, group, batch):
                self._lose_race(group)
                return False
        except FoldFailed as failure:
            self._isolate(group, failure, batch)
            return True
        self._lost_races = 0
        for standing in group:
            if standing.events_max is not None:
                doubled = 2 * standing.events_max
                standing.events_max = None if doubled >= self._batch_events_max else doubled
        self._report(group, batch, seconds=time.perf_counter() - started)
        return True

    def _read(self, group: Group) -> Batch | None:
        position = group[0].position
        front = max(each.position for each in self._standings if each.state is State.LIVE)
        is_behind = position < front
        limit = min(self._batch_events_max, CATCH_UP_EVENTS_MAX if is_behind else 2**31)
        limit = min([limit, *(each.events_max for each in group if each.events_max is not None)])
        # Stopping exactly where the foremost stand lets a model that caught up join them.
        events = self._log.read(position, limit, front if is_behind else None)
        if not events:
            return None
        self._head = max(self._head, events[-1].position)
        if limit > 1:
            events = whole_commands(events, limit=limit)
        types = frozenset[type]().union(*(each.model.event_types for each in group))
        return decode_batch(events, types)

    def _commit(self, connection: Connection, group: Group, batch: Batch) -> bool:
        """Move all checkpoints and fold for every model in one transaction; False: lost a race."""
        moves = []
        for standing in group:
            assert standing.checkpoint is not None, "a live model has a checkpoint"
            origin = standing.checkpoint
            moves.append(Move(standing.model.name, origin, batch.moved(origin)))
        has_moved = False
        try:
            with connection.transaction(), connection.cursor() as cursor:
                has_moved = move_checkpoints(cursor, moves)
                if not has_moved:
                    raise psycopg.Rollback
                for standing in group:
                    _fold(standing, cursor, batch)
        except psycopg.errors.UndefinedTable:
            return False  # Somebody dropped the tables: they are made anew.
        if has_moved:
            for standing, move in zip(group, moves, strict=True):
                standing.checkpoint = move.target
        return has_moved

    def _lose_race(self, group: Group) -> None:
        self._lost_races += 1
        self._forget(group)
        names = [standing.model.name for standing in group]
        self._logger.info("projector_lost_race", models=names, times=self._lost_races)

    def _isolate(self, group: Group, failure: FoldFailed, batch: Batch) -> None:
        """Let the model that failed read alone, in halves, until one event alone makes it fail."""
        self._forget(group)
        standing = failure.standing
        if batch.size > 1:
            standing.events_max = batch.size // 2
            return
        event_type = batch.decoded[0].recorded.event_type
        self._poison(standing, Poison(batch.position, event_type, str(failure)))

    def _poison_by_bytes(self, group: Group, undecodable: Undecodable) -> None:
        recorded = undecodable.recorded
        poison = Poison(recorded.position, recorded.event_type, str(undecodable))
        for standing in group:
            if undecodable.kind is None or undecodable.kind in standing.model.event_types:
                standing.behind_since = recorded.recorded_at
                self._poison(standing, poison)

    def _poison(self, standing: Standing, poison: Poison) -> None:
        standing.stop_at(poison)
        self._logger.error(
            "projection_poisoned",
            model=standing.model.name,
            position=poison.position,
            event_type=poison.event_type,
            error=poison.error,
        )

    @staticmethod
    def _forget(group: Sequence[Standing]) -> None:
        for standing in group:
            standing.forget()

    def _report(self, group: Group, batch: Batch, *, seconds: float) -> None:
        BATCHES.observe(seconds)
        if batch.oldest_at is not None:
            DELAY.observe(max(0.0, (self._clock() - batch.oldest_at).total_seconds()))
        for standing in group:
            checkpoint = standing.checkpoint
            assert checkpoint is not None, "a model that moved has a checkpoint"
            FOLDED.labels(standing.model.name).inc(batch.size)
            self._announcer.announce(
                Announcement(standing.model.name, checkpoint.position, checkpoint.market_position)
            )

    def _observe(self) -> None:
        if time.monotonic() - self._head_read >= HEAD_SECONDS:
            self._head_read = time.monotonic()
            self._head = max(self._head, self._log.head().position)
        LOG_HEAD.set(self._head)
        now = self._clock()
        for standing in self._standings:
            standing.observe(head=self._head, now=now)

    def _rebuild(self, standing: Standing, stop: threading.Event) -> None:
        """Rebuild a model whose tables another edition or another log has made."""

        def progress(position: int, target: int) -> None:
            if stop.is_set():
                raise RebuildInterrupted
            standing.rebuilt_part = position / target if target else 1.0

        name = standing.model.name
        try:
            progress(0, 1)
            self._logger.info("rebuild_started", model=name)
            checkpoint = rebuild(standing.model, self._log, self._conninfo, progress)
            self._logger.info("rebuild_finished", model=name, position=checkpoint.position)
        except RebuildInterrupted:
            return
        except (*_DATABASE_GONE, BuildRunning) as error:
            self._logger.warning("rebuild_postponed", model=name, error=str(error))
            stop.wait(REBUILD_PAUSE_SECONDS)
        except BuildFailed as error:
            self._poison(standing, Poison(error.position, error.event_type, str(error)))
            return
        standing.state = State.STARTING


def _fold(standing: Standing, cursor: psycopg.Cursor[Any], batch: Batch) -> None:
    """Hand a model its events; whatever is wrong with them must stop no other model."""
    types = standing.model.event_types
    own = [decoded for decoded in batch.decoded if type(decoded.event) in types]
    if not own:
        return
    assert standing.fold is not None, "a live model has a fold"
    try:
        standing.fold.fold(cursor, own)
    except Exception as error:
        if is_transient(error):
            raise
        raise FoldFailed(standing, error) from error
