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
from domain.statistics.measured import Floats
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

CALCULATION = "attribution 3"


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


ByDay = Sequence[list[float] | msgspec.Raw]
"""By sector: numbers, or what JSON they are, where that is known."""


class AttributedDay(msgspec.Struct, frozen=True):
    """One day's inputs and effects by sector, in the order of `sectors`.

    A return is NaN where nothing was held, which JSON has as null. Of a benchmark all portfolios
    are told the same, so it is written once.
    """

    session: date
    portfolio_return: float
    benchmark_return: float
    trading: float
    portfolio_weights: list[float]
    portfolio_returns: list[float]
    benchmark_weights: list[float] | msgspec.Raw
    benchmark_returns: list[float] | msgspec.Raw
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
    sides: "list[_Side]"
    in_force: str

    def of_benchmark(self) -> tuple[ByDay, ByDay]:
        """Give the benchmark's weights and returns by day, as JSON where one side's is kept."""
        if len(self.sides) == 1 and (written := self.sides[0].written(self.sectors)) is not None:
            return written
        return self.benchmark.weights.tolist(), self.benchmark.returns.tolist()


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
    both = Segments(*map(np.concatenate, zip(*spread, strict=True)))
    return _Read(sectors, panel, portfolio, both, theirs, in_force[-1].benchmark)


class _Side(NamedTuple):
    """A benchmark in its sectors, over some days: those of a range of what is kept, or its own."""

    names: tuple[str, ...]
    segments: Segments
    kept: "_Sectored | None"
    first: int

    def written(self, sectors: tuple[str, ...]) -> tuple[ByDay, ByDay] | None:
        """Give weights and returns by day as JSON where that is kept."""
        if self.kept is None:
            return None
        until = self.first + len(self.segments.weights)
        weights, returns = self.kept.written(sectors)
        return weights[self.first : until], returns[self.first : until]


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
    theirs = _by_sector(versions[-1], other, closes, laid)
    first, last = int(rows[0]), int(rows[-1])
    if last - first == len(rows) - 1:  # Each day is one session.
        segments = Segments(theirs.weights[first:last], theirs.returns[first:last])
        return _Side(theirs.names, segments, theirs, first)
    weights = theirs.weights[rows[:-1]]
    returns = np.multiply.reduceat(theirs.factors[:last], rows[:-1], axis=0) - 1
    returns[weights == 0] = np.nan
    return _Side(theirs.names, Segments(weights, returns), None, first)


class _Sectored:
    """A benchmark by sector, in a base currency; arrays are not to be written to.

    `weights` are at the start of each session, `factors` what those grew by until its end.
    """

    def __init__(self, names: tuple[str, ...], weights: Floats, factors: Floats) -> None:
        self.names = names
        self.weights = weights
        self.factors = factors
        self.returns = np.where(weights == 0, np.nan, factors - 1)
        self._written: dict[tuple[str, ...], tuple[list[msgspec.Raw], list[msgspec.Raw]]] = {}

    def written(self, sectors: tuple[str, ...]) -> tuple[list[msgspec.Raw], list[msgspec.Raw]]:
        """Write down weights and returns by session, as they are in these sectors."""
        found = self._written.get(sectors)
        if found is None:
            spread = _spread(Segments(self.weights, self.returns), self.names, sectors)
            weights, returns = (
                [msgspec.Raw(msgspec.json.encode(each)) for each in values.tolist()]
                for values in spread
            )
            found = weights, returns
            if len(self._written) >= _WRITTEN_MAX:
                self._written.clear()
            self._written[sectors] = found
        return found


_SECTORED_MAX = 20
_WRITTEN_MAX = 4
"""In so many sets of sectors each is kept as JSON, 400 bytes a session."""
_SECTORED: WeakKeyDictionary[PriceHistory, dict[object, _Sectored]] = WeakKeyDictionary()
"""Benchmarks by sector of each price history: by last version, sectors known and base currency."""


def _by_sector(last: Version, other: Weighted, closes: PriceHistory, laid: Laid) -> _Sectored:
    known = _SECTORED.setdefault(closes, {})
    base = laid.history.base_currency
    key = (last.benchmark, last.position, laid.sectors, base)
    found = known.get(key)
    if found is None:
        names, places = laid.sectors.places(other.names, closes.days[1:])
        cells = cells_of(places, len(names))
        weights = summed_by(other.weights, cells, len(names))
        moved = summed_by(other.weights * np.nan_to_num(other.returns), cells, len(names))
        grown = np.divide(moved, weights, out=np.zeros_like(moved), where=weights != 0)
        rates = np.nan_to_num(rate_returns(last.currency, base, closes))
        found = _Sectored(names, weights, (1 + grown) * (1 + rates)[:, np.newaxis])
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
        *read.of_benchmark(),
        daily.allocation,
        daily.selection,
        daily.interaction,
    )
    told = (each.tolist() if isinstance(each, np.ndarray) else each for each in columns)
    return list(map(AttributedDay, read.panel.days, *told))
