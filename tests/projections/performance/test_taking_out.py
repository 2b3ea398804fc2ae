"""Taking booked trades out again: busts and amends of what was valued (convention 6)."""

from decimal import Decimal
from typing import Any

import psycopg

from domain.portfolio.events import Reason
from tests.projections.performance.telling import (
    Folded,
    at,
    closed,
    day,
    decoded,
    flow,
    folded,
    opened,
    trade,
    unbooked,
)

Connection = psycopg.Connection[Any]

RESTATED = "session, nav, struck_nav, restated_position, restated_reason"


class TestATradeTakenOut:
    """A booked trade that never was, or was another."""

    def test_behind_its_session_restates_from_its_day_on(self, connection: Connection) -> None:
        """What was struck stays; what is known is as if it had never been."""
        bought = trade("AAPL", "10", "10", 2)
        tables = folded(
            connection,
            opened(),
            flow("200", 1),
            closed(1),
            bought,
            closed(2, {"AAPL": "11"}),
            closed(3, {"AAPL": "12"}),
            unbooked(bought),
        )

        assert tables.days(RESTATED) == [
            (day(1), Decimal(200), Decimal(200), None, None),
            (day(2), Decimal(200), Decimal(210), 7, "busted_trade"),
            (day(3), Decimal(200), Decimal(220), 7, "busted_trade"),
        ]

    def test_and_booked_anew_is_amended(self, connection: Connection) -> None:
        """10 at 10 were 5 at 9: both bookings are one restatement's cause, also after a restart."""
        bought = trade("AAPL", "10", "10", 1, name="a")
        told = decoded(
            [
                opened(),
                bought,
                closed(1, {"AAPL": "11"}),
                unbooked(bought, Reason.AMENDED),
                trade("AAPL", "5", "9", 1, name="a"),
                trade("AAPL", "1", "11", 1, name="b"),
                closed(2, {"AAPL": "11"}),
            ]
        )
        tables = Folded(connection)
        tables.take(told[:4])
        tables.restart()
        tables.take(told[4:5])

        assert tables.days(RESTATED) == [(day(1), Decimal(10), Decimal(10), 5, "amended_trade")]

        tables.take(told[5:])

        assert tables.days("nav, restated_reason") == [
            (Decimal(10), "late_trade"),
            (Decimal(10), None),
        ]

    def test_of_an_open_session_is_never_seen(self, connection: Connection) -> None:
        """It waited, alone: no day is struck for it, and nothing is restated."""
        bought = trade("AAPL", "10", "10", 1)
        tables = folded(connection, opened(), bought, unbooked(bought), closed(1), closed(2))

        assert tables.days(RESTATED) == []

    def test_gives_its_place_as_last_price_back(self, connection: Connection) -> None:
        """Unmarked: the fill before it prices the position again."""
        later = trade("AAPL", "1", "12", 1, moment=at(1, 16), name="b")
        tables = folded(
            connection,
            opened(),
            trade("AAPL", "1", "10", 1, moment=at(1, 15), name="a"),
            later,
            closed(1),
            closed(2),
            unbooked(later),
            closed(3),
        )

        assert tables.days("nav, priced_by_trade") == [(Decimal(0), ["AAPL"])] * 3

    def test_before_all_others_leaves_days_on_which_nothing_was(
        self, connection: Connection
    ) -> None:
        """The chain of returns begins with the first fact that holds."""
        bought = trade("AAPL", "1", "10", 1)
        tables = folded(
            connection,
            opened(),
            bought,
            closed(1, {"AAPL": "11"}),
            flow("5", 2),
            closed(2),
            unbooked(bought),
        )

        assert tables.days(RESTATED) == [
            (day(1), Decimal(0), Decimal(1), 6, "busted_trade"),
            (day(2), Decimal(5), Decimal(6), 6, "busted_trade"),
        ]
        assert tables.days("daily_return, return_from") == [(0, None), (0, None)]
