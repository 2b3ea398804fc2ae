"""Money-weighted returns: the internal rate of return, and the Modified Dietz rate (convention 11).

Days are whole calendar days since the start, ascending; amounts are in the base currency, seen from
the portfolio: what came in is positive. A flow counts from the end of its day on.
"""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pyxirr

from domain.statistics.measured import Floats, Measured, Reason

DAYS_PER_YEAR = 365
_EPOCH = date(2000, 1, 1)
_GRID_PLACES = 801
_GRID_REACH = 7.0
"""Growth over the whole time is looked for between e^-548 and e^548: 548 is the sinh of this."""
_HALVINGS = 80
_NEWTON_STEPS = 3


class Earned(NamedTuple):
    """What a portfolio was worth at the start and after `days`, and what came in or left."""

    start_value: float
    end_value: float
    days: int
    flow_days: Sequence[int]
    flows: Sequence[float]


def modified_dietz(earned: Earned) -> Measured:
    """Give the gain for the capital at work: (V1 - V0 - F) / (V0 + sum(w F)), not annualised.

    w = (days - day) / days: the part of the time that a flow was there. Source: P. Dietz, Pension
    Funds: Measuring Investment Performance, 1966; GIPS Standards. `capital_not_positive` where the
    capital at work is zero or less, `no_time` without a day.
    """
    n = len(earned.flows)
    if earned.days <= 0:
        return Measured(None, n, Reason.NO_TIME)
    flows = np.asarray(earned.flows, dtype=np.float64)
    weights = (earned.days - np.asarray(earned.flow_days, dtype=np.float64)) / earned.days
    capital = earned.start_value + float(np.dot(weights, flows))
    if capital <= 0:
        return Measured(None, n, Reason.CAPITAL_NOT_POSITIVE)
    gain = earned.end_value - earned.start_value - float(flows.sum())
    return Measured.of(gain / capital, n)


def money_weighted(earned: Earned) -> Measured:
    """Give the return over the whole time of the internal rate: (1 + rate)^(days / 365) - 1.

    The rate solves sum(amount x (1 + rate)^(-day / 365)) = 0 over the start value, the flows and
    the end value taken out (ACT/365). Of several the one whose return is nearest to the Modified
    Dietz rate; where that has no value, nearest to 0. `no_rate`: there is none.
    """
    n = len(earned.flows)
    if earned.days <= 0:
        return Measured(None, n, Reason.NO_TIME)
    days, amounts = _paid(earned)
    if not days or days[0] == days[-1]:
        return Measured(None, n, Reason.NO_RATE)
    near = modified_dietz(earned).value or 0.0
    growths = _conventional(days, amounts) or _all_roots(days, amounts)
    if not growths:
        return Measured(None, n, Reason.NO_RATE)
    # A rate is that up to the last amount; what follows it, an end without value, changes nothing.
    scale = earned.days / days[-1]
    returns = [math.expm1(each * scale) for each in growths]
    return Measured.of(min(returns, key=lambda each: (abs(each - near), each)), n)


def annual_rate(period: Measured, days: int) -> Measured:
    """Give the rate of a year of a return over some days: (1 + R)^(365 / days) - 1.

    Under 365 days there is none: `under_a_year`.
    """
    if period.value is None:
        return period
    if days < DAYS_PER_YEAR:
        return Measured(None, period.n, Reason.UNDER_A_YEAR)
    return Measured.of((1.0 + period.value) ** (DAYS_PER_YEAR / days) - 1.0, period.n)


def _paid(earned: Earned) -> tuple[list[int], Floats]:
    """Give what was paid in, negative, and taken out, one amount a day; nothing that is zero."""
    sums: dict[int, float] = {0: -earned.start_value}
    for day, amount in zip(earned.flow_days, earned.flows, strict=True):
        sums[day] = sums.get(day, 0.0) - amount
    sums[earned.days] = sums.get(earned.days, 0.0) + earned.end_value
    days = [day for day, amount in sorted(sums.items()) if amount]
    return days, np.array([sums[day] for day in days], dtype=np.float64)


def _conventional(days: Sequence[int], amounts: Floats) -> list[float]:
    """Find the root where amounts change their sign once: by Descartes' rule it is the only one."""
    if np.count_nonzero(np.diff(np.sign(amounts))) != 1:
        return []
    rate = pyxirr.xirr([_EPOCH + timedelta(days=day) for day in days], amounts.tolist())
    if rate is None or not math.isfinite(rate) or rate <= -1.0:
        return []
    return [_polished(math.log1p(rate) * days[-1] / DAYS_PER_YEAR, days, amounts)]


def _polished(growth: float, days: Sequence[int], amounts: Floats) -> float:
    """Go on by Newton's method from what pyxirr holds near enough: it stops at about 1e-8."""
    times = np.array(days, dtype=np.float64) / days[-1]
    for _ in range(_NEWTON_STEPS):
        terms = np.exp(-growth * times) * amounts
        slope = float(terms @ times)
        if slope:
            growth += float(terms.sum()) / slope
    return growth


def _all_roots(days: Sequence[int], amounts: Floats) -> list[float]:
    """Find every root between two places of a grid at which the present value has other signs."""
    times = np.array(days, dtype=np.float64) / days[-1]
    grid = np.sinh(np.linspace(-_GRID_REACH, _GRID_REACH, _GRID_PLACES))
    signs = np.sign(np.exp(-np.outer(grid, times)) @ amounts)
    found: list[float] = grid[signs == 0].tolist()
    for place in np.flatnonzero(signs[:-1] * signs[1:] < 0).tolist():
        low, high = float(grid[place]), float(grid[place + 1])
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if np.sign(np.exp(-middle * times) @ amounts) == signs[place]:
                low = middle
            else:
                high = middle
        found.append((low + high) / 2)
    return found
