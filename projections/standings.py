"""Where all tables stand, those that are being rebuilt beside the live ones too."""

from datetime import datetime
from typing import NamedTuple

from psycopg import sql
from psycopg.rows import tuple_row

from projections.asking import Readable
from projections.checkpoint import RETIRED, read_checkpoint

_SCHEMAS = """
SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relname = 'checkpoint' AND relkind = 'r' ORDER BY nspname
"""


class StandingTables(NamedTuple):
    """How far the tables of one schema are folded; `recorded_at` is of the last event folded."""

    schema: str
    position: int
    market_position: int
    recorded_at: datetime | None
    calculation_version: int
    edition: int


def standing_tables(readable: Readable) -> list[StandingTables]:
    """List every schema with a checkpoint, but those that were swapped out."""
    with readable.connection.cursor(row_factory=tuple_row) as cursor:
        schemas = [name for (name,) in cursor.execute(sql.SQL(_SCHEMAS)).fetchall()]
        found = [(name, read_checkpoint(cursor, name)) for name in schemas]
    return [
        StandingTables(
            name,
            each.position,
            each.market_position,
            each.recorded_at,
            each.calculation_version,
            each.edition,
        )
        for name, each in found
        if each is not None and each.edition != RETIRED
    ]
