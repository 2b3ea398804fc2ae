"""What the log tells of contests: announced, entered, left, and the ranks that were struck.

A participant is the opaque id of a portfolio's owner. Ranks are counted from 1.
"""

from datetime import date
from decimal import Decimal
from typing import TypeAlias

import msgspec

from domain.contests.terms import ContestTerms
from domain.event import Event

RANKS_PER_EVENT_MAX = 200


class ContestAnnounced(Event, frozen=True):
    """A contest, with the first and the last session of its window."""

    contest: str
    terms: ContestTerms
    first_session: date
    last_session: date


class ContestEntered(Event, frozen=True):
    """A participant takes part, with one portfolio."""

    contest: str
    participant: str
    portfolio: str


class EntryWithdrawn(Event, frozen=True):
    """A participant takes part no longer, by their own will."""

    contest: str
    participant: str
    portfolio: str


class EntrantDisqualified(Event, frozen=True):
    """A participant takes part no longer; `reason` is a short code."""

    contest: str
    participant: str
    portfolio: str
    reason: str


EntryEvent: TypeAlias = ContestEntered | EntryWithdrawn | EntrantDisqualified


class Rank(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where one participant stands, and by what; without a rank `reason` says why.

    `drawdown` is the deepest one, negative or 0; `trades` and `days` are those of the window.
    `qualified_on` is the session from which there were enough of both. A rank `held_since` a
    session is the one of then: nothing newer is known that may be ranked, which `reason` names.
    """

    participant: str
    portfolio: str
    rank: int | None = None
    value: Decimal | None = None
    drawdown: Decimal | None = None
    trades: int = 0
    days: int = 0
    qualified_on: date | None = None
    held_since: date | None = None
    reason: str | None = None


class RanksStruck(Event, frozen=True, kw_only=True):
    """The ranks at the end of a session, one page of `pages`, the first is 1.

    Their inputs were all that the log told up to `position`, prices up to `market_position`.
    """

    contest: str
    session: date
    position: int
    market_position: int
    method: str
    calculation: str
    page: int
    pages: int
    ranks: tuple[Rank, ...]


class ResultStruck(Event, frozen=True, kw_only=True):
    """The result of a contest: the ranks at the end of its last session, page by page as there.

    What changes them later makes another edition beside this one: `reason` is its short code, and
    `caused_at` the log position of what did it.
    """

    contest: str
    session: date
    edition: int
    reason: str | None = None
    caused_at: int | None = None
    position: int
    market_position: int
    method: str
    calculation: str
    page: int
    pages: int
    ranks: tuple[Rank, ...]


StruckEvent: TypeAlias = RanksStruck | ResultStruck
ContestEvent: TypeAlias = ContestAnnounced | EntryEvent | StruckEvent
