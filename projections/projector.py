"""The one engine that keeps read models current: read a batch once, fold it for all, commit once.

Models that stand at the same position share the reading, the decoding and the transaction. A model
that lags, fails or rebuilds reads for itself until it is level, and so do, time and again, those
that are patient under load (`projections.turns`). A transaction begins with a
compare-and-set of every checkpoint from exactly the position that was read: if one does not match,
another projector or a rebuild took over, and everything held in memory is dropped and loaded anew.
"""

import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime

import psycopg
import structlog

from eventstore.collecting import rare_collections
from eventstore.failures import LogUnavailable
from eventstore.kafka.reader import TopicDamaged
from eventstore.log import POLL_SECONDS, Log
from eventstore.partitions import Partition
from projections.announcing import Announcement, Announcer
from projections.batches import Batch, Undecodable, read_batch
from projections.building import (
    BuildFailed,
    BuildRunning,
    Connection,
    connect,
    create_schema,
    nothing_folded,
)
from projections.checkpoint import Move, move_checkpoints, read_checkpoint
from projections.feeds import Feed, LogFeed
from projections.folding import FoldFailed, fold_batch
from projections.read_model import ReadModel
from projections.rebuild import rebuild
from projections.standing import BATCHES, DELAY, FOLDED, LOG_HEAD, Poison, Standing, State
from projections.turns import Group, Turns
from schemas.codec import event_name

BATCH_EVENTS_MAX = 5_000
CATCH_UP_EVENTS_MAX = 2_000
"""Smaller than a batch, so that a model catching up does not hold up those that are level."""

PAUSE_MAX_SECONDS = 5.0
REBUILD_PAUSE_SECONDS = 1.0
RACE_PAUSE_MAX_SECONDS = 2.0
HEAD_SECONDS = 1.0
OBSERVE_SECONDS = 0.2

# A projector that stops in the middle of a commit must not hold its successor for ever.
_SESSION = """
SET idle_in_transaction_session_timeout = '60s';
SET transaction_timeout = '600s';
SET lock_timeout = '15s';
"""

_DATABASE_GONE = (psycopg.OperationalError, psycopg.InterfaceError, LogUnavailable)


class RebuildInterrupted(Exception):
    """The projector stops; the rebuild begins again at the next start."""


class Projector:
    """Folds a feed into read models until told to stop. `run` blocks; the rest is for watchers."""

    def __init__(
        self,
        log: Log,
        conninfo: str,
        models: Sequence[ReadModel],
        *,
        redis_url: str | None,
        clock: Callable[[], datetime],
        feed: Feed | None = None,
        batch_events_max: int = BATCH_EVENTS_MAX,
        patient: Collection[str] = (),
    ) -> None:
        self._log = log
        self._feed: Feed = feed or LogFeed(log)
        self._models = models
        self._conninfo = conninfo
        self._clock = clock
        self._batch_events_max = batch_events_max
        self._standings: list[Standing] = []
        self._partitions: frozenset[Partition] = frozenset()
        self._announcer = Announcer(redis_url)
        self._head = 0
        self._head_read = self._observed = -HEAD_SECONDS
        self._is_connected = False
        self._lost_races = 0
        # Who reads for itself reads the log, which a projector on Kafka is to leave alone.
        self._turns = Turns(patient if self._feed.is_log else ())
        self._was_short = False
        self._rebuilds = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rebuild")
        self._logger = structlog.get_logger(__name__)
        self._take_partitions()

    def health(self) -> dict[str, object]:
        """Describe every model; `ready` while the database answers and all have begun."""
        now = self._clock()
        waiting = {State.STARTING, State.REBUILDING}
        return {
            "ready": self._is_connected
            and self._feed.has_begun
            and all(standing.state not in waiting for standing in self._standings),
            "degraded": [
                standing.name for standing in self._standings if standing.state is State.POISONED
            ],
            "head": self._head,
            "models": {
                standing.name: standing.health(head=self._head, now=now)
                for standing in self._standings
            },
        }

    def run(self, stop: threading.Event) -> None:
        """Fold until `stop` is set, then return within one batch; survives a lost database.

        Raises:
            LogBehindCheckpoint, LogDamaged: the log is not the one that was folded.
        """
        failures = 0
        with rare_collections(), self._announcer, self._rebuilds, closing(self._feed):
            while not stop.is_set():
                try:
                    with connect(self._conninfo, application_name="pms projector") as connection:
                        connection.execute(_SESSION)
                        self._feed.begin(connection)
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
            self._take_partitions()
            self._begin_new(connection, stop)
            self._is_connected = True
            has_moved = False
            for group in self._turns.groups(self._standings):
                has_moved |= self._advance(connection, group)
                if stop.is_set():
                    break
            self._observe()
            if self._lost_races:
                # Whoever won goes on folding; asking again at once would only hinder both.
                stop.wait(min(RACE_PAUSE_MAX_SECONDS, POLL_SECONDS * self._lost_races))
                self._lost_races -= 1
            elif rest := self._turns.pacing.rest():
                stop.wait(rest)
            may_be_more = has_moved and not (self._feed.is_log and self._is_level())
            until_due = self._turns.until_due(self._standings, head=self._head)
            self._feed.wait(0.0 if may_be_more else min(POLL_SECONDS, until_due))

    def _is_level(self) -> bool:
        """Say whether every model that is due stood at the log's end when that was read last."""
        due = (each for each in self._standings if self._turns.is_due(each))
        return self._was_short and all(each.position == self._head for each in due)

    def _take_partitions(self) -> None:
        """Begin with the partitions that became ours, and forget those that are no more."""
        now = frozenset(self._feed.partitions())
        if now == self._partitions:
            return
        for standing in self._standings:
            if standing.partition not in now:
                standing.leave()
        self._standings = [each for each in self._standings if each.partition in now]
        for partition in sorted(now - self._partitions):
            self._standings += [Standing(model, partition) for model in self._models]
        self._partitions = now
        self._logger.info("projector_partitions", numbers=sorted(each.number for each in now))

    def _begin_new(self, connection: Connection, stop: threading.Event) -> None:
        """Find out where the starting models stand: make, rebuild or take up their tables."""
        for standing in self._standings:
            if standing.state is not State.STARTING:
                continue
            model = standing.model
            with connection.cursor() as cursor:
                checkpoint = read_checkpoint(cursor, standing.name)
            if checkpoint is None:
                checkpoint = nothing_folded(model, self._log)
                try:
                    create_schema(connection, model, standing.name, checkpoint)
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

    def _advance(self, connection: Connection, group: Group) -> bool:
        """Read and fold one batch for a group; False when there was none."""
        started = time.perf_counter()
        try:
            batch = self._read(group)
        except TopicDamaged as damage:
            for standing in group:
                self._poison(standing, Poison(standing.position + 1, "kafka", str(damage)))
            return False
        if batch is None:
            for standing in group:
                # A feed that gives nothing may be behind the log itself, as Kafka is when away.
                is_level = standing.position >= self._head
                standing.behind_since = None if is_level else standing.behind_since or self._clock()
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
        """Read a group's batch: from the feed for the foremost, from the log for who is behind."""
        partition, checkpoint = group[0].partition, group[0].checkpoint
        assert checkpoint is not None, "a live model has a checkpoint"
        front = self._front(partition)
        is_behind = checkpoint.position < front
        limit = min(self._batch_events_max, CATCH_UP_EVENTS_MAX if is_behind else 2**31)
        limit = min([limit, *(each.events_max for each in group if each.events_max is not None)])
        types = frozenset[type]().union(*(each.model.event_types for each in group))
        if not is_behind:
            batch = self._feed.read(partition, checkpoint, limit=limit, event_types=types)
            # The last command may have been left out; half a batch is none that was cut.
            self._was_short = batch is None or 2 * batch.size <= limit
            self._turns.pacing.passed(0 if batch is None else batch.size)
        else:
            # Stopping exactly where the foremost stand lets a model that caught up join them.
            after = checkpoint.position
            batch = read_batch(
                self._log, partition, after=after, limit=limit, until=front, event_types=types
            )
        if batch is not None and batch.position > self._head:
            if is_behind or self._feed.is_log:
                self._head = batch.position
            else:
                # Kafka may hold what a log restored to an older state has lost.
                self._head = self._log.require_not_behind(batch.position)
        return batch

    def _front(self, partition: Partition) -> int:
        """Say where the foremost live model of a partition stands."""
        return max(
            each.position
            for each in self._standings
            if each.state is State.LIVE and each.partition == partition
        )

    def _commit(self, connection: Connection, group: Group, batch: Batch) -> bool:
        """Move all checkpoints and fold for every model in one transaction; False: lost a race."""
        moves = []
        for standing in group:
            assert standing.checkpoint is not None, "a live model has a checkpoint"
            origin = standing.checkpoint
            moves.append(Move(standing.name, origin, batch.moved(origin)))
        has_moved = False
        try:
            with connection.transaction(), connection.cursor() as cursor:
                has_moved = move_checkpoints(cursor, moves)
                if not has_moved:
                    raise psycopg.Rollback
                for standing in group:
                    fold_batch(standing, cursor, batch)
        except psycopg.errors.UndefinedTable:
            return False  # Somebody dropped the tables: they are made anew.
        if has_moved:
            for standing, move in zip(group, moves, strict=True):
                standing.checkpoint = move.target
        return has_moved

    def _lose_race(self, group: Group) -> None:
        self._lost_races += 1
        self._forget(group)
        names = [standing.name for standing in group]
        self._logger.info("projector_lost_race", models=names, times=self._lost_races)

    def _isolate(self, group: Group, failure: FoldFailed, batch: Batch) -> None:
        """Let the model that failed read alone, in halves, until one event alone makes it fail."""
        self._forget(group)
        standing = failure.standing
        if batch.size > 1:
            standing.events_max = batch.size // 2
            return
        event_type = event_name(batch.decoded[0].event)
        self._poison(standing, Poison(batch.position, event_type, str(failure)))

    def _poison_by_bytes(self, group: Group, undecodable: Undecodable) -> None:
        poison = Poison(undecodable.position, undecodable.event_type, str(undecodable))
        for standing in group:
            if undecodable.kind is None or undecodable.kind in standing.model.event_types:
                standing.behind_since = undecodable.recorded_at
                self._poison(standing, poison)

    def _poison(self, standing: Standing, poison: Poison) -> None:
        standing.stop_at(poison)
        self._logger.error(
            "projection_poisoned",
            model=standing.name,
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
        reached, front = [], self._front(group[0].partition)
        for standing in group:
            checkpoint = standing.checkpoint
            assert checkpoint is not None, "a model that moved has a checkpoint"
            FOLDED.labels(standing.name).inc(batch.size)
            if checkpoint.position == front:
                standing.level_at = time.monotonic()
            reached.append(
                Announcement(standing.name, checkpoint.position, checkpoint.market_position)
            )
        self._announcer.announce(reached)

    def _observe(self) -> None:
        """Set the gauges, look where the log ends and how busy it is; at every batch it adds up."""
        moment = time.monotonic()
        if moment - self._observed < OBSERVE_SECONDS:
            return
        self._turns.pacing.look(moment - self._observed)
        self._observed = moment
        if moment - self._head_read >= HEAD_SECONDS:
            self._head_read = moment
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

        name, partition = standing.name, standing.partition
        try:
            progress(0, 1)
            self._logger.info("rebuild_started", model=name)
            checkpoint = rebuild(standing.model, self._log, self._conninfo, progress, partition)
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
