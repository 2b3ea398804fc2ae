"""What readers are told of contests. Values are of the contest's metric; the higher, the better."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any

import msgspec

from domain.contests.events import Rank
from domain.contests.terms import Metric, Window
from projections.leaderboard.queries import Strike
from projections.leaderboard.reading import Board
from projections.leaderboard.tracks import Contest
from read_api.shaping import Amount, Shaped, ShapedPage, plain, shaped

Percentile = Annotated[
    float,
    msgspec.Meta(
        description="The part of those ranked that does not stand before; 1 for the first."
    ),
]


class ContestItem(Shaped, frozen=True):
    """A contest as it was announced, and how far it is.

    `session` is the last of its window that has closed; it `is_over` once the last one has.
    """

    contest: str
    window: Window
    first_day: date
    last_day: date
    first_session: date
    last_session: date
    calendar: str
    currency: str
    metric: Metric
    minimum_days: int
    minimum_trades: int
    universe: tuple[str, ...]
    capital: Amount | None
    announced_position: int
    session: date | None
    is_over: bool


class ContestList(ShapedPage, frozen=True):
    """A page of contests, by name."""

    items: tuple[ContestItem, ...]


class OneContest(Shaped, frozen=True):
    """One contest, as of a log position."""

    position: int
    market_position: int
    contest: ContestItem


class RankItem(Shaped, frozen=True):
    """Where a participant stands; without a rank `reason` says why.

    A rank `held_since` a session is the one of then: since then something it holds has no mark of
    its own, as `reason` says; who is ranked of the session itself may have the same.
    """

    participant: str
    portfolio: str
    rank: int | None
    percentile: Percentile | None
    value: Amount | None
    drawdown: Amount | None
    trades: int
    days: int
    qualified_on: date | None
    held_since: date | None
    reason: str | None


class Leaderboard(Shaped, frozen=True):
    """A stretch of ranks, all at one market position; held ones stand behind the own of a rank.

    `own` is the participant asked for. A board that `is_stale` waits for what it is made of.
    """

    contest: str
    session: date | None
    position: int
    market_position: int
    changed_position: int
    is_stale: bool
    ranked: int
    held: int
    entrants: int
    own: RankItem | None
    items: tuple[RankItem, ...]
    next_rank: int | None


class StrikeItem(Shaped, frozen=True):
    """Ranks that the log tells: of a session (`edition` 0), or an edition of the result.

    They were made of everything up to `inputs_position`. A later edition says why there is one,
    and which position caused it.
    """

    session: date
    edition: int
    position: int
    inputs_position: int
    method: str
    calculation: str
    reason: str | None
    caused_at: int | None


class StrikeList(ShapedPage, frozen=True):
    """A page of strikes, by session and edition."""

    items: tuple[StrikeItem, ...]


class StruckRanks(ShapedPage, frozen=True):
    """A page of the ranks of one strike, as they were told."""

    items: tuple[RankItem, ...]


class PastRankItem(RankItem, frozen=True):
    """A rank as it was told of a session, or in an edition of the result."""

    session: date
    edition: int
    inputs_position: int


class RankHistory(ShapedPage, frozen=True):
    """A page of a participant's ranks, by session and edition."""

    items: tuple[PastRankItem, ...]


class ProofDay(Shaped, frozen=True):
    """A session of the window: its return, and what keeps it from being ranked by."""

    session: date
    daily_return: Amount | None
    nav: Amount | None
    flows: Amount | None
    lack: str | None


class RankProof(Shaped, frozen=True):
    """A rank with all that it is made of, as it was known at the log position `as_of`.

    `compared_with` are those ranked beside it, in their order: the first differing of value,
    drawdown, trades, qualification and participant decides.
    """

    contest: str
    position: int
    market_position: int
    as_of: int
    session: date | None
    calculation: str
    rank: RankItem | None
    days: tuple[ProofDay, ...]
    traded_on: tuple[date, ...]
    compared_with: tuple[RankItem, ...]


def contest_item(row: Contest) -> ContestItem:
    """Shape a contest."""
    terms = {name: plain(getattr(row.terms, name)) for name in row.terms.__struct_fields__}
    return shaped(ContestItem, row, **terms, announced_position=row.announced_at)


def rank_item(rank: Rank, ranked: int | None = None) -> RankItem:
    """Shape a rank; of how many, where a percentile is to be told."""
    percentile = None
    if rank.rank is not None and rank.held_since is None and ranked:
        percentile = (ranked - rank.rank + 1) / ranked
    return shaped(RankItem, rank, percentile=percentile)


def rank_items(ranks: Iterable[Rank], ranked: int | None = None) -> tuple[RankItem, ...]:
    """Shape ranks in their order."""
    return tuple(rank_item(each, ranked) for each in ranks)


def strike_item(row: Strike) -> StrikeItem:
    """Shape a strike."""
    return shaped(StrikeItem, row)


def leaderboard(contest: str, board: Board, next_rank: int | None) -> Leaderboard:
    """Shape a part of a board."""
    own: dict[str, Any] = {
        "contest": contest,
        "session": board.about.session,
        "position": board.stand.position,
        "market_position": board.stand.market_position,
        "changed_position": board.about.position,
        "own": None if board.own is None else rank_item(board.own, board.ranked),
        "items": rank_items(board.ranks, board.ranked),
        "next_rank": next_rank,
    }
    return shaped(Leaderboard, board, **own)
