"""What each position, or each sector, added to the return of a range (issue 6, convention 13).

Daily contributions are results over the capital of the day, linked so that they sum to the
time-weighted return of the range; what no line explains of a day is `trading`.
"""

from collections.abc import Callable, Sequence
from datetime import date
from functools import cached_property
from typing import Literal, NamedTuple, TypeVar

import msgspec
import numpy as np

from domain.statistics.attribution import linked_contributions
from domain.statistics.correlations import Correlations, correlations
from domain.statistics.measured import EQUAL, Floats
from projections.asking import Readable
from projections.paging import Answer
from projections.performance.history import History, of_portfolio
from projections.performance.panel import Panel, panel_of
from projections.performance.price_history import price_history
from projections.performance.sectors import Places, SectorsByDate, sectors_by_date

CALCULATION = "contributions 2"
By = Literal["position", "sector"]
AnswerT = TypeVar("AnswerT")


class Contribution(msgspec.Struct, frozen=True):
    """A line of a range: `weight` is the mean of the days' start, `result` in the base currency."""

    name: str
    weight: float
    result: float
    contribution: float


class Contributions(msgspec.Struct, frozen=True):
    """The lines of a range by size; with `trading` they sum to `range_return`."""

    portfolio: str
    currency: str
    since: date | None
    until: date | None
    days: int
    range_return: float | None
    trading: float
    lines: list[Contribution]


class Grouped(NamedTuple):
    """A panel by groups of lines: days x groups of weights, results and contributions."""

    names: tuple[str, ...]
    weights: Floats
    results: Floats
    contributions: Floats


class Laid:
    """A portfolio's panel, and the sectors of its instruments; what is asked twice is kept."""

    def __init__(self, history: History, panel: Panel, sectors: SectorsByDate) -> None:
        self.history = history
        self.panel = panel
        self.sectors = sectors

    @cached_property
    def weights(self) -> Floats:
        """The panel's weights."""
        return self.panel.weights

    @cached_property
    def contributions(self) -> Floats:
        """The panel's contributions."""
        return self.panel.contributions

    @cached_property
    def sector_weights(self) -> Floats:
        """Days x sectors."""
        return self.summed(self.weights)

    @cached_property
    def by_sector(self) -> tuple[tuple[str, ...], Places]:
        """The sectors met, and for each day and line the place of its own among them."""
        return self.sectors.places(self.panel.names, self.panel.sessions)

    @cached_property
    def _cells(self) -> Places:
        names, places = self.by_sector
        return cells_of(places, len(names))

    @cached_property
    def _lasting(self) -> Sequence[int] | None:
        """The sector of each line where none of them moves to another."""
        _, places = self.by_sector
        lasts = len(places) > 0 and (places == places[0]).all()
        return places[0].tolist() if lasts else None

    def summed(self, values: Floats) -> Floats:
        """Sum days x lines into days x sectors."""
        count = len(self.by_sector[0])
        if self._lasting is None:
            return summed_by(values, self._cells, count)
        return summed_whole(values, self._lasting, count)


def laid_of(history: History, since: date | None, until: date | None) -> Laid:
    """Lay out a range of one portfolio."""
    closes = price_history(history.readable, history.calendar, history.stand)
    panel = panel_of(history, closes, since or date.min, until or date.max)
    return Laid(history, panel, sectors_by_date(history.readable, history.stand))


def contributions_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    by: By,
    since: date | None = None,
    until: date | None = None,
) -> Answer[Contributions]:
    """Add up a range by position or by sector; no row when the tenant has no such portfolio."""
    return _of_range(
        readable, (tenant, portfolio), since, until, lambda laid: _added_up(laid, grouped(laid, by))
    )


def _of_range(
    readable: Readable,
    owner: tuple[str, str],
    since: date | None,
    until: date | None,
    make: Callable[[Laid], AnswerT],
) -> Answer[AnswerT]:
    """Answer from a range of one portfolio, in one snapshot."""
    tenant, portfolio = owner
    row, answered = of_portfolio(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        answer=lambda history: make(laid_of(history, since, until)),
    )
    return Answer(row, answered.position, answered.market_position)


def grouped(laid: Laid, by: By) -> Grouped:
    """Sum the lines of a panel by what they are grouped by, each on its own day."""
    told = (laid.panel.results, laid.contributions)
    if by == "position":
        return Grouped(laid.panel.names, laid.weights, *told)
    return Grouped(laid.by_sector[0], laid.sector_weights, *map(laid.summed, told))


def cells_of(places: Places, count: int) -> Places:
    """Number the groups of all days through, by the place of each day's line among its groups."""
    return (places + np.arange(len(places))[:, np.newaxis] * count).ravel()


def summed_by(values: Floats, cells: Places, count: int) -> Floats:
    """Sum days x lines into days x groups."""
    size = len(values) * count
    summed = np.bincount(cells, values.ravel(), size).reshape(len(values), count)
    return np.asarray(summed, dtype=np.float64)


def summed_whole(values: Floats, groups: Sequence[int], count: int) -> Floats:
    """Sum lines that are each of one group on all days, into the very sums of `summed_by`."""
    summed = np.zeros((count, len(values)))
    for line, group in zip(values.T, groups, strict=True):
        summed[group] += line
    return np.ascontiguousarray(summed.T)


def _added_up(laid: Laid, groups: Grouped) -> Contributions:
    panel = laid.panel
    history = laid.history
    count = len(panel.sessions)
    linked = linked_contributions(groups.contributions, panel.returned) if count else None
    lines = (
        [
            Contribution(
                name,
                float(groups.weights[:, place].mean()),
                float(groups.results[:, place].sum()),
                float(linked[place]),
            )
            for place, name in enumerate(groups.names)
        ]
        if linked is not None
        else []
    )
    trading = (panel.returned - laid.contributions.sum(axis=1))[:, np.newaxis]
    since, until = panel.span
    return Contributions(
        portfolio=history.owner[1],
        currency=history.base_currency,
        since=since,
        until=until,
        days=count,
        range_return=float(np.prod(1 + panel.returned) - 1) if count else None,
        trading=float(linked_contributions(trading, panel.returned)[0]) if count else 0.0,
        lines=sorted(lines, key=lambda line: (-abs(line.contribution), line.name)),
    )


class SectorLine(msgspec.Struct, frozen=True):
    """A sector: what is held of it at the end of the range, and what it did over it.

    `sector_return` chains what its start-of-day holdings returned, days without any left out.
    """

    sector: str
    exposure: float
    weight: float
    mean_weight: float
    result: float
    contribution: float
    sector_return: float | None


class SectorView(msgspec.Struct, frozen=True):
    """The sectors of a range by name; contributions with `trading` sum to `range_return`."""

    portfolio: str
    currency: str
    since: date | None
    until: date | None
    days: int
    range_return: float | None
    trading: float
    sectors: list[SectorLine]


def sectors_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    since: date | None = None,
    until: date | None = None,
) -> Answer[SectorView]:
    """Say what each sector was and did; no row when the tenant has no such portfolio."""

    def view(laid: Laid) -> SectorView:
        added = _added_up(laid, grouped(laid, "sector"))
        return SectorView(
            added.portfolio, added.currency, added.since, added.until, added.days,
            added.range_return, added.trading, _sector_lines(laid, added),
        )  # fmt: skip

    return _of_range(readable, (tenant, portfolio), since, until, view)


def _sector_lines(laid: Laid, added: Contributions) -> list[SectorLine]:
    panel = laid.panel
    if not added.days:
        return []
    names, places = laid.by_sector
    _, _, returns = sector_segments(laid)
    at_end = cells_of(places[-1:], len(names))
    held = summed_by(panel.held_at_end[np.newaxis], at_end, len(names))[0]
    total = held.sum()
    by_name = {each.name: each for each in added.lines}
    found = []
    for place, name in enumerate(names):
        line, moved = by_name[name], returns[:, place]
        known = moved[~np.isnan(moved)]
        found.append(
            SectorLine(
                sector=name,
                exposure=float(held[place]),
                weight=float(held[place] / total) if total > 0 else 0.0,
                mean_weight=line.weight,
                result=line.result,
                contribution=line.contribution,
                sector_return=float(np.prod(1 + known) - 1) if len(known) else None,
            )
        )
    return found


class SectorCorrelations(NamedTuple):
    """Correlations between the sectors a portfolio held."""

    names: tuple[str, ...]
    found: Correlations


def sector_correlations(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    since: date | None = None,
    until: date | None = None,
) -> Answer[SectorCorrelations]:
    """Correlate the returns of what was held of each sector; NaN where it held none that day."""

    def correlated(laid: Laid) -> SectorCorrelations:
        names, _, returns = sector_segments(laid)
        return SectorCorrelations(names, correlations(returns))

    return _of_range(readable, (tenant, portfolio), since, until, correlated)


def sector_segments(laid: Laid) -> tuple[tuple[str, ...], Floats, Floats]:
    """Give sectors, their start-of-day weights, and what those holdings returned, days x sectors.

    NaN where a sector's weight is zero, up to 1e-12 of the capital, as where longs and shorts
    cancel; or one of its holdings has no return.
    """
    names, _ = laid.by_sector
    weights = laid.sector_weights
    known = np.where(laid.weights == 0, 0.0, laid.panel.returns)
    moved = laid.summed(laid.weights * known)
    is_held = np.abs(weights) > EQUAL
    returns = np.divide(moved, weights, out=np.full_like(moved, np.nan), where=is_held)
    return names, weights, returns
