"""Questions about what was struck: strikes, their ranks, a participant's history, a proof."""

from datetime import date
from typing import Any

import psycopg

from projections.asking import Readable
from projections.leaderboard.queries import history_of, proof_of, strikes_of, struck_ranks
from tests.projections.leaderboard.contests import (
    CUP,
    announced,
    bought,
    disqualified,
    entered,
    funded,
    shown,
)
from tests.projections.leaderboard.test_striking import due, strike
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import ACME, closed, corrected, day

Connection = psycopg.Connection[Any]
OWNER = {"tenant": ACME, "contest": CUP}


def story(connection: Connection) -> Market:
    """Three sessions and a disqualification, all struck: a won, then b did."""
    market = Market(connection)
    market.tell(
        *funded("a", "b"), closed(1), announced(), entered("p-a"), entered("p-b"),
        bought("a", "50"),
    )  # fmt: skip
    market.tell(*(closed(number, {"AAPL": "11"}) for number in (2, 3, 4)))
    strike(market, due(connection))
    market.tell(disqualified("a"))
    strike(market, due(connection))
    return market


class TestWhatWasStruck:
    """Page by page, of one's own tenant."""

    def test_is_listed_with_its_editions(self, connection: Connection) -> None:
        """One at a time or all at once."""
        story(connection)
        found, cursor = [], None
        while True:
            page = strikes_of(Readable(connection), **OWNER, cursor=cursor, limit=1)
            found += page.rows
            cursor = page.next_cursor
            if cursor is None:
                break

        assert [(each.session, each.edition, each.reason) for each in found] == [
            (day(2), 0, None), (day(3), 0, None), (day(4), 1, None),
            (day(4), 2, "entrant_disqualified"),
        ]  # fmt: skip
        foreign = {"tenant": "globex", "contest": CUP}
        assert strikes_of(Readable(connection), **foreign, cursor=None, limit=9).rows == []

    def test_keeps_each_edition_beside_the_others(self, connection: Connection) -> None:
        """In the order of the ranks."""
        story(connection)
        editions = [
            struck_ranks(
                Readable(connection), tenant=ACME, contest=CUP, session=day(4), edition=edition
            )
            for edition in (1, 2)
        ]

        assert [shown([rank for _, rank in page.rows]) for page in editions] == [
            ["1 a 0.05", "2 b 0"], ["1 b 0", "- a disqualified"],
        ]  # fmt: skip

    def test_is_a_participants_history(self, connection: Connection) -> None:
        """Session by session."""
        story(connection)
        page = history_of(Readable(connection), **OWNER, participant="b", cursor=None, limit=3)
        rest = history_of(
            Readable(connection), **OWNER, participant="b", cursor=page.next_cursor, limit=3
        )

        assert [(each.session, each.edition, each.rank.rank) for each in page.rows] == [
            (day(2), 0, 2), (day(3), 0, 2), (day(4), 1, 2),
        ]  # fmt: skip
        assert [(each.edition, each.rank.rank) for each in rest.rows] == [(2, 1)]


class TestAProof:
    """The inputs of a rank as of a position, unless they were changed since."""

    def test_is_of_the_session_that_had_closed(self, connection: Connection) -> None:
        """Before any had, there is no rank; what was corrected later is said to be changed."""
        market = Market(connection)
        market.tell(
            *funded("a", "b"), announced(), entered("p-a"), entered("p-b"), bought("a", "50"),
            closed(2, {"AAPL": "11"}), closed(3, {"AAPL": "12"}),
        )  # fmt: skip

        def proof(position: int) -> tuple[date | None, int | None, int]:
            row = proof_of(Readable(connection), **OWNER, participant="a", position=position).row
            assert row is not None
            return row.session, None if row.rank is None else row.rank.rank, row.changed

        assert [proof(8), proof(9), proof(10)] == [
            (None, None, 0), (day(2), 1, 0), (day(3), 1, 0),
        ]  # fmt: skip
        market.tell(corrected(3, "AAPL", "9"))
        assert [proof(9), proof(10), proof(11)] == [(day(2), 1, 0), (day(3), 2, 1), (day(3), 2, 0)]
