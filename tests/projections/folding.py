"""Folding recorded events by hand, in any batches, and comparing what came of it."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

import psycopg

from eventstore.envelope import RecordedEvent
from projections.batches import decode_batch
from projections.comparing import Difference, first_difference
from projections.gathering import GatheringCursor
from projections.read_model import Deferring, ReadModel

FORM = "SELECT obj_description(to_regnamespace(%s), 'pg_namespace')"
EMPTY_ALL = (
    "SELECT string_agg(format('DELETE FROM %%I.%%I', nspname, relname), ';') FROM pg_class"
    " JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = %s AND relkind = 'r'"
)


def make_tables(connection: psycopg.Connection[Any], model: ReadModel, schema: str) -> None:
    """Make a model's tables anew, without a checkpoint.

    Those that this made before are emptied, which takes a fiftieth of the time. The schema's
    comment says of what form they are; who changes the form asks for `forget_form`.
    """
    ddl = model.ddl(schema)
    form = sha256(ddl.encode()).hexdigest()
    with connection.transaction():
        if connection.execute(FORM, (schema,)).fetchone() == (form,):
            connection.execute(f"DROP TABLE IF EXISTS {schema}.checkpoint")
            (statement,) = connection.execute(EMPTY_ALL, (schema,)).fetchone() or ("",)
            connection.execute(statement.encode())
            return
        connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
        connection.execute(ddl.encode())
        connection.execute(f"COMMENT ON SCHEMA {schema} IS '{form}'")


def forget_form(connection: psycopg.Connection[Any], schema: str) -> None:
    """Have these tables dropped, and not emptied, where they would next be made."""
    connection.execute(f"COMMENT ON SCHEMA {schema} IS NULL".encode())


def cut(events: Sequence[RecordedEvent], sizes: Iterable[int]) -> list[Sequence[RecordedEvent]]:
    """Cut events into batches of the given sizes, used again from the first when they run out."""
    wanted = list(sizes)
    batches: list[Sequence[RecordedEvent]] = []
    start = 0
    while start < len(events):
        size = wanted[len(batches) % len(wanted)]
        batches.append(events[start : start + size])
        start += size
    return batches


def fold_by_hand(
    connection: psycopg.Connection[Any],
    model: ReadModel,
    schema: str,
    batches: Iterable[Sequence[RecordedEvent]],
    *,
    forgets: bool = False,
    defers: bool = False,
) -> None:
    """Fold batches into fresh tables; with `forgets`, each batch meets a new fold.

    With `defers`, the fold leaves to the end what it may, as while tables are built.
    """
    make_tables(connection, model, schema)
    fold = model.new_fold(schema)
    if defers:
        assert isinstance(fold, Deferring)
        forget_form(connection, schema)
        with connection.transaction(), GatheringCursor(connection) as cursor:
            fold.defer(cursor)
    for batch in batches:
        if forgets:
            fold = model.new_fold(schema)
        decoded = decode_batch(batch, model.event_types).decoded
        if decoded:
            with connection.transaction(), GatheringCursor(connection) as cursor:
                fold.fold(cursor, decoded)
    if defers:
        assert isinstance(fold, Deferring)
        with connection.transaction(), GatheringCursor(connection) as cursor:
            fold.settle(cursor)


def keys(connection: psycopg.Connection[Any], schema: str) -> list[tuple[Any, ...]]:
    """Tell the keys of all tables of a schema, as PostgreSQL writes them."""
    statement = (
        "SELECT relname, conname, pg_get_constraintdef(pg_constraint.oid) FROM pg_constraint"
        " JOIN pg_class ON pg_class.oid = conrelid WHERE connamespace = %s::regnamespace"
        " AND contype IN ('p', 'u') ORDER BY 1, 2"
    )
    return connection.execute(statement, (schema,)).fetchall()


def difference(
    connection: psycopg.Connection[Any], model: ReadModel, *, live: str, rebuilt: str
) -> Difference | None:
    """Find the first difference between two schemas of a model."""
    with connection.cursor() as cursor:
        return first_difference(cursor, model.compared_tables, live=live, rebuilt=rebuilt)
