"""Correlations of pairs over the days both have (convention 13): Pearson, n shown.

Returns are fractions, days x names, NaN where there is none.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.statistics.measured import Floats

COMMON_DAYS_MIN = 60


class Correlations(NamedTuple):
    """Names x names: coefficients, NaN where there is none, and the days each is of."""

    coefficients: Floats
    days: NDArray[np.int64]


def correlations(returns: Floats, *, common_days_min: int = COMMON_DAYS_MIN) -> Correlations:
    """Correlate every pair over its own common days.

    None under `common_days_min` days, nor where one of the two did not move on them. A pair's sums
    are taken about its own means: S_xy / sqrt(S_xx S_yy).
    """
    known = ~np.isnan(returns)
    zeroed = np.where(known, returns, 0.0)
    means = zeroed.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    values = np.where(known, zeroed - means, 0.0)  # Near zero: sums of squares lose little.
    there = known.astype(np.float64)
    days = there.T @ there
    with np.errstate(divide="ignore", invalid="ignore"):
        sums = values.T @ there  # of x over the days of y
        squares = (values**2).T @ there
        variance = squares - sums**2 / days
        covariance = values.T @ values - sums * sums.T / days
        spread = np.sqrt(np.maximum(variance, 0.0) * np.maximum(variance.T, 0.0))
        found = covariance / spread
    moves = variance > 1e-12 * np.maximum(squares, np.finfo(np.float64).tiny)
    found[(days < common_days_min) | ~moves | ~moves.T] = np.nan
    return Correlations(np.clip(found, -1.0, 1.0), days.astype(np.int64))
