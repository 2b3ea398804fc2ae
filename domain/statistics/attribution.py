"""Why a portfolio did better or worse than its benchmark, by segment (convention 13).

Brinson and Fachler (1985), daily, of start-of-day weights: fractions of NAV that sum to one, shorts
negative, cash a segment of its own. A segment the benchmark does not hold is taken to return what
the portfolio's did, so all of it is allocation; one the portfolio does not hold, what the
benchmark's did. Days are linked by the logarithms of Carino (1999). Arrays are days x segments;
returns are fractions, NaN where a segment is not held.
"""

from typing import NamedTuple

import numpy as np

from domain.statistics.measured import Floats

_ALIKE = 1e-9


class Segments(NamedTuple):
    """Start-of-day weights of segments, and what each returned until the end of the day."""

    weights: Floats
    returns: Floats

    def total(self) -> Floats:
        """Give the return of each day that these holdings explain."""
        return np.asarray((self.weights * np.nan_to_num(self.returns)).sum(axis=-1))


class Effects(NamedTuple):
    """Effects by segment, and what start-of-day holdings do not explain, which has none.

    Daily ones are days x segments and days; linked ones are of the whole range.
    """

    allocation: Floats
    selection: Floats
    interaction: Floats
    trading: Floats

    def total(self) -> Floats:
        """Sum all effects: the active return."""
        by_segment = self.allocation + self.selection + self.interaction
        return np.asarray(by_segment.sum(axis=-1) + self.trading)


def daily_effects(portfolio: Segments, benchmark: Segments, returned: Floats) -> Effects:
    """Give the effects of each day on which the portfolio `returned` so much.

    Allocation (w - b)(B_i - B), selection b(R_i - B_i), interaction (w - b)(R_i - B_i), trading
    what is left of the day's return; together the day's return less the benchmark's.
    """
    held, there = ~np.isnan(portfolio.returns), ~np.isnan(benchmark.returns)
    own = np.where(held, portfolio.returns, np.nan_to_num(benchmark.returns))
    other = np.where(there, benchmark.returns, own)
    overweight = portfolio.weights - benchmark.weights
    total = benchmark.total()[..., np.newaxis]
    return Effects(
        allocation=overweight * (other - total),
        selection=benchmark.weights * (own - other),
        interaction=overweight * (own - other),
        trading=returned - portfolio.total(),
    )


def linked_effects(daily: Effects, returned: Floats, benchmark: Floats) -> Effects:
    """Link daily effects over a range, so that they sum to its active return (Carino 1999).

    A day counts k_t / k, k = (ln(1 + R) - ln(1 + B)) / (R - B), or 1 / (1 + R) where both are
    equal. Every return is above -1.
    """
    whole = np.prod(1.0 + returned) - 1.0
    of_benchmark = np.prod(1.0 + benchmark) - 1.0
    counts = _logarithmic(returned, benchmark) / _logarithmic(
        np.atleast_1d(whole), np.atleast_1d(of_benchmark)
    )
    return Effects(*(np.asarray(counts @ each) for each in daily))


def _logarithmic(one: Floats, other: Floats) -> Floats:
    """Give the slope of the logarithm between two returns, one of each day."""
    difference = one - other
    # There the quotient is lost in rounding, its limit is not.
    close = np.abs(difference) < _ALIKE
    spread = np.log1p(one) - np.log1p(other)
    middle = 1.0 / (1.0 + (one + other) / 2)
    return np.where(close, middle, spread / np.where(close, 1.0, difference))


def linked_contributions(daily: Floats, returned: Floats) -> Floats:
    """Link daily contributions (days x lines) so that they sum to the return of the range.

    A day's contributions count by what a unit invested at the start was worth that morning: the sum
    of (1 + R_1)...(1 + R_t-1) R_t over the days is the compounded return.
    """
    worth = np.cumprod(np.concatenate(([1.0], 1.0 + returned[:-1])))
    return np.asarray(worth @ daily)
