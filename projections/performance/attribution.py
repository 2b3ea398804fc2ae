"""Why a portfolio returned otherwise than its benchmark, by sector and over a range.

The day a portfolio began with is left out: nothing was held before it, and its benchmark has no
return of a part of a day.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np

from domain.statistics.attribution import Effects, Segments, daily_effects, linked_effects
from domain.statistics.measured import Floats
from projections.asking import Readable
from projections.paging import Answer
from projections.performance.benchmarks import versions_of, weighted
from projections.performance.contributions import laid_of, sector_segments, summed_by
from projections.performance.history import History, of_portfolio
from projections.performance.price_history import price_history
from projections.performance.scenarios import rate_returns
from projections.performance.sectors import SectorsByDate
from projections.performance.series import EPOCH

CALCULATION = "attribution 1"


class SectorEffects(msgspec.Struct, frozen=True):
    """A sector over a range: mean start-of-day weights, and the linked effects."""

    sector: str
    portfolio_weight: float
    benchmark_weight: float
    allocation: float
    selection: float
    interaction: float


class Attribution(msgspec.Struct, frozen=True):
    """Effects that sum, with `trading`, to `active_return` = portfolio's less benchmark's return.

    Without effects `reason` says why: `no_benchmark`, `no_returns`, `benchmark_incomplete` (it has
    no return on one of the days, or no rate to the portfolio's currency), or
    `lost_everything` (a return of -100 % has no logarithm).
    """

    portfolio: str
    currency: str
    benchmark: str | None
    since: date | None = None
    until: date | None = None
    days: int = 0
    portfolio_return: float | None = None
    benchmark_return: float | None = None
    active_return: float | None = None
    trading: float | None = None
    sectors: tuple[SectorEffects, ...] = ()
    reason: str | None = None


class AttributedDay(msgspec.Struct, frozen=True):
    """One day's inputs and effects by sector, in the order of `sectors`."""

    session: date
    portfolio_return: float
    benchmark_return: float
    trading: float
    portfolio_weights: list[float]
    portfolio_returns: list[float | None]
    benchmark_weights: list[float]
    benchmark_returns: list[float | None]
    allocation: list[float]
    selection: list[float]
    interaction: list[float]


class Explained(msgspec.Struct, frozen=True):
    """A range day by day: what `daily_effects` was fed with, and what it gave."""

    attribution: Attribution
    sectors: list[str]
    daily: list[AttributedDay]


class _Read(NamedTuple):
    """Both sides in the same sectors, over the same days."""

    sectors: tuple[str, ...]
    days: list[date]
    portfolio: Segments
    benchmark: Segments
    returned: Floats


def attribution_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    benchmark: str | None,
    since: date | None = None,
    until: date | None = None,
    day_by_day: bool = True,
) -> Answer[Explained]:
    """Attribute a range; no row when the tenant has no such portfolio.

    Without `day_by_day` the days are left out.
    """

    def answer(history: History) -> Explained:
        found = _read(readable, history, benchmark, since, until)
        if isinstance(found, str):
            return Explained(_without(history, benchmark, found), [], [])
        return _explained(history, benchmark, found, day_by_day=day_by_day)

    row, answered = of_portfolio(readable, tenant=tenant, portfolio=portfolio, answer=answer)
    return Answer(row, answered.position, answered.market_position)


def _without(history: History, benchmark: str | None, reason: str) -> Attribution:
    return Attribution(history.owner[1], history.base_currency, benchmark, reason=reason)


def _read(
    readable: Readable,
    history: History,
    benchmark: str | None,
    since: date | None,
    until: date | None,
) -> _Read | str:
    """Read both sides, or say why not."""
    versions = [] if benchmark is None else versions_of(readable, benchmark)
    if not versions:
        return "no_benchmark"
    laid = laid_of(readable, history, since, until)
    if laid.panel.start is None and len(laid.panel.sessions):
        # Nothing was held before the first day, and no benchmark is of a part of a day.
        laid = laid._replace(panel=laid.panel.from_second())
    panel = laid.panel
    if panel.start is None or not len(panel.sessions):
        return "no_returns"
    closes = price_history(readable, versions[-1].calendar)
    other = weighted(versions, closes)
    rates = rate_returns(versions[-1].currency, history.base_currency, closes)
    spans = _spans(closes.sessions[1:], [panel.start, *panel.days])
    incomplete = np.isnan(other.total) | np.isnan(rates)
    if any(first >= last or incomplete[first:last].any() for first, last in spans):
        return "benchmark_incomplete"
    names, places = SectorsByDate(history, other.names).places(
        other.names, np.array([(day - EPOCH).days for day in closes.sessions[1:]])
    )
    weights = summed_by(other.weights, places, len(names))
    moved = summed_by(other.weights * np.nan_to_num(other.returns), places, len(names))
    grown = np.divide(moved, weights, out=np.zeros_like(moved), where=weights != 0)
    own_names, own_weights, own_returns = sector_segments(laid)
    sectors = tuple(sorted({*names, *own_names}))
    factors = (1 + grown) * (1 + np.nan_to_num(rates))[:, np.newaxis]
    theirs = Segments(
        np.array([weights[first] for first, _ in spans]),
        np.array([np.prod(factors[first:last], axis=0) - 1 for first, last in spans]),
    )
    theirs.returns[theirs.weights == 0] = np.nan
    portfolio = _spread(Segments(own_weights, own_returns), own_names, sectors)
    return _Read(sectors, panel.days, portfolio, _spread(theirs, names, sectors), panel.returned)


def _spans(sessions: Sequence[date], ends: Sequence[date]) -> list[tuple[int, int]]:
    """Give the rows of a benchmark's returns that lie behind one end and up to the next."""
    return list(pairwise(bisect_right(sessions, end) for end in ends))


def _spread(segments: Segments, names: Sequence[str], sectors: Sequence[str]) -> Segments:
    """Put segments into more sectors; what is not held weighs nothing and has no return."""
    days = len(segments.weights)
    weights, returns = np.zeros((days, len(sectors))), np.full((days, len(sectors)), np.nan)
    columns = [sectors.index(name) for name in names]
    weights[:, columns], returns[:, columns] = segments.weights, segments.returns
    return Segments(weights, returns)


def _explained(
    history: History, benchmark: str | None, read: _Read, *, day_by_day: bool
) -> Explained:
    others = read.benchmark.total()
    daily = daily_effects(read.portfolio, read.benchmark, read.returned)
    if min(read.returned.min(), others.min()) <= -1.0:
        return Explained(_without(history, benchmark, "lost_everything"), [], [])
    linked = linked_effects(daily, read.returned, others)
    own, other = (float(np.prod(1 + each) - 1) for each in (read.returned, others))
    attribution = Attribution(
        portfolio=history.owner[1],
        currency=history.base_currency,
        benchmark=benchmark,
        since=read.days[0],
        until=read.days[-1],
        days=len(read.days),
        portfolio_return=own,
        benchmark_return=other,
        active_return=own - other,
        trading=float(linked.trading),
        sectors=tuple(_sector(read, linked, place) for place in range(len(read.sectors))),
    )
    days = [_day(read, daily, others, row) for row in range(len(read.days) if day_by_day else 0)]
    return Explained(attribution, list(read.sectors), days)


def _sector(read: _Read, linked: Effects, place: int) -> SectorEffects:
    return SectorEffects(
        read.sectors[place],
        float(read.portfolio.weights[:, place].mean()),
        float(read.benchmark.weights[:, place].mean()),
        float(linked.allocation[place]),
        float(linked.selection[place]),
        float(linked.interaction[place]),
    )


def _day(read: _Read, daily: Effects, others: Floats, row: int) -> AttributedDay:
    return AttributedDay(
        session=read.days[row],
        portfolio_return=float(read.returned[row]),
        benchmark_return=float(others[row]),
        trading=float(daily.trading[row]),
        portfolio_weights=read.portfolio.weights[row].tolist(),
        portfolio_returns=_known(read.portfolio.returns[row]),
        benchmark_weights=read.benchmark.weights[row].tolist(),
        benchmark_returns=_known(read.benchmark.returns[row]),
        allocation=daily.allocation[row].tolist(),
        selection=daily.selection[row].tolist(),
        interaction=daily.interaction[row].tolist(),
    )


def _known(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
