"""The board as live tells it: as far as it is, and asked again until it is level."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redis

from projections.asking import Readable, ReadModelMissing, State
from projections.leaderboard.board import Keeper
from projections.leaderboard.reading import Reader
from read_api.live.destinations import Destination, Told, Topic
from read_api.live.leaderboard import leaderboard_destination
from tests.projections.leaderboard.contests import CUP, announced, bought, entered, funded
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import ACME, closed

Connection = psycopg.Connection[Any]
BEGIN = [
    *funded("a", "b"),
    closed(1),
    announced(),
    entered("p-a"),
    entered("p-b"),
    bought("a", "9"),
]
SECOND = "second"
TOPIC, OTHER = Topic(ACME, (CUP,)), Topic(ACME, (SECOND,))


@pytest.fixture
def client(valkey: str) -> Iterator[redis.Redis]:
    """A client of an empty Valkey."""
    with redis.Redis.from_url(valkey) as made:
        yield made


@pytest.fixture
def market(connection: Connection) -> Market:
    """A market of which a contest is told."""
    market = Market(connection)
    market.tell(*BEGIN, closed(2, {"AAPL": "11"}))
    return market


@pytest.fixture
def destination(client: redis.Redis) -> Destination:
    """The destination over the board."""
    return leaderboard_destination(Reader(client))


def names(told: Told, topic: Topic) -> list[str]:
    """Who is told to have a rank in a contest."""
    return [row.key for row in told.rows if row.topic == topic]


class TestABoardThatIsBehind:
    """Nobody waits for it within the snapshot of the database that a question holds."""

    def test_is_told_as_far_as_it_is_and_asked_again(
        self, connection: Connection, market: Market, client: redis.Redis, destination: Destination
    ) -> None:
        """It was seen at its own position until it is as far as the tables."""
        keeper, readable = Keeper(client, "k"), Readable(connection)
        keeper.refresh(readable)
        market.tell(bought("b", "20"))
        behind = destination.snapshot(readable, [TOPIC])
        stood = len(BEGIN) + 1
        assert (behind.position, behind.seen) == (stood, {"performance": State(stood, 0)})
        assert names(behind, TOPIC) == ["a", "b"]

        keeper.refresh(readable)
        level = destination.snapshot(readable, [TOPIC])
        assert (level.position, level.seen) == (stood + 1, {"performance": State(stood + 1, 0)})
        assert names(level, TOPIC) == ["b", "a"]

    def test_is_of_the_tables_it_was_made_of(
        self, connection: Connection, market: Market, client: redis.Redis, destination: Destination
    ) -> None:
        """Others were swapped in at the same position: it is not of their edition yet."""
        assert market is not None
        keeper, readable = Keeper(client, "k"), Readable(connection)
        keeper.refresh(readable)
        connection.execute("UPDATE performance.checkpoint SET edition = 1")
        stood = len(BEGIN) + 1
        assert destination.snapshot(readable, [TOPIC]).seen == {"performance": State(stood, 0)}
        keeper.refresh(readable)
        assert destination.snapshot(readable, [TOPIC]).seen == {"performance": State(stood, 1)}

    def test_holds_nobody_up_with_a_contest_it_has_not_met(
        self, connection: Connection, market: Market, client: redis.Redis, destination: Destination
    ) -> None:
        """One that was announced a moment ago is known, and has no ranks yet."""
        readable = Readable(connection)
        with pytest.raises(ReadModelMissing):
            destination.snapshot(readable, [TOPIC])
        Keeper(client, "k").refresh(readable)
        market.tell(announced(contest=SECOND))
        assert destination.is_known(readable, OTHER)
        told = destination.snapshot(readable, [TOPIC, OTHER])
        assert (names(told, TOPIC), names(told, OTHER)) == (["a", "b"], [])

    def test_of_nobody_is_not_known(
        self, connection: Connection, market: Market, destination: Destination
    ) -> None:
        """Nor another tenant's."""
        assert market is not None
        readable = Readable(connection)
        assert destination.is_known(readable, TOPIC)
        assert not destination.is_known(readable, OTHER)
        assert not destination.is_known(readable, Topic("globex", (CUP,)))
