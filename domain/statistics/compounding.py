"""What returns compound to, over their whole time and a year (convention 11).

Returns are fractions of consecutive periods, oldest first; arrays are of shape (n,).
"""

import numpy as np
from numpy.typing import NDArray

from domain.statistics.measured import PERIODS_PER_YEAR, Floats, Measured, Reason

Places = NDArray[np.int64]


def wealth(returns: Floats) -> Floats:
    """Give what one unit has become: 1 at the start, then after each return; shape (n + 1,)."""
    with np.errstate(over="ignore"):
        grown = np.cumprod(1.0 + returns)
    return np.concatenate([[1.0], grown])


def between(returns: Floats, places: Places) -> Floats:
    """Chain returns from place to place of the wealth they make: shape (m - 1,) of m places.

    Places ascend; 0 is the start, i is after the i-th return.
    """
    if len(places) < 2:  # noqa: PLR2004 - from one place to another
        return np.empty(0)
    factors = 1.0 + returns[places[0] : places[-1]]
    with np.errstate(over="ignore"):
        chained = np.multiply.reduceat(factors, places[:-1] - places[0]) - 1.0
    # Adding 1 and taking it away again rounds; a single return is left as it is.
    return np.where(np.diff(places) == 1, returns[places[:-1]], chained)


def cumulative_return(returns: Floats) -> Measured:
    """Chain returns: the product of 1 + return, less 1."""
    if not len(returns):
        return Measured(None, 0, Reason.TOO_FEW_RETURNS)
    return Measured.of(wealth(returns)[-1] - 1.0, len(returns))


def annualised_return(returns: Floats, *, periods_per_year: int = PERIODS_PER_YEAR) -> Measured:
    """Give the constant return of a year that compounds to the same: (1 + R)^(periods / n) - 1.

    Under a year there is none (CFA Institute, GIPS Standards 2020, provision 4.A.3). Source of the
    formula: C. Bacon, Practical Portfolio Performance Measurement and Attribution, 2nd ed., p. 31.
    """
    n = len(returns)
    if n < periods_per_year:
        return Measured(None, n, Reason.UNDER_A_YEAR)
    with np.errstate(over="ignore"):
        return Measured.of(wealth(returns)[-1] ** (periods_per_year / n) - 1.0, n)
