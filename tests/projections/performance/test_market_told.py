"""What the market told is remembered until its next event, and then asked for anew."""

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import IsolationLevel

from projections.asking import Answered, Readable, ask
from projections.bounded_memory import BoundedMemory
from projections.performance import market_told
from projections.performance.bridging import bridge_of
from projections.performance.explaining import explained_day
from projections.performance.history import History, of_portfolio
from projections.performance.risk import risk_of
from tests.projections.performance.followed import Market, asked_between
from tests.projections.performance.stories import stories
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    Told,
    at,
    closed,
    corrected,
    flow,
    marked,
    opened,
    trade,
    written_down,
)

Connection = psycopg.Connection[Any]
INVESTED = (opened(), flow("1000", 1), trade("AAPL", "10", "20", 1))
QUESTIONS: tuple[Callable[..., Any], ...] = (bridge_of, explained_day, risk_of)


def asked(connection: Connection, owner: tuple[str, str] = (ACME, BOOK)) -> list[Any]:
    """What a portfolio's questions answer by what is remembered."""
    tenant, portfolio = owner
    readable = Readable(connection)
    return [question(readable, tenant=tenant, portfolio=portfolio).row for question in QUESTIONS]


def asked_anew(connection: Connection, owner: tuple[str, str] = (ACME, BOOK)) -> list[Any]:
    """The same by a memory that has just begun."""
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(market_told, "_KEPT", BoundedMemory(market_told.SCHEMAS_MAX))
        return asked(connection, owner)


@pytest.fixture(autouse=True)
def _kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory of the test's own."""
    monkeypatch.setattr(market_told, "_KEPT", BoundedMemory(market_told.SCHEMAS_MAX))


class TestAnyStory:
    """Asked between any two events."""

    @settings(max_examples=25)
    @given(story=stories(), seed=st.integers(0, 10))
    def test_is_answered_as_by_a_memory_that_has_just_begun(
        self, connection: Connection, story: Sequence[Told], seed: int
    ) -> None:
        """Late, busted, corrected, split or written down, whatever is told in between."""
        for owner in asked_between(connection, story, seed):
            assert asked(connection, owner) == asked_anew(connection, owner)


class TestTheNextEventOfTheMarket:
    """What was remembered is of before."""

    @pytest.mark.parametrize(
        "told",
        [
            corrected(1, "AAPL", "21"),
            marked(at(1, 12), {"AAPL": "19"}),
            written_down("AAPL", "5", at(1, 13)),
        ],
        ids=["a correction", "a late mark", "a late write-down"],
    )
    def test_is_in_the_next_answer(self, connection: Connection, told: Told) -> None:
        """The last session is explained with it."""
        market = Market(connection)
        market.tell(*INVESTED, closed(1, {"AAPL": "20"}))
        before = asked(connection)

        market.tell(told)

        assert before != asked(connection) == asked_anew(connection)

    def test_is_not_told_to_a_snapshot_of_before(self, connection: Connection) -> None:
        """Who began earlier hears what was so then, and whoever asks next what is so now."""
        market = Market(connection)
        market.tell(*INVESTED, closed(1, {"AAPL": "20"}))
        with psycopg.connect(connection.info.dsn, password=connection.info.password) as earlier:
            earlier.isolation_level = IsolationLevel.REPEATABLE_READ
            with earlier.transaction():
                before = asked(earlier)
                market.tell(corrected(1, "AAPL", "21"))
                now = asked(connection)

                assert asked(earlier) == before != now
                assert asked(connection) == now


class TestAskedAgain:
    """Nothing was told by the market."""

    def test_reads_no_mark(self, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        """A trade of what is known already needs none."""
        market = Market(connection)
        market.tell(*INVESTED, closed(1, {"AAPL": "20"}), trade("AAPL", "1", "20", 2))
        asked(connection)
        monkeypatch.setattr(market_told, "_MARKS", "never asked")
        monkeypatch.setattr(market_told, "_LISTED", "never asked")
        monkeypatch.setattr(market_told, "WRITE_DOWNS", "never asked")

        market.tell(trade("AAPL", "2", "20", 2))
        connection.execute("UPDATE performance.checkpoint SET market_position = position - 1")

        now = asked(connection)
        monkeypatch.undo()
        assert now == asked_anew(connection)

    def test_reads_only_names_that_are_new(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And forgets all where there are too many."""
        market = Market(connection)
        market.tell(*INVESTED, closed(1, {"AAPL": "20", "MSFT": "30"}))
        wanted: list[list[str]] = []

        def listening(readable: Readable, model: str, rows: str, told: Sequence[Any]) -> Answered:
            wanted.append(told[0])
            return ask(readable, model, rows, told)

        monkeypatch.setattr(market_told, "ask", listening)

        def marks(history: History) -> list[str]:
            readable, told = history.readable, history.market
            found = [
                told.marks(readable, names, at(1, 23)) for names in (["AAPL"], ["AAPL", "MSFT"])
            ]
            return sorted(found[-1])

        known, _ = of_portfolio(Readable(connection), tenant=ACME, portfolio=BOOK, answer=marks)
        assert known == ["AAPL", "MSFT"]
        assert wanted == [["AAPL"], ["MSFT"]]

        monkeypatch.setattr(market_told, "MARKS_MAX", 1)
        of_portfolio(
            Readable(connection),
            tenant=ACME,
            portfolio=BOOK,
            answer=lambda history: [
                history.market.marks(history.readable, [name], at(1, 23)) for name in ("X", "AAPL")
            ],
        )
        assert wanted == [["AAPL"], ["MSFT"], ["X"], ["AAPL"]]
