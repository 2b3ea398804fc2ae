"""Ranks that are remembered are those of the tables, whatever is told between two questions."""

from itertools import pairwise
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import IsolationLevel

from projections.asking import Readable
from projections.leaderboard import remembered
from projections.leaderboard.queries import proof_of
from projections.leaderboard.tracks import contests_of, tracks_of
from tests.projections.leaderboard.contests import CUP, bought, ranked
from tests.projections.leaderboard.test_board import AFTER, BEGIN, TRADES
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import ACME, closed, corrected

Connection = psycopg.Connection[Any]


def asked(readable: Readable) -> list[Any]:
    """The ranks as a question gets them."""
    (contest,) = contests_of(readable, tenant=ACME, contest=CUP).contests
    assert contest.session is not None, "a session has closed"
    return remembered.ranks_of(readable, contest, contest.session)


class TestWhatIsRemembered:
    """It is what the tables tell of the position asked for."""

    @settings(
        max_examples=12,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
        deadline=None,
    )
    @given(st.sets(st.integers(1, len(AFTER) - 1)))
    def test_is_the_ranks_at_its_position_in_batches_of_any_size(
        self, connection: Connection, cuts: set[int]
    ) -> None:
        """Asked after every batch, and once more when nothing has changed since."""
        market, readable = Market(connection), Readable(connection)
        market.tell(*BEGIN, *TRADES[:3])
        for start, end in pairwise([0, *sorted(cuts), len(AFTER)]):
            market.tell(*AFTER[start:end])
            assert asked(readable) == ranked(readable)
            assert asked(readable) == ranked(readable)

    def test_reads_only_whom_something_was_told_of(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The others keep their scores, not their ranks."""
        market, readable = Market(connection), Readable(connection)
        market.tell(*BEGIN, *TRADES[:3], closed(2, {"AAPL": "11", "LNT": "12"}))
        asked(readable)
        read: list[Any] = []

        def told(*given: Any, only: Any = None) -> Any:  # noqa: ANN401
            read.append(only)
            return tracks_of(*given, only=only)

        monkeypatch.setattr(remembered, "tracks_of", told)
        market.tell(bought("d", "80"))

        assert asked(readable) == ranked(readable)
        assert read == [["d"]]

    def test_is_read_anew_where_too_much_was_told(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Looking through it all would cost more."""
        market, readable = Market(connection), Readable(connection)
        market.tell(*BEGIN, *TRADES[:3], closed(2, {"AAPL": "11", "LNT": "12"}))
        asked(readable)
        monkeypatch.setattr(remembered, "CHANGES_MAX", 1)
        market.tell(corrected(2, "AAPL", "9"))

        assert asked(readable) == ranked(readable)

    def test_is_of_an_older_snapshot_too(self, connection: Connection) -> None:
        """Somebody else has asked for a later position meanwhile."""
        market, readable = Market(connection), Readable(connection)
        market.tell(*BEGIN, *TRADES[:3], closed(2, {"AAPL": "11", "LNT": "12"}))
        with psycopg.connect(connection.info.dsn, password=connection.info.password) as older:
            older.isolation_level = IsolationLevel.REPEATABLE_READ
            before = ranked(Readable(older))
            market.tell(corrected(2, "AAPL", "9"), bought("b", "70"))
            now = asked(readable)

            assert asked(Readable(older)) == before != now
        assert asked(readable) == now == ranked(readable)

    def test_is_no_rank_that_is_held(self, connection: Connection) -> None:
        """C has no price on day 3; b's late trade of day 2 puts it before c, as of then."""
        market, readable = Market(connection), Readable(connection)
        market.tell(*BEGIN, TRADES[0], TRADES[2], closed(2, {"AAPL": "11", "LNT": "12"}))
        asked(readable)
        for told in (closed(3, {"AAPL": "11"}), bought("b", "70")):
            market.tell(told)
            assert asked(readable) == ranked(readable)
            assert any(each.held_since for each in asked(readable))

    def test_is_forgotten_where_it_is_too_much(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is kept has a bound."""
        monkeypatch.setattr(remembered._KEPT, "room", 3)
        market, readable = Market(connection), Readable(connection)
        market.tell(*BEGIN, *TRADES[:3], closed(2, {"AAPL": "11", "LNT": "12"}))

        assert asked(readable) == ranked(readable) == asked(readable)
        assert asked(readable) is not asked(readable)
        monkeypatch.setattr(remembered._KEPT, "room", 4)
        assert asked(readable) is asked(readable)


def test_a_proof_stands_among_the_ranks_of_its_position(connection: Connection) -> None:
    """Its own rank, and those of the others, after a late trade too."""
    market, readable = Market(connection), Readable(connection)
    market.tell(*BEGIN, *TRADES[:3], closed(2, {"AAPL": "11", "LNT": "12"}))
    for told in (bought("d", "80"), corrected(2, "AAPL", "9")):
        market.tell(told)
        found = proof_of(readable, tenant=ACME, contest=CUP, participant="d").row

        assert found is not None
        assert found.others == ranked(readable)
        assert found.rank in found.others
        assert found.track is not None
        assert found.track.participant == "d"
