"""Small writes that wait for each other and go as one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.database import Database
from projections.building import Connection, connect
from projections.gathering import GatheringCursor, send

TABLES = ("left", "right")
_PUT = (
    'INSERT INTO pairs."{}" SELECT * FROM json_populate_recordset(NULL::pairs."{}", %s::json)'
    " ON CONFLICT (name) DO UPDATE SET number = excluded.number"
)
PUT = {table: _PUT.format(table, table).encode() for table in TABLES}


@pytest.fixture
def connection(log_database: Database) -> Iterator[Connection]:
    """Connect to a database with two empty tables."""
    with connect(log_database.app_conninfo, application_name="gathering") as made:
        made.execute("CREATE SCHEMA pairs")
        for table in TABLES:
            made.execute(f'CREATE TABLE pairs."{table}" (name text PRIMARY KEY, number int)')
        yield made


def row(name: str, number: int) -> str:
    """Tell one row."""
    return f'[{{"name": "{name}", "number": {number}}}]'


def held(connection: Connection) -> list[list[tuple[str, int]]]:
    """Read both tables by a cursor that has nothing to do with the writes."""
    with psycopg.Cursor(connection) as cursor:
        return [
            cursor.execute(f'SELECT * FROM pairs."{table}" ORDER BY name').fetchall()  # noqa: S608
            for table in TABLES
        ]


class TestGathering:
    """What waits is neither lost nor out of its order."""

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        writes=st.lists(
            st.tuples(st.sampled_from(TABLES), st.sampled_from("ab"), st.integers(0, 99)),
            max_size=8,
        )
    )
    def test_leaves_what_writing_at_once_leaves(
        self, connection: Connection, writes: Sequence[tuple[str, str, int]]
    ) -> None:
        """The last of each name counts, whichever writes went together."""
        connection.execute('TRUNCATE pairs."left", pairs."right"')
        with connection.transaction(), GatheringCursor(connection) as cursor:
            for table, name, number in writes:
                cursor.gather(table, PUT[table], row(name, number))

        expected: dict[str, dict[str, int]] = {table: {} for table in TABLES}
        for table, name, number in writes:
            expected[table][name] = number
        assert held(connection) == [sorted(expected[table].items()) for table in TABLES]

    def test_is_one_statement_for_different_tables(self, connection: Connection) -> None:
        """Two tables are one round trip, the same table again is another."""
        with connection.transaction(), GatheringCursor(connection) as cursor:
            cursor.gather("left", PUT["left"], row("a", 1))
            cursor.gather("right", PUT["right"], row("a", 2))
            assert held(connection) == [[], []]

            cursor.gather("left", PUT["left"], row("a", 3))
            assert held(connection) == [[("a", 1)], [("a", 2)]]

            send(cursor)
            assert held(connection) == [[("a", 3)], [("a", 2)]]

    @pytest.mark.parametrize("how", ["execute", "executemany", "copy"])
    def test_comes_before_whatever_else_is_asked(self, connection: Connection, how: str) -> None:
        """A question finds what was written before it."""
        with connection.transaction(), GatheringCursor(connection) as cursor:
            cursor.gather("left", PUT["left"], row("a", 1))
            if how == "copy":
                with cursor.copy('COPY pairs."left" TO STDOUT') as copy:
                    assert list(copy.rows()) == [("a", "1")]
            elif how == "executemany":
                cursor.executemany('DELETE FROM pairs."left" WHERE name = %s', [("a",)])
                assert held(connection) == [[], []]
            else:
                found = cursor.execute('SELECT number FROM pairs."left"').fetchall()
                assert found == [(1,)]

    def test_is_forgotten_with_what_failed(self, connection: Connection) -> None:
        """Left by an error, nothing is sent, and the error is told as it was."""

        def fail() -> None:
            with connection.transaction(), GatheringCursor(connection) as cursor:
                cursor.gather("left", PUT["left"], row("a", 1))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()

        assert held(connection) == [[], []]

    def test_fails_where_it_is_sent(self, connection: Connection) -> None:
        """So that the model which wrote it is known as the one that failed."""
        with (
            connection.transaction(force_rollback=True),
            GatheringCursor(connection) as cursor,
        ):
            cursor.gather("left", PUT["left"], '[{"number": "none"}]')
            with pytest.raises(psycopg.errors.DataError):
                send(cursor)
