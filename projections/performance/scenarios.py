"""What past days would have done to what is held: returns in the base currency, by line.

A line is a position, or the cash of a foreign currency. Its return of a day is (1 + total return)
x (1 + return of the rate) - 1, a fraction. The window is of the calendar's last sessions; where a
line's own returns begin later, so does the window for all, so that no day counts a line as still.

What follows from the closes and the names of lines alone, not from what each is worth, is kept in
memory for the next question: a trade mostly changes values only.
"""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple, TypeAlias
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from domain.rates import PIVOTS
from domain.statistics.measured import Floats
from domain.statistics.value_at_risk import WINDOW, factor_of
from projections.bounded_memory import BoundedMemory
from projections.performance.exposed import Exposed
from projections.performance.price_arrays import PriceHistory

RETURNS_MIN = 60
"""A line with fewer returns in the window is uncovered."""
UNCOVERED_MAX = 0.05
"""The most of the gross that may be uncovered."""
NUMBERS_KEPT_MAX = 4_000_000
"""Numbers kept in one process, of 8 bytes: of 130 portfolios of 50 lines over 500 days."""


class Line(NamedTuple):
    """Something that can gain or lose: `name` is an instrument, or `cash:EUR`; value in base."""

    name: str
    instrument: str | None
    currency: str
    value: float


class Past:
    """The past days of lines, whatever each is worth; arrays are not to be written to.

    `is_covered` says of which lines `returns` are, days x covered lines, from row `begin` of the
    window on.
    """

    def __init__(self, returns: Floats) -> None:
        """Leave out lines of too few returns, begin with the last to begin, fill gaps with 0.

        What has too few from there on is left out as well: it would lie still on nearly all days.
        A day without a close leaves the price before in force; the next return goes over it.
        """
        known = ~np.isnan(returns)
        is_covered: NDArray[np.bool_] = known.sum(axis=0) >= RETURNS_MIN
        begins = np.argmax(known, axis=0) if len(returns) else np.zeros(known.shape[1], dtype=int)
        self.begin = int(begins[is_covered].max(initial=0))
        self.is_covered: NDArray[np.bool_] = is_covered & (
            known[self.begin :].sum(axis=0) >= RETURNS_MIN
        )
        self.returns: Floats = np.where(known, returns, 0.0)[self.begin :, self.is_covered]
        self.returns.flags.writeable = False

    @property
    def numbers(self) -> int:
        """How many numbers it is kept as: returns, and a line's row of the factor, and its name."""
        return int(self.returns.size) + 100 * (1 + self.is_covered.size)

    @cached_property
    def factor(self) -> Floats:
        """The factor of the covariance of the returns (`value_at_risk.factor_of`)."""
        factor = factor_of(self.returns)
        factor.flags.writeable = False
        return factor


class Scenarios(NamedTuple):
    """What past days do to covered lines; `sessions` are those at whose ends the returns end.

    `uncovered` lists the lines left out, `uncovered_share` is their size over that of all.
    """

    sessions: tuple[date, ...]
    lines: list[Line]
    past: Past
    uncovered: list[str]
    uncovered_share: float

    @property
    def returns(self) -> Floats:
        """Past days x covered lines."""
        return self.past.returns

    @property
    def factor(self) -> Floats:
        """The factor of their covariance."""
        return self.past.factor

    @property
    def exposures(self) -> Floats:
        """The lines' values, shape (lines,)."""
        return np.array([line.value for line in self.lines])

    @property
    def is_complete(self) -> bool:
        """Whether no more than a twentieth is uncovered."""
        return self.uncovered_share <= UNCOVERED_MAX


def lines_of(exposed: Exposed) -> list[Line]:
    """List what is at risk, by name: positions, then foreign cash; what is worth nothing is not."""
    positions = [
        Line(each.instrument, each.instrument, each.currency, float(each.value))
        for each in exposed.positions
        if each.value
    ]
    cash = [
        Line(f"cash:{each.currency}", None, each.currency, float(each.value))
        for each in exposed.cash
        if each.value and each.currency != exposed.currency
    ]
    return [*positions, *cash]


def scenarios_of(exposed: Exposed, closes: PriceHistory, window: int = WINDOW) -> Scenarios:
    """Align the returns of a portfolio's lines over the last sessions up to its own."""
    first, last = window_rows(exposed, closes, window)
    lines = lines_of(exposed)
    past = _past_of(lines, exposed.currency, closes, first, last)
    is_covered: list[bool] = past.is_covered.tolist()
    sizes = np.abs([line.value for line in lines]) if lines else np.zeros(0)
    left_out = float(sizes[~past.is_covered].sum())
    return Scenarios(
        sessions=closes.sessions[first + 1 + past.begin : last + 1],
        lines=[line for line, kept in zip(lines, is_covered, strict=True) if kept],
        past=past,
        uncovered=[line.name for line, kept in zip(lines, is_covered, strict=True) if not kept],
        uncovered_share=left_out / float(sizes.sum()) if left_out else 0.0,
    )


_Key: TypeAlias = tuple[ref[PriceHistory], str, int, int, tuple[tuple[str | None, str], ...]]
"""The closes, the base currency, the rows of the window, instrument and currency of each line.

Closes never change; what is kept of those that are gone is never found again, and gives way.
"""
_KEPT: BoundedMemory[_Key, Past] = BoundedMemory(NUMBERS_KEPT_MAX, attrgetter("numbers"))


def _past_of(lines: list[Line], base: str, closes: PriceHistory, first: int, last: int) -> Past:
    names = tuple((line.instrument, line.currency) for line in lines)
    key = (ref(closes), base, first, last, names)
    past = _KEPT.get(key)
    if past is None:
        past = Past(returns_of(lines, base, closes, first, last))
        _KEPT.keep(key, past)
    return past


def window_rows(exposed: Exposed, closes: PriceHistory, window: int) -> tuple[int, int]:
    """Give the rows of the sessions at which a window of so many returns begins and ends."""
    last = max(0, bisect_right(closes.sessions, exposed.session or date.min) - 1)
    return max(0, last - window), last


def returns_of(lines: list[Line], base: str, closes: PriceHistory, first: int, last: int) -> Floats:
    """Give the returns of lines from one session to another, days x lines, NaN where none is."""
    returns = np.full((last - first, len(lines)), np.nan)
    by_currency: dict[str, list[int]] = {}
    for place, line in enumerate(lines):
        by_currency.setdefault(line.currency, []).append(place)
    for currency, places in by_currency.items():
        rates = rate_returns(currency, base, closes)[first:last, np.newaxis]
        found = [(each, _column(lines[each], closes)) for each in places]
        closed = [(each, column) for each, column in found if column is not None]
        own = closes.total_returns()[first:last].take([column for _, column in closed], axis=1)
        returns[:, [each for each, _ in closed]] = (1.0 + own) * (1.0 + rates) - 1.0
        returns[:, [each for each in places if lines[each].instrument is None]] = rates
    return returns


def _column(line: Line, closes: PriceHistory) -> int | None:
    return None if line.instrument is None else closes.column(line.instrument)


def priced_at(lines: list[Line], base: str, closes: PriceHistory, row: int) -> NDArray[np.bool_]:
    """Say which lines had a price, and a rate, in force at the end of a session."""
    known = np.zeros(len(lines), dtype=np.bool_)
    for place, line in enumerate(lines):
        has_rate = bool(np.isfinite(rates_to_base(line.currency, base, closes)[row]))
        column = None if line.instrument is None else closes.column(line.instrument)
        is_closed = column is not None and np.isfinite(closes.closes[: row + 1, column]).any()
        known[place] = has_rate and (line.instrument is None or bool(is_closed))
    return known


def rate_returns(currency: str, base: str, closes: PriceHistory) -> Floats:
    """Give the returns of a currency's rate to base by session; NaN before it is known."""
    rates = rates_to_base(currency, base, closes)
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = rates[1:] / rates[:-1] - 1.0
    return np.where(np.isfinite(returns), returns, np.nan)


def rates_to_base(currency: str, base: str, closes: PriceHistory) -> Floats:
    """Give units of base for one of a currency by session; NaN before it is known.

    The rate in force at a session's end is the last marked. Of the pair itself and the crosses by
    way of the pivots, that which is known for most sessions (convention 8), of equals the first.
    """
    if currency == base:
        return np.ones(len(closes.sessions))
    best = np.full(len(closes.sessions), np.nan)
    for path in _paths(currency, base):
        rates = np.ones(len(closes.sessions))
        for one, other in pairwise(path):
            rates = rates * _leg(one, other, closes)
        if np.isfinite(rates).sum() > np.isfinite(best).sum():
            best = rates
    return best


def _paths(currency: str, base: str) -> Iterator[tuple[str, ...]]:
    yield (currency, base)
    yield from ((currency, pivot, base) for pivot in PIVOTS if pivot not in (currency, base))


def _leg(one: str, other: str, closes: PriceHistory) -> Floats:
    direct, inverse = (_in_force(f"{a}/{b}", closes) for a, b in ((one, other), (other, one)))
    with np.errstate(divide="ignore"):
        inverted = 1.0 / inverse
    if np.isfinite(inverted).sum() > np.isfinite(direct).sum():
        return np.asarray(inverted)
    return direct


def _in_force(pair: str, closes: PriceHistory) -> Floats:
    column = closes.column(pair)
    if column is None:
        return np.full(len(closes.sessions), np.nan)
    rates = closes.closes[:, column]
    rows: NDArray[np.intp] = np.where(np.isnan(rates), 0, np.arange(len(rates)))
    return np.asarray(rates[np.maximum.accumulate(rows)])
