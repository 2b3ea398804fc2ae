"""Boards that are left behind: the others go on, and these are made up for."""

from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pytest
import redis
from structlog.testing import capture_logs

from projections.asking import Readable
from projections.leaderboard.board import Keeper
from projections.leaderboard.keys import Late, about_key
from projections.leaderboard.reading import Board, BoardBehind, BoardMissing, Reader
from tests.projections.leaderboard.contests import (
    CUP,
    announced,
    bought,
    entered,
    funded,
    shown,
)
from tests.projections.leaderboard.test_partitions import ANN, BOB, begun
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import ACME, closed, trade

Connection = psycopg.Connection[Any]
SOLO = "solo"


@pytest.fixture
def client(valkey: str) -> Iterator[redis.Redis]:
    """A client of an empty Valkey."""
    with redis.Redis.from_url(valkey) as made:
        yield made


def board(client: redis.Redis, contest: str) -> Board:
    """The first ranks of a contest."""
    found = Reader(client).ranks(ACME, contest, first=1, last=9)
    assert found is not None
    return found


def stood(client: redis.Redis, contest: str) -> tuple[int, list[str]]:
    """Of which position a board is, and what it shows."""
    found = board(client, contest)
    return found.stand.position, shown(found.ranks)


class TestAContestWithPartitionsApart:
    """Is late alone."""

    def test_is_left_as_it_was_and_made_up_for(
        self, connection: Connection, client: redis.Redis
    ) -> None:
        """Also for what was told when the others went on: that is behind the checkpoint by then."""
        parted = begun(connection)
        parted.tell(
            announced(contest=SOLO), entered(f"p-{ANN}", contest=SOLO), closed(2, {"AAPL": "11"})
        )
        keeper, reader = Keeper(client, "k"), Reader(client)
        keeper.refresh(parted.readable)
        at, before = stood(client, CUP)
        parted.tell(trade("AAPL", "10", "10", 2, portfolio=f"p-{ANN}", name="more"))
        parted.tell(bought(BOB, "10"), to=(1,))
        for _ in range(2):
            keeper.refresh(parted.readable)

        assert before == [f"1 {ANN} 0.05", f"2 {BOB} 0"]
        assert stood(client, CUP) == (at, before)
        assert stood(client, SOLO) == (at + 1, [f"1 {ANN} 0.06"])
        with pytest.raises(BoardBehind):
            reader.require_reached(ACME, CUP, at + 1)
        reader.require_reached(ACME, SOLO, at + 1)
        assert reader.tops([(ACME, SOLO), (ACME, CUP)], last=9).stand.position == at
        client.hincrby(about_key(ACME, CUP), "late_since", -9)
        assert [board(client, each).is_stale for each in (CUP, SOLO)] == [True, False]

        parted.read(0, at + 1)
        keeper.refresh(parted.readable)
        assert stood(client, CUP) == (at + 2, [f"1 {ANN} 0.06", f"2 {BOB} 0.01"])
        assert not board(client, CUP).is_stale

    def test_may_have_nothing_to_make_up_for(
        self, connection: Connection, client: redis.Redis
    ) -> None:
        """Then its position moves on all the same."""
        parted = begun(connection)
        parted.tell(closed(2, {"AAPL": "11"}))
        keeper = Keeper(client, "k")
        keeper.refresh(parted.readable)
        at, before = stood(client, CUP)
        left = msgspec.json.encode(Late(at, at))
        client.hset(about_key(ACME, CUP), "late", left)
        parted.tell(*funded("x"))
        keeper.refresh(parted.readable)

        assert stood(client, CUP) == (at + 2, before)

    def test_is_not_unknown_before_it_has_a_board(
        self, connection: Connection, client: redis.Redis
    ) -> None:
        """It is waited for; and a board of other tables does not stand in for it."""
        parted = begun(connection)
        keeper = Keeper(client, "k")
        keeper.refresh(parted.readable)
        at, _ = stood(client, CUP)
        parted.tell(announced(contest=SOLO), entered(f"p-{ANN}", contest=SOLO))
        parted.tell(entered(f"p-{BOB}", contest=SOLO), to=(1,))
        keeper.refresh(parted.readable)
        with pytest.raises(BoardMissing):
            board(client, SOLO)
        tops = Reader(client).tops([(ACME, CUP), (ACME, SOLO)], last=9)
        assert (tops.stand.position, [*tops.boards]) == (at, [(ACME, CUP)])

        parted.tell(entered(f"p-{BOB}"), to=(1,))
        client.set("pms:leaderboard", b"another log's")
        keeper.refresh(parted.readable)
        with pytest.raises(BoardMissing):
            board(client, CUP)


def test_a_board_that_cannot_be_made_keeps_no_other_back(
    connection: Connection, client: redis.Redis
) -> None:
    """A row that no code of ours would write: it is named once, and the rest goes on."""
    market = Market(connection)
    market.tell(
        *funded("a"), closed(1), announced(), entered("p-a"), announced(contest="torn"),
        entered("p-a", contest="torn"),
    )  # fmt: skip
    connection.execute("UPDATE performance.contestants SET status = 'x' WHERE contest = 'torn'")
    keeper = Keeper(client, "k")
    with capture_logs() as logs:
        keeper.refresh(Readable(connection))
        market.tell(closed(2))
        keeper.refresh(Readable(connection))

    assert [(each["event"], each["contest"]) for each in logs] == [("leaderboard_failed", "torn")]
    assert shown(board(client, CUP).ranks) == ["1 a 0"]
    with pytest.raises(BoardMissing):
        board(client, "torn")
