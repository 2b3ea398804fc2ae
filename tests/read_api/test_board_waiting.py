"""Waiting for a contest's board: until it is made, until it is far enough, and not for Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from domain.contests.events import Rank
from domain.contests.terms import ContestTerms, Metric, Window
from gateway.problem import Problem
from projections.leaderboard.keys import About, Stand
from projections.leaderboard.reading import Board, BoardAway, BoardBehind, BoardMissing
from read_api.contests import ContestQueries, RanksAsked

DAY = date(2024, 3, 4)
TERMS = ContestTerms(
    window=Window.DAY, first_day=DAY, last_day=DAY, calendar="XNYS", currency="USD",
    metric=Metric.RETURN,
)  # fmt: skip
ABOUT = About(board="1", terms=TERMS, first_session=DAY, last_session=DAY, session=DAY, position=7)
ANN = Rank(participant="ann", portfolio="p", rank=1, value=Decimal("0.1"), drawdown=Decimal(0))


def board_at(position: int) -> Board:
    """The board of a position."""
    return Board(Stand("log", "0", position, position), False, ABOUT, 1, 0, 1, None, [ANN])


Answer = Board | Exception | None


class Reader:
    """Stands in for Redis: tells the checkpoint and the board as given, the last one for ever."""

    def __init__(self, *boards: Answer, reached: Sequence[Answer] = (None,)) -> None:
        self.looks: list[int] = []
        self.reads = 0
        self._boards, self._reached = [*boards], [*reached]

    def require_reached(self, _tenant: str, _contest: str, position: int) -> None:
        """Look at the checkpoint."""
        self.looks.append(position)
        self._next(self._reached)

    def ranks(self, *_: str, **__: int) -> Answer:
        """Read the board."""
        self.reads += 1
        return self._next(self._boards)

    @staticmethod
    def _next(answers: list[Answer]) -> Answer:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def ranks(reader: Reader, **asked: Any) -> int:
    """Ask for the ranks; give the position of the answer."""
    call: Any = SimpleNamespace(
        parameters=RanksAsked(**asked), principal=SimpleNamespace(tenant="acme"),
        named=lambda _: "cup",
    )  # fmt: skip
    queries = ContestQueries(SimpleNamespace(), reader)  # type: ignore[arg-type]
    response = asyncio.run(queries.ranks(call))
    position: int = msgspec.json.decode(bytes(response.body))["position"]
    return position


class TestTheBoard:
    """Is waited for as long as is asked."""

    def test_is_waited_for_while_it_is_made(self) -> None:
        """As others wait for a position."""
        reader = Reader(BoardMissing(), BoardMissing(), board_at(7))

        assert ranks(reader, wait_seconds=30) == 7
        assert reader.reads == 3

    def test_is_read_once_the_checkpoint_is_far_enough(self) -> None:
        """Until then only that is looked at; and the answer's own position counts."""
        behind = [BoardBehind(5), BoardMissing(), BoardBehind(6), None]
        reader = Reader(board_at(6), board_at(7), reached=behind)

        assert ranks(reader, min_position=7, wait_seconds=30) == 7
        assert (reader.looks, reader.reads) == ([7] * 5, 2)

    def test_is_not_looked_for_where_any_position_will_do(self) -> None:
        """One script, no more."""
        reader = Reader(board_at(7))

        assert ranks(reader) == 7
        assert reader.looks == []

    @pytest.mark.parametrize(
        ("answer", "wait_seconds", "code"),
        [
            (BoardMissing(), 0, "leaderboard_unavailable"),
            (BoardAway(), 30, "leaderboard_unavailable"),
            (BoardBehind(6), 0, "position_not_reached"),
            (None, 30, "not_found"),
        ],
    )
    def test_says_what_is_the_matter(self, answer: Answer, wait_seconds: float, code: str) -> None:
        """At the deadline; at once where waiting is of no use."""
        reader = Reader(answer)
        with pytest.raises(Problem) as refused:
            ranks(reader, wait_seconds=wait_seconds)

        assert (refused.value.code, reader.reads) == (code, 1)
