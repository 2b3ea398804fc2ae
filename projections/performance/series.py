"""A portfolio's daily returns as arrays, for statistics: only the columns they need.

Dates are days since 1970-01-01, returns fractions as the nearest float. Where a return is
undefined the chain restarts: the series is what is behind the last such day, and counts the rest.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from domain.returns import ReturnReason
from domain.statistics.compounding import between, wealth
from domain.statistics.measured import Floats
from projections.asking import Readable, ask
from projections.performance.assigned import InForce
from projections.performance.benchmarks import Version, versions_of, weighted
from projections.performance.history import NAME, History
from projections.performance.price_arrays import EPOCH, PriceHistory
from projections.performance.price_history import price_history
from projections.performance.returned import INCOMPLETE, NO_START, UNDEFINED, returned
from projections.performance.scenarios import rates_to_base

Days = NDArray[np.int64]

_CHAIN = """
session, daily_return, return_reason FROM {schema}.days
WHERE tenant = %s AND portfolio = %s AND session BETWEEN %s AND %s AND session >= (
    SELECT first_session FROM {schema}.portfolios WHERE tenant = %s AND portfolio = %s
)
"""


class ChainedDay(NamedTuple):
    """A session's exact return, or the reason why it has none."""

    session: date
    daily_return: Decimal | None
    return_reason: ReturnReason | None


class Series(NamedTuple):
    """Returns of some sessions, oldest first; the first starts at the end of session `start`.

    `start` is absent where the portfolio began with the first. A return over a gap is one.
    """

    start: int | None
    sessions: Days
    returns: Floats
    asked: int
    incomplete: int
    undefined: int

    @property
    def places(self) -> Days:
        """The dates of the places of the wealth: the start, then each session."""
        start = self.sessions[0] - 1 if self.start is None else self.start
        return np.concatenate([[start], self.sessions])


class Levels(NamedTuple):
    """What a benchmark was worth at the end of some sessions, ascending, all above zero."""

    sessions: Days
    values: Floats


_NO_LEVELS = Levels(np.empty(0, dtype=np.int64), np.empty(0))
_CURRENCY = "currency FROM {schema}.listings WHERE instrument = %s"
_BENCHMARKS_MAX = 100
_LEVELS: WeakKeyDictionary[PriceHistory, dict[tuple[str, int, str], Levels]] = WeakKeyDictionary()
"""Levels of each price history, by benchmark, where its last version was told, and currency.

A history never changes, and its levels go with it.
"""


class Compared(NamedTuple):
    """Returns of a portfolio and of its benchmark, from and to the same sessions."""

    sessions: Days
    returns: Floats
    benchmark: Floats


def day_of(number: int) -> date:
    """Give the date of a day since 1970-01-01."""
    return EPOCH + timedelta(days=number)


def dates_of(numbers: Days) -> list[date]:
    """Give the dates of many days since 1970-01-01."""
    dates: list[date] = numbers.astype("datetime64[D]").tolist()
    return dates


def series_of(history: History, since: date, until: date) -> Series:
    """Give the returns of the sessions of a range, as known now."""
    told = returned(history)
    first = np.searchsorted(told["session"], (since - EPOCH).days)
    last = np.searchsorted(told["session"], (until - EPOCH).days, side="right")
    told = told[first:last]
    sessions, values, reasons = told["session"].astype(np.int64), told["value"], told["reason"]
    is_counted = ~np.isnan(values)
    undefined = np.flatnonzero(reasons == UNDEFINED)
    if len(undefined):
        is_counted[: undefined[-1] + 1] = False
    begin = int(told["start"][np.argmax(is_counted)]) if is_counted.any() else NO_START
    return Series(
        start=None if begin == NO_START else begin,
        sessions=sessions[is_counted],
        returns=values[is_counted],
        asked=len(told),
        incomplete=int(np.count_nonzero(reasons == INCOMPLETE)),
        undefined=len(undefined),
    )


def chained_days(history: History, since: date, until: date) -> list[ChainedDay]:
    """Read what `domain.returns.cumulative` chains: the exact returns of a range, in order."""
    parameters = (*history.owner, since, until, *history.owner)
    return [
        ChainedDay(session, value, None if reason is None else ReturnReason(reason))
        for session, value, reason in history.ask(
            _CHAIN, *parameters, order="ORDER BY session"
        ).rows
    ]


def levels_of(readable: Readable, benchmark: str, calendar: str, currency: str) -> Levels:
    """Give what one unit put into a benchmark became; no levels where nobody knows of it.

    It is told in `currency`, at the rates in force at the sessions' ends: none without a rate. An
    instrument that is no benchmark is its own: its total return over the sessions of `calendar`.
    """
    versions = versions_of(readable, benchmark)
    prices = price_history(readable, versions[-1].calendar if versions else calendar)
    known = _LEVELS.setdefault(prices, {})
    told_in = versions[-1].currency if versions else _currency_of(readable, benchmark)
    if told_in is None:
        return _NO_LEVELS
    key = (benchmark, versions[-1].position if versions else 0, currency)
    if key not in known:
        if len(known) >= _BENCHMARKS_MAX:
            known.clear()
        rates = rates_to_base(told_in, currency, prices)
        known[key] = _levels(prices, _returns(versions, prices, benchmark), rates)
    return known[key]


def levels_in_force(
    readable: Readable, in_force: Sequence[InForce], calendar: str, currency: str
) -> Levels:
    """Chain benchmarks as they are in force: each session's return is that of its own one.

    A benchmark goes on from its last level before it is in force; one that has none before begins
    the chain anew, since nobody knows what the sessions between returned.
    """
    if len(in_force) == 1 and in_force[0].since == date.min:
        return levels_of(readable, in_force[0].benchmark, calendar, currency)
    sessions, values = _NO_LEVELS
    for each in in_force:
        found = levels_of(readable, each.benchmark, calendar, currency)
        since, until = ((day - EPOCH).days for day in (each.since, each.until))
        first = int(np.searchsorted(found.sessions, since))
        last = int(np.searchsorted(found.sessions, until, side="right"))
        if first == last:
            continue
        if not first or not len(sessions):
            begin = max(first - 1, 0)
            sessions, values = found.sessions[begin:last], found.values[begin:last]
            continue
        grown = values[-1] * found.values[first:last] / found.values[first - 1]
        sessions = np.concatenate([sessions, found.sessions[first:last]])
        values = np.concatenate([values, grown])
    return Levels(sessions, values)


def _currency_of(readable: Readable, instrument: str) -> str | None:
    """Give the currency of an instrument; None where it was never registered."""
    rows = ask(readable, NAME, _CURRENCY, (instrument,)).rows
    return str(rows[0][0]) if rows else None


def _returns(versions: Sequence[Version], prices: PriceHistory, benchmark: str) -> Floats:
    column = prices.column(benchmark)
    if versions:
        return weighted(versions, prices).total
    return np.empty(0) if column is None else prices.total_returns()[:, column]


def _levels(prices: PriceHistory, returns: Floats, rates: Floats) -> Levels:
    known = np.flatnonzero(~np.isnan(returns))
    if not len(known):
        return _NO_LEVELS
    # A return is since the last close before, so a session without one leaves out a level only.
    places = np.array([known[0], *(known + 1)])
    days = prices.days[places]
    values = wealth(returns[known]) * rates[places]
    is_worth = values > 0
    return Levels(days[is_worth], values[is_worth])


def compared(series: Series, levels: Levels) -> Compared:
    """Chain both from session to session that both know; one gap is one return of each."""
    if not len(series.sessions):
        return Compared(series.sessions, series.returns, series.returns)
    common, places, found = np.intersect1d(
        series.places, levels.sessions, assume_unique=True, return_indices=True
    )
    values = levels.values[found]
    if series.start is None and len(places) and places[0] == 0:
        common, places, values = common[1:], places[1:], values[1:]
    returns = between(series.returns, places)
    return Compared(common[1:], returns, values[1:] / values[:-1] - 1.0)
