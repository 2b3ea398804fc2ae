"""Contributions, exposures, stress, correlations and the backtest: by hand and by others."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from domain.statistics.backtest import exceptions_of, kupiec
from domain.statistics.correlations import correlations
from domain.statistics.exposures import gross, herfindahl, leverage, net, shares, top
from domain.statistics.measured import Floats
from domain.statistics.risk_contributions import (
    component_deviations,
    component_shortfalls,
    component_values_at_risk,
    marginal_deviations,
)
from domain.statistics.stress import combined, compounded, stressed_pnl
from domain.statistics.value_at_risk import deviations, factor_of, historical_pnl, tails_of
from tests.domain.statistics.test_value_at_risk import drawn

VALUES = arrays(np.float64, st.integers(1, 12), elements=st.integers(-500, 500).map(float))


class TestContributions:
    """They sum to the whole."""

    @given(st.integers(1, 8), st.integers(0, 1_000))
    def test_components_sum_to_the_deviation(self, names: int, seed: int) -> None:
        """Long and short."""
        returns = drawn(80, names, seed)
        exposures = np.random.default_rng(seed).integers(-100, 100, names).astype(float)
        factor = factor_of(returns)

        total = component_deviations(factor, exposures).sum()

        assert total == pytest.approx(deviations(factor, exposures[np.newaxis])[0], rel=1e-9)

    @given(st.integers(1, 8), st.integers(0, 1_000), st.sampled_from([61, 80, 101, 121]))
    def test_components_sum_to_the_shortfall(self, names: int, seed: int, days: int) -> None:
        """Of the historical days beyond the VaR; of 61, 101 or 121 the VaR is one of them."""
        returns = drawn(days, names, seed)
        exposures = np.random.default_rng(seed).integers(-100, 100, names).astype(float)
        (tail,) = tails_of(historical_pnl(returns, exposures[np.newaxis]), (0.95,))

        parts = component_shortfalls(returns, exposures, tail.value_at_risk[0])

        assert parts.sum() == pytest.approx(tail.expected_shortfall[0], rel=1e-9, abs=1e-12)

    @given(st.integers(1, 8), st.integers(0, 1_000), st.sampled_from([0.95, 0.99]))
    def test_components_sum_to_the_historical_var(
        self, names: int, seed: int, level: float
    ) -> None:
        """By the two days that it lies between."""
        returns = drawn(80, names, seed)
        exposures = np.random.default_rng(seed).integers(-100, 100, names).astype(float)
        (tail,) = tails_of(historical_pnl(returns, exposures[np.newaxis]), (level,))

        parts = component_values_at_risk(returns, exposures, level)

        assert parts.sum() == pytest.approx(tail.value_at_risk[0], rel=1e-9, abs=1e-12)

    def test_the_scenario_is_what_each_lost_on_those_days(self) -> None:
        """21 days at 95 %: the 20th loss by size, of a day on which one gained and one lost."""
        returns = np.zeros((21, 2))
        returns[3], returns[7] = (-0.10, 0.02), (-0.20, 0.0)

        parts = component_values_at_risk(returns, np.array([100.0, 50.0]), 0.95)

        assert parts == pytest.approx([10.0, -1.0], rel=1e-12)

    def test_marginal_is_the_slope(self) -> None:
        """Against a difference of deviations."""
        factor, exposures = factor_of(drawn(80, 3)), np.array([100.0, -30.0, 50.0])
        for place in range(3):
            step = np.zeros(3)
            step[place] = 1e-3
            more, less = exposures + step, exposures - step
            (up,), (down,) = (
                deviations(factor, each[np.newaxis]) for each in (more, less)
            )  # fmt: skip

            slope = (up - down) / 2e-3

            assert marginal_deviations(factor, exposures)[place] == pytest.approx(slope, rel=1e-6)

    def test_nothing_held_contributes_nothing(self) -> None:
        """No division by the deviation of nothing."""
        assert not component_deviations(factor_of(drawn(80, 2)), np.zeros(2)).any()


class TestExposures:
    """How much, and how unevenly."""

    def test_long_and_short(self) -> None:
        """600 long, 200 short, NAV 1,000."""
        values, navs = np.array([[400.0, 200.0, -200.0]]), np.array([1_000.0])

        assert gross(values)[0] == 800.0
        assert net(values)[0] == 400.0
        assert leverage(values, navs)[0] == 0.8
        assert shares(values)[0].tolist() == [0.5, 0.25, 0.25]
        assert herfindahl(values)[0] == 0.375
        assert top(values, 2)[0] == 0.75

    @given(VALUES)
    def test_shares_sum_to_one_unless_nothing_is_held(self, values: Floats) -> None:
        """And the Herfindahl index lies between 1/n and 1."""
        held = values[np.newaxis]
        if not values.any():
            assert not shares(held).any()
            return
        assert shares(held).sum() == pytest.approx(1.0, rel=1e-12)
        assert 1 / len(values) - 1e-12 <= herfindahl(held)[0] <= 1 + 1e-12

    def test_no_leverage_without_a_nav(self) -> None:
        """Nor with one below zero."""
        values = np.array([[1.0], [1.0]])
        assert np.isnan(leverage(values, np.array([0.0, -5.0]))).all()


class TestStress:
    """Shocks multiply."""

    def test_of_sector_and_currency(self) -> None:
        """-20 % and -10 % are -28 %."""
        assert combined([-0.2, -0.1]) == pytest.approx(-0.28, rel=1e-12)
        assert stressed_pnl(np.array([50.0]), np.array([-0.5]))[0] == -25.0

    def test_a_window_compounds(self) -> None:
        """+10 % and -10 % are -1 %."""
        assert compounded(np.array([[0.1], [-0.1]]))[0] == pytest.approx(-0.01, rel=1e-12)


class TestCorrelations:
    """Of the days both have."""

    def test_equal_scipys_pair_by_pair(self) -> None:
        """With holes at different days."""
        returns = drawn(200, 5)
        holes = np.random.default_rng(5).random(returns.shape) < 0.3
        returns[holes] = np.nan

        found = correlations(returns)

        for one in range(5):
            for other in range(5):
                both = ~holes[:, one] & ~holes[:, other]
                expected = stats.pearsonr(returns[both, one], returns[both, other]).statistic
                assert found.coefficients[one, other] == pytest.approx(expected, rel=1e-9)
                assert found.days[one, other] == both.sum()

    def test_none_under_sixty_days_nor_of_what_does_not_move(self) -> None:
        """59 days, or a constant."""
        few = correlations(drawn(59, 2))
        still = drawn(100, 2)
        still[:, 1] = 0.001

        assert np.isnan(few.coefficients).all()
        assert few.days[0, 1] == 59
        assert np.isnan(correlations(still).coefficients[0, 1])


class TestBacktest:
    """Kupiec's test."""

    def test_the_published_example(self) -> None:
        """Jorion, table 6-2: of 255 days at 99 %, fewer than 7 exceptions are not rejected."""
        assert kupiec(255, 6, 0.99).p_value > 0.05 > kupiec(255, 7, 0.99).p_value

    @given(st.integers(1, 2_000), st.data(), st.sampled_from([0.9, 0.95, 0.99]))
    def test_is_the_ratio_of_scipys_likelihoods(
        self, days: int, data: st.DataObject, level: float
    ) -> None:
        """With no exceptions and with nothing else too."""
        hits = data.draw(st.integers(0, days))
        found = kupiec(days, hits, level)

        null = stats.binom.logpmf(hits, days, 1 - level)
        best = stats.binom.logpmf(hits, days, hits / days)

        assert found.statistic == pytest.approx(max(2 * (best - null), 0.0), rel=1e-6, abs=1e-6)
        assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, 1), rel=1e-9)

    def test_a_loss_of_just_the_var_is_no_exception(self) -> None:
        """It has to be larger."""
        pnl = np.array([-10.0, -10.1, 5.0])

        assert exceptions_of(pnl, np.full(3, 10.0)).tolist() == [False, True, False]
        assert math.isclose(kupiec(250, 2, 0.99).expected, 2.5)
