"""Ranking: who stands where at the end of a session, as far as is known (convention 14).

Only what marks price is ranked. Whoever lacks that at the session keeps the rank of the last one
at which they had it, and is flagged by `held_since`: the others are ranked among themselves, so
two may show one rank, and in a list the held one is behind. Ties are broken by the lower drawdown,
fewer trades, the earlier qualification, the participant's id: so there are none.

A session with a price from an own trade has no return, as one without a NAV has none: the next one
that marks price gives one return over the gap. A stale price is a mark's: such a session counts.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from domain.contests.events import Rank
from domain.contests.terms import ContestTerms, Metric
from domain.money import ONE, ZERO
from domain.statistics.contest_figures import deepest_drawdown, ranked_by, told


class Unranked(StrEnum):
    """Why somebody has no rank, or none of the last session; besides the reasons of statistics."""

    WITHDRAWN = "withdrawn"
    DISQUALIFIED = "disqualified"
    NAV_INCOMPLETE = "nav_incomplete"
    PRICE_STALE = "price_stale"
    PRICED_BY_TRADE = "priced_by_trade"
    NO_VALUATION = "no_valuation"
    START_INCOMPLETE = "start_incomplete"
    RETURN_UNDEFINED = "return_undefined"
    CAPITAL_UNEQUAL = "capital_unequal"
    CAPITAL_MOVED = "capital_moved"
    OUTSIDE_UNIVERSE = "outside_universe"
    TOO_FEW_DAYS = "too_few_days"
    TOO_FEW_TRADES = "too_few_trades"


class Day(NamedTuple):
    """A session of an entrant: `lack` says why it may not be ranked by, None where it may.

    `value` is the return since the end of session `since`, None with a gap or undefined.
    """

    session: date
    value: Decimal | None
    is_undefined: bool
    since: date | None
    nav: Decimal | None
    flows: Decimal | None
    lack: Unranked | None


class Track(NamedTuple):
    """What an entrant did in the window: its sessions, and the dates of its trades, ascending.

    `out` says why they take part no longer. `before` is the last session before the window, and
    `nav_before` the value at its end, None where marks do not price all of it. `outside_on` is the
    first date of the window on which it held, or traded, what is not of the universe, however that
    came.
    """

    participant: str
    portfolio: str
    days: Sequence[Day]
    trades: Sequence[date] = ()
    out: Unranked | None = None
    before: date | None = None
    nav_before: Decimal | None = ZERO
    outside_on: date | None = None


class Score(NamedTuple):
    """An entrant at the end of a session: ranked by `key`, or not for a `reason`.

    `held_since` is the session it is of where nothing newer may be ranked by.
    """

    participant: str
    portfolio: str
    value: Decimal | None = None
    drawdown: Decimal | None = None
    trades: int = 0
    days: int = 0
    qualified_on: date | None = None
    held_since: date | None = None
    reason: str | None = None

    @property
    def is_ranked(self) -> bool:
        """Whether it has a rank of the session itself."""
        return self.reason is None

    @property
    def is_held(self) -> bool:
        """Whether it keeps the rank of an earlier session."""
        return self.held_since is not None

    @property
    def key(self) -> tuple[Decimal, Decimal, int, date, str]:
        """What ranks are in the order of."""
        assert self.value is not None, "only what has a value is ranked"
        assert self.drawdown is not None, "whatever has a return has a drawdown"
        assert self.qualified_on is not None, "only who qualified is ranked"
        return -self.value, -self.drawdown, self.trades, self.qualified_on, self.participant

    def at(self, rank: int | None) -> Rank:
        """Give it its rank."""
        return Rank(rank=rank, **self._asdict())


def score(terms: ContestTerms, track: Track, session: date) -> Score:
    """Score an entrant at the end of a session, or of the last one that it may be ranked by."""
    nobody = Score(track.participant, track.portfolio)
    if track.out is not None:
        return nobody._replace(reason=track.out.value)
    days = track.days[: bisect_right(track.days, session, key=_session_of)]
    lack = days[-1].lack if days and days[-1].session == session else Unranked.NO_VALUATION
    if lack is None:
        return _scored(terms, track, days, session)
    while days and days[-1].lack is not None:
        days = days[:-1]
    if not days:
        reason = Unranked.OUTSIDE_UNIVERSE if _is_outside(track, session) else lack
        return nobody._replace(reason=reason.value)
    earlier = _scored(terms, track, days, session)
    if earlier.reason is not None:
        return earlier
    return earlier._replace(held_since=days[-1].session, reason=lack.value)


def standing(terms: ContestTerms, tracks: Collection[Track], session: date) -> list[Rank]:
    """Rank all at the end of a session: the best first, without a rank last, by participant."""
    scores = [score(terms, track, session) for track in tracks]
    places = _places(scores)
    held = held_places(terms, tracks, [each for each in scores if each.is_held])
    ranks = [each.at((held if each.is_held else places).get(each.participant)) for each in scores]
    return sorted(ranks, key=listed)


def ranked(scores: Collection[Score]) -> list[Rank]:
    """Rank scores of one session, as `standing` does; none of them is of an earlier session."""
    assert not any(each.is_held for each in scores), "a held rank is one among all of its session"
    places = _places(scores)
    return sorted((each.at(places.get(each.participant)) for each in scores), key=listed)


def held_places(
    terms: ContestTerms, tracks: Iterable[Track], held: Iterable[Score]
) -> dict[str, int]:
    """Give those who are held back the ranks of the sessions they are held since."""
    since = {each.participant: each.held_since for each in held}
    listed_tracks = list(tracks) if since else []
    found: dict[str, int] = {}
    for session in {each for each in since.values() if each is not None}:
        places = _places(score(terms, track, session) for track in listed_tracks)
        kept = [name for name, when in since.items() if when == session]
        found.update((name, places[name]) for name in kept)
    return found


def listed(rank: Rank) -> tuple[bool, int, bool, str]:
    """Give the place in a list: by rank, held ones behind, without a rank last."""
    has_none = rank.rank is None
    return has_none, rank.rank or 0, rank.held_since is not None, rank.participant


def _places(scores: Iterable[Score]) -> dict[str, int]:
    ranked = sorted((each for each in scores if each.is_ranked), key=lambda each: each.key)
    return {each.participant: place for place, each in enumerate(ranked, start=1)}


def _scored(terms: ContestTerms, track: Track, days: Sequence[Day], session: date) -> Score:
    """Score at a session by days of which the last may be ranked by."""
    path = list(_path(days))
    returns = [value for _, value in path]
    trades = bisect_right(track.trades, days[-1].session)
    known = Score(track.participant, track.portfolio, trades=trades, days=len(returns))
    lack = Unranked.OUTSIDE_UNIVERSE if _is_outside(track, session) else None
    lack = lack or _unfair(terms, track, days) or _too_few(terms, known)
    if lack is not None:
        return known._replace(reason=lack.value)
    if terms.metric is Metric.PNL:
        assert terms.capital is not None, "profit is ranked with equal capital only"
        assert days[-1].nav is not None, "a complete day has a value"
        value, reason = told(days[-1].nav - terms.capital)
    else:
        value, reason = ranked_by(terms.metric, returns)
    drawdown, no_drawdown = deepest_drawdown(returns)
    reason = reason or no_drawdown
    return known._replace(
        value=value,
        drawdown=drawdown,
        qualified_on=_qualified_on(terms, track, days, path),
        reason=None if reason is None else reason.value,
    )


def _path(days: Iterable[Day]) -> Iterator[tuple[date, Decimal]]:
    """Give the returns from session that marks price to session, each with the one it ends at."""
    gap = ONE
    for day in days:
        if day.value is None:
            continue
        if day.lack is Unranked.PRICED_BY_TRADE:
            gap *= ONE + day.value
            continue
        yield day.session, gap * (ONE + day.value) - ONE
        gap = ONE


def _is_outside(track: Track, session: date) -> bool:
    """Say whether it left the universe, which no lack of a price hides."""
    return track.outside_on is not None and track.outside_on <= session


def _unfair(terms: ContestTerms, track: Track, days: Sequence[Day]) -> Unranked | None:
    if any(day.is_undefined for day in days):
        return Unranked.RETURN_UNDEFINED
    first = next(day for day in days if day.value is not None)
    if first.since is not None and track.before is not None and first.since < track.before:
        return Unranked.START_INCOMPLETE
    if track.nav_before is None:
        return Unranked.START_INCOMPLETE
    if terms.capital is None:
        return None
    if days[0].flows is None:
        return Unranked.START_INCOMPLETE
    if track.nav_before + days[0].flows != terms.capital:
        return Unranked.CAPITAL_UNEQUAL
    return Unranked.CAPITAL_MOVED if any(day.flows for day in days[1:]) else None


def _too_few(terms: ContestTerms, known: Score) -> Unranked | None:
    if known.days < terms.minimum_days:
        return Unranked.TOO_FEW_DAYS
    return Unranked.TOO_FEW_TRADES if known.trades < terms.minimum_trades else None


def _qualified_on(
    terms: ContestTerms, track: Track, days: Sequence[Day], path: Sequence[tuple[date, Decimal]]
) -> date:
    enough_days, _ = path[terms.minimum_days - 1]
    if not terms.minimum_trades:
        return enough_days
    traded = track.trades[terms.minimum_trades - 1]
    return max(enough_days, next(day.session for day in days if day.session >= traded))


def _session_of(day: Day) -> date:
    return day.session
