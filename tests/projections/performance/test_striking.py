"""Valuing sessions as they close: NAV, its status, prices and returns (conventions 5 and 11)."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg

from tests.projections.performance.telling import (
    FRANKFURT,
    GLOBEX,
    at,
    closed,
    day,
    decoded,
    flow,
    folded,
    marked,
    opened,
    trade,
)

Connection = psycopg.Connection[Any]


class TestClosingASession:
    """A session closed: a row is struck for every portfolio that has begun."""

    def test_values_cash_and_positions_at_the_close(self, connection: Connection) -> None:
        """NAV is cash and quantity x close; what is struck is what is known."""
        tables = folded(
            connection,
            opened(),
            flow("1000", 1),
            trade("AAPL", "10", "20", 1, fee="1"),
            closed(1, {"AAPL": "21"}),
        )

        assert tables.days("session, nav, nav_status, struck_nav, struck_position") == [
            (day(1), Decimal(1009), "complete", Decimal(1009), 4)
        ]

    def test_leaves_out_a_portfolio_without_a_fact(self, connection: Connection) -> None:
        """Rows begin with the session of the first flow or trade."""
        tables = folded(connection, opened(), closed(1), flow("5", 2), closed(2), closed(3))

        assert tables.days("session, nav") == [(day(2), Decimal(5)), (day(3), Decimal(5))]

    def test_leaves_out_facts_of_later_sessions(self, connection: Connection) -> None:
        """A trade already in the log, dated tomorrow, is not in today's NAV."""
        tables = folded(
            connection,
            opened(),
            flow("100", 1),
            trade("AAPL", "1", "50", 2),
            closed(1, {"AAPL": "60"}),
            closed(2, {"AAPL": "60"}),
        )

        assert tables.days("nav") == [(Decimal(100),), (Decimal(110),)]

    def test_takes_a_trade_of_a_day_without_session_to_the_next(
        self, connection: Connection
    ) -> None:
        """A trade date between two sessions belongs to the later one, whatever its hour."""
        tables = folded(
            connection,
            opened(),
            flow("100", 1),
            closed(1),
            trade("AAPL", "1", "50", 2, moment=at(1, 15)),
            closed(3, {"AAPL": "60"}),
        )

        assert tables.days("session, nav") == [(day(1), Decimal(100)), (day(3), Decimal(110))]

    def test_takes_a_flow_at_its_end_to_the_next_session(self, connection: Connection) -> None:
        """A session is [starts_at, ends_at): a microsecond before is inside, the end is not."""
        tables = folded(
            connection,
            opened(),
            flow("1", moment=at(1, 20, 59)),
            flow("2", moment=at(1, 21)),
            closed(1),
            closed(2),
        )

        assert tables.days("nav") == [(Decimal(1),), (Decimal(3),)]

    def test_values_only_portfolios_of_its_calendar(self, connection: Connection) -> None:
        """Another market's close strikes nothing here."""
        tables = folded(
            connection,
            opened(),
            opened("german", calendar=FRANKFURT),
            flow("1", 1),
            flow("2", 1, portfolio="german"),
            closed(1, calendar=FRANKFURT, ends_at=at(1, 16)),
        )

        assert tables.days("nav") == []
        assert tables.days("nav", "german") == [(Decimal(2),)]

    def test_keeps_tenants_apart(self, connection: Connection) -> None:
        """Two tenants' portfolios of one name are two portfolios."""
        tables = folded(
            connection,
            opened(),
            opened(tenant=GLOBEX),
            flow("1", 1),
            flow("2", 1, tenant=GLOBEX),
            closed(1),
        )

        assert tables.days("tenant, nav") == [("acme", Decimal(1)), ("globex", Decimal(2))]


class TestMomentsAtTheEndsOfTime:
    """What no calendar will ever reach must not stop the model, nor a restart of it."""

    def test_wait_for_ever_or_stand_first(self, connection: Connection) -> None:
        """An offset moves the year 9999 out of range, and the year 1."""
        east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
        tables = folded(
            connection,
            opened(),
            flow("1", moment=datetime.max.replace(tzinfo=west)),
            flow("2", moment=datetime.min.replace(tzinfo=east)),
            trade("AAPL", "1", "10", 1, moment=datetime.max.replace(tzinfo=west)),
            marked(datetime.min.replace(tzinfo=east), {"AAPL": "11"}),
            closed(1),
        )
        tables.restart()
        tables.take([each._replace(position=7) for each in decoded([flow("1", 1)])])

        assert tables.days("nav") == [(Decimal(4),)]


class TestPricing:
    """The price in force: last mark, else own last trade, else none."""

    def test_takes_the_last_mark_up_to_the_close(self, connection: Connection) -> None:
        """A mark after the close, though logged before it, waits for the next session."""
        tables = folded(
            connection,
            opened(),
            trade("AAPL", "1", "10", 1),
            marked(at(1, 20), {"AAPL": "11"}),
            marked(at(1, 21, 1), {"AAPL": "12"}),
            closed(1),
            closed(2),
        )

        assert tables.days("nav") == [(Decimal(1),), (Decimal(2),)]

    def test_takes_the_later_of_two_marks_with_one_time(self, connection: Connection) -> None:
        """At one business time the later log position wins."""
        tables = folded(
            connection,
            opened(),
            trade("AAPL", "1", "10", 1),
            marked(at(1, 20), {"AAPL": "11"}),
            marked(at(1, 20), {"AAPL": "12"}),
            closed(1),
        )

        assert tables.days("nav") == [(Decimal(2),)]

    def test_lists_a_mark_of_an_earlier_session_as_stale(self, connection: Connection) -> None:
        """Before the session's start a mark is stale, from the start on it is fresh."""
        tables = folded(
            connection,
            opened(),
            trade("AAPL", "1", "10", 1),
            trade("MSFT", "1", "10", 1),
            closed(1, {"AAPL": "10", "MSFT": "10"}),
            marked(at(2, 14, 29), {"AAPL": "11"}),
            marked(at(2, 14, 30), {"MSFT": "11"}),
            closed(2),
        )

        assert tables.days("nav, stale") == [(Decimal(0), []), (Decimal(2), ["AAPL"])]

    def test_falls_back_to_the_last_trade_in_book_order(self, connection: Connection) -> None:
        """Without a mark the own last executed price counts, named as such, and grows stale."""
        tables = folded(
            connection,
            opened(),
            trade("AAPL", "1", "12", 1, moment=at(1, 16)),
            trade("AAPL", "1", "11", 1, moment=at(1, 15)),
            closed(1),
            closed(2),
        )

        assert tables.days("nav, priced_by_trade, stale") == [
            (Decimal(1), ["AAPL"], []),
            (Decimal(1), ["AAPL"], ["AAPL"]),
        ]

    def test_takes_the_newest_of_several_days_trades(self, connection: Connection) -> None:
        """A price remembered from one close gives way to a trade before the next."""
        tables = folded(
            connection,
            opened(),
            trade("AAPL", "1", "10", 1),
            closed(1),
            trade("AAPL", "1", "12", 2),
            closed(2),
        )

        assert tables.days("nav, stale") == [(Decimal(0), []), (Decimal(2), [])]

    def test_needs_no_price_for_a_position_that_is_closed(self, connection: Connection) -> None:
        """Quantity zero is worth nothing at any price."""
        tables = folded(
            connection,
            opened(),
            trade("AAPL", "1", "10", 1),
            trade("AAPL", "-1", "12", 1),
            closed(1),
        )

        assert tables.days("nav, priced_by_trade") == [(Decimal(2), [])]


class TestForeignCurrency:
    """Cash and positions in another currency take the rate in force."""

    def test_converts_at_a_direct_rate_exactly(self, connection: Connection) -> None:
        """EUR/USD is units of USD for one EUR."""
        tables = folded(
            connection,
            opened(),
            marked(at(1), {"EUR/USD": "1.1234"}),
            flow("100", 1, currency="EUR"),
            trade("SAP", "2", "10", 1, currency="EUR"),
            closed(1, {"SAP": "11"}),
        )

        assert tables.days("nav, nav_status") == [(Decimal("114.5868"), "complete")]

    def test_divides_by_an_inverse_rate(self, connection: Connection) -> None:
        """A rate the other way round is divided into one, rounded half-even to 18 decimals."""
        tables = folded(
            connection,
            opened(),
            marked(at(1), {"USD/EUR": "0.9"}),
            flow("1", 1, currency="EUR"),
            closed(1),
        )

        assert tables.days("nav") == [(Decimal("1.111111111111111111"),)]

    def test_crosses_through_the_euro(self, connection: Connection) -> None:
        """Pounds in a dollar portfolio take the cross of what ECB publishes."""
        tables = folded(
            connection,
            opened(),
            marked(at(1), {"EUR/USD": "1.2", "EUR/GBP": "0.75"}),
            flow("10", 1, currency="GBP"),
            closed(1),
        )

        assert tables.days("nav, stale") == [(Decimal(16), [])]

    def test_takes_the_newer_of_both_directions(self, connection: Connection) -> None:
        """The newest rate counts, and of two with one time the direct one."""
        tables = folded(
            connection,
            opened(),
            flow("1", 1, currency="EUR"),
            marked(at(1), {"EUR/USD": "2"}),
            marked(at(1, 13), {"USD/EUR": "0.25"}),
            closed(1),
            marked(at(2), {"USD/EUR": "0.25", "EUR/USD": "5"}),
            closed(2),
        )

        assert tables.days("nav") == [(Decimal(4),), (Decimal(5),)]

    def test_is_incomplete_without_a_rate(self, connection: Connection) -> None:
        """NAV is null, the priced part and the missing rate are shown; cash of zero needs none."""
        tables = folded(
            connection,
            opened(),
            flow("7", 1),
            flow("1", 1, currency="EUR"),
            flow("1", 1, currency="CHF"),
            flow("-1", 1, currency="CHF"),
            closed(1),
        )

        assert tables.days("nav, nav_status, priced, unpriced, return_reason") == [
            (None, "incomplete", Decimal(7), ["FX:EUR/USD"], "nav_incomplete")
        ]

    def test_lists_a_rate_older_than_four_days_as_stale(self, connection: Connection) -> None:
        """Four days after its time a rate is fresh, five days after it is stale."""
        tables = folded(
            connection,
            opened(),
            flow("1", 1, currency="EUR"),
            marked(at(1, 21), {"EUR/USD": "2"}),
            closed(5),
            closed(6),
        )

        assert tables.days("stale") == [([],), (["FX:EUR/USD"],)]
