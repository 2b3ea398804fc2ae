"""Writing rows of read models, many at a time, and reading them back.

A row is a msgspec struct whose fields are the table's columns, in the table's order. New rows go by
binary COPY: 4 µs for one of 13 columns, client and server together, against 6 as JSON and 7 as text
COPY. Rows that replace others travel as one JSON document that PostgreSQL spreads out again: no
temporary table, and decimals stay exact, because they are strings in it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

Cursor: TypeAlias = psycopg.Cursor[Any]

_COPY = "COPY {table} FROM STDIN (FORMAT BINARY)"
_UPSERT = """
INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s::json)
ON CONFLICT ({key}) DO UPDATE SET {columns}
"""
_DELETE = """
DELETE FROM {table} AS kept USING json_populate_recordset(NULL::{table}, %s::json) AS gone
WHERE ({kept}) = ({gone})
"""


class Tables:
    """The tables of one schema, as a fold writes and reads them."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._types: dict[str, list[int]] = {}

    def insert(self, cursor: Cursor, table: str, rows: Sequence[msgspec.Struct]) -> None:
        """Insert rows that are certainly new."""
        if not rows:
            return
        types = self._column_types(cursor, table)
        with cursor.copy(sql.SQL(_COPY).format(table=self._named(table))) as copy:
            copy.set_types(types)
            write_row, values = copy.write_row, msgspec.structs.astuple
            for row in rows:
                write_row(values(row))

    def upsert(
        self, cursor: Cursor, table: str, rows: Sequence[msgspec.Struct], *, key: tuple[str, ...]
    ) -> None:
        """Insert rows, or replace those of the same key whole; one row per key."""
        if not rows:
            return
        changed = [
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column))
            for column in rows[0].__struct_fields__
            if column not in key
        ]
        statement = sql.SQL(_UPSERT).format(
            table=self._named(table),
            key=sql.SQL(", ").join(map(sql.Identifier, key)),
            columns=sql.SQL(", ").join(changed),
        )
        cursor.execute(statement, (msgspec.json.encode(rows).decode(),))

    def delete(
        self,
        cursor: Cursor,
        table: str,
        gone: Iterable[tuple[object, ...]],
        *,
        key: tuple[str, ...],
    ) -> None:
        """Delete the rows whose key columns hold one of the tuples."""
        named = [dict(zip(key, values, strict=True)) for values in gone]
        if not named:
            return
        statement = sql.SQL(_DELETE).format(
            table=self._named(table),
            kept=sql.SQL(", ").join(sql.Identifier("kept", column) for column in key),
            gone=sql.SQL(", ").join(sql.Identifier("gone", column) for column in key),
        )
        cursor.execute(statement, (msgspec.json.encode(named).decode(),))

    def select(
        self, cursor: Cursor, statement: str, parameters: Sequence[object] = ()
    ) -> list[tuple[Any, ...]]:
        """Run a query of ours, with the schema's name put for `{schema}`; give tuples."""
        composed = sql.SQL(statement).format(schema=sql.Identifier(self._schema))
        with cursor.connection.cursor(row_factory=tuple_row, binary=True) as reading:
            return reading.execute(composed, parameters).fetchall()

    def is_empty(self, cursor: Cursor, table: str) -> bool:
        """Tell whether a table holds no row at all."""
        return not self.select(cursor, f"SELECT 1 FROM {{schema}}.{table} LIMIT 1")  # noqa: S608

    def _named(self, table: str) -> sql.Identifier:
        return sql.Identifier(self._schema, table)

    def _column_types(self, cursor: Cursor, table: str) -> list[int]:
        """Tell the types of a table's columns, which binary COPY does not convert."""
        if table not in self._types:
            statement = sql.SQL("SELECT * FROM {} LIMIT 0").format(self._named(table))
            with cursor.connection.cursor() as reading:
                columns = reading.execute(statement).description or []
            self._types[table] = [column.type_code for column in columns]
        return self._types[table]
