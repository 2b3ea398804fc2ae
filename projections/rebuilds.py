"""Rebuilds of read models: how far they are, and what an operator wants of them.

A row for each schema of tables, beside the read models in the schema `rebuilds`. It is no truth: a
rebuild writes it, looks after every batch what is wanted, and goes on without it where it is gone.
Times are of the database's clock.
"""

import time
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import msgspec
import psycopg
from psycopg.rows import class_row

from projections.building import BuildFailed, Connection, Progress, whole_batches

LOOK_SECONDS = 0.25
"""How often a rebuild that waits looks whether it may go on."""
EVENTS_PER_SECOND_MIN = 10
BATCH_SECONDS = 1.0
"""How long a batch may take, for between two of them an operator is heard."""
FIRST_BATCH_EVENTS = 2_000
"""How many events are folded to learn how fast that is; a batch is no smaller unless throttled."""

_TABLE = """
SELECT pg_advisory_xact_lock(hashtextextended('pms rebuilds', 0));
CREATE SCHEMA IF NOT EXISTS rebuilds;
CREATE TABLE IF NOT EXISTS rebuilds.rebuilds (
    name text PRIMARY KEY,
    state text NOT NULL,
    position bigint NOT NULL,
    target bigint NOT NULL,
    is_paused boolean NOT NULL,
    events_per_second_max integer,
    events_per_second double precision NOT NULL,
    started_at timestamptz NOT NULL,
    told_at timestamptz NOT NULL
)
"""
_BEGIN = """
INSERT INTO rebuilds.rebuilds
SELECT name, 'running', 0, %(target)s, false, %(most)s, 0, clock_timestamp(), clock_timestamp()
FROM unnest(%(names)s::text[]) AS name
ON CONFLICT (name) DO UPDATE SET state = excluded.state, position = 0, target = excluded.target,
    is_paused = false, events_per_second_max = excluded.events_per_second_max,
    events_per_second = 0, started_at = excluded.started_at, told_at = excluded.told_at
"""
_TELL = """
UPDATE rebuilds.rebuilds SET state = %(state)s, position = %(position)s, target = %(target)s,
    events_per_second = %(rate)s, told_at = clock_timestamp()
WHERE name = ANY(%(names)s) RETURNING is_paused, events_per_second_max
"""
_PAUSE = "UPDATE rebuilds.rebuilds SET is_paused = %s WHERE name = %s"
_THROTTLE = "UPDATE rebuilds.rebuilds SET events_per_second_max = %s WHERE name = %s"
# Whoever builds holds the lock of `building.lock_model`, until its connection ends in any way.
_LIST = """
SELECT name, CASE
        WHEN state NOT IN ('running', 'paused') OR EXISTS (
            SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
                AND ((classid::bigint << 32) | objid::bigint)
                    = hashtextextended('pms read model ' || name, 0)
        ) THEN state ELSE 'interrupted' END AS state,
    position, target, is_paused, events_per_second_max, events_per_second, started_at, told_at
FROM rebuilds.rebuilds ORDER BY name
"""


class RebuildState(StrEnum):
    """What becomes of a rebuild; `interrupted` leaves the live tables as they were, as `failed`."""

    RUNNING = "running"
    PAUSED = "paused"
    SWAPPED = "swapped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class Rebuilt(msgspec.Struct, frozen=True):
    """The last rebuild of some tables, `name` is their schema: it has folded up to `position`.

    `events_per_second` is its speed while it was not paused, on average.
    """

    name: str
    state: RebuildState
    position: int
    target: int
    is_paused: bool
    events_per_second_max: int | None
    events_per_second: float
    started_at: datetime
    told_at: datetime


class NoRebuild(Exception):
    """No rebuild of these tables is under way."""


class Pacing:
    """Tells of one rebuild on its own connection, between its transactions, and holds it up.

    To be called as its progress is: it returns when the rebuild may go on.
    """

    def __init__(
        self,
        connection: Connection,
        names: list[str],
        progress: Progress,
        *,
        events_per_second_max: int | None = None,
    ) -> None:
        self._connection = connection
        self._names = names
        self._progress = progress
        self._most = events_per_second_max
        self._began = self._since = time.monotonic()
        self._paused_seconds = 0.0
        self._position = self._target = self._since_position = 0
        self._let_go = self._began
        self._speed = 0.0

    def __enter__(self) -> Self:
        with self._connection.transaction():
            self._connection.execute(_TABLE)
        asked = {"names": self._names, "target": self._target, "most": self._most}
        self._connection.execute(_BEGIN, asked)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and issubclass(kind, BuildFailed):
            self._tell(RebuildState.FAILED)

    def __call__(self, position: int, target: int) -> None:
        """Tell the position reached; wait while the rebuild is paused, or ahead of its pace."""
        taken = time.monotonic() - self._let_go
        self._speed = max(0, position - self._position) / max(taken, 1e-3)
        self._position, self._target = position, target
        is_paused = self._tell(RebuildState.RUNNING)
        self._progress(position, target)
        while is_paused or self._seconds_ahead() > 0:
            began = time.monotonic()
            time.sleep(LOOK_SECONDS if is_paused else min(LOOK_SECONDS, self._seconds_ahead()))
            if is_paused:
                self._paused_seconds += time.monotonic() - began
                self._since, self._since_position = time.monotonic(), position
            self._progress(position, target)
            is_paused = self._tell(RebuildState.PAUSED if is_paused else RebuildState.RUNNING)
        self._let_go = time.monotonic()

    def events_max(self) -> int:
        """Tell how many events the next batch may have, so that it takes about `BATCH_SECONDS`.

        By the speed of the batch before it; where it is throttled, what is folded in that time.
        """
        most = max(FIRST_BATCH_EVENTS, int(self._speed * BATCH_SECONDS))
        if self._most is not None:
            most = min(most, max(1, int(self._most * BATCH_SECONDS)))
        return min(most, whole_batches())

    def end(self, position: int) -> None:
        """Tell that the tables made are in their place, at a position."""
        self._position = self._target = position
        self._tell(RebuildState.SWAPPED)
        self._progress(position, position)

    def _seconds_ahead(self) -> float:
        if self._most is None:
            return 0.0
        taken = time.monotonic() - self._since
        return (self._position - self._since_position) / self._most - taken

    def _tell(self, state: RebuildState) -> bool:
        """Write where it is, and read what is wanted: whether it is to pause."""
        seconds = time.monotonic() - self._began - self._paused_seconds
        told = {
            "state": state, "position": self._position, "target": self._target,
            "rate": self._position / max(seconds, 1e-3), "names": self._names,
        }  # fmt: skip
        wanted = self._connection.execute(_TELL, told).fetchall()
        most = min((row[1] for row in wanted if row[1] is not None), default=None)
        if most != self._most:
            self._most = most
            self._since, self._since_position = time.monotonic(), self._position
        return any(row[0] for row in wanted)


def rebuilds(connection: psycopg.Connection[Any]) -> list[Rebuilt]:
    """List the last rebuild of each read model's tables, by name."""
    (there,) = connection.execute("SELECT to_regclass('rebuilds.rebuilds') IS NOT NULL").fetchall()
    if not there[0]:
        return []
    with connection.cursor(row_factory=class_row(Rebuilt)) as cursor:
        found = cursor.execute(_LIST).fetchall()
    return [msgspec.structs.replace(each, state=RebuildState(each.state)) for each in found]


def pause(connection: psycopg.Connection[Any], name: str, *, is_paused: bool) -> None:
    """Have a rebuild under way pause behind its batch, or go on.

    Raises:
        NoRebuild: none of these tables is under way.
    """
    _require_under_way(connection, name)
    connection.execute(_PAUSE, (is_paused, name))


def throttle(
    connection: psycopg.Connection[Any], name: str, *, events_per_second_max: int | None
) -> None:
    """Have a rebuild under way fold so many events a second at most; None: as fast as it can.

    Raises:
        NoRebuild: none of these tables is under way.
    """
    _require_under_way(connection, name)
    connection.execute(_THROTTLE, (events_per_second_max, name))


def _require_under_way(connection: psycopg.Connection[Any], name: str) -> None:
    under_way = {RebuildState.RUNNING, RebuildState.PAUSED}
    if not any(each.name == name and each.state in under_way for each in rebuilds(connection)):
        raise NoRebuild(f"No rebuild of {name} is under way.")
