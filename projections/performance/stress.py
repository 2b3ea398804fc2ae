"""What a portfolio would lose if prices, rates and sectors fell by so much, or as they once did.

Shocks are fractions, and those that a line meets multiply (convention 12): of all instruments, of
its own, of its sector, and of its currency's rate to base. A window is what total returns and rates
did from the close of one session to that of another. Cash of the base currency never changes.
"""

from bisect import bisect_right
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

import msgspec
import numpy as np

from domain.limits.scope import UNCLASSIFIED
from domain.money import ZERO
from domain.statistics import stress
from domain.statistics.measured import Floats
from projections.asking import Readable, ask
from projections.paging import Answer
from projections.performance.history import NAME
from projections.performance.price_arrays import PriceHistory
from projections.performance.risk import (
    COVERAGE_INCOMPLETE,
    Asked,
    Seen,
    Valued,
    seen,
    valued_of,
)
from projections.performance.scenarios import (
    UNCOVERED_MAX,
    Line,
    lines_of,
    priced_at,
    returns_of,
)

NO_HISTORY = "no_history"
KINDS = ("market", "instrument", "sector", "currency")
"""What shocks a line may meet, in the order in which they multiply; one of each at most."""

WINDOWS = {
    "lehman_2008": (date(2008, 9, 12), date(2008, 11, 20)),
    "us_downgrade_2011": (date(2011, 7, 22), date(2011, 8, 8)),
    "taper_tantrum_2013": (date(2013, 5, 21), date(2013, 6, 24)),
    "china_devaluation_2015": (date(2015, 8, 17), date(2015, 8, 25)),
    "start_of_2016": (date(2015, 12, 31), date(2016, 2, 11)),
    "brexit_2016": (date(2016, 6, 23), date(2016, 6, 27)),
    "volatility_2018": (date(2018, 1, 26), date(2018, 2, 8)),
    "pandemic_2020": (date(2020, 2, 19), date(2020, 3, 23)),
    "inflation_2022": (date(2022, 1, 3), date(2022, 10, 12)),
}
"""Stretches of the past by name: the close before, and the last one in it."""

_SECTORS = """
told.* FROM (
    SELECT DISTINCT ON (instrument) instrument, sector FROM {schema}.sectors
    WHERE instrument = ANY(%s) AND from_date <= %s ORDER BY instrument, from_date DESC
) AS told
"""


class Shocks(NamedTuple):
    """By how much what falls, in fractions; `every` is that of every instrument."""

    every: float | None = None
    instruments: Mapping[str, float] = {}
    sectors: Mapping[str, float] = {}
    currencies: Mapping[str, float] = {}

    @property
    def names(self) -> set[str]:
        """Everything that is named, each with its kind: `sector:Energy`."""
        kinds = {
            "instrument": self.instruments, "sector": self.sectors, "currency": self.currencies,
        }  # fmt: skip
        return {f"{kind}:{name}" for kind, named in kinds.items() for name in named}


class StressedLine(msgspec.Struct, frozen=True):
    """What a line would gain; `shock` is a fraction of its value in the base currency.

    `met` are the shocks that it is made of, by name; a window is `history`, unless the line is
    uncovered.
    """

    name: str
    currency: str
    sector: str | None
    value: float
    met: dict[str, float]
    shock: float
    gain: float


class Stressed(msgspec.Struct, frozen=True):
    """What all lines would gain together, and what the NAV would be; none with a `reason`.

    `unused` are names of shocks that no line meets. `since` and `until` are the sessions of a
    window, at whose closes it begins and ends; `returns` are those between them, days x lines, of
    `sessions`.
    """

    valued: Valued
    since: date | None
    until: date | None
    unused: list[str]
    uncovered: list[str]
    reason: str | None
    gain: float | None
    nav: float | None
    lines: list[StressedLine]
    sessions: tuple[date, ...] = ()
    returns: Floats | None = None


def shocked_of(
    readable: Readable, *, tenant: str, portfolio: str, asked: Asked, shocks: Shocks
) -> Answer[Stressed]:
    """Shock what is held; no row without such a portfolio."""
    return seen(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        asked=asked,
        answer=lambda one, _: shocked(one, _sectors(readable, one), shocks),
    )


def window_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    asked: Asked,
    since: date,
    until: date,
) -> Answer[Stressed]:
    """Repeat a stretch of the past with what is held; no row without such a portfolio."""
    return seen(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        asked=asked,
        answer=lambda one, closes: repeated(one, closes, since, until),
    )


def shocked(one: Seen, sectors: Mapping[str, str], shocks: Shocks) -> Stressed:
    """Shock what was seen; `sectors` are those of its instruments."""
    lines = lines_of(one.exposed)
    met = [_met(line, sectors.get(line.name), one.exposed.currency, shocks) for line in lines]
    combined = np.array([stress.combined(each.values()) for each in met])
    used = {name for each in met for name in each}
    stressed = Stressed(
        valued=valued_of(one),
        since=None,
        until=None,
        unused=sorted(shocks.names - used),
        uncovered=[],
        reason=None if one.exposed.lack is None else one.exposed.lack.value,
        gain=None,
        nav=None,
        lines=[],
    )
    return _with_gains(stressed, one, lines, sectors, met, combined)


def _met(line: Line, sector: str | None, base: str, shocks: Shocks) -> dict[str, float]:
    """Give the shocks that a line meets, by name."""
    met: dict[str, float] = {}
    if line.instrument is not None:
        if shocks.every is not None:
            met["market"] = shocks.every
        if line.instrument in shocks.instruments:
            met[f"instrument:{line.instrument}"] = shocks.instruments[line.instrument]
        if sector is not None and sector in shocks.sectors:
            met[f"sector:{sector}"] = shocks.sectors[sector]
    if line.currency != base and line.currency in shocks.currencies:
        met[f"currency:{line.currency}"] = shocks.currencies[line.currency]
    return met


def repeated(one: Seen, closes: PriceHistory, since: date, until: date) -> Stressed:
    """Repeat a stretch of the past with what was seen."""
    lines, sessions = lines_of(one.exposed), closes.sessions
    first, last = (bisect_right(sessions, each) - 1 for each in (since, until))
    reason = None if one.exposed.lack is None else one.exposed.lack.value
    returns, uncovered = np.zeros((0, len(lines))), list[str]()
    if first < 0 or last <= first or until > sessions[-1]:
        reason = reason or NO_HISTORY
    else:
        returns, uncovered = _window(lines, one.exposed.currency, closes, first, last)
        sizes = {line.name: abs(line.value) for line in lines}
        left_out = sum(sizes[name] for name in uncovered)
        if left_out > UNCOVERED_MAX * sum(sizes.values()):
            reason = reason or COVERAGE_INCOMPLETE
    stressed = Stressed(
        valued=valued_of(one),
        since=sessions[first] if 0 <= first < last else None,
        until=sessions[last] if 0 <= first < last else None,
        unused=[],
        uncovered=uncovered,
        reason=reason,
        gain=None,
        nav=None,
        lines=[],
        sessions=sessions[first + 1 : last + 1] if reason is None else (),
        returns=returns if reason is None else None,
    )
    shocks = stress.compounded(returns)
    met = [
        {} if line.name in uncovered else {"history": float(shock)}
        for line, shock in zip(lines, shocks, strict=True)
    ]
    return _with_gains(stressed, one, lines, {}, met, shocks)


def _window(
    lines: list[Line], base: str, closes: PriceHistory, first: int, last: int
) -> tuple[Floats, list[str]]:
    """Give the returns of a window; a line that had no price when it began is uncovered."""
    was_priced = priced_at(lines, base, closes, first)
    returns = returns_of(lines, base, closes, first, last)
    filled = np.where(np.isnan(returns) | ~was_priced, 0.0, returns)
    uncovered = [line.name for line, known in zip(lines, was_priced, strict=True) if not known]
    return filled, uncovered


def _with_gains(
    stressed: Stressed,
    one: Seen,
    lines: list[Line],
    sectors: Mapping[str, str],
    met: list[dict[str, float]],
    shocks: Floats,
) -> Stressed:
    if stressed.reason is not None:
        return stressed
    values = np.array([line.value for line in lines])
    gains = stress.stressed_pnl(values, shocks)
    told = [
        StressedLine(
            line.name, line.currency, sectors.get(line.name), line.value, by, float(shock),
            float(gain),
        )
        for line, by, shock, gain in zip(lines, met, shocks, gains, strict=True)
    ]  # fmt: skip
    gain = float(gains.sum())
    nav = float(one.exposed.nav or ZERO) + gain
    return msgspec.structs.replace(stressed, gain=gain, nav=nav, lines=told)


def _sectors(readable: Readable, one: Seen) -> dict[str, str]:
    """Find the sectors in force on the day, in the same snapshot."""
    names = [line.name for line in lines_of(one.exposed) if line.instrument is not None]
    found = dict(ask(readable, NAME, _SECTORS, (names, one.exposed.on)).rows)
    return {name: found.get(name) or UNCLASSIFIED for name in names}
