"""When a rate is held, and the search for the highest one that is.

A rate is held if every trade was accepted, what became due was sent, and nothing grew: not the
time from a batch's being due to its answer, nor the lag of any read model. A figure has grown if
its median over the last third of the run exceeds that over the first third by more than a quarter
of a second. In 60 s these thirds are 40 s apart, so the system may fall behind by 0.6 % at most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.pipeline.lags import Weighted, percentile

GROWTH_SECONDS_MAX = 0.25
STEP = 1.15
RETREAT = 1.3
RETREATS_MAX = 6
FINE = 1.08
LOWER = 0.94
CONFIRMATIONS_MAX = 4

Attempt = Callable[[float], bool]
"""Runs a rate, in trades a second, and says whether it was held."""


def growth(points: Sequence[Weighted], *, start: float, seconds: float) -> float:
    """Say by how many seconds a figure grew during a run; endless where a third has nothing."""
    third = seconds / 3
    first = [point for point in points if start <= point.at < start + third]
    last = [point for point in points if start + 2 * third <= point.at < start + seconds]
    before, after = percentile(first, 0.5), percentile(last, 0.5)
    if before is None or after is None:
        return float("inf")
    return after - before


def highest_probed(start: float, attempt: Attempt) -> float | None:
    """Find about the highest rate that is held in short runs; None where none was."""
    low, high = start, start
    if attempt(start):
        high = start * STEP
        while attempt(high):
            low, high = high, high * STEP
    else:
        for _ in range(RETREATS_MAX):
            low = high / RETREAT
            if attempt(low):
                break
            high = low
        else:
            return None
    while high / low > FINE:
        middle = (low * high) ** 0.5
        if attempt(middle):
            low = middle
        else:
            high = middle
    return low


def highest_confirmed(rate: float, attempt: Attempt) -> float | None:
    """Go down from a rate until a long run holds one; None when patience ends first."""
    for _ in range(CONFIRMATIONS_MAX):
        if attempt(rate):
            return rate
        rate *= LOWER
    return None
