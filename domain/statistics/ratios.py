"""Ex-post deviations of returns, and what was earned for them (convention 12).

All take daily returns as fractions, shape (n,), oldest first; `risk_free` is a rate of a year,
compounded down to a day. Deviations have `ddof` 1 and are annualised by the root of 252, means by
252. Under 20 returns, or without deviation, a figure has no value.
"""

import numpy as np

from domain.statistics.compounding import wealth
from domain.statistics.drawdowns import maximum_drawdown
from domain.statistics.measured import (
    EQUAL,
    PERIODS_PER_YEAR,
    RETURNS_MIN,
    Floats,
    Measured,
    Reason,
    is_constant,
    per_period,
)


def volatility(
    returns: Floats, *, ddof: int = 1, periods_per_year: int = PERIODS_PER_YEAR
) -> Measured:
    """Give the standard deviation of a year: std(r) x sqrt(252); zero where nothing moved.

    Source: C. Bacon, Practical Portfolio Performance Measurement and Attribution, 2nd ed., p. 63.
    """
    n = len(returns)
    if n < RETURNS_MIN:
        return Measured(None, n, Reason.TOO_FEW_RETURNS)
    if is_constant(returns):
        return Measured(0.0, n)
    return Measured.of(np.std(returns, ddof=ddof) * np.sqrt(periods_per_year), n)


def downside_deviation(
    returns: Floats,
    *,
    risk_free: float = 0.0,
    ddof: int = 1,
    periods_per_year: int = PERIODS_PER_YEAR,
) -> Measured:
    """Give the deviation of a year below the risk-free rate: sqrt(sum(min(r - f, 0)^2) / (n - 1)).

    All n returns count, those above with zero; then x sqrt(252). Source: F. Sortino and
    R. van der Meer, Downside Risk, Journal of Portfolio Management 17(4), 1991.
    """
    n = len(returns)
    if n < RETURNS_MIN:
        return Measured(None, n, Reason.TOO_FEW_RETURNS)
    below = np.minimum(returns - per_period(risk_free, periods_per_year), 0.0)
    with np.errstate(over="ignore"):
        return Measured.of(np.sqrt(np.sum(below**2) / (n - ddof) * periods_per_year), n)


def sharpe(
    returns: Floats,
    *,
    risk_free: float = 0.0,
    ddof: int = 1,
    periods_per_year: int = PERIODS_PER_YEAR,
) -> Measured:
    """Give what was earned beyond the risk-free rate for its deviation: mean / std x sqrt(252).

    Source: W. Sharpe, The Sharpe Ratio, Journal of Portfolio Management 21(1), 1994.
    """
    excess = returns - per_period(risk_free, periods_per_year)
    return _mean_for_deviation(
        excess, returns, ddof=ddof, annualises_by=float(np.sqrt(periods_per_year))
    )


def sortino(
    returns: Floats,
    *,
    risk_free: float = 0.0,
    ddof: int = 1,
    periods_per_year: int = PERIODS_PER_YEAR,
) -> Measured:
    """Give what was earned beyond the risk-free rate for the deviation below it, of a year each.

    mean(r - f) x 252 / downside deviation; the source is that of `downside_deviation`.
    """
    below = downside_deviation(
        returns, risk_free=risk_free, ddof=ddof, periods_per_year=periods_per_year
    )
    if below.value is None:
        return below
    if below.value <= EQUAL * np.abs(returns).max():
        return Measured(None, below.n, Reason.ZERO_DEVIATION)
    mean = np.mean(returns - per_period(risk_free, periods_per_year))
    return Measured.of(mean * periods_per_year / below.value, below.n)


def calmar(
    returns: Floats, *, periods_per_year: int = PERIODS_PER_YEAR, annualises_less: bool = False
) -> Measured:
    """Give the annualised return for the depth of the deepest drawdown.

    Under a year the return is that of the time itself, for nothing under a year is annualised;
    with `annualises_less` it is all the same. Source: T. Young, Calmar Ratio: A Smoother Tool,
    Futures 20(1), 1991 (there of 36 months; here of the time asked for).
    """
    n = len(returns)
    if n < RETURNS_MIN:
        return Measured(None, n, Reason.TOO_FEW_RETURNS)
    depth = maximum_drawdown(returns).value
    if not depth:
        return Measured(None, n, Reason.NO_DRAWDOWN)
    years = n / periods_per_year if annualises_less else max(1.0, n / periods_per_year)
    with np.errstate(over="ignore"):
        earned = wealth(returns)[-1] ** (1.0 / years) - 1.0
    return Measured.of(earned / -depth, n)


def tracking_error(
    returns: Floats,
    benchmark: Floats,
    *,
    ddof: int = 1,
    periods_per_year: int = PERIODS_PER_YEAR,
) -> Measured:
    """Give the standard deviation of a year of return less benchmark, of the same periods.

    Zero where they never differ otherwise than by a constant. Source: C. Bacon, Practical Portfolio
    Performance Measurement and Attribution, 2nd ed., p. 78.
    """
    n = len(returns)
    if n < RETURNS_MIN:
        return Measured(None, n, Reason.TOO_FEW_RETURNS)
    active = returns - benchmark
    if is_constant(active, np.concatenate([returns, benchmark])):
        return Measured(0.0, n)
    return Measured.of(np.std(active, ddof=ddof) * np.sqrt(periods_per_year), n)


def information_ratio(
    returns: Floats,
    benchmark: Floats,
    *,
    ddof: int = 1,
    periods_per_year: int = PERIODS_PER_YEAR,
) -> Measured:
    """Give return less benchmark for its deviation: mean / std x sqrt(252).

    Source: T. Goodwin, The Information Ratio, Financial Analysts Journal 54(4), 1998.
    """
    both = np.concatenate([returns, benchmark])
    return _mean_for_deviation(
        returns - benchmark, both, ddof=ddof, annualises_by=float(np.sqrt(periods_per_year))
    )


def _mean_for_deviation(
    excess: Floats, scale: Floats, *, ddof: int, annualises_by: float
) -> Measured:
    n = len(excess)
    if n < RETURNS_MIN:
        return Measured(None, n, Reason.TOO_FEW_RETURNS)
    if is_constant(excess, scale):
        return Measured(None, n, Reason.ZERO_DEVIATION)
    return Measured.of(np.mean(excess) / np.std(excess, ddof=ddof) * annualises_by, n)
