"""What each position adds to the risk of the whole (convention 12): contributions sum to it.

Euler: for a risk that doubles with all positions, the sum of exposure x marginal risk is the risk
(Tasche 2000). Exposures are in the base currency, signed, one portfolio's.
"""

import numpy as np

from domain.statistics.measured import EQUAL, Floats
from domain.statistics.value_at_risk import interpolated_place


def marginal_deviations(factor: Floats, exposures: Floats) -> Floats:
    """Give by how much the standard deviation grows with one unit more of each name.

    Covariance x exposures over the deviation; zero where there is no deviation.
    """
    loadings = factor @ exposures
    deviation = float(np.linalg.norm(loadings))
    if deviation == 0.0:
        return np.zeros_like(exposures)
    return np.asarray(factor.T @ loadings / deviation)


def component_deviations(factor: Floats, exposures: Floats) -> Floats:
    """Give each name's part of the standard deviation: exposure x marginal deviation."""
    return exposures * marginal_deviations(factor, exposures)


def component_shortfalls(returns: Floats, exposures: Floats, value_at_risk: float) -> Floats:
    """Give each name's part of the historical expected shortfall.

    It is the mean of the name's own losses on the days on which the whole lost at least the VaR.
    """
    lost = -(returns * exposures)
    total = lost.sum(axis=1)
    # The day that is the VaR may be less than it by a rounding, as `tails_of` allows too.
    days = total >= min(value_at_risk - EQUAL * abs(value_at_risk), float(total.max()))
    return np.asarray(lost[days].mean(axis=0))


def component_values_at_risk(returns: Floats, exposures: Floats, level: float) -> Floats:
    """Give each name's part of the historical VaR, by its scenario.

    Rule 7 places the VaR between two of the days, by loss; a name's part is its own loss on them,
    weighted alike. Equal days count in the order of time.
    """
    lost = -(returns * exposures)
    ascending = np.argsort(lost.sum(axis=1), kind="stable")
    if len(ascending) == 1:
        return np.asarray(lost[0])
    first, weight = interpolated_place(len(ascending), level)
    lower, upper = lost[ascending[first]], lost[ascending[first + 1]]
    return np.asarray(lower + (upper - lower) * weight)
