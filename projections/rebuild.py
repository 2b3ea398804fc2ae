"""Rebuilding a read model beside the live one, then putting it in its place (blue/green).

The live tables are served and folded the whole time. At the end one transaction locks the live
checkpoint, folds what is missing, retires the old edition and renames both schemas. A projector
that waits for that lock finds a retired edition, its compare-and-set fails, and it loads the new
tables. An aborted rebuild leaves the live tables alone; the next one clears its remains.
"""

import psycopg
from psycopg import sql

from eventstore.log import Log
from projections.building import (
    Building,
    Connection,
    Progress,
    connect,
    drop_schema,
    ignore_progress,
    lock_model,
)
from projections.checkpoint import RETIRED, Checkpoint, read_checkpoint
from projections.read_model import ReadModel

LEVEL_EVENTS_MAX = 2_000
"""How far behind the head a rebuild may be when it takes the lock and folds the rest under it."""

DROP_WAIT_SECONDS = 5


def rebuild(
    model: ReadModel, log: Log, conninfo: str, progress: Progress = ignore_progress
) -> Checkpoint:
    """Fold the whole log anew and swap the result in; give the checkpoint it then stands at.

    Raises:
        BuildRunning: another process rebuilds or verifies this model.
        BuildFailed: an event cannot be folded; the live tables stay.
    """
    with connect(conninfo, application_name=f"pms rebuild {model.name}") as connection:
        lock_model(connection, model.name)
        drop_schema(connection, _retired(model))
        with Building(model, log, connection, f"{model.name}_rebuild") as building:
            target = log.head().position
            progress(0, target)
            while building.checkpoint.position < target:
                building.fold_until(target, progress)
                head = log.head().position
                if head - target > LEVEL_EVENTS_MAX:
                    target = head
            _swap(connection, model, log, building)
        progress(building.checkpoint.position, building.checkpoint.position)
        _drop_retired(connection, model)
        return building.checkpoint


def _retired(model: ReadModel) -> str:
    return f"{model.name}_retired"


def _swap(connection: Connection, model: ReadModel, log: Log, building: Building) -> None:
    rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
    live, fresh = sql.Identifier(model.name), sql.Identifier(building.schema)
    with connection.transaction(), connection.cursor() as cursor:
        current = read_checkpoint(cursor, model.name, for_update=True)
        # The live model cannot move any more; the fresh tables must not stand behind it.
        building.fold_within(cursor, log.head().position)
        building.set_edition(cursor, 0 if current is None else current.edition + 1)
        if current is not None:
            retire = sql.SQL("UPDATE {} SET edition = %s")
            table = sql.Identifier(model.name, "checkpoint")
            cursor.execute(retire.format(table), (RETIRED,))
            cursor.execute(rename.format(live, sql.Identifier(_retired(model))))
        cursor.execute(rename.format(fresh, live))


def _drop_retired(connection: Connection, model: ReadModel) -> None:
    """Drop the old tables, unless a long reader holds them: then the next rebuild does it."""
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{DROP_WAIT_SECONDS}s'")
            drop_schema(connection, _retired(model))
    except psycopg.errors.LockNotAvailable:
        return
