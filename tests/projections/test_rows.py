"""Rows of read models on their way into tables and back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from infra.database import Database
from projections.arrays import array_text
from projections.building import connect
from projections.gathering import GatheringCursor
from projections.rows import Tables

SCHEMA = "written_rows"
MONDAY = date(2024, 3, 4)
ID = UUID("6f1c1a52-7a6e-4a5c-9b7e-0a1b2c3d4e5f")


class Row(msgspec.Struct):
    """One column of each type that read models have; an array is written as its text."""

    position: int
    name: str
    note: str | None
    amount: Decimal | None
    is_late: bool | None
    on: date
    at: datetime | None
    trade_id: UUID
    findings: list[str] | str | None
    closes: list[UUID] | str


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
MOMENTS = st.datetimes(timezones=st.just(UTC))
AMOUNTS = st.decimals(-(10**26), 10**26, places=12)
ROWS = st.builds(
    Row,
    position=st.integers(0, 2**63 - 1),
    name=TEXTS,
    note=st.none() | TEXTS | st.sampled_from(["null", "", "{}", "\\.", '"', "a,b", "\\N"]),
    amount=st.none() | AMOUNTS,
    is_late=st.none() | st.booleans(),
    on=st.dates(),
    at=st.none() | MOMENTS,
    trade_id=st.uuids(),
    findings=st.none() | st.lists(TEXTS, max_size=3),
    closes=st.lists(st.uuids(), max_size=2),
)
PLAIN = Row(1, "plain", None, Decimal("1.50"), True, MONDAY, None, ID, ["one"], [ID])


def as_written(row: Row) -> Row:
    """Give a row with the texts of its arrays."""
    findings = None if row.findings is None else array_text(row.findings)
    return msgspec.structs.replace(row, findings=findings, closes=array_text(row.closes))


@pytest.fixture(params=[psycopg.Cursor, GatheringCursor])
def cursor(request: pytest.FixtureRequest, log_database: Database) -> Iterator[psycopg.Cursor]:
    """Give a cursor, of each kind, whose database has an empty table of all types."""
    with connect(log_database.app_conninfo, application_name="rows") as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        connection.execute(
            f"CREATE TABLE {SCHEMA}.written (position bigint, name text, note text, amount numeric,"
            ' is_late boolean, "on" date, at timestamptz, trade_id uuid, findings text[],'
            " closes uuid[])"
        )
        with request.param(connection) as cursor:
            yield cursor


class TestInserting:
    """New rows."""

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(rows=st.lists(ROWS, min_size=1, max_size=5))
    @example(rows=[PLAIN, msgspec.structs.replace(PLAIN, note="a line\nand\tanother")])
    @example(rows=[msgspec.structs.replace(PLAIN, note='said "\\n" with \\ and é')])
    @example(rows=[msgspec.structs.replace(PLAIN, amount=Decimal("1E+3"), findings=[])])
    def test_gives_back_what_was_written(self, cursor: psycopg.Cursor, rows: list[Row]) -> None:
        """Whatever the texts hold, whatever the numbers' form."""
        tables = Tables(SCHEMA)
        cursor.execute(f"TRUNCATE {SCHEMA}.written")

        tables.insert(cursor, "written", [as_written(row) for row in rows])

        found = [Row(*each) for each in tables.select(cursor, "SELECT * FROM {schema}.written")]
        assert found == rows

    def test_refuses_rows_of_other_columns(self, cursor: psycopg.Cursor) -> None:
        """Columns of another name or order would be filled with what is not theirs."""

        class Other(msgspec.Struct):
            position: int
            title: str

        with pytest.raises(AssertionError, match="other columns"):
            Tables(SCHEMA).insert(cursor, "written", [Other(1, "one")])
