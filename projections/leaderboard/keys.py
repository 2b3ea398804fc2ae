"""What the leaderboard keeps in Redis, by key; every key of a contest carries its tenant.

No name holds a slash, so no two contests share a key.

`pms:leaderboard` is the checkpoint. A contest's board is three keys: `order`, a sorted set whose
members are all of score 0 and so in the order of their texts, which is that of the ranks; `held`,
the participants that keep an earlier rank, by it; and `rows`, a hash of all participants. Beside
them `about` says which board is shown, of what, how many each of its keys holds, and whether it is
`late`, and since when: left as it was while the others went on.
"""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

import msgspec

from domain.contests.events import Rank
from domain.contests.ranking import Score
from domain.contests.terms import ContestTerms
from domain.money import LIMIT, PLACES
from projections.leaderboard.tracks import CALCULATION_VERSION

CHECKPOINT = "pms:leaderboard"
SEEN = "pms:leaderboard:seen"
"""When the checkpoint was written last, in seconds of Redis's own clock."""

NUMBER_DIGITS = 39
"""Digits of a number from -10^26 to 10^26 with 12 decimals, moved above zero."""
COUNT_DIGITS = 19
DAY_LENGTH = len("2024-01-31")
PREFIX_LENGTH = 2 * NUMBER_DIGITS + COUNT_DIGITS + DAY_LENGTH


class Stand(msgspec.Struct, frozen=True):
    """Where the board stands: what it was made of, and the how-manieth writing this is.

    `edition` is that of `performance`'s tables: after a rebuild of theirs the board is made anew.
    """

    log_id: str
    edition: str
    position: int
    market_position: int
    calculation: int = CALCULATION_VERSION
    writing: int = 0


class Late(msgspec.Struct, frozen=True):
    """Of which positions a board is that was left behind the checkpoint."""

    position: int
    market_position: int


class About(msgspec.Struct, frozen=True, kw_only=True):
    """A contest's board: which one, and what it is of.

    `position` is that of its last change. `held_until` is the last session a held rank is of.
    """

    board: str
    terms: ContestTerms
    first_session: date
    last_session: date
    session: date | None
    position: int
    held_until: date | None = None


class Row(msgspec.Struct, frozen=True):
    """A participant on the board; `member` is its place in `order`, empty without one."""

    rank: Rank
    member: str = ""


class Keys(NamedTuple):
    """The keys of one board."""

    order: str
    held: str
    rows: str


def about_key(tenant: str, contest: str) -> str:
    """Name what says how a contest's board is."""
    return f"{CHECKPOINT}/{tenant}/{contest}/about"


def board_keys(tenant: str, contest: str, board: str) -> Keys:
    """Name the keys of a contest's board."""
    own = f"{CHECKPOINT}/{tenant}/{contest}/{board}"
    return Keys(f"{own}/order", f"{own}/held", f"{own}/rows")


def member_of(score: Score) -> str:
    """Write a score's key as a text that sorts as it does; the participant is its end."""
    value, drawdown, trades, qualified_on, participant = score.key
    count = f"{trades:0{COUNT_DIGITS}d}"
    return f"{_digits(value)}{_digits(drawdown)}{count}{qualified_on.isoformat()}{participant}"


def _digits(number: Decimal) -> str:
    return f"{int((number + LIMIT).scaleb(PLACES)):0{NUMBER_DIGITS}d}"
