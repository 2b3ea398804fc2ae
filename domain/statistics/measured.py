"""A measured figure: a number with how many observations it is of, or the reason why there is none.

Figures are floats, fractions where they are returns, never NaN and never infinite. A year has
`PERIODS_PER_YEAR` returns. Two observations that differ by less than `EQUAL` of the largest are
equal: deviations below that are what rounding left.
"""

from enum import StrEnum
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RETURNS_MIN = 20
PERIODS_PER_YEAR = 252
EQUAL = 1e-12


class Reason(StrEnum):
    """Why a figure has no value."""

    TOO_FEW_RETURNS = "too_few_returns"
    ZERO_DEVIATION = "zero_deviation"
    NO_DRAWDOWN = "no_drawdown"
    UNDER_A_YEAR = "under_a_year"
    OUT_OF_RANGE = "out_of_range"
    NO_TIME = "no_time"
    CAPITAL_NOT_POSITIVE = "capital_not_positive"
    NO_RATE = "no_rate"
    NO_SESSION = "no_session"
    NAV_INCOMPLETE = "nav_incomplete"
    FLOW_WITHOUT_RATE = "flow_without_rate"
    NO_BENCHMARK = "no_benchmark"


class Measured(msgspec.Struct, frozen=True):
    """A figure of `n` observations; null says why in `reason`."""

    value: float | None
    n: int
    reason: Reason | None = None

    @classmethod
    def of(cls, value: "float | np.floating[Any]", n: int) -> "Measured":
        """Give a value, or `out_of_range` for one that no finite float holds."""
        if not np.isfinite(value):
            return cls(None, n, Reason.OUT_OF_RANGE)
        return cls(float(value), n)


def is_constant(values: Floats, scale: Floats | None = None) -> bool:
    """Say whether values differ by no more than rounding, of their own size or of `scale`'s."""
    size = np.abs(values if scale is None else scale).max(initial=0.0)
    return bool(np.ptp(values) <= EQUAL * size)


def per_period(annual: float, periods_per_year: int = PERIODS_PER_YEAR) -> float:
    """Give the rate of one period that compounds to an annual one; both above -1."""
    return float((1.0 + annual) ** (1.0 / periods_per_year) - 1.0)


def listed(values: Floats) -> list[Any]:
    """Give an array as lists of floats, absent where they are NaN."""
    lacking = np.isnan(values)
    if not lacking.any():
        return list(values.tolist())
    told = values.astype(object)
    told[lacking] = None
    return list(told.tolist())
