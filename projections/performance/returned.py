"""The returns of portfolios as they were last read: the next question reads only what changed.

A portfolio's sessions lie on as many pages of `days`, and reading those is what a short answer
costs most. So they are kept in memory as of a log position. Whatever changes of a session has a
later `changed_position`, and no row is ever taken out.
"""

from typing import NamedTuple, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from domain.returns import ReturnReason
from projections.asking import Database, State, ask
from projections.bounded_memory import BoundedMemory
from projections.performance.history import NAME, History
from projections.performance.price_arrays import EPOCH

SESSIONS_MAX = 1_500_000
"""Sessions of all portfolios that are kept in one process, 20 bytes each."""
CHANGES_MAX = 2_000
"""Changed sessions of a tenant that are looked through for those of one portfolio; behind more, all
of its own are read."""

NO_START = -(2**31)
"""The start of a return that is from nothing."""
INCOMPLETE, UNDEFINED = 1, 2
"""Why there is no return: the NAV is incomplete, or else the chain begins anew behind it."""

Returned: TypeAlias = NDArray[np.void]
"""Sessions, oldest first, with the fields of `FIELDS`; not to be written to."""
FIELDS = np.dtype([("session", "i4"), ("start", "i4"), ("value", "f8"), ("reason", "i4")])
"""Dates are days since 1970-01-01, a return is the nearest float and NaN without one."""

_ROWS = f"""
string_agg(
    int4send(session - DATE '1970-01-01')
        || int4send(coalesce(return_from - DATE '1970-01-01', {NO_START}))
        || float8send(coalesce(daily_return::float8, 'NaN'))
        || int4send(CASE
            WHEN return_reason IS NULL THEN 0
            WHEN return_reason = '{ReturnReason.NAV_INCOMPLETE.value}' THEN {INCOMPLETE}
            ELSE {UNDEFINED} END),
    ''::bytea ORDER BY session
)
"""
_ALL = """
told.* FROM (
    SELECT {rows} FROM {schema}.days WHERE tenant = %s AND portfolio = %s
) AS told
""".replace("{rows}", _ROWS)
_CHANGED = """
told.* FROM (
    WITH moved AS MATERIALIZED (
        SELECT portfolio, session, return_from, daily_return, return_reason FROM {schema}.days
        WHERE tenant = %s AND changed_position > %s LIMIT %s
    )
    SELECT (SELECT count(*) FROM moved), (SELECT {rows} FROM moved WHERE portfolio = %s)
) AS told
""".replace("{rows}", _ROWS)

_Key = tuple[Database, UUID, str, int, tuple[str, str]]
"""The database, the log in it, schema and edition, and the owner."""


class _Read(NamedTuple):
    """A portfolio's sessions, as of a state of the tables."""

    state: State
    sessions: Returned


_KEPT: BoundedMemory[_Key, _Read] = BoundedMemory(SESSIONS_MAX, lambda read: len(read.sessions))


def returned(history: History) -> Returned:
    """Give all sessions of a portfolio from its first one on, as of the snapshot."""
    readable, state = history.readable, history.state
    (partition,) = readable.partitions
    schema = NAME + partition.suffix
    key = (readable.database, history.log_id, schema, state.edition, history.owner)
    known = _KEPT.get(key)
    if known is None or known.state != state:  # Not locked while reading: nothing kept changes.
        known = _Read(state, _read_on(history, known))
        _KEPT.keep(key, known)
    if history.first_session is None:
        return known.sessions[:0]
    first = (history.first_session - EPOCH).days
    return known.sessions[np.searchsorted(known.sessions["session"], first) :]


def _read_on(history: History, known: _Read | None) -> Returned:
    """Give the sessions as of the snapshot, by what is known where that goes."""
    sessions: Returned | None = None
    if known is not None and known.state.position < history.state.position:
        sessions = _changed(history, known)
    if sessions is None:
        sessions = _of_bytes(history.ask(_ALL, *history.owner).rows[0][0])
    return sessions


def _changed(history: History, known: _Read) -> Returned | None:
    """Read what changed since something was read; None if that is too much to look through."""
    tenant, portfolio = history.owner
    parameters = (tenant, known.state.position, CHANGES_MAX + 1, portfolio)
    # The plan is made for the position, near the end, that is asked for.
    ((count, told),) = ask(history.readable, NAME, _CHANGED, parameters, prepare=False).rows
    if count > CHANGES_MAX:
        return None
    if told is None:
        return known.sessions
    changed = _of_bytes(told)
    kept = known.sessions[~np.isin(known.sessions["session"], changed["session"])]
    both = np.concatenate([kept, changed])
    return _closed(both[np.argsort(both["session"])])


def _of_bytes(told: bytes | None) -> Returned:
    return _closed(np.frombuffer(told or b"", FIELDS.newbyteorder(">")).astype(FIELDS))


def _closed(sessions: Returned) -> Returned:
    sessions.flags.writeable = False
    return sessions
