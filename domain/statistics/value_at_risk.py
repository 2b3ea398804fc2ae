"""Value at risk and expected shortfall of what is held now (convention 12).

Exposures are values in the base currency, signed, portfolios x names; returns are fractions, days x
names, oldest first, without a gap. Losses are positive. A VaR below zero says that even the bad
days gained. Formulas: Jorion, Value at Risk (3rd ed.), chapters 5, 9 and 10; expected shortfall as
Acerbi and Tasche (2002) for a continuous law, here the mean of the losses of at least the VaR.
"""

import math
from enum import StrEnum
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from domain.statistics.measured import Floats

WINDOW = 500
"""Returns a figure is made of: those of so many business days to the last complete close."""

PATHS = 100_000
SEED = 20_260_101
TEN_DAYS = 10
_AT_ONCE = 50
_SAMPLED = 1_000
"""About how many losses say which are large; fewer than twice as many are all sorted."""

HYNDMAN_FAN: dict[int, Any] = {
    1: "inverted_cdf",
    2: "averaged_inverted_cdf",
    3: "closest_observation",
    4: "interpolated_inverted_cdf",
    5: "hazen",
    6: "weibull",
    7: "linear",
    8: "median_unbiased",
    9: "normal_unbiased",
}
"""The quantile rules by number in Hyndman and Fan (1996), as numpy names them."""
DEFAULT_RULE = 7


class Method(StrEnum):
    """How a VaR is found."""

    HISTORICAL = "historical"
    PARAMETRIC = "parametric"
    MONTE_CARLO = "monte_carlo"


class Horizon(StrEnum):
    """How ten days are made of one: by the square root of time, or of overlapping ten days."""

    ONE_DAY = "one_day"
    SCALED = "scaled"
    OVERLAPPING = "overlapping"


class Tail(NamedTuple):
    """Value at risk and expected shortfall, one of each portfolio."""

    value_at_risk: Floats
    expected_shortfall: Floats

    def scaled(self, days: int) -> "Tail":
        """Give the same over so many days, by the square root of time."""
        factor = math.sqrt(days)
        return Tail(self.value_at_risk * factor, self.expected_shortfall * factor)


def historical_pnl(returns: Floats, exposures: Floats) -> Floats:
    """Give what holdings would have gained on each past day: portfolios x days."""
    return exposures @ returns.T


def overlapping(returns: Floats, days: int = TEN_DAYS) -> Floats:
    """Compound the returns of every `days` consecutive days: (n - days + 1) x names."""
    windows = np.lib.stride_tricks.sliding_window_view(1.0 + returns, days, axis=0)
    return np.asarray(windows.prod(axis=-1) - 1.0)


def tails_of(
    pnl: Floats, levels: tuple[float, ...], *, hyndman_fan: int = DEFAULT_RULE
) -> list[Tail]:
    """Give the tails of P&L (portfolios x scenarios) at levels such as 0.99.

    The VaR is the quantile of the losses by a rule of Hyndman and Fan, by number.
    """
    rows = [_tails_of_one(losses, levels, hyndman_fan) for losses in -pnl]
    found = np.array(rows).reshape(len(rows), len(levels), 2)
    return [Tail(found[:, place, 0], found[:, place, 1]) for place in range(len(levels))]


def _tails_of_one(
    losses: Floats, levels: tuple[float, ...], hyndman_fan: int
) -> list[tuple[float, float]]:
    """Give VaR and shortfall at each level.

    A loss that is the VaR counts as such whatever interpolating has rounded.
    """
    count = len(losses)
    if hyndman_fan == DEFAULT_RULE:
        largest = _largest(losses, count - interpolated_place(count, min(levels))[0])
        quantiles = [_interpolated(largest, count, level) for level in levels]
    else:
        largest = np.sort(losses)
        quantiles = [*np.quantile(largest, levels, method=HYNDMAN_FAN[hyndman_fan])]
    least = [quantile - 1e-12 * abs(quantile) for quantile in quantiles]
    if not min(least) >= largest[0]:
        largest = np.sort(losses)
    beyond = [_mean_beyond(largest, each) for each in least]
    return list(zip(quantiles, beyond, strict=True))


def _largest(losses: Floats, needed: int) -> Floats:
    """Give, ascending, every loss from some loss on: at least the `needed` largest.

    A sample tells where to begin; where it misleads, all are given.
    """
    step = len(losses) // _SAMPLED
    if step > 1:
        sample = np.sort(losses[::step])
        share = needed / step
        begin = len(sample) - 2 - int(share + 4 * math.sqrt(share))
        kept = losses[~(losses < sample[max(begin, 0)])]  # NaN is kept: it sorts as the largest.
        if len(kept) >= needed:
            return np.sort(kept)
    return np.sort(losses)


def interpolated_place(count: int, level: float) -> tuple[int, float]:
    """Give between which of so many ascending losses rule 7 places a quantile: first, and weight.

    The quantile is the first's (1 - weight) and the next one's weight.
    """
    place = (count - 1) * level
    first = min(int(place), max(0, count - 2))
    return first, place - first


def _interpolated(largest: Floats, count: int, level: float) -> float:
    """Give rule 7's quantile of so many losses, of which the largest are given, ascending."""
    if count == 1:
        return float(largest[0])
    first, weight = interpolated_place(count, level)
    lower, upper = largest[first - count], largest[first - count + 1]
    return float(lower + (upper - lower) * weight)


def _mean_beyond(largest: Floats, least: float) -> float:
    """Average the losses, ascending, of at least so much; of none, the largest."""
    first = min(int(np.searchsorted(largest, least)), len(largest) - 1)
    return float(largest[first:].mean())


def factor_of(returns: Floats) -> Floats:
    """Give R, upper triangular, with R'R the covariance of returns, ddof 1.

    By QR, so that names that move together, or more names than days, do no harm.
    """
    centred = returns - returns.mean(axis=0)
    factor = np.linalg.qr(centred / math.sqrt(len(returns) - 1), mode="r")
    return np.asarray(factor)


def deviations(factor: Floats, exposures: Floats) -> Floats:
    """Give the standard deviation of each portfolio's P&L of one day."""
    return np.asarray(np.linalg.norm(exposures @ factor.T, axis=-1))


def parametric(factor: Floats, exposures: Floats, level: float) -> Tail:
    """Give the tail of a normal law of mean zero and the covariance of the factor.

    VaR = z sd, shortfall = sd phi(z) / (1 - level), with z the normal quantile of the level.
    """
    z = NormalDist().inv_cdf(level)
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    deviation = deviations(factor, exposures)
    return Tail(z * deviation, deviation * density / (1 - level))


def normals_from(seed: int = SEED) -> np.random.Generator:
    """Give what draws the normals of a seed, name by name."""
    return np.random.Generator(np.random.PCG64(seed))


def standard_normals(names: int, *, paths: int = PATHS, seed: int = SEED) -> Floats:
    """Draw names x paths standard normals; fewer names give the first rows of more."""
    return normals_from(seed).standard_normal((names, paths))


def simulated(loadings: Floats, *, paths: int = PATHS, seed: int = SEED) -> Floats:
    """Give the P&L of a portfolio on every path, shape (paths,), without keeping the normals.

    Loadings of several, one a column, give one a row. The normals are those of
    `standard_normals`, drawn and used up a few rows at a time.
    """
    generator = normals_from(seed)
    pnl = np.zeros((*loadings.shape[1:], paths))
    for start in range(0, len(loadings), _AT_ONCE):
        part = loadings[start : start + _AT_ONCE]
        pnl += part.T @ generator.standard_normal((len(part), paths))
    return pnl


def monte_carlo(
    factor: Floats, exposures: Floats, levels: tuple[float, ...], normals: Floats
) -> list[Tail]:
    """Give the tails over simulated days of a normal law of mean zero and the factor's covariance.

    `normals` has at least as many rows as the factor; each column is one path of all names.
    """
    loadings = exposures @ factor.T
    rows = normals[: loadings.shape[-1]]
    parts = [
        tails_of(loadings[start : start + _AT_ONCE] @ rows, levels)
        for start in range(0, len(loadings), _AT_ONCE)
    ]
    return [
        Tail(*(np.concatenate(each) for each in zip(*tails, strict=True)))
        for tails in zip(*parts, strict=True)
    ]
