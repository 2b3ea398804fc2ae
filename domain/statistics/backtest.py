"""Whether a VaR was exceeded as often as it says: Kupiec's test of the proportion of failures.

P. Kupiec, Techniques for verifying the accuracy of risk measurement models (1995): under a true
model -2 ln of the likelihoods' ratio follows chi-square with one degree of freedom.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.statistics.measured import Floats


class Kupiec(NamedTuple):
    """The statistic, and how likely one at least as large is if the VaR is right."""

    days: int
    exceptions: int
    expected: float
    statistic: float
    p_value: float


def exceptions_of(pnl: Floats, value_at_risk: Floats) -> NDArray[np.bool_]:
    """Say on which days the loss was larger than the VaR told the day before."""
    return np.asarray(-pnl > value_at_risk)


def kupiec(days: int, exceptions: int, level: float) -> Kupiec:
    """Test so many exceptions in so many days, at least one, against a level such as 0.99."""
    chance, rate = 1 - level, exceptions / days
    statistic = -2 * (_likelihood(days, exceptions, chance) - _likelihood(days, exceptions, rate))
    statistic = max(statistic, 0.0)
    p_value = math.erfc(math.sqrt(statistic / 2))
    return Kupiec(days, exceptions, days * chance, statistic, p_value)


def _likelihood(days: int, exceptions: int, chance: float) -> float:
    """Give the logarithm of a binomial likelihood without its constant; 0 ln 0 is 0."""
    hit = exceptions * math.log(chance) if exceptions else 0.0
    missed = (days - exceptions) * math.log1p(-chance) if exceptions < days else 0.0
    return hit + missed
