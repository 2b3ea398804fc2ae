"""Connections that have just answered are taken to be there, others are asked; tables change."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from infra.database import Database
from projections import reading
from projections.asking import Answered, Readable, ReadModelMissing, ask, snapshot
from projections.reading import Reading, Sitting
from projections.together import Wanted


def asked(readable: Readable) -> int:
    """Ask something short."""
    row = readable.connection.execute("SELECT 1").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(("sure_seconds", "checks"), [(60.0, 1), (0.0, 3)])
def test_a_connection_is_asked_whether_it_is_there(
    new_database: Callable[[], Database],
    monkeypatch: pytest.MonkeyPatch,
    sure_seconds: float,
    checks: int,
) -> None:
    """Before its first answer, and behind a rest."""
    told: list[psycopg.Connection[Any]] = []
    check = ConnectionPool.check_connection

    def checked(connection: psycopg.Connection[Any]) -> None:
        told.append(connection)
        check(connection)

    monkeypatch.setattr(ConnectionPool, "check_connection", staticmethod(checked))
    monkeypatch.setattr(reading, "SURE_SECONDS", sure_seconds)
    with Reading(new_database().app_conninfo, pool_size=1) as made:
        assert [made.answer(asked) for _ in range(3)] == [1, 1, 1]

    assert len(told) == checks


TABLES = """
CREATE SCHEMA cash;
CREATE TABLE cash.checkpoint (position bigint, market_position bigint, edition int);
INSERT INTO cash.checkpoint VALUES (7, 7, 1);
CREATE TABLE cash.balances (tenant text, amount int);
INSERT INTO cash.balances VALUES ('acme', 1)
"""
SWAPPED = """
UPDATE cash.checkpoint SET edition = 2, position = 8;
ALTER TABLE cash.balances ADD COLUMN currency text DEFAULT 'USD'
"""
EVERYTHING = "* FROM {schema}.balances WHERE tenant = %(tenant)s::text"
ACME = {"tenant": "acme"}


def alone(made: Reading, sitting: Sitting | None = None) -> Answered:
    """Ask one question."""
    return made.answer(lambda readable: ask(readable, "cash", EVERYTHING, ACME), sitting=sitting)


def of_one_snapshot(made: Reading) -> Answered:
    """Ask within a snapshot that the question itself takes."""

    def question(readable: Readable) -> Answered:
        with snapshot(readable):
            return ask(readable, "cash", EVERYTHING, ACME)

    return made.answer(question)


def lent(made: Reading) -> Answered:
    """Ask on a connection that is lent for several questions."""
    with made.lent() as connection:
        return alone(made, Sitting({}, connection))


def together(made: Reading) -> Answered:
    """Ask in one message, and alone what has no answer there."""
    found = made.together([Wanted("cash", EVERYTHING, ACME)])[0]
    return alone(made) if found is None else found.answered


@pytest.mark.parametrize("asking", [alone, of_one_snapshot, lent, together])
@pytest.mark.parametrize("connections", [1, 2])
def test_a_rebuild_with_other_columns_fails_no_question(
    new_database: Callable[[], Database],
    asking: Callable[[Reading], Answered],
    connections: int,
) -> None:
    """What each connection has prepared is of the tables of before, and is prepared anew."""
    database = new_database()
    with (
        psycopg.connect(database.app_conninfo, autocommit=True) as owner,
        Reading(database.app_conninfo, pool_size=connections) as made,
    ):
        owner.execute(TABLES)
        with ThreadPoolExecutor(connections) as threads:
            before = list(threads.map(lambda _: asking(made), range(40)))
        owner.execute(SWAPPED)
        after = [asking(made) for _ in range(5 * connections)]

    assert {(each.position, tuple(each.rows)) for each in before} == {(7, (("acme", 1),))}
    assert {(each.position, tuple(each.rows)) for each in after} == {(8, (("acme", 1, "USD"),))}


def test_a_held_snapshot_of_replaced_tables_ends_and_the_next_is_answered(
    new_database: Callable[[], Database],
) -> None:
    """Within a transaction nothing can be asked again; the connection forgets when it ends."""
    database = new_database()

    def held(made: Reading) -> Answered:
        sitting = Sitting({})
        with made.held(sitting):
            return alone(made, sitting)

    with (
        psycopg.connect(database.app_conninfo, autocommit=True) as owner,
        Reading(database.app_conninfo, pool_size=1) as made,
    ):
        owner.execute(TABLES)
        for _ in range(8):
            held(made)
        owner.execute(SWAPPED)
        with pytest.raises(ReadModelMissing):
            held(made)
        assert held(made).rows == [("acme", 1, "USD")]
