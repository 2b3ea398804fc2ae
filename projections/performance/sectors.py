"""The sectors of instruments by date, as told (convention 13): the last told for a date holds.

They are few and seldom change, so they are kept in memory, and read on from the log position where
they were read last.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from operator import itemgetter
from typing import NamedTuple, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from domain.limits.scope import UNCLASSIFIED
from projections.asking import Database, Readable, Stand, ask
from projections.bounded_memory import BoundedMemory
from projections.performance.price_arrays import EPOCH
from projections.performance.series import Days, day_of

Places: TypeAlias = NDArray[np.int64]

NAME = "performance"
CASH = "Cash"
"""Cash is a sector of its own, of all currencies."""

DATABASES_MAX = 8
"""Schemas of a database whose sectors are kept in one process; each holds all instruments."""

_TOLD = """
checkpoint.log_id, checkpoint.edition, told.instrument, told.from_date, told.sector
FROM (SELECT) AS one LEFT JOIN (
    SELECT instrument, from_date, sector FROM {schema}.sectors WHERE position > %s
) AS told ON true
"""

_Key = tuple[Database, str]
"""The database, and the schema."""


class SectorsByDate:
    """The sectors of all instruments as they were told; it never changes."""

    def __init__(self, told: Iterable[tuple[str, date, str | None]]) -> None:
        self._told = {(instrument, since): sector for instrument, since, sector in told}
        self._dates: dict[str, list[date]] = {}
        self._sectors: dict[str, list[str]] = {}
        for (instrument, since), sector in sorted(self._told.items(), key=itemgetter(0)):
            self._dates.setdefault(instrument, []).append(since)
            self._sectors.setdefault(instrument, []).append(sector or UNCLASSIFIED)

    def with_more(self, told: Iterable[tuple[str, date, str | None]]) -> "SectorsByDate":
        """Give what is known once more was told; for a date that was told of, it is told anew."""
        return SectorsByDate(
            [(*place, sector) for place, sector in self._told.items()] + list(told)
        )

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


class _Read(NamedTuple):
    """Sectors `of` a log and edition of the tables, right for positions from `since` to `until`."""

    of: tuple[UUID, int]
    since: int
    until: int
    sectors: SectorsByDate


_KEPT: BoundedMemory[_Key, _Read] = BoundedMemory(DATABASES_MAX)


def sectors_by_date(readable: Readable, stand: Stand | None = None) -> SectorsByDate:
    """Give the sectors as of the snapshot of the one partition that is asked.

    Nothing is asked where the tables are known to `stand` as far as was read.

    Raises:
        ReadModelMissing: there are no tables yet.
    """
    (partition,) = readable.partitions
    key = (readable.database, NAME + partition.suffix)
    with _KEPT.lock:
        known = _KEPT.get(key)
        read = _read_on(readable, known, stand)
        if known is None or known.of != read.of or known.until <= read.until:
            _KEPT.keep(key, read)
    return read.sectors


def _read_on(readable: Readable, known: _Read | None, stand: Stand | None = None) -> _Read:
    if known is not None and stand is not None and _holds(known, stand):
        return known
    behind = -1 if known is None else known.until
    answered = ask(readable, NAME, _TOLD, (behind,))
    position, of = answered.position, answered.rows[0][:2]
    told = [row[2:] for row in answered.rows if row[2] is not None]
    if known is None:
        return _Read(of, position, position, SectorsByDate(told))
    if known.of != of or position < known.since:
        return _read_on(readable, None)
    if not told:
        return known._replace(until=max(position, known.until))
    return _Read(of, position, position, known.sectors.with_more(told))


def _holds(known: _Read, stand: Stand) -> bool:
    """Say whether what was read is right for tables that stand so."""
    is_same = known.of == (stand.log_id, stand.state.edition)
    return is_same and known.since <= stand.state.position <= known.until
