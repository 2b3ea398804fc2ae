"""Connections that have just answered are taken to be there; others are asked."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from infra.database import Database
from projections import reading
from projections.asking import Readable
from projections.reading import Reading


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
