"""Proving ranks from the log alone: it is folded anew, up to where each set of them was made.

The tables are made beside the live ones and dropped again; nothing of those is asked but which
sets there are to prove.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

from domain.contests.events import Rank
from domain.contests.ranking import standing
from eventstore.log import Log
from eventstore.partitions import Partition
from projections.asking import Readable, ask
from projections.building import (
    Building,
    Connection,
    Progress,
    connect,
    ignore_progress,
    lock_model,
)
from projections.leaderboard.tracks import CALCULATION, NAME, contests_of, tracks_of
from projections.performance.contests import read_rank
from projections.performance.model import PerformanceModel

_SUFFIX = "_proof"
_STRUCK = """
strikes.tenant, strikes.contest, strikes.session, strikes.edition, strikes.inputs_position,
    strikes.calculation, array_agg(ranks.row) FILTER (WHERE ranks.row IS NOT NULL)
FROM {schema}.strikes LEFT JOIN {schema}.ranks ON ranks.tenant = strikes.tenant
    AND ranks.contest = strikes.contest AND ranks.session = strikes.session
    AND ranks.edition = strikes.edition
WHERE (%(tenant)s::text IS NULL OR strikes.tenant = %(tenant)s)
    AND (%(contest)s::text IS NULL OR strikes.contest = %(contest)s)
GROUP BY strikes.tenant, strikes.contest, strikes.session, strikes.edition,
    strikes.inputs_position, strikes.calculation
"""


class _Scratch(Partition):
    """The whole log, in tables that are made for one answer."""

    __slots__ = ()

    @property
    def suffix(self) -> str:
        """What they have behind their name."""
        return _SUFFIX


class Proved(NamedTuple):
    """A set of ranks that the log tells, held against what the log says they should be."""

    tenant: str
    contest: str
    session: date
    edition: int
    position: int
    calculation: str
    differing: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every rank and every value of it is the same."""
        return not self.differing

    @property
    def is_comparable(self) -> bool:
        """Whether what differs is wrong: another calculation may well give other ranks."""
        return self.holds or self.calculation == CALCULATION


class Refolded:
    """Ranks as of any log position, in ascending order, of the log folded anew."""

    def __init__(self, building: Building, connection: Connection, progress: Progress) -> None:
        self._building = building
        self._readable = Readable(connection, (_Scratch(0, 1),))
        self._progress = progress

    def ranks(
        self, tenant: str, contest: str, *, position: int, session: date | None = None
    ) -> list[Rank]:
        """Rank a contest as of a position, at the end of a session, by default the last one.

        None before the first one has closed, and of a contest that is not there.
        """
        self._building.fold_until(position, self._progress)
        found = contests_of(self._readable, tenant=tenant, contest=contest).contests
        until = session or (found[0].session if found else None)
        if until is None:
            return []
        tracks = tracks_of(self._readable, found[0], until).tracks
        return standing(found[0].terms, tracks, until)


def ranks_at(
    log: Log,
    conninfo: str,
    *,
    tenant: str,
    contest: str,
    position: int,
    progress: Progress = ignore_progress,
) -> list[Rank]:
    """Rank a contest as of a log position, of the log alone.

    Raises:
        BuildRunning: somebody else proves ranks now.
        BuildFailed: an event cannot be folded.
    """
    with _connected(conninfo) as connection, _building(log, connection) as building:
        refolded = Refolded(building, connection, progress)
        return refolded.ranks(tenant, contest, position=position)


def prove(
    log: Log,
    conninfo: str,
    *,
    tenant: str | None = None,
    contest: str | None = None,
    progress: Progress = ignore_progress,
) -> Iterator[Proved]:
    """Make every struck set of ranks again, of a tenant or a contest or of all.

    Raises:
        BuildRunning: somebody else proves ranks now.
        BuildFailed: an event cannot be folded.
        ReadModelMissing: `performance` has no tables yet.
    """
    with _connected(conninfo) as connection, _building(log, connection) as building:
        parameters = {"tenant": tenant, "contest": contest}
        struck = ask(Readable(connection), NAME, _STRUCK, parameters).rows
        refolded = Refolded(building, connection, progress)
        struck.sort(key=lambda row: (row[4], *row[:4]))
        for owner, name, session, edition, position, calculation, rows in struck:
            told = [read_rank(row) for row in rows or ()]
            made = refolded.ranks(owner, name, position=position, session=session)
            differing = tuple(_differing(told, made))
            yield Proved(owner, name, session, edition, position, calculation, differing)


def _differing(told: Iterable[Rank], made: Iterable[Rank]) -> Iterator[str]:
    """Name the participants of whom the two do not say the same."""
    one, other = ({each.participant: each for each in ranks} for ranks in (told, made))
    for name in sorted({*one, *other}):
        if one.get(name) != other.get(name):
            yield name


def _connected(conninfo: str) -> Connection:
    return connect(conninfo, application_name="pms prove")


def _building(log: Log, connection: Connection) -> Building:
    lock_model(connection, NAME + _SUFFIX)
    return Building([PerformanceModel()], log, connection, suffix=_SUFFIX)
