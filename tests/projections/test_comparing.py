"""Two tables are compared row by row, by their primary key."""

from typing import Any

import psycopg
import pytest

from projections.comparing import Difference, first_difference

Connection = psycopg.Connection[Any]


@pytest.fixture
def two_tables(connection: Connection) -> Connection:
    """The same rows twice, in a table whose key has a further column along, which may be null."""
    for schema in ("one", "other"):
        connection.execute(
            f"CREATE SCHEMA {schema} CREATE TABLE rows ("  # noqa: S608 - a test's own names
            " portfolio text, session date, value numeric, reason text,"
            " PRIMARY KEY (session, portfolio) INCLUDE (value, reason));"
            f"INSERT INTO {schema}.rows VALUES ('a', '2026-01-05', 1.50, NULL),"
            " ('a', '2026-01-06', NULL, 'incomplete')"
        )
    return connection


def difference(connection: Connection) -> Difference | None:
    """What differs."""
    with connection.cursor() as cursor:
        return first_difference(cursor, ["rows"], live="one", rebuilt="other")


def test_equal_rows_do_not_differ(two_tables: Connection) -> None:
    """Whatever else the index of the key holds, a null in it too, tells no rows apart."""
    assert difference(two_tables) is None


def test_another_value_is_named_by_the_key(two_tables: Connection) -> None:
    """Its form counts: a rebuild reproduces what was served."""
    two_tables.execute("UPDATE other.rows SET value = 1.5 WHERE value IS NOT NULL")

    key = {"session": "2026-01-05", "portfolio": "a"}
    assert difference(two_tables) == Difference("rows", key, "value", "1.50", "1.5")


def test_a_row_of_one_only_is_shown_whole(two_tables: Connection) -> None:
    """The other has nothing there."""
    two_tables.execute("DELETE FROM one.rows WHERE value IS NULL")

    found = difference(two_tables)

    assert found is not None
    assert (found.key["session"], found.column, found.live) == ("2026-01-06", "*", None)
    assert '"reason":"incomplete"' in (found.rebuilt or "")
