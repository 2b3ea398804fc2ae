"""The normals that every simulation of this process takes, drawn once (convention 12).

They are the same in every process: the first rows of one table of a known seed.
"""

from threading import Lock

import numpy as np

from domain.statistics.measured import Floats
from domain.statistics.value_at_risk import simulated, standard_normals

ROWS_AT_ONCE = 64
ROWS_MAX = 128
"""Rows kept, of 0.8 MB each; whoever needs more draws them anew for each answer."""


class _Normals:
    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: Floats = np.empty((0, 0))

    def rows(self, count: int) -> Floats:
        with self._lock:
            if len(self._rows) < count:
                self._rows = standard_normals(-(-count // ROWS_AT_ONCE) * ROWS_AT_ONCE)
            return self._rows[:count]


_NORMALS = _Normals()


def simulate(loadings: Floats) -> Floats:
    """Give the P&L of each path, shape (paths,), for loadings on independent normals.

    For several portfolios, one a column of loadings, it is one a row.
    """
    if len(loadings) > ROWS_MAX:
        return simulated(loadings)
    return np.asarray(loadings.T @ _NORMALS.rows(len(loadings)))
