"""Every tail of what is held now, by name: method, measure, days, level (convention 12).

`value_at_risk_historical_1d_95` and 23 more. Returns are days x names, without a gap; exposures are
one portfolio's, signed, in its base currency; values are losses, positive, in it.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from domain.statistics.measured import Floats
from domain.statistics.value_at_risk import (
    DEFAULT_RULE,
    TEN_DAYS,
    Horizon,
    Method,
    Tail,
    historical_pnl,
    overlapping,
    parametric,
    tails_of,
)

LEVELS = (0.95, 0.99)
DAYS = (1, TEN_DAYS)
MEASURES = ("value_at_risk", "expected_shortfall")

Simulate = Callable[[Floats], Floats]
"""Gives the P&L of each path for one portfolio's loadings on independent normals."""


class Convention(NamedTuple):
    """What a reader may choose: the quantile rule, and how ten days are made of one."""

    quantile_rule: int = DEFAULT_RULE
    ten_days: Horizon = Horizon.SCALED


class TailFigure(NamedTuple):
    """Which tail a figure is."""

    measure: str
    method: Method
    days: int
    level: float

    @property
    def name(self) -> str:
        """Its name."""
        return f"{self.measure}_{self.method.value}_{self.days}d_{self.level:.0%}".rstrip("%")

    def label(self, convention: Convention) -> str:
        """Say how it is found, in words."""
        words = {
            Method.HISTORICAL: f"historical, Hyndman-Fan {convention.quantile_rule}",
            Method.PARAMETRIC: "parametric, normal of mean zero, covariance ddof 1",
            Method.MONTE_CARLO: "Monte Carlo, normal of mean zero, covariance ddof 1",
        }[self.method]
        if self.days == 1:
            return f"{words}; one day"
        return f"{words}; {self.horizon(convention).value}"

    def horizon(self, convention: Convention) -> Horizon:
        """Give how its days are made: only past days overlap."""
        if self.days == 1:
            return Horizon.ONE_DAY
        is_historical = self.method is Method.HISTORICAL
        return convention.ten_days if is_historical else Horizon.SCALED


TAIL_FIGURES = {
    figure.name: figure
    for figure in (
        TailFigure(measure, method, days, level)
        for measure in MEASURES
        for method in Method
        for days in DAYS
        for level in LEVELS
    )
}


_NAMES = {figure: name for name, figure in TAIL_FIGURES.items()}


@lru_cache(maxsize=32)
def labels_of(convention: Convention) -> Mapping[str, str]:
    """Say of every one of `TAIL_FIGURES` how it is found; not to be written to."""
    return {name: each.label(convention) for name, each in TAIL_FIGURES.items()}


def ten_day_tails(returns: Floats, exposures: Floats, convention: Convention) -> list[Tail]:
    """Give the historical tails of ten days, by the square root of time or of overlapping days."""
    rule = convention.quantile_rule
    if convention.ten_days is Horizon.OVERLAPPING:
        pnl = historical_pnl(overlapping(returns), exposures[np.newaxis])
        return tails_of(pnl, LEVELS, hyndman_fan=rule)
    pnl = historical_pnl(returns, exposures[np.newaxis])
    return [tail.scaled(TEN_DAYS) for tail in tails_of(pnl, LEVELS, hyndman_fan=rule)]


def tails(
    returns: Floats,
    exposures: Floats,
    *,
    factor: Floats,
    simulate: Simulate,
    convention: Convention,
) -> dict[str, float]:
    """Give every one of `TAIL_FIGURES` by name; `factor` is that of the returns' covariance."""
    pnl = historical_pnl(returns, exposures[np.newaxis])
    paths = simulate(exposures @ factor.T)[np.newaxis]
    one_day = {
        Method.HISTORICAL: tails_of(pnl, LEVELS, hyndman_fan=convention.quantile_rule),
        Method.PARAMETRIC: [parametric(factor, exposures[np.newaxis], each) for each in LEVELS],
        Method.MONTE_CARLO: tails_of(paths, LEVELS),
    }
    found: dict[str, float] = {}
    for method, ones in one_day.items():
        tens = [tail.scaled(TEN_DAYS) for tail in ones]
        if method is Method.HISTORICAL and convention.ten_days is Horizon.OVERLAPPING:
            tens = ten_day_tails(returns, exposures, convention)
        for days, of_days in zip(DAYS, (ones, tens), strict=True):
            for level, tail in zip(LEVELS, of_days, strict=True):
                for measure, value in zip(MEASURES, tail, strict=True):
                    name = _NAMES[TailFigure(measure, method, days, level)]
                    found[name] = float(value[0])
    return found
