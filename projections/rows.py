"""Writing rows of read models, many at a time, and naming tables safely.

A row is a msgspec struct whose fields are the table's columns, in the table's order. Rows travel as
one JSON document that PostgreSQL spreads out again: half a microsecond a row here, against five for
text COPY, no temporary table, and every decimal exact, because decimals are strings in it.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeAlias

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

Cursor: TypeAlias = psycopg.Cursor[Any]

_UPSERT = """
INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s::json)
ON CONFLICT ({key}) DO UPDATE SET {columns}
"""
_INSERT = "INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s::json)"
_DELETE = """
DELETE FROM {table} AS kept USING json_populate_recordset(NULL::{table}, %s::json) AS gone
WHERE ({kept}) = ({gone})
"""


def qualified(schema: str, statement: str) -> sql.Composed:
    """Put the schema's quoted name for `{schema}` in a statement of ours."""
    return sql.SQL(statement).format(schema=sql.Identifier(schema))


def insert_rows(cursor: Cursor, schema: str, table: str, rows: Sequence[msgspec.Struct]) -> None:
    """Insert rows that are certainly new."""
    if rows:
        statement = sql.SQL(_INSERT).format(table=sql.Identifier(schema, table))
        cursor.execute(statement, (msgspec.json.encode(rows).decode(),))


def upsert_rows(
    cursor: Cursor, schema: str, table: str, rows: Sequence[msgspec.Struct], *, key: tuple[str, ...]
) -> None:
    """Insert rows, or replace those of the same key whole; one row per key."""
    if rows:
        statement = _upsert_statement(schema, table, rows[0].__struct_fields__, key)
        cursor.execute(statement, (msgspec.json.encode(rows).decode(),))


@cache
def _upsert_statement(
    schema: str, table: str, columns: tuple[str, ...], key: tuple[str, ...]
) -> sql.Composed:
    changed = [
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column))
        for column in columns
        if column not in key
    ]
    return sql.SQL(_UPSERT).format(
        table=sql.Identifier(schema, table),
        key=sql.SQL(", ").join(map(sql.Identifier, key)),
        columns=sql.SQL(", ").join(changed),
    )


def delete_rows(
    cursor: Cursor,
    schema: str,
    table: str,
    *,
    key: tuple[str, ...],
    gone: Iterable[tuple[object, ...]],
) -> None:
    """Delete the rows whose key columns hold one of the tuples."""
    named = [dict(zip(key, values, strict=True)) for values in gone]
    if named:
        statement = sql.SQL(_DELETE).format(
            table=sql.Identifier(schema, table),
            kept=sql.SQL(", ").join(sql.Identifier("kept", column) for column in key),
            gone=sql.SQL(", ").join(sql.Identifier("gone", column) for column in key),
        )
        cursor.execute(statement, (msgspec.json.encode(named).decode(),))


def select_rows(
    cursor: Cursor, statement: sql.Composed, parameters: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    """Run a query and give its rows as tuples, whatever rows the cursor makes."""
    with cursor.connection.cursor(row_factory=tuple_row, binary=True) as reading:
        return reading.execute(statement, parameters).fetchall()


def is_empty(cursor: Cursor, schema: str, table: str) -> bool:
    """Tell whether a table holds no row at all."""
    statement = sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(schema, table))
    return not select_rows(cursor, statement)
