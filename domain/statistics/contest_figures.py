"""What contests are ranked by, of exact daily returns, oldest first.

A value is rounded half-even to 12 decimals, which is what the log carries: so ranks are of the
values that everybody sees, and what differs by less is a tie.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np

from domain.contests.terms import Metric
from domain.money import ONE, SMALLEST, canonical, fits
from domain.statistics.drawdowns import maximum_drawdown
from domain.statistics.measured import Floats, Measured, Reason
from domain.statistics.ratios import calmar, sharpe, sortino

_RATIOS: Mapping[Metric, Callable[[Floats], Measured]] = {
    Metric.SHARPE: sharpe,
    Metric.SORTINO: sortino,
    Metric.CALMAR: calmar,
}

Told = tuple[Decimal | None, Reason | None]
"""A value, or why there is none."""


def told(number: Decimal) -> Told:
    """Round a value to what the log carries."""
    if not number.is_finite():
        return None, Reason.OUT_OF_RANGE
    rounded = number.quantize(SMALLEST, ROUND_HALF_EVEN)
    return (canonical(rounded), None) if fits(rounded) else (None, Reason.OUT_OF_RANGE)


def ranked_by(metric: Metric, returns: Sequence[Decimal]) -> Told:
    """Measure returns by a metric other than the exact `pnl`; the higher, the better."""
    if metric is Metric.RETURN:
        factor = ONE
        for each in returns:
            factor *= ONE + each
        return told(factor - ONE)
    if metric is Metric.DRAWDOWN:
        return deepest_drawdown(returns)
    return _told(_RATIOS[metric](np.array(returns, dtype=np.float64)))


def deepest_drawdown(returns: Sequence[Decimal]) -> Told:
    """Give the depth of the deepest fall, negative, or 0."""
    return _told(maximum_drawdown(np.array(returns, dtype=np.float64)))


def _told(measured: Measured) -> Told:
    if measured.value is None:
        return None, measured.reason
    return told(Decimal(repr(measured.value)))
