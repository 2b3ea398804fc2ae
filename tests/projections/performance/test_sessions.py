"""Sessions that are remembered are those of the tables, at the position that is asked for."""

from datetime import date
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import IsolationLevel

from projections.asking import Readable
from projections.performance import sessions
from projections.performance.history import of_portfolio
from projections.performance.sessions import Sessions
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import ACME, BOOK, closed, day, flow, opened

Connection = psycopg.Connection[Any]
PRICE = {"AAPL": "20"}


def asked(connection: Connection) -> Sessions:
    """The sessions of a portfolio's calendar."""
    found = of_portfolio(
        Readable(connection), tenant=ACME, portfolio=BOOK, answer=lambda each: each.sessions()
    )[0]
    assert found is not None
    return found


def days(connection: Connection) -> list[date]:
    """Their dates."""
    return list(asked(connection).days)


class TestSessionsOfNow:
    """Asked once, then again when more was told."""

    def test_are_read_on(self, connection: Connection) -> None:
        """Those of its own calendar, with their times; nothing of before is read again."""
        market = Market(connection)
        market.tell(opened(), closed(1, PRICE), closed(2, PRICE))
        before = asked(connection)
        connection.execute("DELETE FROM performance.sessions")
        market.tell(flow("10", 3), closed(3, PRICE), closed(3, {}, calendar="XETR"))
        now = asked(connection)

        assert before.days == (day(1), day(2))
        assert now.days == (*before.days, day(3))
        assert now.starts[:2] == before.starts
        assert now.ends[:2] == before.ends
        assert all(start < end for start, end in zip(now.starts, now.ends, strict=True))
        assert now.until(day(2)) == before

    def test_are_not_asked_for_at_the_same_market_position(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Trades and flows close no session."""
        market = Market(connection)
        market.tell(opened(), closed(1, PRICE))
        before = asked(connection)
        monkeypatch.setattr(sessions, "_LATER", "nothing that could be asked")
        connection.execute("UPDATE performance.checkpoint SET position = 9")

        assert asked(connection) is before

    def test_are_those_of_an_older_snapshot_too(self, connection: Connection) -> None:
        """Somebody else has asked for a later position meanwhile."""
        market = Market(connection)
        market.tell(opened(), closed(1, PRICE))
        with psycopg.connect(connection.info.dsn, password=connection.info.password) as older:
            older.isolation_level = IsolationLevel.REPEATABLE_READ
            with older.transaction():
                assert days(older) == [day(1)]
                market.tell(closed(2, PRICE))

                assert days(connection) == [day(1), day(2)]
                assert days(older) == [day(1)]
        assert days(connection) == [day(1), day(2)]

    def test_of_another_edition_or_log_are_read_anew(self, connection: Connection) -> None:
        """A rebuild was swapped in, or it is another log: nothing of before counts."""
        log_id = uuid4()
        Market(connection, log_id).tell(opened(), closed(1, PRICE))
        assert days(connection) == [day(1)]
        Market(connection, log_id).tell(opened(), closed(2, PRICE))
        connection.execute("UPDATE performance.checkpoint SET edition = 1")
        assert days(connection) == [day(2)]
        Market(connection).tell(opened(), closed(3, PRICE))
        connection.execute("UPDATE performance.checkpoint SET edition = 1")

        assert days(connection) == [day(3)]

    def test_that_closed_late_are_in_their_place(self, connection: Connection) -> None:
        """No session closes before another that is later; if one did, all would be read."""
        market = Market(connection)
        market.tell(opened(), closed(2, PRICE))
        asked(connection)
        connection.execute(
            "INSERT INTO performance.sessions SELECT calendar, session - 1, starts_at, ends_at, 3"
            " FROM performance.sessions; UPDATE performance.checkpoint SET market_position = 3"
        )

        assert days(connection) == [day(1), day(2)]
