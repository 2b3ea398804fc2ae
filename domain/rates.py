"""Rates between currencies at a moment, found from the marks of pairs (convention 8).

A rate is units of `quote` for one of `base`. What is derived, an inverse or a cross, is one
division of exact numbers, rounded half-even to the 18 decimals that a rate is carried with.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from domain.money import ONE, ratio

PIVOTS = ("EUR", "USD")
"""Where crosses go through: first what ECB's rates are of, then what most others are of."""
RATE_STALE_AFTER = timedelta(days=4)

DatedRate: TypeAlias = tuple[datetime, Decimal]
Pair: TypeAlias = tuple[str, str]
Marked: TypeAlias = Callable[[str, str], DatedRate | None]
"""Gives the newest mark of a pair, named base and quote, up to the moment asked for."""


class Conversion(NamedTuple):
    """A rate, since when it is in force, and the currencies it goes through, ends included.

    A cross is as old as its older leg.
    """

    rate: Decimal
    at: datetime
    is_stale: bool
    path: tuple[str, ...]


def rate_between(base: str, quote: str, *, at: datetime, marked: Marked) -> Conversion | None:
    """Find the rate in force at a moment; None where nothing marked leads from one to the other.

    A pair's own mark comes first, in the direction marked last; then crosses by way of the pivots
    in their order. What is stale gives way to what is not, and is taken where all is.
    """
    if base == quote:
        return Conversion(ONE, at, is_stale=False, path=(base,))
    found: Conversion | None = None
    for path in _paths(base, quote):
        candidate = _along(path, at, marked)
        if candidate is not None and not candidate.is_stale:
            return candidate
        found = found or candidate
    return found


def pairs_between(base: str, quote: str) -> list[Pair]:
    """Name every pair whose marks can make the rate between two currencies."""
    return [
        pair
        for path in _paths(base, quote)
        for one, other in pairwise(path)
        for pair in ((one, other), (other, one))
    ]


def _paths(base: str, quote: str) -> list[tuple[str, ...]]:
    through = [(base, pivot, quote) for pivot in PIVOTS if pivot not in (base, quote)]
    return [(base, quote), *through]


def _along(path: tuple[str, ...], at: datetime, marked: Marked) -> Conversion | None:
    over = under = ONE
    oldest = at
    for one, other in pairwise(path):
        direct, inverse = _in_force(marked(one, other), at), _in_force(marked(other, one), at)
        if direct is not None and (inverse is None or inverse[0] <= direct[0]):
            over *= direct[1]
            oldest = min(oldest, direct[0])
        elif inverse is not None:
            under *= inverse[1]
            oldest = min(oldest, inverse[0])
        else:
            return None
    rate = ratio(over, under)
    if not rate:
        return None
    return Conversion(rate, oldest, is_stale=at - oldest > RATE_STALE_AFTER, path=path)


def _in_force(mark: DatedRate | None, at: datetime) -> DatedRate | None:
    """Leave out a mark of later, and one of zero: neither is a rate."""
    return mark if mark is not None and mark[0] <= at and mark[1] else None
