"""Value at risk: against numpy, scipy and sums by hand, and the law of its simulation."""

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from domain.statistics.measured import Floats
from domain.statistics.value_at_risk import (
    HYNDMAN_FAN,
    deviations,
    factor_of,
    historical_pnl,
    monte_carlo,
    overlapping,
    parametric,
    simulated,
    standard_normals,
    tails_of,
)

LEVELS = (0.95, 0.99)
SEEDS = range(20)
PERCENT = st.floats(-0.2, 0.2, allow_nan=False).map(lambda value: round(value, 6))


def drawn(days: int, names: int, seed: int = 7) -> Floats:
    """Returns that move together."""
    generator = np.random.default_rng(seed)
    market = generator.standard_normal((days, 1))
    own = generator.standard_normal((days, names))
    return np.asarray(0.01 * (0.6 * market + 0.8 * own))


def by_hand(losses: list[float], level: float) -> tuple[float, float]:
    """Hyndman and Fan's rule 7, and the mean of what is at least that much, one by one."""
    ascending = sorted(losses)
    place = (len(ascending) - 1) * level
    below = math.floor(place)
    above = min(below + 1, len(ascending) - 1)
    value = ascending[below] + (place - below) * (ascending[above] - ascending[below])
    beyond = [each for each in ascending if each >= value - 1e-12 * abs(value)]
    return value, math.fsum(beyond) / len(beyond)


class TestHistorical:
    """The quantile of what holdings would have lost."""

    def test_of_a_hundred_losses(self) -> None:
        """Losses 1 to 100 lose 95.05 on the 95 % day and 98 on average beyond; 99.01 and 100."""
        pnl = -np.arange(1.0, 101.0)[np.newaxis]

        (at_95, at_99) = tails_of(pnl, LEVELS)

        assert at_95.value_at_risk[0] == pytest.approx(95.05, rel=1e-12)
        assert at_95.expected_shortfall[0] == pytest.approx(98.0, rel=1e-12)
        assert at_99.value_at_risk[0] == pytest.approx(99.01, rel=1e-12)
        assert at_99.expected_shortfall[0] == pytest.approx(100.0, rel=1e-12)

    @given(arrays(np.float64, st.integers(2, 60), elements=PERCENT), st.sampled_from(LEVELS))
    def test_is_what_counting_gives(self, pnl: Floats, level: float) -> None:
        """With equal losses, gains only, or two days."""
        (tail,) = tails_of(pnl[np.newaxis], (level,))

        value, beyond = by_hand([-each for each in pnl.tolist()], level)

        assert tail.value_at_risk[0] == pytest.approx(value, rel=1e-9, abs=1e-15)
        assert tail.expected_shortfall[0] == pytest.approx(beyond, rel=1e-9, abs=1e-15)

    @pytest.mark.parametrize("worst", [0, 100, 3_000])
    @pytest.mark.parametrize("is_sampled", [True, False])
    def test_of_many_is_what_sorting_all_gives(self, worst: int, *, is_sampled: bool) -> None:
        """Also where the sample sees only the worst losses, none of them, or equal ones."""
        pnl = np.round(drawn(5_000, 1)[:, 0], 3)
        seen = np.arange(5_000) % 5 == 0
        pnl[np.flatnonzero(seen if is_sampled else ~seen)[:worst]] = -0.5

        for tail, level in zip(tails_of(pnl[np.newaxis], LEVELS), LEVELS, strict=True):
            losses = np.sort(-pnl)
            value = np.quantile(losses, level)
            assert tail.value_at_risk[0] == pytest.approx(value, rel=1e-12)
            beyond = losses[losses >= value - 1e-12].mean()
            assert tail.expected_shortfall[0] == pytest.approx(beyond, rel=1e-12)

    def test_of_many_counts_what_rounding_set_apart_from_the_var(self) -> None:
        """Nearly all lost the VaR, one in fifty twice as much."""
        pnl = np.full((1, 5_000), -0.5 * (1 - 5e-13))
        pnl[0, :1_500:5] = -0.5
        pnl[0, 1:501:5] = -1.0

        (tail,) = tails_of(pnl, (0.95,))

        assert tail.value_at_risk[0] == pytest.approx(0.5, rel=1e-12)
        assert tail.expected_shortfall[0] == pytest.approx(0.51, rel=1e-12)

    def test_of_many_with_one_that_is_no_number_is_none(self) -> None:
        """It sorts as the largest loss, whether the sample sees it or not."""
        for place in (0, 1):
            pnl = drawn(5_000, 1).T.copy()
            pnl[0, place] = np.nan

            assert np.isnan(tails_of(pnl, (0.95,))[0].expected_shortfall[0])

    @given(arrays(np.float64, (3, 40), elements=PERCENT))
    def test_shortfall_is_no_less_than_the_var_and_no_more_than_the_worst(
        self, pnl: Floats
    ) -> None:
        """At every level."""
        for tail in tails_of(pnl, LEVELS):
            assert np.all(tail.expected_shortfall >= tail.value_at_risk - 1e-15)
            assert np.all(tail.expected_shortfall <= (-pnl).max(axis=1) + 1e-15)

    @pytest.mark.parametrize("rule", HYNDMAN_FAN)
    def test_other_quantile_rules_are_those_of_scipy(self, rule: int) -> None:
        """By number; rules 4 to 9 by their plotting positions."""
        plotting = {
            4: (0, 1), 5: (0.5, 0.5), 6: (0, 0), 7: (1, 1), 8: (1 / 3, 1 / 3), 9: (3 / 8, 3 / 8),
        }  # fmt: skip
        pnl = drawn(200, 1)[:, 0]
        (tail,) = tails_of(pnl[np.newaxis], (0.95,), hyndman_fan=rule)

        if rule in plotting:
            found = stats.mstats.mquantiles(-pnl, [0.95], *plotting[rule])[0]
            assert tail.value_at_risk[0] == pytest.approx(float(found), rel=1e-9)
        else:
            assert tail.value_at_risk[0] in [*-pnl, *((a + b) / 2 for a in -pnl for b in -pnl)]

    def test_ten_overlapping_days_compound(self) -> None:
        """One of ten days' products for every run of ten."""
        returns = drawn(25, 3)

        found = overlapping(returns)

        assert found.shape == (16, 3)
        assert found[4, 1] == pytest.approx(math.prod(1 + returns[4:14, 1]) - 1, rel=1e-12)

    def test_holdings_meet_each_past_day(self) -> None:
        """Long 100 and short 50, on a day of +1 % and -2 %, gain 2."""
        pnl = historical_pnl(np.array([[0.01, -0.02]]), np.array([[100.0, -50.0]]))

        assert pnl[0, 0] == pytest.approx(2.0, rel=1e-12)


class TestNormal:
    """The law of mean zero with the covariance of the past."""

    def test_deviation_is_that_of_the_covariance(self) -> None:
        """Against numpy's, ddof 1, with more names than days too."""
        for days, names in ((300, 6), (8, 20)):
            returns, exposures = drawn(days, names), np.linspace(-50.0, 100.0, names)[np.newaxis]
            covariance = np.cov(returns, rowvar=False, ddof=1)
            expected = math.sqrt(exposures[0] @ covariance @ exposures[0])

            assert deviations(factor_of(returns), exposures)[0] == pytest.approx(expected, rel=1e-9)

    def test_parametric_is_scipys_normal(self) -> None:
        """VaR by its quantile, shortfall by the mean beyond it."""
        returns, exposures = drawn(300, 4), np.array([[100.0, -20.0, 30.0, 5.0]])
        deviation = deviations(factor_of(returns), exposures)[0]
        for level in LEVELS:
            tail = parametric(factor_of(returns), exposures, level)
            law = stats.norm(scale=deviation)

            assert tail.value_at_risk[0] == pytest.approx(law.ppf(level), rel=1e-9)
            beyond = law.expect(lambda loss: loss, lb=law.ppf(level), conditional=True)
            assert tail.expected_shortfall[0] == pytest.approx(beyond, rel=1e-6)

    def test_the_published_example_of_two_currencies(self) -> None:
        """Jorion, chapter 7: 2 m at 5 %, 1 m at 12 %, uncorrelated: 257,738 at 95 % (z 1.65)."""
        factor = np.diag([0.05, 0.12])
        tail = parametric(factor, np.array([[2e6, 1e6]]), NormalDist().cdf(1.65))

        assert tail.value_at_risk[0] == pytest.approx(257_738, abs=1)


def _simulated(factor: Floats, exposures: Floats, paths: int, seed: int) -> Floats:
    normals = standard_normals(len(factor), paths=paths, seed=seed)
    (tail,) = monte_carlo(factor, exposures, (0.95,), normals)
    return tail.value_at_risk


class TestMonteCarlo:
    """Simulated days."""

    def test_equals_the_parametric_within_its_error_which_falls_as_the_root_of_paths(self) -> None:
        """10^4, 10^5 and 10^6 paths over 20 seeds, of eight names that nothing ties.

        Each one's mean error lies within three standard errors, and the error falls by 2.5 to 4 a
        decade: the square root of ten is 3.16.
        """
        factor, exposures = np.diag(np.linspace(0.005, 0.03, 8)), 100 * np.eye(8)
        truth = parametric(factor, exposures, 0.95).value_at_risk
        spreads = []
        for paths in (10_000, 100_000, 1_000_000):
            errors = np.array([_simulated(factor, exposures, paths, s) / truth - 1 for s in SEEDS])
            standard = errors.std(axis=0, ddof=1) / math.sqrt(len(SEEDS))
            assert np.all(np.abs(errors.mean(axis=0)) <= 3 * standard)
            spreads.append(math.sqrt((errors**2).mean()))

        for fewer, more in itertools.pairwise(spreads):
            assert 2.5 <= fewer / more <= 4.0

    def test_many_portfolios_are_as_each_alone(self) -> None:
        """Whatever stands beside it in the matrix."""
        returns = drawn(120, 4)
        exposures = np.random.default_rng(3).standard_normal((120, 4)) * 100
        normals = standard_normals(4, paths=1_000)
        together = monte_carlo(factor_of(returns), exposures, LEVELS, normals)

        for place in (0, 49, 50, 119):
            alone = monte_carlo(factor_of(returns), exposures[place : place + 1], LEVELS, normals)
            for one, all_of in zip(alone, together, strict=True):
                assert one.value_at_risk[0] == pytest.approx(all_of.value_at_risk[place], rel=1e-12)
                assert one.expected_shortfall[0] == pytest.approx(
                    all_of.expected_shortfall[place], rel=1e-12
                )

    def test_the_first_names_of_more_have_the_same_paths(self) -> None:
        """So one table of normals serves every portfolio."""
        assert np.array_equal(standard_normals(5, paths=50)[:2], standard_normals(2, paths=50))

    def test_normals_need_not_be_kept(self) -> None:
        """The same paths, for more names than are drawn at once."""
        loadings = np.random.default_rng(3).standard_normal(120)

        pnl = simulated(loadings, paths=200)

        assert pnl == pytest.approx(loadings @ standard_normals(120, paths=200), rel=1e-9)
        both = simulated(np.stack([loadings, 2 * loadings], axis=1), paths=200)
        assert both == pytest.approx(np.stack([pnl, 2 * pnl]), rel=1e-9)
