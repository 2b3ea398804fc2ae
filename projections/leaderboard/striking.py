"""The ranks that are struck: those due, and what the log tells of them.

A session of a contest is due once it has closed; the result once the last one has. A result is due
again, as another edition, where something told since then gives other ranks.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from domain.contests.events import RANKS_PER_EVENT_MAX, Rank, RanksStruck, ResultStruck
from domain.contests.ranking import listed, standing
from projections.asking import Readable, ask, snapshot
from projections.defects import DEFECTS, told_of
from projections.leaderboard.tracks import (
    CALCULATION,
    NAME,
    Contest,
    PartitionsApart,
    contests_of,
    tracks_of,
)
from projections.performance.contests import read_rank

DISQUALIFIED = "entrant_disqualified"

_SESSIONS_DUE = """
sessions.session, sessions.position FROM {schema}.sessions
JOIN {schema}.contests ON contests.calendar = sessions.calendar
    AND sessions.session BETWEEN contests.first_day AND contests.last_day
LEFT JOIN {schema}.strikes ON strikes.tenant = contests.tenant
    AND strikes.contest = contests.contest AND strikes.session = sessions.session
WHERE contests.tenant = %(tenant)s AND contests.contest = %(contest)s
    AND strikes.session IS NULL
"""
_RESULT = """
edition, inputs_position, session FROM {schema}.strikes
WHERE tenant = %(tenant)s AND contest = %(contest)s AND edition > 0 ORDER BY edition DESC LIMIT 1
"""
_TOLD = """
row FROM {schema}.ranks
WHERE tenant = %(tenant)s AND contest = %(contest)s AND session = %(session)s
    AND edition = %(edition)s
"""
_CHANGED = """
changed.at, changed.why FROM (
    SELECT changed_position AS at,
        CASE status WHEN 'disqualified' THEN '{disqualified}' ELSE 'entry_' || status END AS why
    FROM {schema}.contestants
    WHERE tenant = %(tenant)s AND contest = %(contest)s AND changed_position > %(behind)s
    UNION ALL
    SELECT days.restated_position, days.restated_reason
    FROM {schema}.days JOIN {schema}.contestants ON contestants.tenant = days.tenant
        AND contestants.portfolio = days.portfolio
    WHERE days.tenant = %(tenant)s AND contestants.contest = %(contest)s
        AND days.changed_position > %(behind)s
        AND days.session BETWEEN %(first_day)s AND %(last_day)s
        AND days.restated_position IS NOT NULL
) AS changed ORDER BY at DESC LIMIT 1
""".replace("{disqualified}", DISQUALIFIED)


class DueRanks(NamedTuple):
    """Ranks of a tenant's contest that the log does not tell yet, and what they follow from."""

    tenant: str
    cause: int
    struck: tuple[RanksStruck, ...] | tuple[ResultStruck, ...]


class Failed(NamedTuple):
    """A tenant's contest that our code could not rank, and what it said."""

    tenant: str
    contest: str
    error: str


class Looked(NamedTuple):
    """What is due, the position looked at, and up to where each result was found to hold.

    `failed` are contests of which something may be due, but could not be made.
    """

    position: int
    due: list[DueRanks]
    held: dict[tuple[str, str], int]
    failed: list[Failed]


def ranks_due(
    readable: Readable,
    held: Mapping[tuple[str, str], int],
    *,
    limit: int,
    passed: Collection[tuple[str, str]] = (),
) -> Looked:
    """Make the ranks due, at most so many sets; `held` is that of the look before.

    Contests, by tenant, that failed before are to be `passed` over: they would fail at every look.
    """
    due: list[DueRanks] = []
    failed: list[Failed] = []
    now_held = dict(held)
    with snapshot(readable):
        found = contests_of(readable)
        for contest in found.contests:
            if len(due) >= limit:
                break
            if contest.session is None or contest.name in passed:
                continue
            try:
                own = _contest_due(readable, contest, held, limit - len(due))
            except PartitionsApart:
                continue
            except DEFECTS as error:
                failed.append(Failed(*contest.name, told_of(error)))
                continue
            due += own
            if not own and contest.is_over:
                now_held[contest.name] = found.position
    return Looked(found.position, due, now_held, failed)


def _contest_due(
    readable: Readable, contest: Contest, held: Mapping[tuple[str, str], int], limit: int
) -> list[DueRanks]:
    result = _result(readable, contest)
    if result is None:
        return list(_sessions_due(readable, contest, limit))
    behind = max(result[1], held.get(contest.name, 0))
    another = _edition_due(readable, contest, result, behind)
    return [] if another is None else [another]


def _named(contest: Contest) -> dict[str, object]:
    return {"tenant": contest.tenant, "contest": contest.contest}


def _result(readable: Readable, contest: Contest) -> tuple[int, int, date] | None:
    first = readable._replace(partitions=readable.partitions[:1])
    rows = ask(first, NAME, _RESULT, _named(contest)).rows
    return rows[0] if rows else None


def _sessions_due(readable: Readable, contest: Contest, limit: int) -> Iterator[DueRanks]:
    """Give the sessions without a strike, oldest first; the last one's is the result."""
    first = readable._replace(partitions=readable.partitions[:1])
    rows = ask(first, NAME, _SESSIONS_DUE, _named(contest), order="ORDER BY session").rows
    assert contest.session is not None, "a session has closed"
    sessions: list[tuple[date, int]] = [
        (session, position) for session, position in rows if session <= contest.session
    ]
    if contest.is_over and contest.session not in {session for session, _ in sessions}:
        # It was struck as one of many: that it was the last one came out later.
        sessions.append((contest.session, contest.announced_at))
    for session, position in sessions[:limit]:
        is_last = contest.is_over and session == contest.session
        yield _due(readable, contest, session, cause=position, edition=1 if is_last else 0)


def _edition_due(
    readable: Readable, contest: Contest, result: tuple[int, int, date], behind: int
) -> DueRanks | None:
    edition, _, session = result
    terms = contest.terms
    parameters = _named(contest) | {
        "behind": behind, "first_day": contest.before or terms.first_day,
        "last_day": terms.last_day,
    }  # fmt: skip
    changed = [
        row
        for partition in readable.partitions
        for row in ask(readable._replace(partitions=(partition,)), NAME, _CHANGED, parameters).rows
    ]
    if not changed:
        return None
    at, why = max(changed)
    first = readable._replace(partitions=readable.partitions[:1])
    parameters = _named(contest) | {"session": session, "edition": edition}
    told = [read_rank(row) for (row,) in ask(first, NAME, _TOLD, parameters).rows]
    due = _due(readable, contest, session, cause=at, edition=edition + 1, reason=why)
    now = [rank for page in due.struck for rank in page.ranks]
    return None if now == sorted(told, key=listed) else due


def _due(
    readable: Readable,
    contest: Contest,
    session: date,
    *,
    cause: int,
    edition: int,
    reason: str | None = None,
) -> DueRanks:
    tracks = tracks_of(readable, contest, session)
    ranks = standing(contest.terms, tracks.tracks, session)
    pages = _pages(ranks)
    shared: dict[str, Any] = {
        "contest": contest.contest,
        "session": session,
        "position": tracks.position,
        "market_position": tracks.market_position,
        "method": contest.terms.metric.value,
        "calculation": CALCULATION,
        "pages": len(pages),
    }
    struck: tuple[RanksStruck, ...] | tuple[ResultStruck, ...]
    if edition:
        own: dict[str, Any] = {
            "edition": edition,
            "reason": reason,
            "caused_at": cause if reason else None,
        }
        struck = tuple(
            ResultStruck(**shared, **own, page=number, ranks=tuple(page))
            for number, page in enumerate(pages, start=1)
        )
    else:
        struck = tuple(
            RanksStruck(**shared, page=number, ranks=tuple(page))
            for number, page in enumerate(pages, start=1)
        )
    return DueRanks(contest.tenant, cause, struck)


def _pages(ranks: Sequence[Rank]) -> list[Sequence[Rank]]:
    """Part them; a contest that nobody entered has one page with nobody."""
    return [
        ranks[start : start + RANKS_PER_EVENT_MAX]
        for start in range(0, max(1, len(ranks)), RANKS_PER_EVENT_MAX)
    ]
