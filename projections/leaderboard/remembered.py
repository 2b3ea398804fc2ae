"""The ranks of contests as they were last asked for: the next question reads only what changed.

What may change a rank is told as the board is told it: an entrant, or a session of theirs in the
window or the one before it, has a later `changed_position`. Ranks are kept in memory with the
stretch of log positions they are right for; whoever asks for another one gets them made anew.
Contests in which somebody holds an earlier session's rank are not kept: there everybody's past
counts.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from domain.contests.events import Rank
from domain.contests.ranking import Score, ranked, score, standing
from projections.asking import Database, Readable, ask
from projections.bounded_memory import BoundedMemory
from projections.leaderboard.changes import stands
from projections.leaderboard.tracks import NAME, Contest, tracks_of

ENTRANTS_MAX = 50_000
"""Entrants of all contests whose ranks are kept in one process, about 1 KB each."""
CHANGES_MAX = 10_000
"""Sessions of a tenant that are looked through for those of a contest; behind more, all is read."""

_CHANGED = """
found.* FROM (
    WITH moved AS MATERIALIZED (
        SELECT portfolio, session FROM {schema}.days
        WHERE tenant = %(tenant)s AND changed_position > %(behind)s LIMIT %(most)s
    )
    SELECT (SELECT count(*) FROM moved), ARRAY(
        SELECT participant FROM {schema}.contestants
        WHERE tenant = %(tenant)s AND contest = %(contest)s AND changed_position > %(behind)s
        UNION
        SELECT contestants.participant FROM moved JOIN {schema}.contestants
            ON contestants.tenant = %(tenant)s AND contestants.portfolio = moved.portfolio
        WHERE contestants.contest = %(contest)s AND moved.session BETWEEN %(since)s AND %(until)s
    )
) AS found
"""

_Key = tuple[Database, str, str, tuple[str, ...], str, str, date]
"""The database, the log and its editions, partitions, contest and session."""


class _Read(NamedTuple):
    """Ranks at the end of a session, right for log positions from `since` to `until`."""

    since: int
    until: int
    contest: Contest
    scores: dict[str, Score]
    ranks: list[Rank]


_KEPT: BoundedMemory[_Key, _Read] = BoundedMemory(ENTRANTS_MAX, lambda read: len(read.scores))


def ranks_of(readable: Readable, contest: Contest, session: date) -> list[Rank]:
    """Rank a contest at the end of a session, as of the snapshot that the connection is in.

    Raises:
        PartitionsApart: partitions stand apart in what the contest is made of.
    """
    stand = stands(readable)
    suffixes = tuple(each.suffix for each in readable.partitions)
    key = (readable.database, stand.log_id, stand.edition, suffixes, *contest.name, session)
    with _KEPT.lock:
        known = _KEPT.take(key)
        if known is not None and known.contest != contest:
            known = None
        read = _read_on(readable, contest, session, stand.position, known)
        if read is None:
            return standing(contest.terms, tracks_of(readable, contest, session).tracks, session)
        _KEPT.keep(key, known if known is not None and known.until > read.until else read)
    return read.ranks


def _read_on(
    readable: Readable, contest: Contest, session: date, position: int, known: _Read | None
) -> _Read | None:
    """Give the ranks as of a position, by what is known where that goes; None if not to be kept."""
    if known is not None and known.since <= position <= known.until:
        return known
    changed = None
    if known is not None and known.until < position:
        changed = _changed(readable, contest, session, known.until)
    if known is None or changed is None:
        tracks = tracks_of(readable, contest, session).tracks
        scores = {}
    elif not changed:
        return known._replace(until=position)
    else:
        tracks = tracks_of(readable, contest, session, only=changed).tracks
        scores = known.scores.copy()
    scores |= {each.participant: score(contest.terms, each, session) for each in tracks}
    if any(each.is_held for each in scores.values()):
        return None
    return _Read(position, position, contest, scores, ranked(scores.values()))


def _changed(
    readable: Readable, contest: Contest, session: date, behind: int
) -> Sequence[str] | None:
    """Name the entrants of whom something was told behind a position; None if that is too much."""
    parameters = {
        "tenant": contest.tenant, "contest": contest.contest, "behind": behind,
        "since": contest.before or contest.terms.first_day, "until": session,
        "most": CHANGES_MAX + 1,
    }  # fmt: skip
    found: set[str] = set()
    for partition in readable.partitions:
        alone = readable._replace(partitions=(partition,))
        ((count, names),) = ask(alone, NAME, _CHANGED, parameters).rows
        if count > CHANGES_MAX:
            return None
        found.update(names)
    return sorted(found)
