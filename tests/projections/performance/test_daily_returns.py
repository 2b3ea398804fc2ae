"""Daily returns of struck rows: methods, gaps and where there is none (convention 11)."""

from decimal import Decimal
from typing import Any

import psycopg

from tests.projections.performance.telling import (
    at,
    closed,
    day,
    flow,
    folded,
    marked,
    opened,
    trade,
)

Connection = psycopg.Connection[Any]


class TestReturns:
    """Daily returns of rows: methods, gaps and the places where there is none."""

    def test_takes_a_flow_without_time_in_at_start_and_out_at_end(
        self, connection: Connection
    ) -> None:
        """100 in on 100, up 10 in all: 5 %; then 21 out of 210 that became 231: 10 %."""
        tables = folded(
            connection,
            opened(),
            flow("100", 1),
            closed(1),
            trade("AAPL", "10", "10", 2),
            flow("100", 2),
            closed(2, {"AAPL": "11"}),
            trade("AAPL", "-10", "13.1", 3),
            flow("-21", 3),
            closed(3),
        )

        assert tables.days("nav, flows, daily_return, return_method, return_from") == [
            (Decimal(100), Decimal(100), Decimal(0), "daily_in_start_out_end", None),
            (Decimal(210), Decimal(100), Decimal("0.05"), "daily_in_start_out_end", day(1)),
            (Decimal(210), Decimal(-21), Decimal("0.1"), "daily_in_start_out_end", day(2)),
        ]

    def test_values_just_before_a_flow_with_a_time(self, connection: Connection) -> None:
        """Up 10 % before 110 come in at noon, down 5 % of all behind it: 1.1 x 0.95 - 1."""
        tables = folded(
            connection,
            opened(),
            flow("100", 1),
            trade("AAPL", "10", "10", 1),
            closed(1, {"AAPL": "10"}),
            marked(at(2, 11), {"AAPL": "11"}),
            flow("110", moment=at(2, 12)),
            trade("AAPL", "10", "11", 2, moment=at(2, 12)),
            closed(2, {"AAPL": "10.45"}),
        )

        assert tables.days("daily_return, return_method")[1] == (Decimal("0.045"), "true")

    def test_counts_trades_before_the_flow_and_dated_trades_behind_it(
        self, connection: Connection
    ) -> None:
        """A purchase at 11:59 has its gain before the flow, one without a time behind it."""
        story = (
            opened(),
            flow("100", 1),
            closed(1),
            marked(at(2, 11), {"AAPL": "20"}),
            flow("100", moment=at(2, 12)),
        )
        early = trade("AAPL", "10", "10", 2, moment=at(2, 11, 59))
        same_moment = trade("AAPL", "10", "10", 2, moment=at(2, 12))
        dated = trade("AAPL", "10", "10", 2)

        before, beside, behind = (
            folded(connection, *story, each, closed(2)).days("daily_return")[1]
            for each in (early, same_moment, dated)
        )

        assert before == (Decimal(1),)
        assert beside == behind == (Decimal("0.5"),)

    def test_spans_a_gap_with_one_return(self, connection: Connection) -> None:
        """An incomplete day has none; the next complete day's covers both, flows in at start."""
        tables = folded(
            connection,
            opened(),
            flow("100", 1),
            closed(1),
            flow("50", 2, currency="EUR"),
            closed(2),
            marked(at(3), {"EUR/USD": "2"}),
            trade("AAPL", "10", "10", 3),
            closed(3, {"AAPL": "12"}),
        )

        assert tables.days("nav, daily_return, return_reason, return_from") == [
            (Decimal(100), Decimal(0), None, None),
            (None, None, "nav_incomplete", day(1)),
            (Decimal(220), Decimal("0.1"), None, day(1)),
        ]

    def test_has_none_from_a_start_that_is_not_positive(self, connection: Connection) -> None:
        """Bought on credit: undefined while the start is 0, then the chain restarts."""
        tables = folded(
            connection,
            opened(),
            trade("AAPL", "1", "10", 1),
            closed(1, {"AAPL": "11"}),
            closed(2, {"AAPL": "12"}),
        )

        assert tables.days("daily_return, return_reason") == [
            (None, "start_value_not_positive"),
            (Decimal(1), None),
        ]

    def test_is_zero_while_emptied_and_a_total_loss_is_minus_one(
        self, connection: Connection
    ) -> None:
        """Holding nothing after a withdrawal loses nothing; losing everything is -100 %."""
        tables = folded(
            connection,
            opened(),
            flow("100", 1),
            flow("-100", 1),
            closed(1),
            closed(2),
            flow("10", 3),
            trade("AAPL", "1", "10", 3),
            closed(3, {"AAPL": "0"}),
            closed(4),
        )

        assert tables.days("daily_return, return_reason, is_emptied") == [
            (Decimal(0), None, True),
            (Decimal(0), None, True),
            (Decimal(-1), None, False),
            (None, "start_value_not_positive", False),
        ]

    def test_has_none_where_a_flow_had_no_rate(self, connection: Connection) -> None:
        """Foreign cash in and out again within the day leaves a NAV but no return."""
        tables = folded(
            connection,
            opened(),
            flow("100", 1),
            closed(1),
            flow("1", 2, currency="CHF"),
            flow("-1", 2, currency="CHF"),
            closed(2),
            closed(3),
        )

        assert tables.days("nav, flows, daily_return, return_reason")[1:] == [
            (Decimal(100), None, None, "flow_without_rate"),
            (Decimal(100), Decimal(0), Decimal(0), None),
        ]
