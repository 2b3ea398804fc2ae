"""What weights become: those of fixed shares drift, others are restored (convention 13).

Arrays are sessions x names; a return of row i is from session i to i + 1, as a fraction, NaN where
a name had none. A name without a return on a day does not count on it, the others count in full.
"""

import itertools
from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from domain.benchmark import Rebalancing
from domain.statistics.measured import Floats


def is_restored(rebalancing: Rebalancing | None, sessions: Sequence[date]) -> NDArray[np.bool_]:
    """Say for each return, from one session to the next, whether weights are restored before it.

    Always before the first; else where the next session is of another month, quarter or year.
    """
    periods = [_period(rebalancing, session, index) for index, session in enumerate(sessions)]
    found = [before != after for before, after in itertools.pairwise(periods)]
    return np.array([True, *found[1:]][: len(found)], dtype=bool)


def _period(rebalancing: Rebalancing | None, session: date, index: int) -> object:
    match rebalancing:
        case None:
            return None
        case Rebalancing.DAILY:
            return index
        case Rebalancing.MONTHLY:
            return session.year, session.month
        case Rebalancing.QUARTERLY:
            return session.year, (session.month - 1) // 3
        case Rebalancing.YEARLY:
            return session.year


def drifting_weights(
    amounts: Floats,
    closes: Floats,
    returns: Floats,
    *,
    is_shares: bool,
    restored: NDArray[np.bool_],
) -> Floats:
    """Give the weights at the start of each return's day; each day's sum to one, or are all zero.

    `amounts` are shares, worth their last close (of `last_closes`), or weights, which returns move
    until the next day before which they are `restored`.
    """
    there = ~np.isnan(returns)
    if is_shares:
        worth = np.nan_to_num(closes[: len(returns)]) * amounts
        return _normalised(np.where(there, worth, 0.0))
    weights = np.zeros_like(returns)
    current = amounts
    for day, moved in enumerate(np.nan_to_num(returns)):
        if restored[day]:
            current = amounts
        weights[day] = np.where(there[day], current, 0.0)
        current = current * (1.0 + moved)
    return _normalised(weights)


def last_closes(closes: Floats) -> Floats:
    """Give the last close up to each session, sessions x names; NaN before a name's first."""
    known = np.where(np.isnan(closes), 0, np.arange(len(closes))[:, np.newaxis])
    return np.asarray(np.take_along_axis(closes, np.maximum.accumulate(known, axis=0), axis=0))


def _normalised(weights: Floats) -> Floats:
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(weights, total, out=np.zeros_like(weights), where=total > 0))
