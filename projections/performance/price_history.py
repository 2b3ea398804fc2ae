"""The closes of one calendar's sessions as arrays, shared by every question that needs returns.

`price_history(readable, calendar)` gives it, as of the snapshot that the connection is in (see
`history.of_portfolio`); reading it a second time costs one short statement. It never changes: what
the log told since is a new one. Rows are sessions, oldest first; columns are `names`, sorted:
instruments, and FX pairs such as `EUR/USD`. Kept in memory for each schema of each log, and read on
from the market position where it was read last.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np

from domain.corporate_actions import Action, Terms
from domain.statistics.measured import Floats
from projections.asking import Database, Readable, Stand, State, ask
from projections.bounded_memory import BoundedMemory
from projections.performance.price_arrays import Ints, PriceHistory

NAME = "performance"
SESSIONS_MAX = 2_600
"""The last sessions that are kept: ten years."""
HISTORIES_MAX = 8
"""Histories kept in one process; the one asked for longest ago gives way."""

_EPOCH = date(2000, 1, 1)
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
_STATE = "checkpoint.log_id, checkpoint.edition"
_SESSIONS = (
    "session, ends_at, position FROM {schema}.sessions WHERE calendar = %s AND position > %s"
)
_ACTIONS = """
terms, reversed_position IS NOT NULL, greatest(position, reversed_position)
FROM {schema}.actions WHERE position > %s OR reversed_position > %s
"""
# Written as the partial index has it, so that the planner sees it apply.
_HAS_CHANGED = """
EXISTS (SELECT FROM {schema}.sessions WHERE calendar = %s AND position > %s)
    OR EXISTS (SELECT FROM {schema}.actions WHERE position > %s OR reversed_position > %s)
    OR EXISTS (
        SELECT FROM {schema}.marks
        WHERE (calendar IS NOT NULL OR name LIKE '%%/%%') AND position > %s
    )
"""
_CLOSES = """
name, string_agg(int4send(session - DATE '2000-01-01'), ''::bytea ORDER BY position),
    string_agg(float8send(coalesce(price::float8, 'NaN')), ''::bytea ORDER BY position),
    min(position), max(position)
FROM {schema}.marks WHERE calendar IS NOT NULL AND session >= %s AND position > %s GROUP BY name
"""
_PAIRS = """
name, min(at), min(position), max(position)
FROM {schema}.marks WHERE name LIKE '%%/%%' AND position > %s GROUP BY name
"""
_RATES = """
pair.name, (
    SELECT string_agg(float8send(coalesce(found.price, 'NaN')), ''::bytea ORDER BY number)
    FROM unnest(%s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY AS asked (after, at, number)
    LEFT JOIN LATERAL (
        SELECT marks.price::float8 AS price FROM {schema}.marks
        WHERE marks.name = pair.name AND marks.at > asked.after AND marks.at <= asked.at
            AND marks.price IS NOT NULL
        ORDER BY marks.at DESC, marks.position DESC LIMIT 1
    ) AS found ON true
)
FROM unnest(%s::text[]) AS pair (name)
"""


class _Read(NamedTuple):
    """A history with what reading on needs; right for market positions from `since` to `until`."""

    edition: int
    since: int
    until: int
    ends: tuple[datetime, ...]
    pairs: frozenset[str]
    actions: dict[tuple[str, str], Action]
    history: PriceHistory


_Key = tuple[Database, UUID, str, str]
"""The database, the log in it, schema and calendar; of another edition is too large to linger."""


_KEPT: BoundedMemory[_Key, tuple[_Read, ...]] = BoundedMemory(HISTORIES_MAX)
"""Of each the last one and one before."""


def price_history(readable: Readable, calendar: str, stand: Stand | None = None) -> PriceHistory:
    """Give the closes of a calendar's sessions, as of the snapshot of the one partition asked.

    Where the tables `stand` in it is asked for unless it is known.

    Raises:
        ReadModelMissing: there are no tables yet.
    """
    (partition,) = readable.partitions
    stand = stand or _stand_of(readable)
    key = (readable.database, stand.log_id, NAME + partition.suffix, calendar)
    position, edition = stand.market_position, stand.state.edition
    with _KEPT.lock:
        known = [each for each in _KEPT.get(key) or () if each.edition == edition]
        fitting = [each for each in known if each.since <= position <= each.until]
        if not fitting:
            last = known[0] if known and known[0].until < position else None
            fitting = [*_Reading(readable, calendar, edition, position, last).read()]
            if last is not None or not known:
                _KEPT.keep(key, tuple(fitting))
    return fitting[0].history


def _stand_of(readable: Readable) -> Stand:
    told = ask(readable, NAME, _STATE, ())
    log_id, edition = told.rows[0]
    return Stand(log_id, State(told.position, edition), told.market_position)


class _Reading:
    """Reading a history, or what has changed of it since it was read last."""

    def __init__(
        self, readable: Readable, calendar: str, edition: int, position: int, last: _Read | None
    ) -> None:
        nothing = PriceHistory((), (), np.empty((0, 0)), {})
        self._readable = readable
        self._calendar = calendar
        self._last = last or _Read(edition, -1, -1, (), frozenset(), {}, nothing)
        self._position = position
        self._changed: list[int] = []

    def read(self) -> tuple[_Read, ...]:
        """Give the history as of now; and that of before, if it is another."""
        last, known, position = self._last, self._last.history, self._position
        if known.sessions and not self._has_changed():
            return (last._replace(until=position),)
        added = self._ask(_SESSIONS, self._calendar, last.until, order="ORDER BY session")
        if added and known.sessions and added[0][0] <= known.sessions[-1]:
            again = _Reading(self._readable, self._calendar, last.edition, position, None)
            return again.read()[:1]
        self._changed += [row[2] for row in added]
        sessions = (*known.sessions, *(row[0] for row in added))
        dropped = max(0, len(sessions) - SESSIONS_MAX)
        sessions = sessions[dropped:]
        ends = (*last.ends, *(row[1] for row in added))[dropped:]
        actions = self._read_actions()
        closes = self._read_closes(sessions)
        pairs, late = self._find_pairs(ends)
        if not self._changed and known.sessions:
            return (last._replace(until=position, pairs=pairs),)
        names = tuple(sorted({*known.names, *closes, *pairs}))
        told = known.laid_out(len(sessions), names, min(dropped, len(known.sessions)))
        _write(told, sessions, names, closes)
        self._write_rates(told, names, ends, late, 0)
        self._write_rates(told, names, ends, pairs - late, max(0, len(sessions) - len(added)))
        history = PriceHistory(sessions, names, told, actions)
        since = max(self._changed, default=position)
        read = _Read(last.edition, since, position, ends, pairs, actions, history)
        return (read, last._replace(until=min(self._changed, default=position) - 1))

    def _ask(self, rows: str, *parameters: object, order: str = "") -> list[tuple[Any, ...]]:
        return ask(self._readable, NAME, rows, parameters, order=order).rows

    def _has_changed(self) -> bool:
        """Look at once whether anything was told that a history is made of: marks seldom are."""
        told = (self._calendar, *[self._last.until] * 4)
        return bool(self._ask(_HAS_CHANGED, *told)[0][0])

    def _read_actions(self) -> dict[tuple[str, str], Action]:
        behind, actions = self._last.until, self._last.actions.copy()
        for terms, is_reversed, position in self._ask(_ACTIONS, behind, behind):
            action = msgspec.json.decode(terms, type=Terms).action
            actions.pop((action.instrument, action.action), None)
            if not is_reversed:
                actions[action.instrument, action.action] = action
            self._changed.append(position)
        return actions

    def _read_closes(self, sessions: Sequence[date]) -> dict[str, tuple[Ints, Floats]]:
        """Read closes told behind what is known: by name, days since 2000 and prices."""
        if not sessions:
            return {}
        closes = {}
        for name, days, prices, *positions in self._ask(_CLOSES, sessions[0], self._last.until):
            closes[name] = (np.frombuffer(days, ">i4"), np.frombuffer(prices, ">f8"))
            self._changed += positions
        return closes

    def _find_pairs(self, ends: Sequence[datetime]) -> tuple[frozenset[str], frozenset[str]]:
        """Give all pairs, and those of them whose rates of closed sessions have changed."""
        found, late = set(), set()
        for name, earliest, *positions in self._ask(_PAIRS, self._last.until):
            found.add(name)
            if ends and earliest <= ends[-1]:
                late.add(name)
                self._changed += positions
        return self._last.pairs | found, frozenset(late)

    def _write_rates(
        self,
        told: Floats,
        names: Sequence[str],
        ends: Sequence[datetime],
        pairs: Iterable[str],
        first: int,
    ) -> None:
        """Write the last rate of each session from `first` on; NaN where one had none."""
        asked = sorted(pairs)
        if not asked or first >= len(ends):
            return
        after = [_BEFORE_ALL, *ends][first : len(ends)]
        for name, rates in self._ask(_RATES, after, list(ends[first:]), asked):
            told[first:, bisect_left(names, name)] = np.frombuffer(rates, ">f8")


def _write(
    told: Floats,
    sessions: Sequence[date],
    names: Sequence[str],
    closes: Mapping[str, tuple[Ints, Floats]],
) -> None:
    days = np.array([(session - _EPOCH).days for session in sessions], dtype=np.int64)
    for name, (dated, prices) in closes.items():
        rows = np.searchsorted(days, dated)
        is_session = (rows < len(days)) & (days[np.minimum(rows, len(days) - 1)] == dated)
        told[rows[is_session], bisect_left(names, name)] = prices[is_session]
