"""The sectors of instruments by date, as told (convention 13): the last told for a date holds."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.limits.scope import UNCLASSIFIED
from projections.performance.history import History
from projections.performance.price_arrays import EPOCH
from projections.performance.series import Days, day_of

Places: TypeAlias = NDArray[np.int64]

CASH = "Cash"
"""Cash is a sector of its own, of all currencies."""

_OF = "instrument, from_date, sector FROM {schema}.sectors WHERE instrument = ANY(%s)"


class SectorsByDate:
    """The sectors of some instruments."""

    def __init__(self, history: History, instruments: Sequence[str]) -> None:
        self._dates: dict[str, list[date]] = {}
        self._sectors: dict[str, list[str]] = {}
        rows = history.ask(_OF, list(instruments), order="ORDER BY instrument, from_date").rows
        self.told = tuple(rows)
        """What it was made of."""
        for instrument, since, sector in rows:
            self._dates.setdefault(instrument, []).append(since)
            self._sectors.setdefault(instrument, []).append(sector or UNCLASSIFIED)

    def places(self, lines: Sequence[str], days: Days) -> tuple[tuple[str, ...], Places]:
        """Give the sectors met, and for each day and line the place of its sector among them.

        Cash of any currency is in `Cash`; days count since 1970-01-01.
        """
        if not len(days):
            return (), np.empty((0, len(lines)), dtype=np.int64)
        columns = [self._of(line) for line in lines]
        names = tuple(sorted({name for _, sectors in columns for name in sectors}))
        place = {name: index for index, name in enumerate(names)}
        first, last = day_of(int(days[0])), day_of(int(days[-1]))
        begins = [bisect_right(dates, first) for dates, _ in columns]
        at_first = [place[of[begin]] for (_, of), begin in zip(columns, begins, strict=True)]
        moving = [
            n for n, (dates, _) in enumerate(columns) if bisect_right(dates, last) > begins[n]
        ]
        if not moving:
            met, row = np.unique(np.array(at_first, dtype=np.int64), return_inverse=True)
            return tuple(names[each] for each in met), np.tile(row, (len(days), 1))
        places = np.tile(np.array(at_first, dtype=np.int64), (len(days), 1))
        for column in moving:
            dates, sectors = columns[column]
            told = np.array([(each - EPOCH).days for each in dates], dtype=np.int64)
            codes = np.array([place[each] for each in sectors], dtype=np.int64)
            places[:, column] = codes[np.searchsorted(told, days, side="right")]
        met = np.flatnonzero(np.bincount(places.ravel(), minlength=len(names)))
        return tuple(names[each] for each in met), np.searchsorted(met, places)

    def _of(self, line: str) -> tuple[list[date], list[str]]:
        """Give from when on a line is of each sector but the first, which it is of before."""
        if line.startswith("cash:"):
            return [], [CASH]
        return self._dates.get(line, []), [UNCLASSIFIED, *self._sectors.get(line, ())]
