"""The board in Redis, kept level with `performance`: what changed, and the checkpoint with it.

Nothing is kept here between two looks. The checkpoint in Redis says up to which log position the
board was made, so one restarted from an old dump goes on from there; without one, or where it is
of another log, another edition of the tables, or of a position beyond theirs, all is made anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import redis

from domain.contests.ranking import Score, held_places, score
from projections.asking import Readable, snapshot
from projections.leaderboard.changes import Change, Changes, changes_behind, stands
from projections.leaderboard.keys import (
    CHECKPOINT,
    SEEN,
    About,
    Keys,
    Row,
    Stand,
    about_key,
    board_keys,
    member_of,
)
from projections.leaderboard.scripts import MOVE, TORN
from projections.leaderboard.tracks import Contest, contests_of, tracks_of

IN_PLACE_MAX = 500
"""Entrants changed in place at most: more would hold Redis up, so they are written beside."""
CHUNK = 1_000
BESIDE_SECONDS = 3_600
"""How long what was written beside, and never shown, is kept."""

_encode = msgspec.json.Encoder().encode


class Overtaken(Exception):
    """Somebody else moved the checkpoint meanwhile; what was read is old."""


class Refreshed(NamedTuple):
    """What a look found: how many contests; and did: boards made anew, entrants changed."""

    position: int
    contests: int
    written: int
    changed: int


class _Board(NamedTuple):
    """A contest's board as it shall be; `changed` are rows with their members before."""

    contest: Contest
    about: About
    changed: Sequence[tuple[Row, str]] = ()

    @property
    def keys(self) -> Keys:
        return board_keys(*self.contest.name, self.about.board)


class Keeper:
    """Keeps the boards level; `name` is that of one process, so no two write the same beside."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        self._client = client
        self._name = name
        self._move = client.register_script(MOVE)
        self._torn = client.register_script(TORN)

    def refresh(self, readable: Readable) -> Refreshed:
        """Bring the boards to where `performance` stands now, in one step.

        Raises:
            Overtaken: another keeper was faster; look again.
            ReadModelMissing: `performance` has no tables yet.
            redis.RedisError: Redis cannot be asked now.
        """
        raw = _bytes(self._client.get(CHECKPOINT))
        stood = _read_stand(raw)
        with snapshot(readable):
            now = stands(readable)
            contests = contests_of(readable).contests
            goes_on = stood is not None and _goes_on(stood, now)
            now = msgspec.structs.replace(now, writing=stood.writing + 1 if stood else 1)
            changes: Changes = {}
            known: Mapping[tuple[str, str], About] = {}
            if stood is not None and goes_on:
                known = self._sound(contests)
                if stood.position < now.position:
                    changes = changes_behind(readable, stood.position)
            found = [
                self._board(readable, each, known.get(each.name), changes.get(each.name, []), now)
                for each in contests
            ]
        boards = [each for each in found if each is not None]
        gone = _replaced(boards, known) if goes_on else self._leftovers(contests, boards)
        self._write(raw, now, boards, gone)
        changed = sum(len(each.changed) for each in boards)
        written = sum(not each.changed for each in boards)
        return Refreshed(now.position, len(contests), written, changed)

    def _sound(self, contests: Sequence[Contest]) -> dict[tuple[str, str], About]:
        """Read what the boards say of themselves, of those that hold as much as they say."""
        if not contests:
            return {}
        with self._client.pipeline(transaction=False) as pipeline:
            for each in contests:
                pipeline.hget(about_key(*each.name), "about")
            told = pipeline.execute()
        known = {
            each.name: msgspec.json.decode(raw, type=About)
            for each, raw in zip(contests, told, strict=True)
            if raw is not None
        }
        keys = [
            key
            for name, about in known.items()
            for key in (about_key(*name), *board_keys(*name, about.board))
        ]
        torn = {key.decode() for key in self._torn(keys=keys)} if keys else set()
        return {name: about for name, about in known.items() if about_key(*name) not in torn}

    def _board(
        self,
        readable: Readable,
        contest: Contest,
        known: About | None,
        changes: Sequence[Change],
        now: Stand,
    ) -> _Board | None:
        """Give a contest's board as it shall be; None where it is so."""
        if known is not None and known.session == contest.session:
            if not changes:
                return None
            in_place = self._in_place(readable, contest, known, changes, now)
            if in_place is not None:
                return in_place
        return self._beside(readable, contest, now)

    def _in_place(
        self,
        readable: Readable,
        contest: Contest,
        known: About,
        changes: Sequence[Change],
        now: Stand,
    ) -> _Board | None:
        """Change the rows of some entrants; None where others' ranks may depend on them.

        Ranks held from an earlier session do on every entrant of then.
        """
        if len(changes) > IN_PLACE_MAX or _touches_held(known, changes):
            return None
        participants = [each.participant for each in changes]
        scores = _scores(readable, contest, only=participants)
        if any(each.is_held for each in scores):
            return None
        keys = board_keys(*contest.name, known.board)
        before = self._client.hmget(keys.rows, [each.participant for each in scores])
        changed = [
            (_row(each), "" if old is None else msgspec.json.decode(old, type=Row).member)
            for each, old in zip(scores, before, strict=True)
        ]
        return _Board(contest, msgspec.structs.replace(known, position=now.position), changed)

    def _beside(self, readable: Readable, contest: Contest, now: Stand) -> _Board:
        """Write a whole board beside the one that is shown."""
        session = contest.session
        scores: list[Score] = []
        held: dict[str, int] = {}
        if session is None:
            scores = _scores(readable, contest)
        else:
            tracks = tracks_of(readable, contest, session).tracks
            scores = [score(contest.terms, each, session) for each in tracks]
            held = held_places(contest.terms, tracks, [each for each in scores if each.is_held])
        about = About(
            board=f"{now.writing}.{self._name}",
            terms=contest.terms,
            first_session=contest.first_session,
            last_session=contest.last_session,
            session=session,
            position=now.position,
            held_until=max((each.held_since for each in scores if each.held_since), default=None),
        )
        board = _Board(contest, about)
        rows = [_row(each) for each in scores]
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.unlink(*board.keys)
            for start in range(0, len(rows), CHUNK):
                part = rows[start : start + CHUNK]
                order = {each.member: 0 for each in part if each.member}
                if order:
                    pipeline.zadd(board.keys.order, order)
                items = [item for each in part for item in (each.rank.participant, _encode(each))]
                pipeline.hset(board.keys.rows, items=items)
            if held:
                pipeline.zadd(board.keys.held, held)
            for key in board.keys:
                pipeline.expire(key, BESIDE_SECONDS)
            pipeline.execute()
        return board

    def _leftovers(self, contests: Iterable[Contest], boards: Iterable[_Board]) -> set[str]:
        """List every key that is none of the boards'."""
        own = {about_key(*each.name) for each in contests}
        own.update(key for each in boards for key in each.keys)
        found: Iterable[bytes] = self._client.scan_iter(match=f"{CHECKPOINT}/*", count=CHUNK)
        return {key.decode() for key in found} - own

    def _write(self, raw: bytes, now: Stand, boards: Sequence[_Board], gone: Iterable[str]) -> None:
        arguments: list[bytes | str | int] = [raw, _encode(now), len(boards)]
        for board in boards:
            arguments += [about_key(*board.contest.name), _encode(board.about), *board.keys]
            arguments.append(len(board.changed))
            for row, before in board.changed:
                arguments += [row.rank.participant, before, row.member, _encode(row)]
        going = list(gone)
        arguments += [len(going), *going]
        if not self._move(keys=[CHECKPOINT, SEEN], args=arguments):
            raise Overtaken


def _bytes(found: object) -> bytes:
    return found if isinstance(found, bytes) else b""


def _read_stand(raw: bytes) -> Stand | None:
    try:
        return msgspec.json.decode(raw, type=Stand)
    except msgspec.MsgspecError:
        return None


def _goes_on(stood: Stand, now: Stand) -> bool:
    """Say whether the board is an earlier one of the same log, tables and calculation."""
    same = msgspec.structs.replace(
        stood, position=now.position, market_position=now.market_position, writing=now.writing
    )
    return same == now and stood.position <= now.position


def _touches_held(known: About, changes: Iterable[Change]) -> bool:
    until = known.held_until
    if until is None:
        return False
    return any(each.is_entry or each.since is None or each.since <= until for each in changes)


def _scores(
    readable: Readable, contest: Contest, *, only: Sequence[str] | None = None
) -> list[Score]:
    """Score entrants; before the first session has closed nobody has been valued."""
    until = contest.session or contest.terms.first_day
    tracks = tracks_of(readable, contest, until, only=only).tracks
    return [score(contest.terms, each, until) for each in tracks]


def _row(scored: Score) -> Row:
    return Row(scored.at(None), member_of(scored) if scored.is_ranked else "")


def _replaced(boards: Iterable[_Board], known: Mapping[tuple[str, str], About]) -> list[str]:
    """List the keys of boards in whose place others come."""
    return [
        key
        for each in boards
        if each.contest.name in known and known[each.contest.name].board != each.about.board
        for key in board_keys(*each.contest.name, known[each.contest.name].board)
    ]
