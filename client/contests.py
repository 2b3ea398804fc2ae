"""Contests: announced and entered, and what is asked of their ranks.

Returns and other ranked values are exact to 12 decimals; a `percentile` is the part of those ranked
that does not stand before. Positions are log positions, reasons short codes.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, ClassVar, Literal

import msgspec

from client.command import Command, Day, Number
from client.queries import ListQuery, Query

Window = Literal["contest", "day", "month", "quarter", "week", "year"]
Metric = Literal["calmar", "drawdown", "pnl", "return", "sharpe", "sortino"]

_CONTEST = "/v1/contests/{contest}"


class ContestAnnouncement(Command, frozen=True):
    """A contest and its rules, which never change; `last_day` where the window is `contest`.

    With a `capital`, all begin with exactly that. Without a `universe`, anything may be traded.
    """

    address: ClassVar[str] = "/v1/contests"

    contest: str
    window: Window
    first_day: Day
    calendar: str
    currency: str
    metric: Metric
    last_day: Day | None = None
    minimum_days: int = 1
    minimum_trades: int = 0
    universe: tuple[str, ...] = ()
    capital: Number | None = None


class Entry(Command, frozen=True):
    """A portfolio that takes part, for its owner."""

    address: ClassVar[str] = f"{_CONTEST}/entries"

    contest: str
    portfolio: str


class EntryWithdrawal(Command, frozen=True):
    """A participant who takes part no longer."""

    address: ClassVar[str] = f"{_CONTEST}/withdrawals"

    contest: str
    participant: str


class Disqualification(Command, frozen=True):
    """A participant who is ranked no more; behind the end the result gets another edition."""

    address: ClassVar[str] = f"{_CONTEST}/disqualifications"

    contest: str
    participant: str
    reason: str


class ContestItem(msgspec.Struct, frozen=True, kw_only=True):
    """A contest with its rules; `session` is the last one that was struck."""

    contest: str
    window: str
    first_day: date
    last_day: date
    first_session: date
    last_session: date
    calendar: str
    currency: str
    metric: str
    minimum_days: int
    minimum_trades: int
    universe: tuple[str, ...]
    capital: Decimal | None
    announced_position: int
    session: date | None
    is_over: bool


class OneContest(msgspec.Struct, frozen=True):
    """One contest, as of a log position."""

    contest: ContestItem
    position: int
    market_position: int


class RankItem(msgspec.Struct, frozen=True, kw_only=True):
    """Where a participant stands, by what; without a rank the `reason` says why.

    With `held_since` the rank is that of the session before, kept for the `reason`.
    """

    participant: str
    portfolio: str
    rank: int | None
    percentile: float | None
    value: Decimal | None
    drawdown: Decimal | None
    trades: int
    days: int
    qualified_on: date | None
    held_since: date | None
    reason: str | None


class PastRankItem(RankItem, frozen=True, kw_only=True):
    """A rank as it was told of a session; an `edition` above 0 is a restatement of the result."""

    session: date
    edition: int
    inputs_position: int


class StrikeItem(msgspec.Struct, frozen=True, kw_only=True):
    """One set of ranks that the log tells, made of the log up to `inputs_position`.

    Another edition has a `reason`, and `caused_at` is the position of what caused it.
    """

    session: date
    edition: int
    position: int
    inputs_position: int
    method: str
    calculation: str
    reason: str | None
    caused_at: int | None


class Leaderboard(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a contest's ranks as they are now, all at one `market_position`.

    `own` is whom the page is around, `next_rank` where the next page begins.
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


class ProofDay(msgspec.Struct, frozen=True, kw_only=True):
    """A session that a rank is made of; `lack` says why it is not counted."""

    session: date
    daily_return: Decimal | None
    nav: Decimal | None
    flows: Decimal | None
    lack: str | None


class RankProof(msgspec.Struct, frozen=True, kw_only=True):
    """What a rank is made of, and the ranks it was compared with, as of a log position."""

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


class Contests(ListQuery[ContestItem], frozen=True):
    """The tenant's contests."""

    address: ClassVar[str] = "/v1/contests"
    item: ClassVar[Any] = ContestItem


class Contest(Query[OneContest], frozen=True):
    """One contest."""

    address: ClassVar[str] = _CONTEST
    item: ClassVar[Any] = OneContest
    is_whole: ClassVar[bool] = True

    contest: str


class Ranks(Query[Leaderboard], frozen=True):
    """The ranks now: `limit` of them from `first` on, or those within `reach` `around` somebody.

    While there is no board (it is made anew, or Redis is away) it is asked for as long as
    patience lasts.
    """

    address: ClassVar[str] = f"{_CONTEST}/ranks"
    item: ClassVar[Any] = Leaderboard
    is_whole: ClassVar[bool] = True

    contest: str
    first: int | None = None
    limit: int | None = None
    around: str | None = None
    reach: int | None = None


class Strikes(ListQuery[StrikeItem], frozen=True):
    """What was struck of a contest: sessions, the result, its later editions."""

    address: ClassVar[str] = f"{_CONTEST}/strikes"
    item: ClassVar[Any] = StrikeItem

    contest: str


class StruckRanks(ListQuery[RankItem], frozen=True):
    """The ranks of one strike, as told."""

    address: ClassVar[str] = f"{_CONTEST}/struck-ranks"
    item: ClassVar[Any] = RankItem

    contest: str
    session: Day
    edition: int = 0


class PastRanks(ListQuery[PastRankItem], frozen=True):
    """A participant's ranks by session."""

    address: ClassVar[str] = f"{_CONTEST}/participants/{{participant}}/ranks"
    item: ClassVar[Any] = PastRankItem

    contest: str
    participant: str


class Proof(Query[RankProof], frozen=True):
    """What a rank is made of, now or at an earlier log position."""

    address: ClassVar[str] = f"{_CONTEST}/proof"
    item: ClassVar[Any] = RankProof
    is_whole: ClassVar[bool] = True

    contest: str
    participant: str
    position: int | None = None
