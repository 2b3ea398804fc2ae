"""How much is at stake, and how unevenly: gross, net, leverage, concentration (convention 12).

Values are in the base currency, signed, of positions without cash; one portfolio a row.
"""

import numpy as np

from domain.statistics.measured import Floats

TOP = 5


def gross(values: Floats) -> Floats:
    """Sum the sizes of all positions."""
    return np.asarray(np.abs(values).sum(axis=-1))


def net(values: Floats) -> Floats:
    """Sum long less short."""
    return np.asarray(values.sum(axis=-1))


def leverage(values: Floats, navs: Floats) -> Floats:
    """Give gross over NAV, above zero; NaN where there is no NAV above zero."""
    return np.divide(gross(values), navs, out=np.full_like(navs, np.nan), where=navs > 0)


def shares(values: Floats) -> Floats:
    """Give |value| over gross, which sum to one; zeros where nothing is held."""
    total = gross(values)[..., np.newaxis]
    return np.divide(np.abs(values), total, out=np.zeros_like(values), where=total > 0)


def herfindahl(values: Floats) -> Floats:
    """Sum the squared shares: 1/n of n equal positions, 1 of one (Hirschman 1964)."""
    return np.asarray((shares(values) ** 2).sum(axis=-1))


def top(values: Floats, count: int = TOP) -> Floats:
    """Sum the largest shares, so many of them."""
    return np.asarray(np.sort(shares(values), axis=-1)[..., -count:].sum(axis=-1))
