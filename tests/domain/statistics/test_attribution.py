"""Attribution: it sums to the active return, as published, and as another way of adding says."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.statistics.attribution import (
    Effects,
    Segments,
    daily_effects,
    linked_contributions,
    linked_effects,
)
from domain.statistics.measured import Floats


def drawn(seed: int, days: int, segments: int) -> tuple[Segments, Segments, Floats]:
    """A portfolio, a benchmark and what the portfolio returned: some segments held by one only."""
    generator = np.random.default_rng(seed)

    def side() -> Segments:
        weights = generator.normal(size=(days, segments))
        returns = generator.normal(0, 0.02, size=(days, segments))
        gone = generator.random(size=(days, segments)) < 0.25
        gone[:, 0] = False
        weights[gone], returns[gone] = 0.0, np.nan
        weights[:, 0] += 1 - weights.sum(axis=1)
        return Segments(weights, returns)

    portfolio, benchmark = side(), side()
    return portfolio, benchmark, portfolio.total() + generator.normal(0, 0.001, days)


def one_by_one(portfolio: Segments, benchmark: Segments) -> list[tuple[float, float, float]]:
    """The first day's effects by the four notional funds of Brinson, in plain sums.

    Per segment: owner's fund, index fund, active allocation fund and active selection fund.
    """
    effects = []
    total = math.fsum(
        weight * returned
        for weight, returned in zip(benchmark.weights[0], benchmark.returns[0], strict=True)
        if not math.isnan(returned)
    )
    for w, r, b, s in zip(
        portfolio.weights[0], portfolio.returns[0], benchmark.weights[0], benchmark.returns[0],
        strict=True,
    ):  # fmt: skip
        own = r if not math.isnan(r) else (s if not math.isnan(s) else 0.0)
        other = s if not math.isnan(s) else own
        owner, index, allocation, selection = w * own, b * other, w * other, b * own
        effects.append((
            allocation - index - (w - b) * total,
            selection - index,
            owner - allocation - selection + index,
        ))  # fmt: skip
    return effects


class TestOneDay:
    """The effects of a day."""

    def test_the_published_example(self) -> None:
        """Bacon, Practical Portfolio Performance Measurement (2nd ed.), tables 5.1 to 5.4.

        UK, Japanese and US equities: 8.3 % over a benchmark of 6.4 %; allocation -1.2 %, selection
        3.0 % and interaction 0.1 % by Brinson and Fachler.
        """
        portfolio = Segments(np.array([[0.4, 0.3, 0.3]]), np.array([[0.20, -0.05, 0.06]]))
        benchmark = Segments(np.array([[0.4, 0.2, 0.4]]), np.array([[0.10, -0.04, 0.08]]))

        found = daily_effects(portfolio, benchmark, np.array([0.083]))

        assert benchmark.total()[0] == pytest.approx(0.064, rel=1e-12)
        assert found.allocation[0] == pytest.approx([0.0, -0.0104, -0.0016], abs=1e-12)
        assert found.selection[0] == pytest.approx([0.04, -0.002, -0.008], abs=1e-12)
        assert found.interaction[0] == pytest.approx([0.0, -0.001, 0.002], abs=1e-12)
        assert found.trading[0] == pytest.approx(0.0, abs=1e-12)
        assert found.total()[0] == pytest.approx(0.019, rel=1e-9)

    @given(st.integers(0, 10_000), st.integers(1, 6))
    def test_sums_to_the_active_return(self, seed: int, segments: int) -> None:
        """Whatever is held by one side only."""
        portfolio, benchmark, returned = drawn(seed, 5, segments)

        found = daily_effects(portfolio, benchmark, returned)

        assert found.total() == pytest.approx(returned - benchmark.total(), rel=1e-9, abs=1e-12)

    @given(st.integers(0, 10_000), st.integers(1, 6))
    def test_is_what_four_notional_funds_say(self, seed: int, segments: int) -> None:
        """Another way to the same effects."""
        portfolio, benchmark, returned = drawn(seed, 1, segments)
        found = daily_effects(portfolio, benchmark, returned)

        for place, effects in enumerate(one_by_one(portfolio, benchmark)):
            ours = (
                found.allocation[0, place],
                found.selection[0, place],
                found.interaction[0, place],
            )
            assert ours == pytest.approx(effects, rel=1e-9, abs=1e-12)


class TestARange:
    """Linking days."""

    @given(st.integers(0, 10_000), st.integers(1, 30))
    def test_linked_effects_sum_to_the_active_return(self, seed: int, days: int) -> None:
        """Over any range, with one factor for every effect of a day."""
        portfolio, benchmark, returned = drawn(seed, days, 4)
        others = benchmark.total()
        daily = daily_effects(portfolio, benchmark, returned)

        linked = linked_effects(daily, returned, others)

        active = np.prod(1 + returned) - np.prod(1 + others)
        assert linked.total() == pytest.approx(active, rel=1e-8, abs=1e-12)

    def test_one_day_is_linked_to_itself(self) -> None:
        """Nothing is smoothed."""
        portfolio, benchmark, returned = drawn(3, 1, 4)
        daily = daily_effects(portfolio, benchmark, returned)

        linked = linked_effects(daily, returned, benchmark.total())

        for one, other in zip(linked, daily, strict=True):
            assert one == pytest.approx(other[0], rel=1e-12)

    def test_where_both_return_the_same_nothing_is_divided_by_zero(self) -> None:
        """Two days of +10 % and +10 %: an allocation of +1 % and a selection of -1 % count 1.1."""
        same = np.array([0.1, 0.1])
        effects = np.array([[0.01], [0.01]])
        daily = Effects(effects, -effects, np.zeros((2, 1)), np.zeros(2))

        linked = linked_effects(daily, same, same)

        assert linked.allocation[0] == pytest.approx(0.022, rel=1e-9)
        assert linked.total() == pytest.approx(0.0, abs=1e-15)

    @given(st.integers(0, 10_000), st.integers(1, 30))
    def test_linked_contributions_sum_to_the_return(self, seed: int, days: int) -> None:
        """Over any range."""
        daily = np.random.default_rng(seed).normal(0, 0.01, (days, 3))
        returned = daily.sum(axis=1)

        linked = linked_contributions(daily, returned)

        assert linked.sum() == pytest.approx(np.prod(1 + returned) - 1, rel=1e-9, abs=1e-12)
