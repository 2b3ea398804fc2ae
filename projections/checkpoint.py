"""Checkpoints: how far a read model has folded the log, moved only by compare-and-set.

One row per schema. `edition` counts the rebuilds that were swapped in; it is part of what is
compared, so a projector that still holds state of the tables before a swap loses its next move and
reloads. A schema that was swapped out carries `RETIRED`.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

RETIRED = -1

_TABLE = """
CREATE TABLE {schema}.checkpoint (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL,
    market_position bigint NOT NULL,
    recorded_at timestamptz,
    calculation_version integer NOT NULL,
    log_id uuid NOT NULL,
    edition integer NOT NULL
) WITH (fillfactor = 50)
"""
_INSERT = """
INSERT INTO {table} (position, market_position, recorded_at, calculation_version, log_id, edition)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_SELECT = """
SELECT position, market_position, recorded_at, calculation_version, log_id, edition FROM {table}
"""
_MOVE = """
{name} AS (UPDATE {table} SET position = %s, market_position = %s, recorded_at = %s
    WHERE position = %s AND edition = %s AND calculation_version = %s AND log_id = %s RETURNING 1)
"""
STATEMENTS_MAX = 1_000
"""Statements kept as they are sent: one for each set of models that ever stood together."""


class Checkpoint(msgspec.Struct, frozen=True):
    """Where a schema stands: the last position folded and the last of the tenant `market`.

    `recorded_at` is that of the event at `position`; absent while nothing is folded.
    """

    position: int
    market_position: int
    recorded_at: datetime | None
    calculation_version: int
    log_id: UUID
    edition: int = 0


class Move(msgspec.Struct, frozen=True):
    """One checkpoint to be moved: its schema, from where, to where."""

    schema: str
    origin: Checkpoint
    target: Checkpoint


def create_checkpoint(cursor: psycopg.Cursor[Any], schema: str, checkpoint: Checkpoint) -> None:
    """Make a schema's checkpoint table with its one row."""
    cursor.execute(sql.SQL(_TABLE).format(schema=sql.Identifier(schema)))
    statement = sql.SQL(_INSERT).format(table=sql.Identifier(schema, "checkpoint"))
    cursor.execute(statement, msgspec.structs.astuple(checkpoint))


def read_checkpoint(
    cursor: psycopg.Cursor[Any], schema: str, *, for_update: bool = False
) -> Checkpoint | None:
    """Read where a schema stands; None when it does not exist. `for_update` locks the row."""
    cursor.execute("SELECT to_regclass(%s)", (f"{schema}.checkpoint",))
    if cursor.fetchone() in {None, (None,)}:
        return None
    statement = sql.SQL(_SELECT + ("FOR UPDATE" if for_update else ""))
    with cursor.connection.cursor(row_factory=tuple_row) as reading:
        reading.execute(statement.format(table=sql.Identifier(schema, "checkpoint")))
        row = reading.fetchone()
    return None if row is None else Checkpoint(*row)


def move_checkpoints(cursor: psycopg.Cursor[Any], moves: Sequence[Move]) -> bool:
    """Move checkpoints in one statement, each only if it stands where its move begins.

    False says that some did not: the caller must roll back and reload.
    """
    ordered = sorted(moves, key=lambda each: each.schema)
    parameters: list[object] = []
    for move in ordered:
        target, origin = move.target, move.origin
        parameters += (target.position, target.market_position, target.recorded_at)
        parameters += (origin.position, origin.edition, origin.calculation_version, origin.log_id)
    cursor.execute(_moving(tuple(each.schema for each in ordered)), parameters)
    row = cursor.fetchone()
    return row is not None and row[0] == len(moves)


@lru_cache(maxsize=STATEMENTS_MAX)
def _moving(schemas: tuple[str, ...]) -> bytes:
    """Write the statement that moves some checkpoints: making it takes longer than asking it."""
    parts = [
        sql.SQL(_MOVE).format(
            name=sql.Identifier(f"move_{index}"), table=sql.Identifier(schema, "checkpoint")
        )
        for index, schema in enumerate(schemas)
    ]
    count = sql.SQL(" + ").join(
        sql.SQL("(SELECT count(*) FROM {})").format(sql.Identifier(f"move_{index}"))
        for index in range(len(schemas))
    )
    return sql.SQL("WITH {} SELECT {}").format(sql.SQL(", ").join(parts), count).as_bytes(None)
