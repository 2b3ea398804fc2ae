"""Returns explained by a benchmark's: beta, and Jensen's alpha (convention 12).

Both arrays are of the same n periods, fractions, oldest first; `risk_free` is a rate of a year.
"""

import numpy as np

from domain.statistics.measured import (
    PERIODS_PER_YEAR,
    RETURNS_MIN,
    Floats,
    Measured,
    Reason,
    is_constant,
    per_period,
)


def beta(returns: Floats, benchmark: Floats) -> Measured:
    """Give the slope of least squares: cov(r, b) / var(b); the ddof of both cancels out.

    A constant risk-free rate changes nothing. Source: W. Sharpe, Capital Asset Prices, Journal of
    Finance 19(3), 1964.
    """
    n = len(returns)
    if n < RETURNS_MIN:
        return Measured(None, n, Reason.TOO_FEW_RETURNS)
    if is_constant(benchmark):
        return Measured(None, n, Reason.ZERO_DEVIATION)
    moved = benchmark - benchmark.mean()
    with np.errstate(over="ignore", invalid="ignore"):
        return Measured.of(np.dot(returns - returns.mean(), moved) / np.dot(moved, moved), n)


def alpha(
    returns: Floats,
    benchmark: Floats,
    *,
    risk_free: float = 0.0,
    periods_per_year: int = PERIODS_PER_YEAR,
    compounds: bool = False,
) -> Measured:
    """Give Jensen's alpha: mean(r - f) - beta x mean(b - f), x 252; under a year, x n.

    So nothing under a year is annualised: it is then what was earned beyond the benchmark in that
    time. With `compounds` a year's is (1 + daily)^252 - 1, whatever the time. Source: M. Jensen,
    The Performance of Mutual Funds in the Period 1945-1964, Journal of Finance 23(2), 1968.
    """
    slope = beta(returns, benchmark)
    if slope.value is None:
        return slope
    free = per_period(risk_free, periods_per_year)
    daily = np.mean(returns - free) - slope.value * np.mean(benchmark - free)
    if compounds:
        with np.errstate(over="ignore", invalid="ignore"):
            return Measured.of((1.0 + daily) ** periods_per_year - 1.0, slope.n)
    return Measured.of(daily * min(slope.n, periods_per_year), slope.n)
