"""Rebuilding a read model beside the live one, then putting it in its place (blue/green).

The live tables are served and folded the whole time. At the end one transaction locks the live
checkpoint, folds what is missing, retires the old edition and renames both schemas. A projector
that waits for that lock finds a retired edition, its compare-and-set fails, and it loads the new
tables. An aborted rebuild leaves the live tables alone; the next one clears its remains.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from eventstore.log import Log
from eventstore.partitions import WHOLE, Partition
from projections.building import (
    Building,
    Built,
    Connection,
    Progress,
    connect,
    drop_schema,
    ignore_progress,
    lock_model,
    lock_schema_name,
)
from projections.checkpoint import RETIRED, Checkpoint, read_checkpoint
from projections.read_model import Placed, ReadModel
from projections.rebuilds import Pacing

LEVEL_EVENTS_MAX = 2_000
"""How far behind the head a rebuild may be when it takes the lock and folds the rest under it."""

DROP_WAIT_SECONDS = 5
LOCK_ATTEMPTS_MAX = 5

_RENAME = "ALTER SCHEMA {} RENAME TO {}"
_EDITION = "UPDATE {} SET edition = %s"


def rebuild(
    model: ReadModel,
    log: Log,
    conninfo: str,
    progress: Progress = ignore_progress,
    partition: Partition = WHOLE,
    *,
    events_per_second_max: int | None = None,
) -> Checkpoint:
    """Fold the whole log anew and swap the result in; give the checkpoint it then stands at.

    What an operator wants meanwhile is heeded: see `projections.rebuilds`.

    Raises:
        BuildRunning: another process rebuilds or verifies this model.
        BuildFailed: an event cannot be folded; the live tables stay.
    """
    return rebuild_together(
        [model], log, conninfo, progress, partition, events_per_second_max=events_per_second_max
    )[0]


def rebuild_together(
    models: Sequence[ReadModel],
    log: Log,
    conninfo: str,
    progress: Progress = ignore_progress,
    partition: Partition = WHOLE,
    *,
    events_per_second_max: int | None = None,
) -> list[Checkpoint]:
    """Rebuild several models of one partition in one pass, and swap them in at one position.

    Raises:
        BuildRunning: another process rebuilds or verifies one of them.
        BuildFailed: an event cannot be folded by one of them; all live tables stay.
    """
    names = [Placed(model, partition).schema for model in models]
    with connect(conninfo, application_name="pms rebuild") as connection:
        for name in names:
            lock_model(connection, name)
            drop_schema(connection, _retired(name))
        pacing = Pacing(connection, names, progress, events_per_second_max=events_per_second_max)
        with (
            pacing,
            Building(models, log, connection, suffix="_rebuild", partition=partition) as building,
        ):
            target = log.head().position
            pacing(0, target)
            building.fold_until(target, pacing, pacing.events_max)
            building.index()
            while log.head().position - building.position > LEVEL_EVENTS_MAX:
                target = log.head().position
                building.fold_until(target, pacing, pacing.events_max)
            checkpoints = _swap(connection, log, building, names)
            pacing.end(building.position)
        for name in names:
            _drop_retired(connection, name)
        return checkpoints


def _retired(name: str) -> str:
    return f"{name}_retired"


def _swap(
    connection: Connection, log: Log, building: Building, names: Sequence[str]
) -> list[Checkpoint]:
    """Put the rebuilt tables in the place of the live ones, all in one transaction."""
    for attempt in range(1, LOCK_ATTEMPTS_MAX + 1):
        is_locked = False
        try:
            with connection.transaction(), connection.cursor() as cursor:
                live = _lock_live(cursor, names)
                is_locked = True
                # The live models cannot move any more; the fresh tables must not stand behind.
                building.fold_within(cursor, log.head().position)
                return [
                    _rename(cursor, built, name, live[name])
                    for built, name in zip(building.built, names, strict=True)
                ]
        except psycopg.errors.DeadlockDetected:
            if is_locked or attempt == LOCK_ATTEMPTS_MAX:
                raise
    raise AssertionError("the last attempt returns or raises")


def _lock_live(cursor: psycopg.Cursor[Any], names: Sequence[str]) -> dict[str, Checkpoint | None]:
    """Keep everybody from making or moving the live tables, and read where they stand.

    In the order in which a projector moves checkpoints, so that neither waits in a circle.
    """
    for name in sorted(names):
        lock_schema_name(cursor, name)
    return {name: read_checkpoint(cursor, name, for_update=True) for name in sorted(names)}


def _rename(
    cursor: psycopg.Cursor[Any], built: Built, name: str, live: Checkpoint | None
) -> Checkpoint:
    edition = 0 if live is None else live.edition + 1
    cursor.execute(sql.SQL(_EDITION).format(sql.Identifier(built.schema, "checkpoint")), (edition,))
    if live is not None:
        table = sql.Identifier(name, "checkpoint")
        cursor.execute(sql.SQL(_EDITION).format(table), (RETIRED,))
        away = sql.SQL(_RENAME).format(sql.Identifier(name), sql.Identifier(_retired(name)))
        cursor.execute(away)
    cursor.execute(sql.SQL(_RENAME).format(sql.Identifier(built.schema), sql.Identifier(name)))
    return msgspec.structs.replace(built.checkpoint, edition=edition)


def _drop_retired(connection: Connection, name: str) -> None:
    """Drop the old tables, unless a long reader holds them: then the next rebuild does it."""
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{DROP_WAIT_SECONDS}s'")
            drop_schema(connection, _retired(name))
    except psycopg.errors.LockNotAvailable:
        return
