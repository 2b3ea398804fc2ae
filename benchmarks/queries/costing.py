"""What a query costs: processor time of the read process and of what serves it in PostgreSQL.

Asked one after the other, by one client. Whatever else the machine does, this stays what it is, so
it tells a slow query from a crowded machine. Read from Linux, to the nanosecond; nothing elsewhere.
"""

from __future__ import annotations

import contextlib
import http.client
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil
import psycopg

from benchmarks.queries.asking import ANSWER_SECONDS, MILLISECONDS, Door, Wanted, ask, percentile

PROC = Path("/proc")
NANOSECONDS = 1e9
_SERVING = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pms-read'"


class Cost(NamedTuple):
    """Milliseconds of processor time of one query: in the read process, in PostgreSQL, of both."""

    p50_ms: float
    p95_ms: float
    reading_p50_ms: float
    postgresql_p50_ms: float


class Measured(NamedTuple):
    """Processor seconds used so far."""

    reading: float
    postgresql: float

    def less(self, before: Measured) -> Measured:
        """Give what was used since."""
        return Measured(self.reading - before.reading, self.postgresql - before.postgresql)


def costs(
    door: Door, wanted: Sequence[Wanted], *, process_id: int, conninfo: str
) -> dict[str, Cost]:
    """Ask one by one, and give what each query cost, the dearest first; empty without /proc."""
    if not (PROC / str(process_id) / "schedstat").exists():
        return {}
    spent: defaultdict[str, list[Measured]] = defaultdict(list)
    connection = http.client.HTTPConnection(door.host, door.port, timeout=ANSWER_SECONDS)
    with psycopg.connect(conninfo, autocommit=True) as watching:
        for each in sorted(wanted, key=lambda wish: wish.query):
            serving = [row[0] for row in watching.execute(_SERVING).fetchall()]
            before = _used(process_id, serving)
            answer = ask(connection, door, each)
            after = _used(process_id, serving)
            if not answer.problem:
                spent[each.query].append(after.less(before))
    connection.close()
    found = {query: _cost(of_query) for query, of_query in spent.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1].p95_ms))


def _cost(of_query: Sequence[Measured]) -> Cost:
    both = sorted(sum(each) for each in of_query)
    reading = sorted(each.reading for each in of_query)
    postgresql = sorted(each.postgresql for each in of_query)
    asked = ((both, 0.5), (both, 0.95), (reading, 0.5), (postgresql, 0.5))
    return Cost(*(round(percentile(values, part) * MILLISECONDS, 2) for values, part in asked))


def _used(process_id: int, serving: Iterable[int]) -> Measured:
    """Read the processor seconds of the read process, its children too, and of its backends."""
    ours = [process_id, *(child.pid for child in psutil.Process(process_id).children())]
    return Measured(sum(map(seconds_of, ours)), sum(map(seconds_of, serving)))


def seconds_of(process_id: int) -> float:
    """Read the processor seconds of a process's threads; none of one that is gone."""
    total = 0
    with contextlib.suppress(OSError):
        for thread in (PROC / str(process_id) / "task").iterdir():
            with contextlib.suppress(OSError):
                total += int((thread / "schedstat").read_text().split()[0])
    return total / NANOSECONDS
