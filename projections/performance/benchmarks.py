"""Benchmarks as declared, and what they returned, session by session (convention 13)."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np

from domain.benchmark import BenchmarkKind, Constituent, Rebalancing
from domain.statistics.benchmarks import drifting_weights, is_restored, last_closes
from domain.statistics.measured import Floats
from projections.asking import PAGE_ROWS_MAX, Readable, ask, snapshot
from projections.paging import Page, page_of, read_cursor
from projections.performance.price_arrays import PriceHistory
from projections.performance.price_history import price_history

NAME = "performance"
_VERSIONS = """
benchmark, version, from_date, currency, calendar, kind, rebalancing, constituents, position
    AS told_position
FROM {schema}.benchmarks
WHERE (%s::text IS NULL OR benchmark = %s) AND (benchmark, version) > (%s, %s)
ORDER BY benchmark, version LIMIT %s
"""
_ORDER = "ORDER BY benchmark, version"
_COLUMNS = [
    "benchmark", "version", "from_date", "currency", "calendar", "kind", "rebalancing",
    "constituents", "position",
]  # fmt: skip
_decoder = msgspec.json.Decoder(tuple[Constituent, ...])


@lru_cache(maxsize=16)
def _constituents(text: str) -> tuple[Constituent, ...]:
    """Read constituents; those of a large benchmark take half a millisecond."""
    return _decoder.decode(text)


class Version(msgspec.Struct, frozen=True):
    """One version of a benchmark, and where the log tells it."""

    benchmark: str
    version: int
    from_date: date
    currency: str
    calendar: str
    kind: BenchmarkKind
    rebalancing: Rebalancing | None
    constituents: tuple[Constituent, ...]
    position: int


WEIGHTED_KEPT_MAX = 4
"""Benchmarks worked out and kept, each as large as the closes of its names."""


class Weighted(NamedTuple):
    """What a benchmark did: `weights` at the start of each session and `returns` until its end.

    Both are sessions x names, returns NaN where a name had none. `total` is the benchmark's own
    return of each session, NaN where no name of it had one.
    """

    names: tuple[str, ...]
    weights: Floats
    returns: Floats
    total: Floats


def benchmarks_of(
    readable: Readable,
    *,
    benchmark: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[Version]:
    """List the versions of benchmarks, or of one, in order. They belong to all tenants.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"benchmarks {benchmark}"
    after = ("", 0) if cursor is None else read_cursor(question, cursor, tuple[str, int])
    parameters = (benchmark, benchmark, *after, limit + 1)
    answered = ask(readable, NAME, _VERSIONS, parameters, order=_ORDER)
    rows = [
        msgspec.convert(
            dict(zip(_COLUMNS, row, strict=True)) | {"constituents": _constituents(row[7])}, Version
        )
        for row in answered.rows
    ]
    return page_of(question, answered, rows, limit=limit, key=_place)


def versions_of(readable: Readable, benchmark: str) -> list[Version]:
    """Give every version of a benchmark, oldest first; none where it was never declared."""
    return benchmarks_of(readable, benchmark=benchmark).rows


def weighted(versions: Sequence[Version], history: PriceHistory) -> Weighted:
    """Say what a benchmark did over the sessions of a history of its calendar.

    Weights are zero before its first version; from each version's date on they are that version's.
    The arrays are shared by all who ask, and not to be written to.
    """
    return _weighted(tuple(versions), history)


@lru_cache(maxsize=WEIGHTED_KEPT_MAX)
def _weighted(versions: tuple[Version, ...], history: PriceHistory) -> Weighted:
    sessions = history.sessions
    names = tuple(sorted({c.instrument for v in versions for c in v.constituents}))
    closes, returns = _columns(history, names)
    closes = last_closes(closes)  # Also those from before a version holds.
    weights = np.zeros((max(len(sessions) - 1, 0), len(names)))
    for version, first, last in _stretches(versions, sessions):
        amounts = np.zeros(len(names))
        is_shares = version.kind is not BenchmarkKind.REBALANCED
        for each in version.constituents:
            units = history.units_since(each.instrument, version.from_date) if is_shares else 1.0
            amounts[names.index(each.instrument)] = float(each.amount) * units
        weights[first:last] = drifting_weights(
            amounts,
            closes[first : last + 1],
            returns[first:last],
            is_shares=is_shares,
            restored=is_restored(version.rebalancing, sessions[first : last + 1]),
        )
    moved = (weights * np.nan_to_num(returns)).sum(axis=1)
    total = np.where(weights.any(axis=1), moved, np.nan)
    return Weighted(names, weights, returns, total)


def _columns(history: PriceHistory, names: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Give closes and total returns of some names; NaN where the history has none of them."""
    count = len(history.sessions)
    closes = np.full((count, len(names)), np.nan)
    returns = np.full((max(count - 1, 0), len(names)), np.nan)
    for place, name in enumerate(names):
        column = history.column(name)
        if column is not None:
            closes[:, place] = history.closes[:, column]
            returns[:, place] = history.total_returns()[:, column]
    return closes, returns


def _stretches(
    versions: Sequence[Version], sessions: Sequence[date]
) -> list[tuple[Version, int, int]]:
    """Give each version with the returns it is in force for, as a half-open range of their rows.

    The return of row i is from session i to i + 1; a version holds for the session of its date.
    """
    found: dict[date, Version] = {}
    for version in sorted(versions, key=lambda each: each.version):
        found[version.from_date] = version
    dated = [found[day] for day in sorted(found)]
    begins = [max(bisect_left(sessions, each.from_date) - 1, 0) for each in dated]
    ends = [*begins[1:], max(len(sessions) - 1, 0)]
    return [each for each in zip(dated, begins, ends, strict=True) if each[1] < each[2]]


def _place(version: Version) -> tuple[str, int]:
    return version.benchmark, version.version


class SessionReturn(msgspec.Struct, frozen=True):
    """What a benchmark returned from the session before to this one, and since the first listed.

    Fractions; null where no name of it had a return.
    """

    session: date
    daily_return: float | None
    cumulative_return: float | None


def benchmark_returns(
    readable: Readable,
    *,
    benchmark: str,
    since: date | None = None,
    until: date | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[SessionReturn] | None:
    """List a benchmark's returns by session of its calendar; None where it was never declared.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"benchmark returns {benchmark} {since} {until}"
    after = None if cursor is None else read_cursor(question, cursor, date)
    with snapshot(readable):
        answered = ask(readable, NAME, _VERSIONS, (benchmark, benchmark, "", 0, 1), order=_ORDER)
        if not answered.rows:
            return None
        sessions, returns = returns_of(readable, versions_of(readable, benchmark))
    rows = list(_chained(sessions, returns, since or date.min, until or date.max))
    rows = [row for row in rows if after is None or row.session > after]
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.session)


def returns_of(readable: Readable, versions: Sequence[Version]) -> tuple[tuple[date, ...], Floats]:
    """Give the sessions a benchmark has a return to, and the returns, NaN where it has none.

    The calendar is that of its last version.
    """
    history = price_history(readable, versions[-1].calendar)
    return history.sessions[1:], weighted(versions, history).total


def _chained(
    sessions: Sequence[date], returns: Floats, since: date, until: date
) -> Iterator[SessionReturn]:
    worth = 1.0
    for session, value in zip(sessions, returns.tolist(), strict=True):
        if not since <= session <= until:
            continue
        if math.isnan(value):
            yield SessionReturn(session, None, None)
            continue
        worth *= 1.0 + value
        yield SessionReturn(session, value, worth - 1.0)
