"""Writing rows of read models, many at a time, and reading them back.

A row is a msgspec struct whose fields are the table's columns, in the table's order. Many new rows
go by COPY. Of rows with decimals a line of JSON is made and taken for CSV: the driver takes longer
for a decimal in binary than JSON for a row. Few rows, and those that replace others, travel as one
JSON document that PostgreSQL spreads out again: no temporary table, and decimals stay exact,
because they are strings.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import msgspec
import psycopg
from psycopg import sql
from psycopg.postgres import types as known_types
from psycopg.rows import tuple_row

from projections.gathering import GatheringCursor, send

Cursor: TypeAlias = psycopg.Cursor[Any]

_COPY_BINARY = "COPY {table} FROM STDIN (FORMAT BINARY)"
_COPY_TEXT = "COPY {table} FROM STDIN"
_COPY_CSV = "COPY {table} FROM STDIN (FORMAT CSV, NULL 'null', ESCAPE '\\')"
_INSERT = "INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s::json)"
_UPSERT = _INSERT + " ON CONFLICT ({key}) DO UPDATE SET {columns}"
_KEYS = """
SELECT table_of.relname, constraint_of.conname, pg_get_constraintdef(constraint_of.oid)
FROM pg_constraint AS constraint_of JOIN pg_class AS table_of ON table_of.oid = conrelid
WHERE connamespace = %s::regnamespace AND relname = ANY(%s) AND contype IN ('p', 'u')
ORDER BY 1, 2
"""
# Each row is looked up by itself, as by `projections.arrays.looked_up`.
_DELETE = """
DELETE FROM {table} WHERE ctid = ANY (ARRAY(
    SELECT found.ctid FROM json_populate_recordset(NULL::{table}, %s::json) AS gone
    CROSS JOIN LATERAL (
        SELECT kept.ctid FROM {table} AS kept WHERE ({kept}) = ({gone}) OFFSET 0
    ) AS found
))
"""

ROWS_MAX = 20_000
"""Most rows of one statement, so that what it carries stays within some megabytes."""

FEW_ROWS = 60
"""Up to so many rows a statement of its own costs more than JSON does, beside COPY."""

_NUMERIC = known_types["numeric"].oid
_IN_JSON = frozenset(
    known_types[name].oid
    for name in ("bool", "int2", "int4", "int8", "text", "uuid", "date", "timestamptz", "numeric")
) | {known_types["text"].array_oid, known_types["uuid"].array_oid}
"""Types whose values JSON writes as PostgreSQL reads them in CSV; an array is its text in a row."""

_encode_lines = msgspec.json.Encoder().encode_lines


class Tables:
    """The tables of one schema, as a fold writes and reads them."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._columns: dict[str, tuple[tuple[str, ...], list[int]]] = {}
        self._statements: dict[tuple[object, ...], bytes] = {}
        self._left_keys: dict[str, list[tuple[str, str]]] = {}

    def leave_keys(self, cursor: Cursor, *tables: str) -> None:
        """Take the keys off empty tables: made of all rows at once they cost a third.

        They are made by `make_keys`, or when a row is first to be found by one.
        """
        for table, name, definition in cursor.execute(_KEYS, (self._schema, list(tables))):
            self._left_keys.setdefault(table, []).append((name, definition))
        for table, keys in self._left_keys.items():
            for name, _ in keys:
                statement = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
                cursor.execute(statement.format(self._named(table), sql.Identifier(name)))

    def make_keys(self, cursor: Cursor) -> None:
        """Make the keys that were left."""
        for table in list(self._left_keys):
            self.require_keys(cursor, table)

    def require_keys(self, cursor: Cursor, table: str) -> None:
        """Have a table's keys made before a row is looked for: `upsert` and `delete` do."""
        for name, definition in self._left_keys.pop(table, ()):
            statement = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
                self._named(table),
                sql.Identifier(name),
                sql.SQL(definition),
            )
            cursor.execute(statement)

    def insert(self, cursor: Cursor, table: str, rows: Sequence[msgspec.Struct]) -> None:
        """Insert rows that are certainly new."""
        if not rows:
            return
        names, _ = self._columns_of(cursor, table)
        assert names == rows[0].__struct_fields__, f"rows of {table} are of other columns"
        if len(rows) <= FEW_ROWS and isinstance(cursor, GatheringCursor):
            self._write(cursor, table, self._stated(_INSERT, table), rows)
            return
        for first in range(0, len(rows), ROWS_MAX):
            self._insert(cursor, table, rows[first : first + ROWS_MAX])

    def _insert(self, cursor: Cursor, table: str, rows: Sequence[msgspec.Struct]) -> None:
        _, types = self._columns_of(cursor, table)
        values: list[Sequence[object]] = list(map(msgspec.structs.astuple, rows))
        if _NUMERIC not in types or not _IN_JSON.issuperset(types):
            self._copy_rows(cursor, _COPY_BINARY, table, values, types)
            return
        lines = _encode_lines(values)
        if _is_csv(lines):
            with cursor.copy(self._stated(_COPY_CSV, table)) as copy:
                copy.write(lines.replace(b"]\n[", b"\n")[1:-2])
        else:
            self._copy_rows(cursor, _COPY_TEXT, table, values, [])

    def _copy_rows(
        self,
        cursor: Cursor,
        statement: str,
        table: str,
        values: Sequence[Sequence[object]],
        types: Sequence[int],
    ) -> None:
        with cursor.copy(self._stated(statement, table)) as copy:
            if types:
                copy.set_types(types)
            for row in values:
                copy.write_row(row)

    def upsert(
        self, cursor: Cursor, table: str, rows: Sequence[msgspec.Struct], *, key: tuple[str, ...]
    ) -> None:
        """Insert rows, or replace those of the same key whole; one row per key."""
        if not rows:
            return
        self.require_keys(cursor, table)
        columns = rows[0].__struct_fields__

        def statement() -> sql.Composed:
            changed = [
                sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column))
                for column in columns
                if column not in key
            ]
            return sql.SQL(_UPSERT).format(
                table=self._named(table),
                key=sql.SQL(", ").join(map(sql.Identifier, key)),
                columns=sql.SQL(", ").join(changed),
            )

        written = self._written((_UPSERT, table, key), statement)
        for first in range(0, len(rows), ROWS_MAX):
            self._write(cursor, table, written, rows[first : first + ROWS_MAX])

    def write(
        self,
        cursor: Cursor,
        table: str,
        fresh: Sequence[msgspec.Struct],
        changed: Sequence[msgspec.Struct],
        *,
        key: tuple[str, ...],
    ) -> None:
        """Insert rows that are certainly new, and replace others whole; one row per key."""
        if changed and len(fresh) + len(changed) <= FEW_ROWS:
            self.upsert(cursor, table, [*changed, *fresh], key=key)
        else:
            self.upsert(cursor, table, changed, key=key)
            self.insert(cursor, table, fresh)

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
        self.require_keys(cursor, table)

        def statement() -> sql.Composed:
            return sql.SQL(_DELETE).format(
                table=self._named(table),
                kept=sql.SQL(", ").join(sql.Identifier("kept", column) for column in key),
                gone=sql.SQL(", ").join(sql.Identifier("gone", column) for column in key),
            )

        self._write(cursor, table, self._written((_DELETE, table, key), statement), named)

    def select(
        self, cursor: Cursor, statement: str, parameters: Sequence[object] = ()
    ) -> list[tuple[Any, ...]]:
        """Run a query of ours, with the schema's name put for `{schema}`; give tuples."""
        composed = self._written(
            (statement,),
            lambda: sql.SQL(statement).format(schema=sql.Identifier(self._schema)),
        )
        send(cursor)
        with cursor.connection.cursor(row_factory=tuple_row, binary=True) as reading:
            return reading.execute(composed, parameters).fetchall()

    def is_empty(self, cursor: Cursor, table: str) -> bool:
        """Tell whether a table holds no row at all."""
        return not self.select(cursor, f"SELECT 1 FROM {{schema}}.{table} LIMIT 1")  # noqa: S608

    def _write(self, cursor: Cursor, table: str, statement: bytes, rows: Sequence[object]) -> None:
        """Have a statement write rows, told as JSON; with others, if the cursor gathers them."""
        told = msgspec.json.encode(rows).decode()
        if isinstance(cursor, GatheringCursor):
            cursor.gather(f"{self._schema}.{table}", statement, told)
        else:
            cursor.execute(statement, (told,))

    def _stated(self, statement: str, table: str) -> bytes:
        return self._written(
            (statement, table), lambda: sql.SQL(statement).format(table=self._named(table))
        )

    def _written(self, name: tuple[object, ...], make: Callable[[], sql.Composed]) -> bytes:
        """Write a statement once: putting it together costs as much as a short answer."""
        found = self._statements.get(name)
        if found is None:
            found = self._statements[name] = make().as_bytes(None)
        return found

    def _named(self, table: str) -> sql.Identifier:
        return sql.Identifier(self._schema, table)

    def _columns_of(self, cursor: Cursor, table: str) -> tuple[tuple[str, ...], list[int]]:
        """Tell the names and types of a table's columns; binary COPY does not convert."""
        if table not in self._columns:
            statement = sql.SQL("SELECT * FROM {} LIMIT 0").format(self._named(table))
            with cursor.connection.cursor() as reading:
                found = reading.execute(statement).description or []
            names = tuple(column.name for column in found)
            self._columns[table] = names, [column.type_code for column in found]
        return self._columns[table]


def _is_csv(lines: bytes) -> bool:
    """Tell whether lines of JSON are CSV: nothing is escaped in them but quotes and the escape."""
    if b"\\" not in lines:
        return True
    return b"\\" not in lines.replace(b"\\\\", b"").replace(b'\\"', b"")
