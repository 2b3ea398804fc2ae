"""Returns that are remembered are those of the tables, at the position that is asked for."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import IsolationLevel

from projections.asking import Readable
from projections.bounded_memory import BoundedMemory
from projections.performance import returned
from projections.performance.history import History, of_portfolio
from projections.performance.series import Series, series_of
from tests.projections.performance.followed import Market, asked_between
from tests.projections.performance.stories import BOOKS, OPENINGS, stories
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    Told,
    closed,
    corrected,
    day,
    flow,
    opened,
    trade,
)

Connection = psycopg.Connection[Any]
EVER = (date.min, date.max)
NOT_TO_BE_ASKED = "told.* FROM (SELECT NULL::bytea) AS told"
INVESTED = (opened(), flow("1000", 1), trade("AAPL", "10", "20", 1))


def closes(first: int, last: int) -> list[Told]:
    """Sessions in which a stock climbs."""
    return [closed(number, {"AAPL": str(20 + number)}) for number in range(first, last + 1)]


def asked(connection: Connection, owner: tuple[str, str] = (ACME, BOOK)) -> list[Any]:
    """A portfolio's returns by what is remembered, whole and of a range, in plain values."""

    def answer(history: History) -> list[Series]:
        return [series_of(history, *of) for of in (EVER, (day(2), day(4)))]

    tenant, portfolio = owner
    found = of_portfolio(Readable(connection), tenant=tenant, portfolio=portfolio, answer=answer)
    return [
        [each.tolist() if isinstance(each, np.ndarray) else each for each in series]
        for series in found[0] or []
    ]


def read_anew(connection: Connection, owner: tuple[str, str] = (ACME, BOOK)) -> list[Any]:
    """The same by a memory that keeps nothing."""
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(returned, "_KEPT", BoundedMemory(0))
        return asked(connection, owner)


class TestReturnsOfNow:
    """Asked once, then again when more was told."""

    @settings(max_examples=25)
    @given(story=stories(), seed=st.integers(0, 10))
    def test_are_those_read_at_once(
        self, connection: Connection, story: Sequence[Told], seed: int
    ) -> None:
        """Late, busted, corrected or incomplete, whatever is told between two questions."""
        for owner in asked_between(connection, story, seed):
            assert asked(connection, owner) == read_anew(connection, owner)

    def test_read_only_what_changed(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All of them once; then nothing, or a question for what is later."""
        market = Market(connection)
        market.tell(*INVESTED, *closes(1, 5))
        before = asked(connection)
        monkeypatch.setattr(returned, "_ALL", NOT_TO_BE_ASKED)

        assert asked(connection) == before
        market.tell(corrected(2, "AAPL", "30"), *closes(6, 6))
        now = asked(connection)
        monkeypatch.undo()
        assert now == read_anew(connection) != before

    def test_are_read_from_their_key_alone(self, connection: Connection) -> None:
        """A portfolio's sessions lie on as many pages of the table, and on a few of its key."""
        market = Market(connection)
        market.tell(*INVESTED, *closes(1, 3))
        question = f"EXPLAIN SELECT {returned._ALL.format(schema='performance')}"

        with connection.transaction():
            connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            plan = connection.execute(question.encode(), (ACME, BOOK)).fetchall()

        assert [line for (line,) in plan if "Index Only Scan using days_pkey" in line], plan

    def test_are_all_read_behind_too_many_changes(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One session more than are looked through."""
        market = Market(connection)
        market.tell(*INVESTED, *closes(1, 3))
        asked(connection)
        monkeypatch.setattr(returned, "CHANGES_MAX", 2)
        market.tell(*closes(4, 7))

        assert asked(connection) == read_anew(connection)

    def test_are_those_of_an_older_snapshot_too(self, connection: Connection) -> None:
        """Somebody else has asked for a later position meanwhile."""
        market = Market(connection)
        market.tell(*INVESTED, *closes(1, 3))
        with psycopg.connect(connection.info.dsn, password=connection.info.password) as older:
            older.isolation_level = IsolationLevel.REPEATABLE_READ
            with older.transaction():
                before = asked(older)
                market.tell(*closes(4, 5))
                now = asked(connection)

                assert asked(older) == before != now
        assert asked(connection) == now

    def test_of_another_edition_are_read_anew(self, connection: Connection) -> None:
        """A rebuild was swapped in: nothing of before counts."""
        log_id = uuid4()
        Market(connection, log_id).tell(*INVESTED, *closes(1, 3))
        before = asked(connection)
        Market(connection, log_id).tell(*INVESTED[:2], *closes(1, 4))
        connection.execute("UPDATE performance.checkpoint SET edition = 1, position = 7")

        assert asked(connection) == read_anew(connection) != before

    def test_of_another_log_are_read_anew(self, connection: Connection) -> None:
        """As far, under the same name."""
        Market(connection).tell(*INVESTED, *closes(1, 3))
        before = asked(connection)
        Market(connection).tell(*INVESTED[:2], *closes(1, 4))

        assert asked(connection) == read_anew(connection) != before

    def test_are_bounded_by_the_sessions_that_are_kept(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two portfolios fit until each has a session more."""
        market = Market(connection)
        market.tell(*OPENINGS, *(flow("10", 1, portfolio=book, tenant=of) for of, book in BOOKS))
        market.tell(*closes(1, 3))
        monkeypatch.setattr(returned._KEPT, "room", 6)
        before = [asked(connection, owner) for owner in BOOKS[::2]]
        with monkeypatch.context() as patching:
            patching.setattr(returned, "_ALL", NOT_TO_BE_ASKED)
            assert [asked(connection, owner) for owner in BOOKS[::2]] == before
        market.tell(*closes(4, 4))
        now = [asked(connection, owner) for owner in BOOKS[::2]]
        monkeypatch.setattr(returned, "_ALL", NOT_TO_BE_ASKED)

        assert asked(connection, BOOKS[2]) == now[1]
        with pytest.raises(psycopg.ProgrammingError):
            asked(connection, BOOKS[0])
