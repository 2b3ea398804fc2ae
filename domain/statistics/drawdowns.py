"""Drawdowns: how deep one unit fell below its highest value so far, and how long (convention 12).

Returns are fractions, oldest first, shape (n,). Places are counted in the wealth they compound to:
0 is the start, i is after the i-th return. A depth is signed like a return: -0.2 is a fall by 20 %.
"""

from typing import NamedTuple

import numpy as np

from domain.statistics.compounding import wealth
from domain.statistics.measured import EQUAL, Floats, Measured, Reason


class Drawdown(NamedTuple):
    """A fall from a peak to a trough and, unless it lasts, to where the peak is reached again."""

    peak: int
    trough: int
    recovery: int | None
    depth: float


def drawdowns(returns: Floats) -> list[Drawdown]:
    """List every drawdown in order of time; they do not overlap.

    One lasts from the last time at the highest value until that is reached again, up to 1e-12 of
    it. Of equal troughs the first. Source: M. Magdon-Ismail et al., On the Maximum Drawdown of a
    Brownian Motion, Journal of Applied Probability 41(1), 2004.
    """
    value = wealth(returns)
    highest = np.maximum.accumulate(value)
    is_below = value < highest * (1.0 - EQUAL)
    edges = np.flatnonzero(np.diff(is_below.astype(np.int8), append=0))
    begins = edges[~is_below[edges]]
    ends = edges[is_below[edges]]
    found = []
    for peak, last in zip(begins.tolist(), ends.tolist(), strict=True):
        trough = peak + 1 + int(np.argmin(value[peak + 1 : last + 1]))
        depth = float(value[trough] / highest[peak] - 1.0)
        recovery = last + 1 if last + 1 < len(value) else None
        found.append(Drawdown(peak, trough, recovery, depth))
    return found


def deepest(found: list[Drawdown], count: int) -> list[Drawdown]:
    """Give the deepest drawdowns, deepest first; of equal ones the earlier."""
    return sorted(found, key=lambda each: (each.depth, each.peak))[:count]


def maximum_drawdown(returns: Floats) -> Measured:
    """Give the depth of the deepest drawdown, 0 if there is none: up to 1e-12, as `drawdowns`."""
    if not len(returns):
        return Measured(None, 0, Reason.TOO_FEW_RETURNS)
    value = wealth(returns)
    with np.errstate(invalid="ignore", divide="ignore"):
        depth = np.min(value / np.maximum.accumulate(value)) - 1.0
    return Measured.of(0.0 if -EQUAL <= depth < 0 else depth, len(returns))
