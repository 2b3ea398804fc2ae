"""The board in Redis: live equals made anew, in batches of any size, and lost ones heal."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.contests.events import Rank
from domain.contests.ranking import Score
from projections.asking import Readable
from projections.leaderboard.board import Keeper, Overtaken
from projections.leaderboard.keys import CHECKPOINT, Stand, member_of
from projections.leaderboard.reading import Board, BoardBehind, BoardMissing, Reader
from tests.projections.leaderboard.contests import (
    CUP,
    announced,
    bought,
    disqualified,
    entered,
    funded,
    ranked,
    withdrawn,
)
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import ACME, Told, closed, corrected, unbooked

Connection = psycopg.Connection[Any]
NAMES = ("a", "b", "c", "d")
BEGIN = [*funded(*NAMES), closed(1), announced(), *(entered(f"p-{name}") for name in NAMES)]
TRADES = [
    bought("a", "50"),
    bought("b", "20"),
    bought("c", "30", instrument="LNT"),
    bought("d", "10", 3),
]
AFTER: list[Told] = [
    closed(2, {"AAPL": "11", "LNT": "12"}),
    TRADES[3],
    closed(3, {"AAPL": "12"}),
    corrected(2, "AAPL", "9"),
    bought("b", "10", 1),
    unbooked(TRADES[0]),
    withdrawn("b"),
    closed(4, {"AAPL": "8", "LNT": "10"}),
    disqualified("d"),
    corrected(3, "AAPL", "20"),
    bought("a", "5", 4),
    closed(5, {"AAPL": "9", "LNT": "9"}),
]


@pytest.fixture
def client(valkey: str) -> Iterator[redis.Redis]:
    """A client of an empty Valkey."""
    with redis.Redis.from_url(valkey) as made:
        yield made


@pytest.fixture
def market(connection: Connection) -> Market:
    """A market of which nothing is told."""
    return Market(connection)


def whole(client: redis.Redis, contest: str = CUP) -> Board | None:
    """All ranks of the contest."""
    return Reader(client).ranks(ACME, contest, first=1, last=1_000)


def whole_ranks(client: redis.Redis) -> list[Rank]:
    """All that have one."""
    board = whole(client)
    assert board is not None
    return board.ranks


def shown(client: redis.Redis) -> list[Rank]:
    """The ranks of the board, and who has none."""
    board = whole(client)
    assert board is not None
    reader = Reader(client)
    rest = []
    for name in set(NAMES) - {each.participant for each in board.ranks}:
        around = reader.around(ACME, CUP, participant=name, reach=0)
        assert around is not None
        assert around.own is not None
        rest.append(around.own)
    return board.ranks + sorted(rest, key=lambda each: each.participant)


class TestTheBoard:
    """What it shows is what the tables tell at its position."""

    @settings(
        max_examples=12,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
        deadline=None,
    )
    @given(st.sets(st.integers(1, len(AFTER) - 1)))
    def test_is_the_ranks_at_its_position_in_batches_of_any_size(
        self, connection: Connection, client: redis.Redis, cuts: set[int]
    ) -> None:
        """Live equals made anew from the same tables, after every batch."""
        client.flushdb()
        market, keeper = Market(connection), Keeper(client, "live")
        market.tell(*BEGIN, *TRADES[:3])
        keeper.refresh(Readable(connection))
        for start, end in pairwise([0, *sorted(cuts), len(AFTER)]):
            market.tell(*AFTER[start:end])
            keeper.refresh(Readable(connection))
            contest_session = whole(client)
            assert contest_session is not None
            if contest_session.about.session is not None:
                assert shown(client) == ranked(Readable(connection))

    def test_has_everybody_without_a_rank_before_the_first_session(
        self, connection: Connection, market: Market, client: redis.Redis
    ) -> None:
        """Four take part."""
        market.tell(*BEGIN)
        refreshed = Keeper(client, "k").refresh(Readable(connection))
        board = whole(client)

        assert board is not None
        assert (board.ranked, board.held, board.entrants) == (0, 0, 4)
        assert (board.stand.position, board.is_stale) == (len(BEGIN), False)
        assert (refreshed.contests, refreshed.written) == (1, 1)
        assert {client.ttl(key) for key in client.keys(f"{CHECKPOINT}*")} == {-1}

    def test_changes_in_place_what_one_trade_changes(
        self, connection: Connection, market: Market, client: redis.Redis
    ) -> None:
        """And leaves it alone where nothing of the contest changed; the position moves on."""
        keeper = Keeper(client, "k")
        market.tell(*BEGIN, bought("a", "50"), closed(2, {"AAPL": "11"}))
        keeper.refresh(Readable(connection))
        market.tell(bought("b", "90"))

        assert keeper.refresh(Readable(connection))[2:] == (0, 1)
        assert [each.participant for each in shown(client)] == ["b", "a", "c", "d"]
        market.tell(*funded("x"))
        assert keeper.refresh(Readable(connection))[2:] == (0, 0)
        board = whole(client)
        assert board is not None
        assert board.stand.position == len(BEGIN) + 5
        assert board.about.position == len(BEGIN) + 3

    def test_changes_with_the_session_before_the_window(
        self, connection: Connection, market: Market, client: redis.Redis
    ) -> None:
        """Its close comes late, at the price of the trade: no day of the window moves."""
        keeper = Keeper(client, "k")
        before = [each for each in BEGIN if each != closed(1)]
        market.tell(*before, bought("a", "50", 1), closed(1), closed(2, {"AAPL": "10"}))
        keeper.refresh(Readable(connection))
        assert "a" not in {each.participant for each in whole_ranks(client)}
        market.tell(corrected(1, "AAPL", "10"))
        keeper.refresh(Readable(connection))

        assert shown(client) == ranked(Readable(connection))
        assert "a" in {each.participant for each in whole_ranks(client)}

    def test_moves_a_held_rank_with_the_others_of_then(
        self, connection: Connection, market: Market, client: redis.Redis
    ) -> None:
        """C has no price on day 3; b's late trade of day 2 puts it before c, as of then."""
        keeper = Keeper(client, "k")
        market.tell(*BEGIN, TRADES[0], TRADES[2], closed(2, {"AAPL": "11", "LNT": "12"}))
        market.tell(closed(3, {"AAPL": "11"}))
        keeper.refresh(Readable(connection))
        assert [each.rank for each in shown(client) if each.participant == "c"] == [1]
        market.tell(bought("b", "70"))
        keeper.refresh(Readable(connection))

        assert shown(client) == ranked(Readable(connection))
        assert [each.rank for each in shown(client) if each.participant == "c"] == [2]

    def test_holds_back_whom_a_late_trade_leaves_without_a_mark(
        self, connection: Connection, market: Market, client: redis.Redis
    ) -> None:
        """Nobody was held before; b's only other price is its own."""
        keeper = Keeper(client, "k")
        market.tell(*BEGIN, closed(2), closed(3))
        keeper.refresh(Readable(connection))
        market.tell(bought("b", "1", 3, instrument="LNT"))
        keeper.refresh(Readable(connection))

        assert shown(client) == ranked(Readable(connection))
        board = whole(client)
        assert board is not None
        assert (board.ranked, board.held) == (3, 1)

    def test_shows_who_is_around(
        self, connection: Connection, market: Market, client: redis.Redis
    ) -> None:
        """Up to so many before and behind; the ends of the list are no error."""
        market.tell(*BEGIN, *(bought(name, str(9 - at)) for at, name in enumerate(NAMES)))
        market.tell(closed(2, {"AAPL": "11"}))
        Keeper(client, "k").refresh(Readable(connection))
        reader = Reader(client)

        for name, expected in (("a", "ab"), ("c", "bcd"), ("d", "cd")):
            found = reader.around(ACME, CUP, participant=name, reach=1)
            assert found is not None
            assert found.own is not None
            assert found.own.rank == NAMES.index(name) + 1
            assert "".join(each.participant for each in found.ranks) == expected
        nobody = reader.around(ACME, CUP, participant="z", reach=1)
        assert nobody is not None
        assert nobody.own is None
        assert reader.ranks("globex", CUP, first=1, last=9) is None


class TestALostBoard:
    """Flushed, torn, old, or another log's: it says so, and heals by looking."""

    @pytest.fixture
    def keeper(self, connection: Connection, market: Market, client: redis.Redis) -> Keeper:
        """One that has made the board of four."""
        keeper = Keeper(client, "k")
        market.tell(*BEGIN, *TRADES[:3], AFTER[0])
        keeper.refresh(Readable(connection))
        return keeper

    def test_heals_when_flushed(
        self, connection: Connection, client: redis.Redis, keeper: Keeper
    ) -> None:
        """Meanwhile whoever asks is told that there is none."""
        before = shown(client)
        client.flushdb()
        reader = Reader(client)
        with pytest.raises(BoardMissing):
            whole(client)
        with pytest.raises(BoardMissing):
            reader.require_reached(ACME, CUP, 1)

        keeper.refresh(Readable(connection))

        assert shown(client) == before
        position = len(BEGIN) + 4
        reader.require_reached(ACME, CUP, position)
        with pytest.raises(BoardBehind) as refused:
            reader.require_reached(ACME, CUP, position + 1)
        assert refused.value.position == position

    @pytest.mark.parametrize("part", ["order", "rows"])
    def test_heals_when_a_key_is_lost(
        self, connection: Connection, client: redis.Redis, keeper: Keeper, part: str
    ) -> None:
        """A board that does not hold what it says is none."""
        before = shown(client)
        client.delete(*client.keys(f"{CHECKPOINT}/*/{part}"))
        with pytest.raises(BoardMissing):
            whole(client)

        keeper.refresh(Readable(connection))

        assert shown(client) == before

    def test_goes_on_from_an_old_dump(
        self, connection: Connection, market: Market, client: redis.Redis, keeper: Keeper
    ) -> None:
        """Every key as it was some changes ago: what came since is made up for."""
        dump = {key: client.dump(key) or b"" for key in client.keys("*")}
        market.tell(*AFTER[1:4])
        keeper.refresh(Readable(connection))
        now = shown(client)
        client.flushdb()
        for key, value in dump.items():
            client.restore(key, 0, value)
        old = whole(client)
        assert old is not None
        assert old.stand.position == len(BEGIN) + 4

        keeper.refresh(Readable(connection))

        assert shown(client) == now == ranked(Readable(connection))

    @pytest.mark.parametrize(
        "changes",
        [{"log_id": str(uuid4())}, {"edition": "7"}, {"position": 10_000}, {"calculation": 0}],
    )
    def test_of_something_else_is_made_anew(
        self,
        connection: Connection,
        client: redis.Redis,
        keeper: Keeper,
        changes: dict[str, object],
    ) -> None:
        """Another log, other tables, a position to come; what it left behind goes."""
        before = shown(client)
        raw = client.get(CHECKPOINT)
        assert isinstance(raw, bytes)
        known = msgspec.json.decode(raw, type=Stand)
        client.set(CHECKPOINT, msgspec.json.encode(msgspec.structs.replace(known, **changes)))
        client.set(f"{CHECKPOINT}/gone/old/about", "x")

        assert keeper.refresh(Readable(connection)).written == 1

        assert shown(client) == before
        assert not client.exists(f"{CHECKPOINT}/gone/old/about")
        assert len(client.keys(f"{CHECKPOINT}/*")) == 3

    def test_is_moved_by_one_keeper_only(
        self, connection: Connection, market: Market, client: redis.Redis, keeper: Keeper
    ) -> None:
        """Whoever read an older checkpoint changes nothing, and leaves nothing that lasts."""
        market.tell(*AFTER[1:3])
        real = client.get(CHECKPOINT)

        class Late(Keeper):
            """Is overtaken between reading and writing."""

            def _write(self, *arguments: Any) -> None:
                keeper.refresh(Readable(connection))
                super()._write(*arguments)

        with pytest.raises(Overtaken):
            Late(client, "late").refresh(Readable(connection))
        assert client.get(CHECKPOINT) != real
        assert all(client.ttl(key) > 0 for key in client.keys("*late*"))
        assert keeper.refresh(Readable(connection))[2:] == (0, 0)
        assert shown(client) == ranked(Readable(connection))


class TestAMember:
    """A text that sorts as the ranks do."""

    @given(
        st.lists(
            st.tuples(
                st.decimals(-(10**25), 10**25, places=12), st.decimals(-1, 0, places=12),
                st.integers(0, 10**18), st.dates(), st.sampled_from(["u", "u1", "u~", "v"]),
            ),
            min_size=2,
            max_size=6,
        )
    )  # fmt: skip
    def test_keeps_the_order(self, parts: list[tuple[Any, ...]]) -> None:
        """Of every part."""
        scores = [
            Score(who, "p", value, drawdown, trades, 0, since)
            for value, drawdown, trades, since, who in parts
        ]
        by_key = sorted(scores, key=lambda each: each.key)

        assert sorted(map(member_of, scores)) == list(map(member_of, by_key))
