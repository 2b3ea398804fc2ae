"""What would be lost if: named shocks, which multiply, and what a past stretch did (convention 12).

Shocks are fractions of at least -1; a name that several meet takes all of them one after the other.
"""

from collections.abc import Iterable

import numpy as np

from domain.statistics.measured import Floats

SHOCK_MIN = -1.0


def combined(shocks: Iterable[float]) -> float:
    """Multiply shocks: -20 % and -10 % are -28 %."""
    factor = 1.0
    for shock in shocks:
        factor *= 1.0 + shock
    return factor - 1.0


def compounded(returns: Floats) -> Floats:
    """Give each name's return over all the days of a stretch: days x names to names."""
    return np.asarray(np.prod(1.0 + returns, axis=0) - 1.0)


def stressed_pnl(exposures: Floats, shocks: Floats) -> Floats:
    """Give what each name would gain, in the base currency."""
    return exposures * shocks
