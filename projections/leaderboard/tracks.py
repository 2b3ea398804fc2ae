"""What ranking needs of entrants, asked of `performance`: all of one snapshot, at its position.

A session may be ranked by where its NAV is complete and every price in it is a fresh mark.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from domain.contests.ranking import Day, Track, Unranked
from domain.contests.terms import ContestTerms
from domain.money import ZERO
from domain.returns import ReturnReason
from projections.asking import Readable, ReadModelMissing, ask
from projections.performance.model import PerformanceModel

NAME = "performance"
CALCULATION_VERSION = 2
CALCULATION = (
    f"contests {CALCULATION_VERSION} of performance {PerformanceModel.calculation_version}"
)

_CONTESTS = """
contests.tenant, contests.contest, contests.first_session, contests.last_session, contests.terms,
    contests.position, (
        SELECT max(session) FROM {schema}.sessions WHERE sessions.calendar = contests.calendar
            AND session BETWEEN contests.first_day AND contests.last_day
    ), (
        SELECT max(session) FROM {schema}.sessions WHERE sessions.calendar = contests.calendar
            AND session < contests.first_day
    ), EXISTS (
        SELECT FROM {schema}.sessions WHERE sessions.calendar = contests.calendar
            AND session >= contests.last_session
    )
FROM {schema}.contests WHERE (%(tenant)s::text IS NULL OR contests.tenant = %(tenant)s)
    AND (%(contest)s::text IS NULL OR contests.contest = %(contest)s)
"""
_TRACKS = """
contestants.participant, contestants.portfolio, contestants.status, lived.sessions, lived.returns,
    lived.reasons, lived.starts, lived.lacks, lived.navs, lived.flows, earlier.nav,
    earlier.is_there, dealt.dates, outside.since
FROM {contestants}
LEFT JOIN LATERAL (
    SELECT array_agg(session ORDER BY session) AS sessions,
        array_agg(daily_return ORDER BY session) AS returns,
        array_agg(return_reason ORDER BY session) AS reasons,
        array_agg(return_from ORDER BY session) AS starts,
        array_agg(CASE
            WHEN nav IS NULL THEN 'nav_incomplete'
            WHEN cardinality(priced_by_trade) > 0 THEN 'priced_by_trade'
            WHEN cardinality(stale) > 0 THEN 'price_stale'
        END ORDER BY session) AS lacks,
        array_agg(nav ORDER BY session) FILTER (WHERE %(with_capital)s) AS navs,
        array_agg(days.flows ORDER BY session) FILTER (WHERE %(with_capital)s) AS flows
    FROM {schema}.days WHERE days.tenant = contestants.tenant
        AND days.portfolio = contestants.portfolio
        AND session >= greatest(%(first_day)s, contestants.first_session) AND session <= %(session)s
) AS lived ON contestants.first_session IS NOT NULL
LEFT JOIN LATERAL (
    SELECT CASE WHEN cardinality(priced_by_trade) = 0 THEN nav END AS nav, true AS is_there
    FROM {schema}.days WHERE days.tenant = contestants.tenant
        AND days.portfolio = contestants.portfolio
        AND session >= contestants.first_session AND session < %(first_day)s
    ORDER BY session DESC LIMIT 1
) AS earlier ON true
LEFT JOIN LATERAL (
    SELECT array_agg(on_date ORDER BY on_date) AS dates
    FROM {schema}.fills WHERE fills.tenant = contestants.tenant
        AND fills.portfolio = contestants.portfolio
        AND on_date BETWEEN %(first_day)s AND %(session)s
) AS dealt ON true
LEFT JOIN LATERAL (
    WITH moved AS (
        SELECT instrument, on_date, quantity, position::text AS cause FROM {schema}.fills
        WHERE fills.tenant = contestants.tenant AND fills.portfolio = contestants.portfolio
            AND on_date <= %(session)s AND cardinality(%(universe)s::text[]) > 0
            AND NOT instrument = ANY(%(universe)s::text[])
        UNION ALL
        SELECT instrument, on_date, quantity, action_of || '/' || action FROM {schema}.acts
        WHERE acts.tenant = contestants.tenant AND acts.portfolio = contestants.portfolio
            AND on_date <= %(session)s AND cardinality(%(universe)s::text[]) > 0
            AND NOT instrument = ANY(%(universe)s::text[])
    )
    SELECT min(on_date) AS since FROM (
        SELECT %(first_day)s::date AS on_date FROM moved WHERE on_date < %(first_day)s
        GROUP BY instrument HAVING sum(quantity) <> 0
        UNION ALL
        SELECT on_date FROM moved WHERE on_date >= %(first_day)s
        GROUP BY instrument, on_date, cause HAVING sum(quantity) <> 0
    ) AS brought
) AS outside ON true
"""
_ENTRANTS = """(
    SELECT tenant, participant, portfolio, status, (
        SELECT first_session FROM {schema}.portfolios WHERE portfolios.tenant = contestants.tenant
            AND portfolios.portfolio = contestants.portfolio
    ) FROM {schema}.contestants
    WHERE tenant = %(tenant)s AND contest = %(contest)s {which} OFFSET 0
) AS contestants"""
_ALL = _TRACKS.replace("{contestants}", _ENTRANTS.replace("{which}", ""))
# Each by its key, whatever the planner takes their number to be.
_ONLY = _TRACKS.replace(
    "{contestants}",
    "unnest(%(only)s::text[]) AS wanted (participant) CROSS JOIN LATERAL "
    + _ENTRANTS.replace("{which}", "AND participant = wanted.participant"),
)
_CHANGED_SINCE = """
count(*) FROM (
    SELECT FROM {schema}.contestants
    WHERE tenant = %(tenant)s AND contest = %(contest)s AND changed_position > %(position)s
    UNION ALL
    SELECT FROM (
        SELECT portfolio, session FROM {schema}.days
        WHERE tenant = %(tenant)s AND changed_position > %(position)s OFFSET 0
    ) AS moved CROSS JOIN LATERAL (
        SELECT FROM {schema}.contestants
        WHERE tenant = %(tenant)s AND portfolio = moved.portfolio AND contest = %(contest)s OFFSET 0
    ) AS entrants WHERE moved.session BETWEEN %(first_day)s AND %(session)s
) AS changed
"""


class PartitionsApart(ReadModelMissing):
    """A partition that is ahead tells of a contest what another one may still have to read."""


class Contest(NamedTuple):
    """A contest, and how far it is: its last closed session, the one before its window.

    It `is_over` once its last session, or one behind that, has closed.
    """

    tenant: str
    contest: str
    first_session: date
    last_session: date
    terms: ContestTerms
    announced_at: int
    session: date | None
    before: date | None
    is_over: bool

    @property
    def name(self) -> tuple[str, str]:
        """Which one it is."""
        return self.tenant, self.contest


class Found(NamedTuple):
    """Contests, and the positions they are of."""

    contests: list[Contest]
    position: int
    market_position: int


def contests_of(
    readable: Readable, *, tenant: str | None = None, contest: str | None = None
) -> Found:
    """List the contests of a tenant, or of all, by name; those of several partitions once.

    A contest is as far as the partition that is behind.
    """
    parameters = {"tenant": tenant, "contest": contest}
    answered = ask(
        readable, NAME, _CONTESTS, parameters, order="ORDER BY tenant, contest", merge=_behind
    )
    found: dict[tuple[str, str], Contest] = {}
    for row in answered.rows:
        terms = msgspec.json.decode(row[4], type=ContestTerms)
        one = Contest._make((*row[:4], terms, *row[5:]))
        found.setdefault(one.name, one)
    return Found(list(found.values()), answered.position, answered.market_position)


def _behind(row: tuple[Any, ...]) -> tuple[object, ...]:
    return row[0], row[1], row[6] or date.min


class Tracks(NamedTuple):
    """Entrants of a contest up to a session, and the positions they are of."""

    tracks: list[Track]
    position: int
    market_position: int


def tracks_of(
    readable: Readable, contest: Contest, session: date, *, only: Sequence[str] | None = None
) -> Tracks:
    """Read the entrants of a contest, or `only` some, up to a session of its window.

    All of it is as of one position, also where partitions stand at several: then nothing of the
    contest was told behind the least of them.

    Raises:
        PartitionsApart: something was; ask again when the others are as far.
    """
    terms = contest.terms
    parameters = {
        "tenant": contest.tenant,
        "contest": contest.contest,
        "first_day": terms.first_day,
        "session": session,
        "universe": list(terms.universe),
        "with_capital": terms.capital is not None,
        "only": list(only or ()),
    }
    asked = _ALL if only is None else _ONLY
    answered = ask(
        readable, NAME, asked, parameters, order="ORDER BY participant", merge=_participant
    )
    if len(readable.partitions) > 1 and changed_since(
        readable, contest, session, answered.position
    ):
        raise PartitionsApart(f"partitions stand apart in what {contest.contest} is made of")
    tracks = [_track(contest, row) for row in answered.rows]
    return Tracks(tracks, answered.position, answered.market_position)


def changed_since(readable: Readable, contest: Contest, session: date, position: int) -> int:
    """Count what was told behind a position of entrants, up to a session, and the one before."""
    parameters = {
        "tenant": contest.tenant, "contest": contest.contest, "position": position,
        "first_day": contest.before or contest.terms.first_day, "session": session,
    }  # fmt: skip
    answered = ask(readable, NAME, _CHANGED_SINCE, parameters, merge=lambda row: row)
    return sum(row[0] for row in answered.rows)


def _participant(row: tuple[Any, ...]) -> str:
    return str(row[0])


def _track(contest: Contest, row: tuple[Any, ...]) -> Track:
    participant, portfolio, status, sessions, *arrays, nav, is_there, dates, outside = row
    return Track(
        participant=participant,
        portfolio=portfolio,
        days=list(_days(sessions, *arrays)) if sessions else [],
        trades=dates or (),
        out=None if status == "entered" else Unranked(status),
        before=contest.before,
        nav_before=nav if is_there else ZERO,
        outside_on=outside,
    )


def _days(
    sessions: Sequence[date],
    returns: Sequence[Decimal | None],
    reasons: Sequence[str | None],
    starts: Sequence[date | None],
    lacks: Sequence[str | None],
    navs: Iterable[Decimal | None] | None,
    flows: Iterable[Decimal | None] | None,
) -> Iterator[Day]:
    nothing = [None] * len(sessions)
    columns = (sessions, returns, reasons, starts, lacks, navs or nothing, flows or nothing)
    for session, value, reason, since, lack, nav, flow in zip(*columns, strict=True):
        yield Day(
            session=session,
            value=value,
            is_undefined=reason not in {None, ReturnReason.NAV_INCOMPLETE.value},
            since=since,
            nav=nav,
            flows=flow,
            lack=None if lack is None else Unranked(lack),
        )
