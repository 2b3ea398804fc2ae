"""The demo's market: one seed, one path of prices."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

from simulation.demo_market import (
    BY_NAME,
    EURO_RATE,
    INSTRUMENTS,
    DemoMarket,
    DemoSession,
    market_marks,
    sessions_before,
)
from simulation.demo_portfolios import TENANTS, demo_portfolios

MONDAY = date(2026, 3, 2)


class TestWalking:
    """Prices are drawn from the seed, step by step."""

    def test_is_the_same_for_the_same_seed(self) -> None:
        """Sessions and ticks alike."""
        one, other = DemoMarket(1), DemoMarket(1)

        assert list(one.sessions(5)) == list(other.sessions(5))
        assert [one.tick() for _ in range(50)] == [other.tick() for _ in range(50)]

    def test_is_another_for_another_seed(self) -> None:
        """The seed is what makes the difference."""
        assert DemoMarket(1).tick() != DemoMarket(2).tick()

    def test_prices_are_above_zero_and_of_their_places(self) -> None:
        """Two decimals for equities, four for coins and rates; never zero."""
        market = DemoMarket(9)
        for prices in market.sessions(2_000):
            assert all(price > 0 for price in prices.values())
        for name, price in prices.items():
            places = 4 if name == EURO_RATE else BY_NAME[name].places
            assert -price.as_tuple().exponent == places  # type: ignore[operator]

    def test_moves_no_close_far_from_the_previous(self) -> None:
        """No demo session is suspect: -40 % in a day would be ten deviations."""
        before = DemoMarket(4).prices
        for prices in DemoMarket(4).sessions(500):
            assert all(
                Decimal("0.6") < prices[name] / before[name] < Decimal("1.6") for name in prices
            )
            before = prices


class TestSessions:
    """UTC days that end with yesterday."""

    def test_end_where_the_next_begins(self) -> None:
        """Without gap, the last one at today's midnight."""
        sessions = sessions_before(MONDAY, 3)

        assert [each.day.day for each in sessions] == [27, 28, 1]
        for earlier, later in pairwise(sessions):
            assert earlier.ends_at == later.starts_at
        assert sessions[-1].ends_at == datetime(2026, 3, 2, tzinfo=UTC)

    def test_close_every_instrument(self) -> None:
        """Marks and closes name all twenty, at the prices given."""
        prices = DemoMarket(1).prices

        closing = DemoSession(MONDAY).closing(prices)
        marks = market_marks(prices, datetime(2026, 3, 2, tzinfo=UTC))

        assert len(closing.closes) == len(marks.marks) == len(INSTRUMENTS) == 20
        assert {each.instrument: each.price for each in closing.closes}.items() <= prices.items()


class TestPortfolios:
    """The cast of the demo."""

    def test_are_shared_out_among_tenants_and_desks(self) -> None:
        """Two tenants, four desks, both cost bases, at least one that may go short."""
        portfolios = demo_portfolios(8, trades_per_second=100)

        assert {each.tenant for each in portfolios} == set(TENANTS)
        assert len({each.desk for each in portfolios}) == 4
        assert {each.cost_basis for each in portfolios} == {"FIFO", "AVERAGE"}
        assert any(each.is_levered for each in portfolios)
        assert len({each.name for each in portfolios}) == 8
        assert 80 <= sum(each.style.trades_per_tick for each in portfolios) <= 120
