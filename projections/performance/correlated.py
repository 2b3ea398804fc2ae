"""How what a portfolio holds has moved together, over at least 60 common days (convention 13)."""

import msgspec

from domain.statistics.correlations import correlations
from domain.statistics.measured import listed
from projections.asking import Readable
from projections.paging import Answer
from projections.performance.price_arrays import PriceHistory
from projections.performance.risk import Asked, Seen, Valued, seen, valued_of
from projections.performance.scenarios import lines_of, returns_of, window_rows


class Correlated(msgspec.Struct, frozen=True):
    """Pearson's coefficients of the largest lines' daily returns in the base currency.

    `names` are those lines by size; row and column of a pair are their places. A coefficient is
    null under 60 common days, or where one of the two did not move; `days` counts the common ones.
    """

    valued: Valued
    names: list[str]
    coefficients: list[list[float | None]]
    days: list[list[int]]


def correlated_of(
    readable: Readable, *, tenant: str, portfolio: str, asked: Asked, count: int
) -> Answer[Correlated]:
    """Correlate the `count` largest lines; no row without such a portfolio."""
    return seen(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        asked=asked,
        answer=lambda one, closes: _correlated(one, closes, asked.window, count),
    )


def _correlated(one: Seen, closes: PriceHistory, window: int, count: int) -> Correlated:
    by_size = sorted(lines_of(one.exposed), key=lambda line: (-abs(line.value), line.name))
    lines = by_size[:count]
    first, last = window_rows(one.exposed, closes, window)
    returns = returns_of(lines, one.exposed.currency, closes, first, last)
    if not lines or not len(returns):
        none: list[list[float | None]] = [[None] * len(lines) for _ in lines]
        zeros = [[0] * len(lines) for _ in lines]
        return Correlated(valued_of(one), [line.name for line in lines], none, zeros)
    found = correlations(returns)
    return Correlated(
        valued=valued_of(one),
        names=[line.name for line in lines],
        coefficients=listed(found.coefficients),
        days=found.days.tolist(),
    )
