"""Struck ranks: due once a session has closed, the result with the last, editions after it."""

from collections.abc import Callable
from typing import Any

import psycopg
from msgspec.structs import replace

from domain.contests.events import RANKS_PER_EVENT_MAX, ContestEntered, Rank, ResultStruck
from infra.due_ranks import due_ranks
from projections.asking import Readable
from projections.leaderboard.striking import DueRanks, Looked, ranks_due
from tests.projections.leaderboard.contests import (
    announced,
    bought,
    disqualified,
    entered,
    funded,
    shown,
)
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import ACME, closed, corrected, day, opened

Connection = psycopg.Connection[Any]


def due(connection: Connection, limit: int = 100) -> list[DueRanks]:
    """What is due."""
    return ranks_due(Readable(connection), {}, limit=limit).due


class Asked:
    """Stands in for what asks the database: one connection."""

    def __init__(self, connection: Connection) -> None:
        self._readable = Readable(connection)

    def answer(self, question: Callable[[Readable], Looked]) -> Looked:
        """Ask a question."""
        return question(self._readable)


def named(found: list[DueRanks]) -> list[tuple[int, int, str | None]]:
    """Of which day, which edition (0: no result), and why."""
    return [
        (each.struck[0].session.day, each.struck[0].edition, each.struck[0].reason)
        if isinstance(each.struck[0], ResultStruck)
        else (each.struck[0].session.day, 0, None)
        for each in found
    ]


def strike(market: Market, found: list[DueRanks]) -> None:
    """Tell what was due."""
    for each in found:
        market.tell(*((each.tenant, page) for page in each.struck))


def ranks(found: DueRanks) -> list[Rank]:
    """All pages together."""
    return [rank for page in found.struck for rank in page.ranks]


def begun(market: Market) -> None:
    """A contest of days 2 to 4 between a, who bought, and b."""
    market.tell(
        *funded("a", "b"), closed(1), announced(), entered("p-a"), entered("p-b"),
        bought("a", "50"),
    )  # fmt: skip


def ended(market: Market, connection: Connection) -> None:
    """A contest that a won, told."""
    begun(market)
    market.tell(*(closed(number, {"AAPL": "11"}) for number in (2, 3, 4)))
    strike(market, due(connection))


class TestRanksDue:
    """A session is due until the log tells its ranks."""

    def test_are_of_each_session_of_the_window_once(self, connection: Connection) -> None:
        """The last one's are the result; what was told is due no longer."""
        market = Market(connection)
        begun(market)
        assert due(connection) == []

        market.tell(closed(2, {"AAPL": "11"}), closed(3, {"AAPL": "12"}))
        found = due(connection)
        assert named(found) == [(2, 0, None), (3, 0, None)]
        assert shown(ranks(found[0])) == ["1 a 0.05", "2 b 0"]
        strike(market, found[:1])
        assert named(due(connection)) == [(3, 0, None)]

        market.tell(closed(4, {"AAPL": "9"}), closed(5, {"AAPL": "30"}))
        found = due(connection)
        assert named(found) == [(3, 0, None), (4, 1, None)]
        assert shown(ranks(found[1])) == ["1 b 0", "2 a -0.05"]
        strike(market, found)
        assert due(connection) == []

    def test_name_the_position_of_their_inputs(self, connection: Connection) -> None:
        """And what they follow from: the session's end."""
        market = Market(connection)
        begun(market)
        market.tell(closed(2, {"AAPL": "11"}))
        (found,) = due(connection)

        assert (found.tenant, found.cause) == (ACME, 10)
        assert (found.struck[0].position, found.struck[0].market_position) == (10, 10)

    def test_are_not_kept_by_a_contest_that_has_not_begun(self, connection: Connection) -> None:
        """Though that one, of another tenant, is looked at first."""
        market = Market(connection)
        market.tell(announced(8, 9, tenant="aardvark"))
        begun(market)
        market.tell(closed(2, {"AAPL": "11"}))

        assert named(due(connection)) == [(2, 0, None)]

    def test_are_made_of_the_others_where_one_fails(self, connection: Connection) -> None:
        """A row that no code of ours would write: that contest is told once, and passed over."""
        market = Market(connection)
        begun(market)
        market.tell(
            announced(contest="torn", tenant="aardvark"), *funded("x", tenant="aardvark"),
            entered("p-x", contest="torn", tenant="aardvark"), closed(2, {"AAPL": "11"}),
        )  # fmt: skip
        connection.execute(
            "UPDATE performance.contestants SET status = 'gone' WHERE contest = 'torn'"
        )
        found = ranks_due(Readable(connection), {}, limit=9)
        assert named(found.due) == [(2, 0, None)]
        assert [each[:2] for each in found.failed] == [("aardvark", "torn")]
        assert "gone" in found.failed[0].error

        ask_due = due_ranks(Asked(connection))  # type: ignore[arg-type]
        looks = [ask_due({}, 9) for _ in range(2)]
        assert [each and (len(each.due), len(each.failed)) for each in looks] == [(1, 1), (1, 0)]

    def test_end_with_a_session_behind_the_last_one(self, connection: Connection) -> None:
        """Day 4 never closes: the ranks of day 3 are the result, once day 5 has closed."""
        market = Market(connection)
        begun(market)
        market.tell(closed(2, {"AAPL": "11"}), closed(3, {"AAPL": "11"}))
        strike(market, due(connection))
        market.tell(closed(5, {"AAPL": "11"}))

        assert named(due(connection)) == [(3, 1, None)]

    def test_are_parted_into_pages(self, connection: Connection) -> None:
        """More participants than one event holds; nobody is lost, and all is one set."""
        market = Market(connection)
        names = [f"p-{number:03}" for number in range(RANKS_PER_EVENT_MAX + 1)]
        market.tell(
            *(opened(name) for name in names), announced(),
            *((ACME, ContestEntered("cup", name[2:], name)) for name in names), closed(2),
        )  # fmt: skip
        (found,) = due(connection)

        assert [(page.page, page.pages, len(page.ranks)) for page in found.struck] == [
            (1, 2, RANKS_PER_EVENT_MAX), (2, 2, 1),
        ]  # fmt: skip
        strike(market, [found])
        assert due(connection) == []


class TestAnEdition:
    """Beside the result, where something told since gives other ranks."""

    def test_follows_a_corrected_close(self, connection: Connection) -> None:
        """And says why; told once."""
        market = Market(connection)
        ended(market, connection)
        market.tell(corrected(4, "AAPL", "9"))
        (found,) = due(connection)

        assert named([found]) == [(4, 2, "corrected_close")]
        assert shown(ranks(found)) == ["1 b 0", "2 a -0.05"]
        strike(market, [found])
        assert due(connection) == []

    def test_follows_a_start_that_is_priced_later(self, connection: Connection) -> None:
        """The close before the window comes late, at the price of the trade: no other day moves."""
        market = Market(connection)
        market.tell(
            *funded("a"), announced(), entered("p-a"), bought("a", "50", 1), closed(1),
            *(closed(number, {"AAPL": "10"}) for number in (2, 3, 4)),
        )  # fmt: skip
        found = due(connection)
        assert shown(ranks(found[-1])) == ["- a start_incomplete"]
        strike(market, found)
        market.tell(corrected(1, "AAPL", "10"))

        (found_now,) = due(connection)
        assert shown(ranks(found_now)) == ["1 a 0"]

    def test_follows_a_disqualification(self, connection: Connection) -> None:
        """Behind the end, too."""
        market = Market(connection)
        ended(market, connection)
        market.tell(disqualified("a"))
        (found,) = due(connection)

        assert named([found]) == [(4, 2, "entrant_disqualified")]
        assert shown(ranks(found)) == ["1 b 0", "- a disqualified"]

    def test_does_not_follow_what_changes_no_rank(self, connection: Connection) -> None:
        """A correction back and forth, and sessions behind the end; it is not looked at twice."""
        market = Market(connection)
        ended(market, connection)
        market.tell(
            corrected(4, "AAPL", "12"), corrected(4, "AAPL", "11"), closed(5, {"AAPL": "30"})
        )
        looked = ranks_due(Readable(connection), {}, limit=9)

        assert looked.due == []
        assert looked.held == {(ACME, "cup"): looked.position}

    def test_is_of_the_session_of_the_result(self, connection: Connection) -> None:
        """Whatever closed since; the reason is the last thing told that counts."""
        market = Market(connection)
        ended(market, connection)
        market.tell(closed(5, {"AAPL": "30"}), corrected(3, "AAPL", "10"), disqualified("b"))
        (found,) = due(connection)

        assert named([found]) == [(4, 2, "entrant_disqualified")]
        assert found.struck[0].session == day(4)
        assert replace(ranks(found)[0]).participant == "a"
