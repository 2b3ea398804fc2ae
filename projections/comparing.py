"""Comparing the tables of two schemas row by row, every column, byte for byte.

Values are compared as PostgreSQL stores them, so 1.0 and 1.00 differ: a rebuild must reproduce what
was served, not something equal to it.
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

_KEY = """
SELECT attribute.attname
FROM pg_index JOIN pg_attribute AS attribute ON attribute.attrelid = pg_index.indrelid
    AND attribute.attnum = ANY (pg_index.indkey)
WHERE pg_index.indrelid = to_regclass(%s) AND pg_index.indisprimary
    AND array_position(pg_index.indkey::int2[], attribute.attnum) < pg_index.indnkeyatts
ORDER BY array_position(pg_index.indkey::int2[], attribute.attnum)
"""
_COUNT = "SELECT count(*) FROM {table}"
_DIFFERENCE = """
SELECT row_to_json(live)::text, row_to_json(rebuilt)::text
FROM {live} AS live FULL JOIN {rebuilt} AS rebuilt USING ({key})
WHERE coalesce(live::record *<> rebuilt::record, true)
ORDER BY {key} LIMIT 1
"""


class Difference(msgspec.Struct, frozen=True):
    """The first row in which two tables differ, and its first differing column.

    A row that only one of them holds has the column `*` and None on the other side.
    """

    table: str
    key: dict[str, str]
    column: str
    live: str | None
    rebuilt: str | None

    def __str__(self) -> str:
        key = ", ".join(f"{name}={value}" for name, value in self.key.items())
        return (
            f"table {self.table}, row ({key}), column {self.column}: "
            f"live {self.live}, rebuilt {self.rebuilt}"
        )


def count_rows(cursor: psycopg.Cursor[Any], schema: str, tables: Sequence[str]) -> int:
    """Count the rows of some tables together."""
    total = 0
    with cursor.connection.cursor(row_factory=tuple_row) as counting:
        for table in tables:
            statement = sql.SQL(_COUNT).format(table=sql.Identifier(schema, table))
            row = counting.execute(statement).fetchone()
            total += row[0] if row else 0
    return total


def first_difference(
    cursor: psycopg.Cursor[Any], tables: Sequence[str], *, live: str, rebuilt: str
) -> Difference | None:
    """Find the first row, in key order of the first table, in which two schemas differ."""
    with cursor.connection.cursor(row_factory=tuple_row) as comparing:
        for table in tables:
            comparing.execute(_KEY, (f"{live}.{table}",))
            key = [name for (name,) in comparing.fetchall()]
            assert key, f"table {live}.{table} has a primary key"
            statement = sql.SQL(_DIFFERENCE).format(
                live=sql.Identifier(live, table),
                rebuilt=sql.Identifier(rebuilt, table),
                key=sql.SQL(", ").join(map(sql.Identifier, key)),
            )
            found = comparing.execute(statement).fetchone()
            if found is not None:
                return _name(table, key, *found)
    return None


def _name(table: str, key: Sequence[str], live: str | None, rebuilt: str | None) -> Difference:
    """Say where two rows differ; a row that is missing is JSON null throughout, or nothing."""
    one, other = _columns(live), _columns(rebuilt)
    named = one or other
    assert named is not None, "a difference needs at least one row"
    names = {name: str(named[name]) for name in key}
    if one is None or other is None:
        return Difference(
            table, names, "*", None if one is None else live, None if other is None else rebuilt
        )
    # Two rows may be equal as JSON and still differ as stored; then the whole row is shown.
    column = next((name for name in one if one[name] != other.get(name)), "*")
    if column == "*":
        return Difference(table, names, column, live, rebuilt)
    return Difference(table, names, column, _text(one[column]), _text(other.get(column)))


def _columns(row: str | None) -> dict[str, Any] | None:
    if row is None:
        return None
    columns: dict[str, Any] = json.loads(row, parse_float=str, parse_int=str)
    return columns if any(value is not None for value in columns.values()) else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
