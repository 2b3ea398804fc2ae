"""The normals that every simulation of this process takes, drawn once (convention 12).

They are the same in every process: the first rows of one table of a known seed. A few more are
drawn when a portfolio has more lines than any before: all at once would hold everybody up.
"""

from threading import Lock

import numpy as np

from domain.statistics.measured import Floats
from domain.statistics.value_at_risk import PATHS, normals_from, simulated

ROWS_AT_ONCE = 8
ROWS_MAX = 128
"""Rows kept, of 0.8 MB each; whoever needs more draws them anew for each answer."""


class _Normals:
    """Memory is taken for all rows there may be, and used as they are drawn."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: Floats = np.empty((ROWS_MAX, PATHS))
        self._drawn = 0
        self._generator = normals_from()

    def rows(self, count: int) -> Floats:
        with self._lock:
            if self._drawn < count:
                until = -(-count // ROWS_AT_ONCE) * ROWS_AT_ONCE
                self._generator.standard_normal(out=self._rows[self._drawn : until])
                self._drawn = until
            return self._rows[:count]


_NORMALS = _Normals()


def simulate(loadings: Floats) -> Floats:
    """Give the P&L of each path, shape (paths,), for loadings on independent normals.

    For several portfolios, one a column of loadings, it is one a row.
    """
    if len(loadings) > ROWS_MAX:
        return simulated(loadings)
    return np.asarray(loadings.T @ _NORMALS.rows(len(loadings)))
