"""Write-downs: a price from their moment on that no session makes stale (convention 5)."""

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
    written_down,
)

Connection = psycopg.Connection[Any]

VALUED = "session, nav, stale"
RESTATED = "session, nav, struck_nav, restated_position, restated_reason"
HELD = (opened(), flow("1000", 1), trade("SIVB", "10", "100", 1), closed(1, {"SIVB": "100"}))


class TestWritingDown:
    """10 shares last closed at 100, suspended since."""

    def test_prices_the_sessions_from_its_moment_on(self, connection: Connection) -> None:
        """Day 2 keeps the last close, stale; from day 3 on it is 0.5, and not stale."""
        told = (*HELD, closed(2), written_down("SIVB", "0.5", at(3)), closed(3), closed(4))

        tables = folded(connection, *told)

        assert tables.days(VALUED) == [
            (day(1), Decimal(1000), []),
            (day(2), Decimal(1000), ["SIVB"]),
            (day(3), Decimal(5), []),
            (day(4), Decimal(5), []),
        ]

    def test_restates_closed_sessions_like_a_late_mark(self, connection: Connection) -> None:
        """Told on day 4 as of day 2: what was struck stays beside what is known."""
        told = (*HELD, closed(2), closed(3), written_down("SIVB", "0.5", at(2)))

        tables = folded(connection, *told)

        assert tables.days(RESTATED) == [
            (day(1), Decimal(1000), Decimal(1000), None, None),
            (day(2), Decimal(5), Decimal(1000), 7, "late_write_down"),
            (day(3), Decimal(5), Decimal(1000), 7, "late_write_down"),
        ]

    def test_lasts_until_the_next_mark(self, connection: Connection) -> None:
        """Traded again at 2, which grows stale as any mark does."""
        told = (*HELD, written_down("SIVB", "0.5", at(2)), closed(2),
                marked(at(3), {"SIVB": "2"}), closed(3), closed(4))  # fmt: skip

        tables = folded(connection, *told)

        assert tables.days(VALUED)[1:] == [
            (day(2), Decimal(5), []),
            (day(3), Decimal(20), ["SIVB"]),
            (day(4), Decimal(20), ["SIVB"]),
        ]
