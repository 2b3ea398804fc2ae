"""Limits that stand whether anybody trades or not: leverage, and concentrations.

Prices, rates, holdings, sectors or the limits themselves take a portfolio beyond one, or back.
Just at the maximum nothing is breached. What cannot be valued is left as it was: no breach is
opened, and none is closed because a price is missing.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from domain.limits.controls import Controls, Limit
from domain.limits.events import BreachEvent, LimitBreachClosed, LimitBreachOpened
from domain.limits.exposure import Exposure
from domain.limits.terms import LimitRule
from domain.money import INTEGER_DIGITS, ONE, PLACES, ZERO, share
from domain.portfolio.state import BreachKey

STANDING = frozenset(
    {LimitRule.LEVERAGE, LimitRule.POSITION_CONCENTRATION, LimitRule.SECTOR_CONCENTRATION}
)
WITHOUT_VALUE = Decimal(10) ** PLACES
"""Leverage told where the net asset value is zero or below: gross value / nothing."""
_FITS = Decimal(10) ** (INTEGER_DIGITS - 1)


class Measured(NamedTuple):
    """How far a portfolio goes at one place of one limit: a part of a whole."""

    limit: Limit
    part: Decimal
    whole: Decimal

    @property
    def is_beyond(self) -> bool:
        """Whether that is beyond the maximum; exact, nothing is divided."""
        assert self.limit.terms.maximum is not None, "these rules have a maximum"
        return self.part > self.limit.terms.maximum * self.whole

    @property
    def ratio(self) -> Decimal:
        """The part of the whole, rounded half-even to 12 decimals."""
        if self.whole <= 0 or self.part >= self.whole * _FITS:
            return WITHOUT_VALUE
        return share(ONE, self.part, self.whole)


class Judged(NamedTuple):
    """A portfolio's exposure, and by which market it is one; None: it cannot be valued.

    `sector_of` gives the sectors of instruments held.
    """

    exposure: Exposure | None
    sector_of: Callable[[str], str]
    market_position: int
    at: datetime


def standing_limits(controls: Controls, portfolio: str) -> Iterator[Limit]:
    """Give the standing limits of a portfolio, in order of name."""
    standing = [each for each in controls.limits_of(portfolio) if each.terms.rule in STANDING]
    yield from sorted(standing, key=lambda limit: limit.name)


def measure(
    limits: Iterable[Limit],
    exposure: Exposure,
    sector_of: Callable[[str], str],
    asked: Collection[BreachKey] = (),
) -> dict[BreachKey, Measured]:
    """Measure the places of each limit at which it is exceeded, and those asked for, where held."""
    found: dict[BreachKey, Measured] = {}
    if not exposure.gross:
        return found
    for limit in limits:
        maximum = limit.terms.maximum
        assert maximum is not None, "these rules have a maximum"
        if limit.terms.rule is LimitRule.LEVERAGE:
            found[limit.name, None, None] = Measured(
                limit, exposure.gross, exposure.net_asset_value
            )
            continue
        at_most = maximum * exposure.gross
        for key, part in _parts(limit, exposure, sector_of):
            if part > at_most or key in asked:
                found[key] = Measured(limit, part, exposure.gross)
    return found


def _parts(
    limit: Limit, exposure: Exposure, sector_of: Callable[[str], str]
) -> Iterator[tuple[BreachKey, Decimal]]:
    """Give the absolute value at each place of a concentration."""
    scope = limit.terms.scope
    if limit.terms.rule is LimitRule.POSITION_CONCENTRATION:
        for name, value in exposure.values.items():
            if scope.instrument in {None, name} and (
                scope.sector is None or scope.sector == sector_of(name)
            ):
                yield (limit.name, name, None), abs(value)
        return
    by_sector: dict[str, Decimal] = {}
    for name, value in exposure.values.items():
        sector = sector_of(name)
        by_sector[sector] = by_sector.get(sector, ZERO) + abs(value)
    for sector, value in by_sector.items():
        if scope.sector in {None, sector}:
            yield (limit.name, None, sector), value


def review(
    portfolio: str,
    limits: Iterable[Limit],
    open_breaches: Mapping[BreachKey, LimitBreachOpened],
    judged: Judged,
) -> list[BreachEvent]:
    """Say which breaches of a portfolio open and close: those of ended limits first.

    `limits` are all the standing limits of the portfolio.
    """
    in_force = {limit.name: limit for limit in limits}
    found: list[BreachEvent] = [
        _closed(portfolio, key, opened, judged)
        for key, opened in sorted(open_breaches.items(), key=_in_order)
        if _limit_of(opened, in_force) is None
    ]
    if judged.exposure is None:
        return found
    measured = measure(in_force.values(), judged.exposure, judged.sector_of, open_breaches)
    for key, opened in sorted(open_breaches.items(), key=_in_order):
        limit = _limit_of(opened, in_force)
        now = measured.get(key)
        if limit is None or (now is not None and now.is_beyond):
            continue
        nothing = ZERO if judged.exposure.gross else None
        actual = nothing if now is None else now.ratio
        found.append(_closed(portfolio, key, opened, judged, limit.version, actual))
    for key, now in measured.items():
        before = open_breaches.get(key)
        if now.is_beyond and (before is None or _limit_of(before, in_force) is None):
            found.append(_opened(portfolio, key, now, judged))
    return found


def _limit_of(opened: LimitBreachOpened, in_force: Mapping[str, Limit]) -> Limit | None:
    """Give the limit that an open breach is of; None where it ended, or is of another rule now."""
    limit = in_force.get(opened.limit)
    return limit if limit is not None and limit.terms.rule is opened.rule else None


def _opened(portfolio: str, key: BreachKey, now: Measured, judged: Judged) -> LimitBreachOpened:
    name, instrument, sector = key
    assert now.limit.terms.maximum is not None, "these rules have a maximum"
    return LimitBreachOpened(
        portfolio=portfolio,
        limit=name,
        version=now.limit.version,
        rule=now.limit.terms.rule,
        maximum=now.limit.terms.maximum,
        actual=now.ratio,
        market_position=judged.market_position,
        at=judged.at,
        instrument=instrument,
        sector=sector,
    )


def _closed(
    portfolio: str,
    key: BreachKey,
    opened: LimitBreachOpened,
    judged: Judged,
    version: int | None = None,
    actual: Decimal | None = None,
) -> LimitBreachClosed:
    name, instrument, sector = key
    return LimitBreachClosed(
        portfolio=portfolio,
        limit=name,
        version=opened.version if version is None else version,
        rule=opened.rule,
        market_position=judged.market_position,
        at=judged.at,
        actual=actual,
        instrument=instrument,
        sector=sector,
    )


def _in_order(item: tuple[BreachKey, LimitBreachOpened]) -> tuple[str, str, str]:
    name, instrument, sector = item[0]
    return name, instrument or "", sector or ""
