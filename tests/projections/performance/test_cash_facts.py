"""Fees, interest and exchanges: results of their day, never external flows (conventions 9, 11)."""

from decimal import Decimal
from typing import Any

import psycopg
from msgspec.structs import replace

from tests.projections.performance.telling import (
    Told,
    at,
    closed,
    day,
    exchanged,
    fee,
    flow,
    folded,
    interest,
    marked,
    opened,
    trade,
)
from tests.projections.performance.test_bridging import asked, parts, rated, told

Connection = psycopg.Connection[Any]

FUNDED = (opened(), flow("100", 1), closed(1))


class TestResults:
    """They change the NAV, and the return with it."""

    def test_a_fee_and_interest_are_no_flows(self, connection: Connection) -> None:
        """2 of 100 are charged: -2 %; then 4.90 of 98 received: +5 %."""
        tables = folded(connection, *FUNDED, fee("2", 2), closed(2), interest("4.9", 3), closed(3))

        assert tables.days("nav, flows, daily_return")[1:] == [
            (Decimal(98), Decimal(0), Decimal("-0.02")),
            (Decimal("102.9"), Decimal(0), Decimal("0.05")),
        ]

    def test_an_exchange_gains_what_it_buys_too_cheaply(self, connection: Connection) -> None:
        """50 dollars for 40 euros at 1.50, and 2 euros of fee: +7."""
        rate = marked(at(1, 10), {"EUR/USD": "1.5"})
        exchange = exchanged("50", "40", 2, charged="2")
        tables = folded(connection, rate, *FUNDED, exchange, closed(2))

        assert tables.days("nav, flows, daily_return")[1] == (
            Decimal(107),
            Decimal(0),
            Decimal("0.07"),
        )

    def test_one_beside_a_trade_counts_with_the_trade(self, connection: Connection) -> None:
        """A share bought for 20 euros on day 2, paid with 30 dollars settling on day 4: no gap."""
        rate = marked(at(1, 10), {"EUR/USD": "1.5"})
        tenant, exchange = exchanged("30", "20", 4)
        beside = (tenant, replace(exchange, trade_date=day(2)))
        bought = rated(trade("SAP", "1", "20", 2, currency="EUR"), "1.5")
        story = (rate, *FUNDED, bought, beside, closed(2), closed(3))
        tables = told(connection, story)

        assert tables.days("nav, daily_return")[1:] == [(Decimal(100), Decimal(0))] * 2
        assert parts(asked(connection, 2, 3)) == {}

    def test_one_with_a_time_counts_before_a_later_flow(self, connection: Connection) -> None:
        """10 % are lost at eleven, then 90 come in at noon and nothing happens: -10 %."""
        story = (fee("10", 2, moment=at(2, 11)), flow("90", moment=at(2, 12)), closed(2))

        tables = folded(connection, *FUNDED, *story)

        assert tables.days("nav, flows, daily_return, return_method")[1] == (
            Decimal(180),
            Decimal(90),
            Decimal("-0.1"),
            "true",
        )

    def test_one_at_the_moment_of_a_flow_counts_behind_it(self, connection: Connection) -> None:
        """100 come in at noon, and of 200 then 20 are charged: -10 %."""
        story = (fee("20", 2, moment=at(2, 12)), flow("100", moment=at(2, 12)), closed(2))

        tables = folded(connection, *FUNDED, *story)

        assert tables.days("nav, daily_return")[1] == (Decimal(180), Decimal("-0.1"))


class TestLateOnes:
    """What comes behind a closed session restates it."""

    def test_restate_from_their_day_on(self, connection: Connection) -> None:
        """A fee of day 2 told on day 3: struck stays, and it says why."""
        tables = folded(connection, *FUNDED, closed(2), closed(3), fee("2", 2))

        rows = tables.days("session, struck_nav, nav, restated_position, restated_reason")

        assert rows == [
            (day(1), Decimal(100), Decimal(100), None, None),
            (day(2), Decimal(100), Decimal(98), 6, "late_cash"),
            (day(3), Decimal(100), Decimal(98), 6, "late_cash"),
        ]


class TestTheBridge:
    """Each has its own part."""

    STORY: tuple[Told, ...] = (
        marked(at(1, 10), {"EUR/USD": "1.5"}),
        *FUNDED,
        fee("2", 2),
        interest("-1", 2),
        exchanged("50", "40", 2, charged="2"),
        closed(2),
    )

    def test_tells_them_apart(self, connection: Connection) -> None:
        """40 euros are worth 60 of the 50 dollars they cost."""
        told(connection, self.STORY)

        view = asked(connection, 2, 2)

        assert parts(view) == {
            "management_fees": -2,
            "interest": -1,
            "fx_on_cash": 10,
            "trading_fees": -3,
        }
