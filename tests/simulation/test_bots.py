"""Bots: the same seed decides the same, and nothing is refused by accident."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.bots import MISTAKES, Bot, Order, Style
from simulation.demo_market import BY_NAME, DemoMarket

TICKS = 60
CASH = {"USD": Decimal(1_000_000), "EUR": Decimal(200_000)}
SINGLE = Style(trades_per_tick=3, in_batches=False)
LEVERED = Style(trades_per_tick=3, in_batches=True, is_levered=True)

SEEDS = st.integers(0, 2**31)


def decided(seed: int, style: Style, cash: Mapping[str, Decimal] = CASH) -> list[Order]:
    """Let a bot of a seed trade for a minute."""
    market = DemoMarket(seed)
    bot = Bot(portfolio="growth", style=style, seed=seed, cash=cash, holdings={})
    return [order for _ in range(TICKS) for order in bot.decide(market.tick())]


class TestDeciding:
    """A bot's orders follow from its seed, the prices and what it holds."""

    def test_is_the_same_for_the_same_seed(self) -> None:
        """Run again, every order is equal."""
        assert decided(7, SINGLE) == decided(7, SINGLE)

    def test_is_another_for_another_seed(self) -> None:
        """The seed is what makes the difference."""
        assert decided(7, SINGLE) != decided(8, SINGLE)

    @given(seed=SEEDS)
    def test_keeps_cash_and_holdings_at_zero_or_above(self, seed: int) -> None:
        """Booked one by one, no serious order of an unlevered bot oversells or overspends."""
        cash = dict(CASH)
        holdings: dict[str, Decimal] = {}
        for order in decided(seed, SINGLE):
            if order.refusal is not None:
                continue
            assert order.quantity > 0
            assert order.currency == BY_NAME[order.instrument].currency
            cash[order.currency] += order.cash_change
            sign = 1 if order.is_buy else -1
            held = holdings.get(order.instrument, Decimal(0)) + sign * order.quantity
            holdings[order.instrument] = held
            assert cash[order.currency] >= 0, order
            assert held >= 0, order

    @given(seed=SEEDS)
    def test_trades_only_where_it_has_cash(self, seed: int) -> None:
        """Without euros it never proposes a euro instrument seriously."""
        orders = decided(seed, SINGLE, {"USD": Decimal(500_000)})

        assert {order.currency for order in orders} == {"USD"}

    def test_sells_short_only_when_levered(self) -> None:
        """A levered bot holds something below zero after a minute."""
        holdings: dict[str, Decimal] = {}
        for order in decided(3, LEVERED):
            if order.refusal is None:
                sign = 1 if order.is_buy else -1
                held = holdings.get(order.instrument, Decimal(0))
                holdings[order.instrument] = held + sign * order.quantity

        assert min(holdings.values()) < 0

    def test_takes_a_refused_order_back(self) -> None:
        """The books are then as before it."""
        bot = Bot(portfolio="growth", style=SINGLE, seed=1, cash=CASH, holdings={})
        order = Order("ALTA", True, Decimal(2), Decimal(100), "USD", Decimal(1))

        bot.book(order)
        assert bot.cash["USD"] == CASH["USD"] - 201
        bot.take_back(order)

        assert bot.cash == CASH
        assert bot.holdings["ALTA"] == 0


class TestMistakes:
    """Some proposals must be refused, and say by which rule."""

    @pytest.mark.parametrize(
        ("style", "kinds"), [(SINGLE, set(MISTAKES)), (LEVERED, set(MISTAKES[:2]))]
    )
    def test_are_of_every_kind_that_can_be(self, style: Style, kinds: set[str]) -> None:
        """A levered portfolio is refused neither for cash nor for a short sale."""
        refusals = [order.refusal for order in decided(5, style) if order.refusal is not None]

        assert set(refusals) == kinds
        assert len(refusals) == TICKS // style.mistake_every_ticks
