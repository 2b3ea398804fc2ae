"""Verification: the log, the books it keeps, and every read model against a rebuild of it.

Works while the system runs: the log is checked up to the head found at the start, and a live model
is compared at whatever position it stands when its rebuild has come level.
"""

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import psycopg

from eventstore.failures import LogDamaged
from eventstore.log import Log
from eventstore.partitions import partitions
from projections.building import BuildFailed, Building, Connection, connect, lock_model
from projections.checkpoint import Checkpoint, read_checkpoint
from projections.comparing import count_rows, first_difference
from projections.content_checks import LOG_CHECKS, Bookkeeping
from projections.envelope_checks import check_envelope
from projections.figure_checks import FIGURES_MAX, check_figures
from projections.findings import Check, Report, Watch
from projections.performance.figures import NAME as PERFORMANCE
from projections.read_model import Placed, ReadModel
from projections.snapshot_checks import SNAPSHOTS_MAX, check_snapshots
from projections.table_checks import ADDED_UP, check_tables


def ignore_watch(_name: str, _done: int, _total: int) -> None:
    """Watch nothing."""


def verify(
    log: Log,
    conninfo: str,
    models: Sequence[ReadModel],
    watch: Watch = ignore_watch,
    *,
    partition_counts: Sequence[int] = (1,),
    snapshots_max: int = SNAPSHOTS_MAX,
    figures_max: int = FIGURES_MAX,
) -> Report:
    """Check everything and report all checks; changes nothing but schemas of its own.

    At most `snapshots_max` portfolios' snapshots are held against replay, the newest first, and of
    each partition the figures of the last `figures_max` strikings against what the log gives.
    `partition_counts` says how the read models are parted (see `found_counts`); several, where
    tables of another feed or generation are still there.

    Raises:
        BuildRunning: another process rebuilds or verifies one of the models.
    """
    head = log.head().position
    checks: list[Check] = []
    placements = [
        [Placed(model, each) for model in models for each in partitions(count)]
        for count in partition_counts
    ]
    with connect(conninfo, application_name="pms verify") as connection:
        watch("envelope", 0, 1)
        checks += check_envelope(connection, head=head)
        watch("envelope", 1, 1)
        first, *others = placements
        checks += _check_books(connection, log, first, head, watch)
        for placed in others:
            # What the log alone says was checked with the first.
            checks += _check_books(connection, log, placed, head, watch)[LOG_CHECKS:]
    checks.append(check_snapshots(log, head, snapshots_max, watch))
    for each in itertools.chain.from_iterable(placements):
        with connect(conninfo, application_name=f"pms verify {each.schema}") as connection:
            lock_model(connection, each.schema)
            checks += _check_model(connection, log, each, watch, figures_max)
    return Report(checks)


def _check_books(
    connection: Connection, log: Log, placed: Sequence[Placed], head: int, watch: Watch
) -> list[Check]:
    """Add up the log, and the tables that must agree with it, in one pass."""
    added_up = [each for each in placed if each.model.name in ADDED_UP]
    for each in added_up:
        # No swap may come between two questions of one snapshot.
        lock_model(connection, each.schema)
    bookkeeping = Bookkeeping(log)
    with connection.cursor() as cursor:
        standing = _checkpoints(cursor, added_up)
    bookkeeping.advance(min([head, *standing.values()]), watch)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        standing = _checkpoints(cursor, added_up)
        reachable = log.head().position
        behind = {each: at for each, at in standing.items() if at <= reachable}
        if min([bookkeeping.position, *behind.values()]) < bookkeeping.position:
            # A crash of PostgreSQL has taken a projector's last commits back since the first look.
            bookkeeping = Bookkeeping(log)
        tables = check_tables(connection, bookkeeping, behind, watch)
    bookkeeping.advance(head, watch)
    return bookkeeping.finish() + tables


def _checkpoints(cursor: psycopg.Cursor[Any], placed: Sequence[Placed]) -> dict[Placed, int]:
    """Read where the models stand that have tables."""
    found = {each: read_checkpoint(cursor, each.schema) for each in placed}
    return {each: at.position for each, at in found.items() if at is not None}


def _check_model(
    connection: Connection, log: Log, placed: Placed, watch: Watch, figures_max: int
) -> list[Check]:
    """Rebuild a model beside the live one and compare them row by row at one position.

    On its way it stops where inputs of struck figures were, if the model makes those.
    """
    check = Check(f"{placed.schema} equals a rebuild")
    with connection.cursor() as cursor:
        live = read_checkpoint(cursor, placed.schema)
    check.difference = _unfit(placed.model, log, live)
    checks = [check]
    if live is None or not check.ok:
        return checks
    progress = partial(watch, check.name)
    try:
        with Building(
            [placed.model], log, connection, suffix="_verify", partition=placed.partition
        ) as building:
            if placed.model.name == PERFORMANCE:
                told = partial(check_figures, until=live.position, limit=figures_max)
                checks.append(told(connection, placed, building, progress=progress))
            building.fold_until(live.position, progress)
            with connection.transaction(), connection.cursor() as cursor:
                is_compared = _compare(cursor, log, placed, building, check)
    except BuildFailed as error:
        check.fail(f"position {error.position}, {error.event_type}: {error}")
    except LogDamaged as error:
        check.fail(str(error))
    else:
        if not is_compared:
            return _check_model(connection, log, placed, watch, figures_max)
    return checks


def _unfit(model: ReadModel, log: Log, live: Checkpoint | None) -> str | None:
    """Say why live tables cannot be compared at all."""
    if live is None:
        return "there are no live tables; start the projector or rebuild"
    if live.calculation_version != model.calculation_version:
        return (
            f"table checkpoint, column calculation_version: live {live.calculation_version}, "
            f"rebuilt {model.calculation_version}"
        )
    if live.log_id != log.log_id:
        return f"table checkpoint, column log_id: live {live.log_id}, log {log.log_id}"
    head = log.head().position
    if live.position > head:
        return f"table checkpoint, column position: live {live.position}, log ends at {head}"
    return None


def _compare(
    cursor: psycopg.Cursor[Any], log: Log, placed: Placed, building: Building, check: Check
) -> bool:
    """Take the rebuild to where live stands now and compare, all in one snapshot.

    False where live has gone back behind the rebuild (PostgreSQL has crashed): begin again.
    """
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    model, schema = placed.model, placed.schema
    live = read_checkpoint(cursor, schema)
    check.difference = _unfit(model, log, live)
    if live is None or not check.ok:
        return True
    if live.position < building.position:
        return False
    building.fold_within(cursor, live.position)
    (built,) = building.built
    rebuilt = built.checkpoint
    check.must(
        live.market_position == rebuilt.market_position,
        lambda: (
            f"table checkpoint, column market_position: live {live.market_position}, "
            f"rebuilt {rebuilt.market_position}"
        ),
    )
    found = first_difference(cursor, model.compared_tables, live=schema, rebuilt=built.schema)
    check.must(found is None, lambda: str(found))
    check.counted = count_rows(cursor, schema, model.compared_tables)
    return True
