"""The board in Redis, kept level with `performance`: what changed, and the checkpoint with it.

Nothing is kept here between two looks. The checkpoint in Redis says up to which log position the
board was made, so one restarted from an old dump goes on from there; without one, or where it is
of another log, another edition of the tables, or of a position beyond theirs, all is made anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import redis
import structlog

from domain.contests.ranking import Score, held_places, score
from projections.asking import Readable, snapshot
from projections.defects import DEFECTS, told_of
from projections.leaderboard.changes import Change, Changes, changes_behind, stands
from projections.leaderboard.keys import (
    CHECKPOINT,
    SEEN,
    About,
    Keys,
    Late,
    Row,
    Stand,
    about_key,
    board_keys,
    member_of,
)
from projections.leaderboard.scripts import MOVE, TORN
from projections.leaderboard.tracks import Contest, PartitionsApart, contests_of, tracks_of

IN_PLACE_MAX = 500
"""Entrants changed in place at most: more would hold Redis up, so they are written beside."""
CHUNK = 1_000
BESIDE_SECONDS = 3_600
"""How long what was written beside, and never shown, is kept."""

_log = structlog.get_logger(__name__)
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


class _Shown(NamedTuple):
    """The whole boards as Redis has them, and those that were left behind, by contest."""

    known: Mapping[tuple[str, str], About]
    late: Mapping[tuple[str, str], Late]


class _Besides(NamedTuple):
    """What changes besides: keys that go, boards that caught up, and where late ones were left."""

    gone: Sequence[str]
    caught_up: Sequence[str]
    late: Mapping[str, Late]


class Keeper:
    """Keeps the boards level; `name` is that of one process, so no two write the same beside.

    A contest whose partitions stand apart is late: its board stays as it is, and is looked after
    from where it was left. So is one whose board our code cannot make, which is not tried again.
    """

    def __init__(self, client: redis.Redis, name: str) -> None:
        self._client = client
        self._name = name
        self._move = client.register_script(MOVE)
        self._torn = client.register_script(TORN)
        self._passed: set[tuple[str, str]] = set()

    def refresh(self, readable: Readable) -> Refreshed:
        """Bring the boards to where `performance` stands now, in one step.

        Where Redis holds what cannot be read, all is made anew.

        Raises:
            Overtaken: another keeper was faster; look again.
            ReadModelMissing: `performance` has no tables yet.
            redis.RedisError: Redis cannot be asked now.
        """
        raw = _bytes(self._client.get(CHECKPOINT))
        stood = _read_stand(raw)
        try:
            return self._refresh(readable, raw, stood)
        except msgspec.MsgspecError:
            if stood is None:
                raise
            _log.exception("leaderboard_unreadable")
            return self._refresh(readable, raw, None)

    def _refresh(self, readable: Readable, raw: bytes, stood: Stand | None) -> Refreshed:
        """Go on from where the boards stand; from nothing where that is not known."""
        with snapshot(readable):
            now = stands(readable)
            now = msgspec.structs.replace(now, writing=stood.writing + 1 if stood else 1)
            contests = contests_of(readable).contests
            if stood is not None and not _goes_on(stood, now):
                stood = None
            shown = _Shown({}, {}) if stood is None else self._shown(contests)
            changes = {} if stood is None else self._changes(readable, stood, now, shown.late)
            boards, late = self._boards(readable, contests, shown.known, changes, now)
        left = Late(0, 0) if stood is None else Late(stood.position, stood.market_position)
        besides = _Besides(
            self._leftovers(boards) if stood is None else _replaced(boards, shown.known),
            [about_key(*name) for name in shown.late.keys() - late],
            {about_key(*name): left for name in late},
        )
        self._write(raw, now, boards, besides)
        changed = sum(len(each.changed) for each in boards)
        written = sum(not each.changed for each in boards)
        return Refreshed(now.position, len(contests), written, changed)

    def _shown(self, contests: Sequence[Contest]) -> _Shown:
        """Read what the boards say of themselves, of those that hold as much as they say."""
        if not contests:
            return _Shown({}, {})
        with self._client.pipeline(transaction=False) as pipeline:
            for each in contests:
                pipeline.hmget(about_key(*each.name), "about", "late")
            told = dict(zip((each.name for each in contests), pipeline.execute(), strict=True))
        known = {
            name: msgspec.json.decode(raw, type=About)
            for name, (raw, _) in told.items()
            if raw is not None
        }
        late = {
            name: msgspec.json.decode(raw, type=Late)
            for name, (_, raw) in told.items()
            if raw is not None
        }
        keys = [
            key
            for name, about in known.items()
            for key in (about_key(*name), *board_keys(*name, about.board))
        ]
        torn = {key.decode() for key in self._torn(keys=keys)} if keys else set()
        whole = {name: about for name, about in known.items() if about_key(*name) not in torn}
        return _Shown(whole, late)

    def _changes(
        self, readable: Readable, stood: Stand, now: Stand, late: Mapping[tuple[str, str], Late]
    ) -> Changes:
        """List what changed behind the checkpoint, and of late boards behind where they are."""
        changes = changes_behind(readable, stood.position) if stood.position < now.position else {}
        left = {name: each.position for name, each in late.items() if name not in self._passed}
        for position in set(left.values()):
            behind = changes_behind(readable, position)
            changes.update(
                (name, behind.get(name, [])) for name, each in left.items() if each == position
            )
        return changes

    def _boards(
        self,
        readable: Readable,
        contests: Sequence[Contest],
        known: Mapping[tuple[str, str], About],
        changes: Changes,
        now: Stand,
    ) -> tuple[list[_Board], set[tuple[str, str]]]:
        """Give the boards that change, and the contests whose boards have to stay as they are."""
        boards: list[_Board] = []
        late: set[tuple[str, str]] = set()
        for each in contests:
            name = each.name
            if name in self._passed:
                late.add(name)
                continue
            try:
                board = self._board(readable, each, known.get(name), changes.get(name, []), now)
            except PartitionsApart:
                late.add(name)
            except DEFECTS as error:
                _log.error(
                    "leaderboard_failed", tenant=name[0], contest=name[1], error=told_of(error)
                )
                self._passed.add(name)
                late.add(name)
            else:
                boards += [] if board is None else [board]
        return boards, late

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

    def _leftovers(self, boards: Iterable[_Board]) -> list[str]:
        """List every key that is none of the boards'."""
        own = {key for each in boards for key in (about_key(*each.contest.name), *each.keys)}
        found: Iterable[bytes] = self._client.scan_iter(match=f"{CHECKPOINT}/*", count=CHUNK)
        return sorted({key.decode() for key in found} - own)

    def _write(self, raw: bytes, now: Stand, boards: Sequence[_Board], besides: _Besides) -> None:
        arguments: list[bytes | str | int] = [raw, _encode(now), len(boards)]
        for board in boards:
            arguments += [about_key(*board.contest.name), _encode(board.about), *board.keys]
            arguments.append(len(board.changed))
            for row, before in board.changed:
                arguments += [row.rank.participant, before, row.member, _encode(row)]
        for keys in (besides.gone, besides.caught_up):
            arguments += [len(keys), *keys]
        arguments.append(len(besides.late))
        for key, left in besides.late.items():
            arguments += [key, _encode(left)]
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
