"""Ranks of what `performance` tells, of one snapshot: each reason, and each flag."""

from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from domain.contests.terms import Metric
from projections.asking import Readable
from tests.projections.leaderboard.contests import (
    announced,
    bought,
    disqualified,
    entered,
    funded,
    ranked,
    shown,
    withdrawn,
)
from tests.projections.performance.acting import declared, spin_off, spun_off, taken_back
from tests.projections.performance.followed import Market
from tests.projections.performance.telling import closed, corrected, day, flow, trade, unbooked

Connection = psycopg.Connection[Any]


class TestRanks:
    """Each as the tables tell it at one position."""

    def test_are_of_the_returns_of_the_window(self, connection: Connection) -> None:
        """What was before it counts for nothing: a doubled on day 1, and b wins."""
        market = Market(connection)
        market.tell(
            *funded("a", "b"), bought("a", "100", 1), closed(1, {"AAPL": "20"}), announced(),
            entered("p-a"), entered("p-b"), bought("b", "50"), closed(2, {"AAPL": "20"}),
        )  # fmt: skip

        assert shown(ranked(Readable(connection))) == ["1 b 0.5", "2 a 0"]

    def test_of_an_earlier_session_are_told_too(self, connection: Connection) -> None:
        """Up to any session, as known now."""
        market = Market(connection)
        market.tell(
            *funded("a", "b"), announced(), entered("p-a"), entered("p-b"), bought("a", "50"),
            closed(2, {"AAPL": "11"}), bought("b", "100", 3), closed(3, {"AAPL": "12"}),
        )  # fmt: skip

        assert shown(ranked(Readable(connection), day(2))) == ["1 a 0.05", "2 b 0"]
        assert shown(ranked(Readable(connection))) == ["1 b 0.2", "2 a 0.1"]

    def test_need_marks_for_everything(self, connection: Connection) -> None:
        """B's other name has only its own trade for a price: the rank of the day before stays."""
        market = Market(connection)
        market.tell(
            *funded("a", "b"), announced(), entered("p-a"), entered("p-b"), bought("b", "50"),
            closed(2, {"AAPL": "11"}), bought("b", "1", 3, instrument="LNT"),
            closed(3, {"AAPL": "11"}),
        )  # fmt: skip
        found = ranked(Readable(connection))

        assert shown(found) == ["1 a 0", "1 b 0.05 held"]
        assert (found[1].reason, found[1].held_since) == ("priced_by_trade", day(2))

    def test_a_stale_price_holds_back(self, connection: Connection) -> None:
        """No close of AAPL on day 3."""
        market = Market(connection)
        market.tell(
            *funded("a"), announced(), entered("p-a"), bought("a", "50"),
            closed(2, {"AAPL": "11"}), closed(3),
        )  # fmt: skip
        (found,) = ranked(Readable(connection))

        assert (found.rank, found.held_since, found.reason) == (1, day(2), "price_stale")

    def test_are_of_no_price_of_an_own_trade_between_two_marks(
        self, connection: Connection
    ) -> None:
        """Half of b on day 3 as its own trade tells; by marks it never fell."""
        market = Market(connection)
        market.tell(
            *funded("a", "b"), announced(metric=Metric.DRAWDOWN), entered("p-a"), entered("p-b"),
            bought("a", "10"), closed(2, {"AAPL": "10"}), bought("b", "50", 3, instrument="LNT"),
            trade("LNT", "1", "1", 3, portfolio="p-b"), closed(3, {"AAPL": "9"}),
            closed(4, {"AAPL": "9", "LNT": "10"}),
        )  # fmt: skip
        first, second = ranked(Readable(connection))

        assert shown([first, second]) == ["1 b 0", "2 a -0.01"]
        assert (first.days, second.days) == (2, 3)

    def test_are_of_no_start_that_an_own_trade_prices(self, connection: Connection) -> None:
        """Bought at half of what it is marked at once the contest has begun."""
        market = Market(connection)
        market.tell(
            *funded("a", "b"), announced(), entered("p-a"), entered("p-b"),
            bought("b", "50", 1, instrument="LNT"), closed(1), closed(2, {"LNT": "20"}),
        )  # fmt: skip

        assert shown(ranked(Readable(connection))) == ["1 a 0", "- b start_incomplete"]

    def test_end_with_whoever_leaves(self, connection: Connection) -> None:
        """By their own will, or not."""
        market = Market(connection)
        market.tell(
            *funded("a", "b", "c"), announced(), entered("p-a"), entered("p-b"), entered("p-c"),
            closed(2), withdrawn("a"), disqualified("b"),
        )  # fmt: skip

        expected = ["1 c 0", "- a withdrawn", "- b disqualified"]
        assert shown(ranked(Readable(connection))) == expected

    def test_count_trades_that_stand(self, connection: Connection) -> None:
        """A busted one is none; what is not of the universe takes the rank."""
        market = Market(connection)
        first, cheat = bought("a", "10"), bought("b", "10", 3, instrument="LNT")
        market.tell(
            *funded("a", "b"), announced(trades=1, universe=("AAPL",)), entered("p-a"),
            entered("p-b"), first, bought("b", "10"), closed(2, {"AAPL": "10"}), cheat,
            closed(3, {"AAPL": "10", "LNT": "10"}),
        )  # fmt: skip
        assert shown(ranked(Readable(connection))) == ["1 a 0", "- b outside_universe"]

        market.tell(unbooked(first))
        found = ["- a too_few_trades", "- b outside_universe"]
        assert shown(ranked(Readable(connection))) == found

    def test_are_of_the_universe_also_in_what_was_held_before(self, connection: Connection) -> None:
        """Bought behind the entry, before the first day: b holds it, c has sold it in time."""
        market = Market(connection)
        market.tell(
            *funded("a", "b", "c"), announced(universe=("AAPL",)), entered("p-a"), entered("p-b"),
            entered("p-c"), bought("b", "10", 1, instrument="LNT"),
            bought("c", "10", 1, instrument="LNT"),
            trade("LNT", "-10", "10", 1, portfolio="p-c"), closed(1, {"LNT": "10"}),
            closed(2, {"LNT": "10"}),
        )  # fmt: skip

        expected = ["1 a 0", "2 c 0", "- b outside_universe"]
        assert shown(ranked(Readable(connection))) == expected

    @pytest.mark.parametrize("ex_day", [1, 3])
    def test_are_of_the_universe_also_in_what_actions_bring(
        self, connection: Connection, ex_day: int
    ) -> None:
        """A spin-off before the window or in it; taken back, it is as if it had never been."""
        market = Market(connection)
        action = spin_off(1, 10, ex_day)
        market.tell(
            *funded("a", "b"), announced(universe=("AAPL",)), entered("p-a"), entered("p-b"),
            bought("a", "50", 0), closed(0, {"AAPL": "10"}), declared(action),
            spun_off(action, quantity="5", portfolio="p-a"),
            *(closed(number, {"AAPL": "10", "MSFT": "9"}) for number in (1, 2, 3)),
        )  # fmt: skip
        assert shown(ranked(Readable(connection))) == ["1 b 0", "- a outside_universe"]

        market.tell(taken_back(action), spun_off(action, quantity="-5", portfolio="p-a"))
        assert shown(ranked(Readable(connection))) == ["1 a 0", "2 b 0"]

    def test_profit_is_of_equal_capital(self, connection: Connection) -> None:
        """B began with more, c got more later."""
        market = Market(connection)
        market.tell(
            *funded("a", "c"), *funded("b", cash="1001"),
            announced(metric=Metric.PNL, capital="1000"),
            entered("p-a"), entered("p-b"), entered("p-c"), bought("a", "50"), closed(1),
            closed(2, {"AAPL": "11"}), flow("1", 3, portfolio="p-c"), closed(3, {"AAPL": "12"}),
        )  # fmt: skip

        assert shown(ranked(Readable(connection))) == [
            "1 a 100", "- b capital_unequal", "- c capital_moved",
        ]  # fmt: skip

    def test_change_with_what_is_corrected(self, connection: Connection) -> None:
        """A wrong close made a the winner."""
        market = Market(connection)
        market.tell(
            *funded("a", "b"), announced(), entered("p-a"), entered("p-b"), bought("a", "50"),
            closed(2, {"AAPL": "20"}), corrected(2, "AAPL", "9"),
        )  # fmt: skip

        assert shown(ranked(Readable(connection))) == ["1 b 0", "2 a -0.05"]

    def test_have_no_entrant_of_another_tenant(self, connection: Connection) -> None:
        """Whose contest has the same name, and so has a portfolio."""
        market = Market(connection)
        _, foreign = entered("p-x")
        market.tell(
            *funded("a"), *funded("a", "x", tenant="globex"), announced(),
            announced(tenant="globex"), ("globex", replace(foreign)), entered("p-a"), closed(2),
        )  # fmt: skip

        assert shown(ranked(Readable(connection))) == ["1 a 0"]
