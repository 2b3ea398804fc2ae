"""Reading the board: a stretch of ranks, or what is around a participant, all of one position."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
import redis

from domain.contests.events import Rank
from projections.leaderboard.keys import (
    CHECKPOINT,
    PREFIX_LENGTH,
    SEEN,
    About,
    Late,
    Row,
    Stand,
    about_key,
)
from projections.leaderboard.scripts import READ

LEFT_SECONDS = 2.0
"""How long a Redis that gave no answer is not asked."""

STALE_SECONDS = 5
"""A board that nobody wrote for so long is stale: the keeper, or what it asks, is away."""
_SCRIPTED = 8
_UNMADE = 3
"""Values of a contest that has no board yet: the last one says where it was left."""


class BoardMissing(Exception):
    """There is no whole board to be read now: it is being made, or Redis is away."""


class BoardAway(BoardMissing):
    """Redis cannot be asked now."""


class BoardBehind(Exception):
    """The board is of an earlier position than the one asked for."""

    def __init__(self, position: int) -> None:
        super().__init__(f"the board is of position {position}")
        self.position = position


class Board(NamedTuple):
    """A part of a contest's board; `own` is the participant asked for, None if there is none.

    Ranks are in their order, held ones behind the own of the same rank.
    """

    stand: Stand
    is_stale: bool
    about: About
    ranked: int
    held: int
    entrants: int
    own: Rank | None
    ranks: list[Rank]


class Tops(NamedTuple):
    """The first ranks of contests; no board where there is no such contest, or none of it yet.

    All are of one stand, but for those that are late: `stand` is the least.
    """

    stand: Stand
    boards: Mapping[tuple[str, str], Board]


class Reader:
    """Asks Redis; thread-safe."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._read = client.register_script(READ)
        self._left_until = 0.0

    def require_reached(self, tenant: str, contest: str, position: int) -> None:
        """Look whether a board is of a position: at two values, however long it is.

        Raises:
            BoardBehind: it is not.
            BoardMissing: there is none, or Redis cannot be asked now.
        """
        with self._asking(), self._client.pipeline(transaction=False) as together:
            together.get(CHECKPOINT)
            together.hget(about_key(tenant, contest), "late")
            raw, late = together.execute()
        if raw is None:
            raise BoardMissing
        stood = _stand(raw, late).position
        if stood < position:
            raise BoardBehind(stood)

    def ranks(self, tenant: str, contest: str, *, first: int, last: int) -> Board | None:
        """Give the ranks from one to another, counted from 1; None for an unknown contest.

        Raises:
            BoardMissing: there is none, not the whole of it, or Redis cannot be asked now.
        """
        return self._ask(tenant, contest, first, last, "")

    def around(self, tenant: str, contest: str, *, participant: str, reach: int) -> Board | None:
        """Give a participant and who stands up to so many ranks before and behind.

        Raises:
            BoardMissing: there is none, not the whole of it, or Redis cannot be asked now.
        """
        return self._ask(tenant, contest, reach, reach, participant)

    def tops(self, contests: Sequence[tuple[str, str]], *, last: int) -> Tops:
        """Give the first ranks of contests, by tenant and name: at least of one, asked at once.

        Raises:
            BoardMissing: there is none, not the whole of one, or Redis cannot be asked now.
        """
        with self._asking(), self._client.pipeline(transaction=True) as together:
            for tenant, contest in contests:
                keys, arguments = _asked(tenant, contest, 1, last, "")
                self._read(keys=keys, args=arguments, client=together)
            answers = together.execute()
        unmade = [_stand(each[0], each[2]) for each in answers if len(each) == _UNMADE]
        found = {
            name: _board(each)
            for name, each in zip(contests, answers, strict=True)
            if len(each) != _UNMADE
        }
        boards = {name: board for name, board in found.items() if board is not None}
        stands = [*unmade, *(each.stand for each in boards.values())]
        if not stands:
            stands.append(_stand(answers[0][0], None))
        return Tops(min(stands, key=lambda each: each.position), boards)

    def _ask(self, tenant: str, contest: str, first: int, last: int, who: str) -> Board | None:
        keys, arguments = _asked(tenant, contest, first, last, who)
        with self._asking():
            found: list[Any] = self._read(keys=keys, args=arguments)
        return _board(found)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Ask Redis; where it hung it is left alone for a while, so that nobody queues for it.

        Raises:
            BoardAway: it cannot be asked, or hung a moment ago.
        """
        if time.monotonic() < self._left_until:
            raise BoardAway("it gave no answer a moment ago")
        try:
            yield
        except redis.RedisError as error:
            if isinstance(error, redis.TimeoutError):
                self._left_until = time.monotonic() + LEFT_SECONDS
            raise BoardAway(type(error).__name__) from error


def _asked(
    tenant: str, contest: str, first: int, last: int, who: str
) -> tuple[list[str], list[str | int]]:
    about = about_key(tenant, contest)
    own = about.removesuffix("about")
    return [CHECKPOINT, SEEN, about], [own, first, last, who, PREFIX_LENGTH]


def _board(found: list[Any]) -> Board | None:
    """Read an answer.

    Raises:
        BoardMissing: there is no board, or not the whole of it.
    """
    if not found or len(found) == _UNMADE:
        raise BoardMissing
    if len(found) == 2:  # noqa: PLR2004 - where it stands, and since when
        return None
    age, (described, *counts, late, _), mine, place, ranked, kept = found[1:7]
    start = found[7] if len(found) == _SCRIPTED else 1
    ranks = [_rank(row, start + number) for number, row in enumerate(ranked)]
    pairs = zip(kept[::2], kept[1::2], strict=True)
    ranks += [_rank(row, int(float(held))) for held, row in pairs]
    ranks.sort(key=lambda each: (each.rank or 0, each.held_since is not None, each.participant))
    own_place = None if place is None else int(float(place))
    counted, held_count, entrants = map(int, counts)
    return Board(
        stand=_stand(found[0], late),
        is_stale=int(age) > STALE_SECONDS,
        about=msgspec.json.decode(described, type=About),
        ranked=counted,
        held=held_count,
        entrants=entrants,
        own=None if mine is None else _rank(mine, own_place),
        ranks=ranks,
    )


def _stand(raw: bytes, late: bytes | None) -> Stand:
    """Read where a board stands: at the checkpoint, or where it was left."""
    stand = msgspec.json.decode(raw, type=Stand)
    if late is None:
        return stand
    left = msgspec.json.decode(late, type=Late)
    return msgspec.structs.replace(stand, **msgspec.structs.asdict(left))


def _rank(row: bytes, place: int | None) -> Rank:
    return msgspec.structs.replace(msgspec.json.decode(row, type=Row).rank, rank=place)
