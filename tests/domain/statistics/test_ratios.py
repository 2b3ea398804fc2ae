"""Deviations and ratios, against empyrical with its conventions set by argument."""

import empyrical
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.statistics.compounding import annualised_return, cumulative_return
from domain.statistics.measured import Floats, Measured, Reason, per_period
from domain.statistics.ratios import (
    calmar,
    downside_deviation,
    information_ratio,
    sharpe,
    sortino,
    tracking_error,
    volatility,
)
from domain.statistics.regression import alpha, beta
from tests.domain.statistics.series import NEAR, pairs, returns

rates = st.sampled_from([0.0, 0.02, -0.005, 0.3])


def near(figure: Measured, oracle: float) -> None:
    """Compare with an oracle that has a value."""
    assert figure.value == pytest.approx(oracle, rel=NEAR, abs=1e-12)


def varied(values: Floats) -> bool:
    """Whether the oracle and we agree that something moved: it draws no line between."""
    return bool(np.ptp(values) > 1e-6)


class TestAgainstEmpyrical:
    """The same numbers from other hands."""

    @given(returns(), rates)
    def test_deviations(self, daily: Floats, risk_free: float) -> None:
        """Volatility has ddof 1 there too; downside deviation has ddof 0 there."""
        free = per_period(risk_free)

        near(volatility(daily), empyrical.annual_volatility(daily))
        near(
            downside_deviation(daily, risk_free=risk_free, ddof=0),
            empyrical.downside_risk(daily, required_return=free),
        )

    @given(returns(), rates)
    def test_sharpe_and_sortino(self, daily: Floats, risk_free: float) -> None:
        """Its risk-free rate is that of a day."""
        assume(varied(daily) and (daily < per_period(risk_free) - 1e-6).any())
        free = per_period(risk_free)

        near(sharpe(daily, risk_free=risk_free), empyrical.sharpe_ratio(daily, risk_free=free))
        near(
            sortino(daily, risk_free=risk_free, ddof=0),
            empyrical.sortino_ratio(daily, required_return=free),
        )

    @given(returns())
    def test_returns_and_calmar(self, daily: Floats) -> None:
        """It annualises whatever the time."""
        assume((daily < -1e-6).any())

        near(cumulative_return(daily), empyrical.cum_returns_final(daily))
        near(calmar(daily, annualises_less=True), empyrical.calmar_ratio(daily))
        if len(daily) >= 252:
            near(annualised_return(daily), empyrical.annual_return(daily))
            near(calmar(daily), empyrical.calmar_ratio(daily))

    @given(pairs(), rates)
    def test_beta_and_alpha(self, both: tuple[Floats, Floats], risk_free: float) -> None:
        """Its alpha is compounded."""
        daily, benchmark = both
        assume(varied(benchmark))
        free = per_period(risk_free)

        near(beta(daily, benchmark), empyrical.beta_aligned(daily, benchmark))
        found = alpha(daily, benchmark, risk_free=risk_free, compounds=True)
        oracle = empyrical.alpha_aligned(daily, benchmark, risk_free=free)
        if np.isfinite(oracle):
            near(found, oracle)

    @given(pairs())
    def test_information_ratio(self, both: tuple[Floats, Floats]) -> None:
        """Its own is not annualised."""
        daily, benchmark = both
        assume(varied(daily - benchmark))

        near(
            information_ratio(daily, benchmark, periods_per_year=1),
            empyrical.excess_sharpe(daily, benchmark),
        )
        near(tracking_error(daily, benchmark), empyrical.annual_volatility(daily - benchmark))


class TestBySecondImplementation:
    """What no oracle has in our convention, by sums over plain floats."""

    @given(pairs(), rates)
    def test_ddof_of_sortino(self, both: tuple[Floats, Floats], risk_free: float) -> None:
        """The sum of squares below is divided by n - 1."""
        daily = both[0].tolist()
        free = (1 + risk_free) ** (1 / 252) - 1
        below = sum((each - free) ** 2 for each in daily if each < free) / (len(daily) - 1)
        assume(below > 1e-12)

        near(downside_deviation(both[0], risk_free=risk_free), (below * 252) ** 0.5)
        mean = sum(each - free for each in daily) / len(daily)
        near(sortino(both[0], risk_free=risk_free), mean / below**0.5 * 252**0.5)

    @given(pairs(most=400), rates)
    def test_alpha_is_what_regression_leaves(
        self, both: tuple[Floats, Floats], risk_free: float
    ) -> None:
        """The intercept of numpy's least squares, of 252 days at most."""
        daily, benchmark = both
        assume(varied(benchmark))
        free = per_period(risk_free)
        slope, intercept = (
            np.polynomial.Polynomial.fit(benchmark - free, daily - free, 1)
            .convert(domain=[-1, 1])
            .coef[::-1]
        )

        found = beta(daily, benchmark), alpha(daily, benchmark, risk_free=risk_free)

        assert found[0].value == pytest.approx(slope, rel=1e-7, abs=1e-9)
        scaled = intercept * min(len(daily), 252)
        assert found[1].value == pytest.approx(scaled, rel=1e-7, abs=1e-7)


class TestWithoutAValue:
    """Null with a reason, never NaN and never infinite."""

    def test_needs_twenty_returns(self) -> None:
        """Nineteen are too few."""
        daily = np.linspace(-0.01, 0.02, 20)

        for figure in (volatility, downside_deviation, sharpe, sortino, calmar):
            assert figure(daily).value is not None
            assert figure(daily[1:]) == Measured(None, 19, Reason.TOO_FEW_RETURNS)
        for compared in (beta, alpha, tracking_error, information_ratio):
            other = daily[::-1].copy() ** 2
            assert compared(daily, other).value is not None
            few = compared(daily[1:], other[1:])
            assert few == Measured(None, 19, Reason.TOO_FEW_RETURNS)

    @given(st.floats(-0.9, 0.9), st.integers(20, 300))
    def test_a_constant_return_has_no_ratio(self, each: float, n: int) -> None:
        """Whatever rounding does to its mean; its deviation is zero."""
        daily = np.full(n, each)

        assert volatility(daily) == Measured(0.0, n)
        assert sharpe(daily).reason is Reason.ZERO_DEVIATION
        assert beta(daily[::-1], daily).reason is Reason.ZERO_DEVIATION
        assert alpha(daily, daily).reason is Reason.ZERO_DEVIATION
        assert tracking_error(daily, daily) == Measured(0.0, n)
        assert information_ratio(daily, daily).reason is Reason.ZERO_DEVIATION

    def test_rises_only(self) -> None:
        """Without a fall there is no downside and no drawdown."""
        daily = np.linspace(0.001, 0.02, 30)

        assert sortino(daily) == Measured(None, 30, Reason.ZERO_DEVIATION)
        assert calmar(daily) == Measured(None, 30, Reason.NO_DRAWDOWN)

    def test_under_a_year_is_not_annualised(self) -> None:
        """Its Calmar ratio is of the return of the time itself."""
        daily = np.array([0.1, -0.2, *[0.0] * 249])

        assert annualised_return(daily) == Measured(None, 251, Reason.UNDER_A_YEAR)
        assert calmar(daily).value == pytest.approx((1.1 * 0.8 - 1) / 0.2)
        assert annualised_return(np.append(daily, 0.0)).value == pytest.approx(1.1 * 0.8 - 1)

    @given(pairs(most=60), st.sampled_from([1e6, 1e40, 1e80]))
    def test_is_finite_whatever_the_returns(
        self, both: tuple[Floats, Floats], scale: float
    ) -> None:
        """A factor may have 80 digits."""
        daily, benchmark = np.abs(both[0]) * scale, both[1] * scale
        figures = [
            *(each(daily) for each in (volatility, downside_deviation, sharpe, sortino, calmar)),
            *(each(daily) for each in (cumulative_return, annualised_return)),
            *(each(daily, benchmark) for each in (beta, alpha, tracking_error, information_ratio)),
        ]

        for figure in figures:
            assert (figure.value is None) != (figure.reason is None)
            assert figure.value is None or np.isfinite(figure.value)
