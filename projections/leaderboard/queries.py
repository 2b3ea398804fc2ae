"""Questions about contests to `performance`: what is announced, what was struck, and proofs.

None of them needs Redis. The tenant is part of every question.
"""

from datetime import date
from typing import NamedTuple

from domain.contests.events import Rank
from domain.contests.ranking import Track
from projections.asking import PAGE_ROWS_MAX, Answered, Readable, ask, snapshot
from projections.leaderboard.remembered import ranks_of
from projections.leaderboard.tracks import NAME, Contest, changed_since, contests_of, tracks_of
from projections.paging import Answer, Page, page_of, read_cursor
from projections.performance.contests import read_rank

_RANKS = """
ranks.place, ranks.row FROM {schema}.ranks
WHERE tenant = %(tenant)s AND contest = %(contest)s AND session = %(session)s
    AND edition = %(edition)s AND place > %(after)s
ORDER BY place LIMIT %(limit)s
"""
_STRIKES = """
session, edition, position, inputs_position, market_position, method, calculation, reason,
    caused_at
FROM {schema}.strikes WHERE tenant = %(tenant)s AND contest = %(contest)s
    AND (session, edition) > (%(session)s, %(edition)s)
ORDER BY session, edition LIMIT %(limit)s
"""
_HISTORY = """
ranks.session, ranks.edition, strikes.inputs_position, ranks.row
FROM {schema}.ranks JOIN {schema}.strikes ON strikes.tenant = ranks.tenant
    AND strikes.contest = ranks.contest AND strikes.session = ranks.session
    AND strikes.edition = ranks.edition
WHERE ranks.tenant = %(tenant)s AND ranks.contest = %(contest)s
    AND ranks.participant = %(participant)s
    AND (ranks.session, ranks.edition) > (%(session)s, %(edition)s)
ORDER BY ranks.session, ranks.edition LIMIT %(limit)s
"""
_SESSION_AT = """
max(session) FROM {schema}.sessions WHERE calendar = %(calendar)s
    AND session BETWEEN %(first_day)s AND %(last_day)s AND position <= %(position)s
"""
Place = tuple[date, int]


class Strike(NamedTuple):
    """Ranks that the log tells: of a session (edition 0), or an edition of the result."""

    session: date
    edition: int
    position: int
    inputs_position: int
    market_position: int
    method: str
    calculation: str
    reason: str | None
    caused_at: int | None


class PastRank(NamedTuple):
    """A participant's rank as it was told."""

    session: date
    edition: int
    inputs_position: int
    rank: Rank


class Proof(NamedTuple):
    """A rank as of a log position, with what it was made of, and the others it stands among."""

    contest: Contest
    as_of: int
    session: date | None
    rank: Rank | None
    track: Track | None
    others: list[Rank]
    changed: int


def contest_of(readable: Readable, *, tenant: str, contest: str) -> Answer[Contest]:
    """Give a contest; no row when the tenant has none of this name."""
    found = contests_of(readable, tenant=tenant, contest=contest)
    row = found.contests[0] if found.contests else None
    return Answer(row, found.position, found.market_position)


def contest_page(
    readable: Readable, *, tenant: str, cursor: str | None, limit: int
) -> Page[Contest]:
    """List a tenant's contests by name.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"contests {tenant}"
    after = "" if cursor is None else read_cursor(question, cursor, str)
    found = contests_of(readable, tenant=tenant)
    rows = [each for each in found.contests if each.contest > after]
    answered = Answered(found.position, found.market_position, [])
    return page_of(question, answered, rows, limit=limit, key=lambda each: each.contest)


def strikes_of(
    readable: Readable, *, tenant: str, contest: str, cursor: str | None, limit: int
) -> Page[Strike]:
    """List what was struck of a contest, by session and edition.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"strikes {tenant} {contest}"
    parameters = {"tenant": tenant, "contest": contest, **_after(question, cursor, limit)}
    answered = ask(
        readable, NAME, _STRIKES, parameters, order="ORDER BY answer.session, answer.edition"
    )
    rows = [Strike._make(row) for row in answered.rows]
    return page_of(
        question, answered, rows, limit=limit, key=lambda each: (each.session, each.edition)
    )


def struck_ranks(
    readable: Readable,
    *,
    tenant: str,
    contest: str,
    session: date,
    edition: int,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[tuple[int, Rank]]:
    """List the ranks of one strike in their order, each behind its place.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"struck {tenant} {contest} {session} {edition}"
    parameters = {
        "tenant": tenant, "contest": contest, "session": session, "edition": edition,
        "after": -1 if cursor is None else read_cursor(question, cursor, int), "limit": limit + 1,
    }  # fmt: skip
    answered = ask(readable, NAME, _RANKS, parameters, order="ORDER BY place")
    rows = [(place, read_rank(row)) for place, row in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda each: each[0])


def history_of(
    readable: Readable,
    *,
    tenant: str,
    contest: str,
    participant: str,
    cursor: str | None,
    limit: int,
) -> Page[PastRank]:
    """List a participant's ranks as they were told, by session and edition.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"ranks {tenant} {contest} {participant}"
    parameters = {
        "tenant": tenant, "contest": contest, "participant": participant,
        **_after(question, cursor, limit),
    }  # fmt: skip
    answered = ask(
        readable, NAME, _HISTORY, parameters, order="ORDER BY answer.session, answer.edition"
    )
    rows = [PastRank._make((*row[:3], read_rank(row[3]))) for row in answered.rows]
    return page_of(
        question, answered, rows, limit=limit, key=lambda each: (each.session, each.edition)
    )


def proof_of(
    readable: Readable, *, tenant: str, contest: str, participant: str, position: int | None = None
) -> Answer[Proof]:
    """Give the inputs of a rank as of a log position, by default the one folded.

    What the tables show is what was known then as long as nothing told since `changed` it; else
    the log has to be folded up to there (`projections.leaderboard.proving`).
    """
    with snapshot(readable):
        found = contests_of(readable, tenant=tenant, contest=contest)
        if not found.contests:
            return Answer(None, found.position, found.market_position)
        known = found.contests[0]
        at = found.position if position is None else min(position, found.position)
        session = session_at(readable, known, at)
        changed = changed_since(readable, known, session or date.min, at)
        until = session or known.terms.first_day
        tracks = tracks_of(readable, known, until, only=[participant]).tracks
        ranks = [] if session is None else ranks_of(readable, known, session)
    own = next((each for each in ranks if each.participant == participant), None)
    track = tracks[0] if tracks else None
    row = Proof(known, at, session, own, track, ranks, changed)
    return Answer(row, found.position, found.market_position)


def session_at(readable: Readable, contest: Contest, position: int) -> date | None:
    """Give the last session of a contest's window that had closed at a log position."""
    terms = contest.terms
    parameters = {
        "calendar": terms.calendar, "first_day": terms.first_day, "last_day": terms.last_day,
        "position": position,
    }  # fmt: skip
    first = readable._replace(partitions=readable.partitions[:1])
    (row,) = ask(first, NAME, _SESSION_AT, parameters).rows
    found: date | None = row[0]
    return found


def _after(question: str, cursor: str | None, limit: int) -> dict[str, object]:
    session, edition = (
        (date.min, -1) if cursor is None else read_cursor(question, cursor, tuple[date, int])
    )
    return {"session": session, "edition": edition, "limit": limit + 1}
