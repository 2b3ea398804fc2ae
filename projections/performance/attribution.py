"""Why a portfolio returned otherwise than its benchmark, by sector and over a range.

The day a portfolio began with is left out: nothing was held before it, and its benchmark has no
return of a part of a day.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from weakref import WeakKeyDictionary

import msgspec
import numpy as np

from domain.statistics.attribution import Effects, Segments, daily_effects, linked_effects
from domain.statistics.measured import Floats, listed
from projections.asking import Readable
from projections.paging import Answer
from projections.performance.assigned import benchmarks_in_force
from projections.performance.benchmarks import Version, Weighted, versions_of, weighted
from projections.performance.contributions import (
    Laid,
    cells_of,
    laid_of,
    sector_segments,
    summed_by,
)
from projections.performance.history import History, of_portfolio
from projections.performance.panel import Panel
from projections.performance.price_arrays import EPOCH, PriceHistory
from projections.performance.price_history import price_history
from projections.performance.scenarios import rate_returns
from projections.performance.sectors import SectorsByDate

CALCULATION = "attribution 2"


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

    `benchmark` is the one in force at the end. Without effects `reason` says why: `no_benchmark`,
    `no_returns`, `benchmark_incomplete` (it has
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
    panel: Panel
    portfolio: Segments
    benchmark: Segments
    in_force: str


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
        found = _read(history, benchmark, since, until)
        if isinstance(found, str):
            return Explained(_without(history, benchmark, found), [], [])
        return _explained(history, found, day_by_day=day_by_day)

    row, answered = of_portfolio(readable, tenant=tenant, portfolio=portfolio, answer=answer)
    return Answer(row, answered.position, answered.market_position)


def _without(history: History, benchmark: str | None, reason: str) -> Attribution:
    return Attribution(history.owner[1], history.base_currency, benchmark, reason=reason)


def _read(
    history: History, benchmark: str | None, since: date | None, until: date | None
) -> _Read | str:
    """Read both sides, or say why not; days before any benchmark is in force are left out."""
    in_force = benchmarks_in_force(history, benchmark, since or date.min, until or date.max)
    told = {each.benchmark: versions_of(history.readable, each.benchmark) for each in in_force}
    if not told or not all(told.values()):
        return "no_benchmark"
    laid = laid_of(history, max(since or date.min, in_force[0].since), until)
    if laid.panel.start is None and len(laid.panel.sessions):
        # Nothing was held before the first day, and no benchmark is of a part of a day.
        laid = Laid(history, laid.panel.from_second(), laid.sectors)
    panel = laid.panel
    if panel.start is None or not len(panel.sessions):
        return "no_returns"
    ends = np.concatenate(([(panel.start - EPOCH).days], panel.sessions))
    theirs: list[_Side] = []
    for each in in_force:
        # Days that end while it is in force, as a half-open range of the panel's.
        first = int(np.searchsorted(panel.sessions, (each.since - EPOCH).days))
        last = int(np.searchsorted(panel.sessions, (each.until - EPOCH).days, side="right"))
        if first < last:
            side = _side_of(laid, told[each.benchmark], ends[first : last + 1])
            if side is None:
                return "benchmark_incomplete"
            theirs.append(side)
    own_names, own_weights, own_returns = sector_segments(laid)
    sectors = tuple(sorted({*own_names, *(name for side in theirs for name in side.names)}))
    spread = [_spread(side.segments, side.names, sectors) for side in theirs]
    portfolio = _spread(Segments(own_weights, own_returns), own_names, sectors)
    return _Read(
        sectors,
        panel,
        portfolio,
        Segments(*map(np.concatenate, zip(*spread, strict=True))),
        in_force[-1].benchmark,
    )


class _Side(NamedTuple):
    """A benchmark in its sectors, over some days."""

    names: tuple[str, ...]
    segments: Segments


def _side_of(laid: Laid, versions: Sequence[Version], ends: Floats) -> _Side | None:
    """Lay out a benchmark between ends of days; None where one of them lacks a return or a rate."""
    history = laid.history
    closes = price_history(history.readable, versions[-1].calendar, history.stand)
    other = weighted(versions, closes)
    rates = rate_returns(versions[-1].currency, history.base_currency, closes)
    # The rows of the benchmark's returns behind one end and up to the next.
    rows = np.searchsorted(closes.days[1:], ends, side="right")
    incomplete = np.isnan(other.total) | np.isnan(rates)
    if (rows[1:] <= rows[:-1]).any() or incomplete[rows[0] : rows[-1]].any():
        return None
    theirs = _by_sector(versions[-1], other, closes, laid.sectors)
    factors = (1 + theirs.grown) * (1 + np.nan_to_num(rates))[:, np.newaxis]
    segments = Segments(
        theirs.weights[rows[:-1]],
        np.multiply.reduceat(factors[: rows[-1]], rows[:-1], axis=0) - 1,
    )
    segments.returns[segments.weights == 0] = np.nan
    return _Side(theirs.names, segments)


class _Sectored(NamedTuple):
    """A benchmark by sector: weights at the start of each session, and what those returned."""

    names: tuple[str, ...]
    weights: Floats
    grown: Floats


_SECTORED_MAX = 20
_SECTORED: WeakKeyDictionary[PriceHistory, dict[object, _Sectored]] = WeakKeyDictionary()
"""Benchmarks by sector of each price history, by their last version and the sectors known."""


def _by_sector(
    last: Version, other: Weighted, closes: PriceHistory, sectors: SectorsByDate
) -> _Sectored:
    known = _SECTORED.setdefault(closes, {})
    key = (last.benchmark, last.position, sectors)
    found = known.get(key)
    if found is None:
        names, places = sectors.places(other.names, closes.days[1:])
        cells = cells_of(places, len(names))
        weights = summed_by(other.weights, cells, len(names))
        moved = summed_by(other.weights * np.nan_to_num(other.returns), cells, len(names))
        grown = np.divide(moved, weights, out=np.zeros_like(moved), where=weights != 0)
        found = _Sectored(names, weights, grown)
        if len(known) >= _SECTORED_MAX:
            known.clear()
        known[key] = found
    return found


def _spread(segments: Segments, names: Sequence[str], sectors: Sequence[str]) -> Segments:
    """Put segments into more sectors; what is not held weighs nothing and has no return."""
    days = len(segments.weights)
    weights, returns = np.zeros((days, len(sectors))), np.full((days, len(sectors)), np.nan)
    columns = [sectors.index(name) for name in names]
    weights[:, columns], returns[:, columns] = segments.weights, segments.returns
    return Segments(weights, returns)


def _explained(history: History, read: _Read, *, day_by_day: bool) -> Explained:
    others, returned = read.benchmark.total(), read.panel.returned
    daily = daily_effects(read.portfolio, read.benchmark, returned)
    if min(returned.min(), others.min()) <= -1.0:
        return Explained(_without(history, read.in_force, "lost_everything"), [], [])
    linked = linked_effects(daily, returned, others)
    own, other = (float(np.prod(1 + each) - 1) for each in (returned, others))
    since, until = read.panel.span
    attribution = Attribution(
        portfolio=history.owner[1],
        currency=history.base_currency,
        benchmark=read.in_force,
        since=since,
        until=until,
        days=len(returned),
        portfolio_return=own,
        benchmark_return=other,
        active_return=own - other,
        trading=float(linked.trading),
        sectors=tuple(_sector(read, linked, place) for place in range(len(read.sectors))),
    )
    days = _days(read, daily, others) if day_by_day else []
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


def _days(read: _Read, daily: Effects, others: Floats) -> list[AttributedDay]:
    columns = (
        read.panel.returned,
        others,
        daily.trading,
        read.portfolio.weights,
        read.portfolio.returns,
        read.benchmark.weights,
        read.benchmark.returns,
        daily.allocation,
        daily.selection,
        daily.interaction,
    )
    return list(map(AttributedDay, read.panel.days, *(listed(each) for each in columns)))
