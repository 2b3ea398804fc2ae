"""What a trade costs: the processor time of every process of the system during a run.

PostgreSQL's is told apart by whose connection a backend serves; the rest of it is background work
and connections that ended meanwhile. What the machine did besides (its kernel, other programs) is
one more line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

import psutil
import psycopg

POSTGRESQL = "postgresql"
OTHERS = "postgresql: background"
ELSE = "everything else on this machine"
_BACKENDS = "SELECT pid, application_name FROM pg_stat_activity WHERE application_name <> ''"


class Processors:
    """Reads the processor seconds used so far, by name; `process_ids` is asked each time."""

    def __init__(self, conninfo: str, process_ids: Callable[[], Mapping[str, int]]) -> None:
        self._conninfo = conninfo
        self._process_ids = process_ids

    def used(self) -> dict[str, float]:
        """Give the seconds used since each process began."""
        seconds: dict[str, float] = {}
        for name, process_id in self._process_ids().items():
            with contextlib.suppress(psutil.NoSuchProcess):
                if name == POSTGRESQL:
                    seconds |= self._postgresql(psutil.Process(process_id))
                else:
                    seconds[name] = _seconds(psutil.Process(process_id))
        ours = sum(seconds.values())
        times = psutil.cpu_times()
        waiting = times.idle + getattr(times, "iowait", 0.0)
        # What runs as a guest is within `user` already.
        guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
        seconds[ELSE] = sum(times) - waiting - guests - ours
        return seconds

    def _postgresql(self, server: psutil.Process) -> dict[str, float]:
        with psycopg.connect(self._conninfo, application_name="pms bench") as connection:
            served: dict[int, str] = dict(connection.execute(_BACKENDS).fetchall())
        times = server.cpu_times()
        # The server has waited for every child that ended, so their time is in its own account.
        ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        seconds = {OTHERS: times.user + times.system + ended}
        for backend in server.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                name = served.get(backend.pid)
                key = OTHERS if name is None else f"{POSTGRESQL}: {name}"
                seconds[key] = seconds.get(key, 0.0) + _seconds(backend)
        return seconds


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def microseconds_per_trade(
    before: Mapping[str, float], after: Mapping[str, float], *, trades: int
) -> dict[str, float]:
    """Share out what was used between two readings, the dearest first; empty without trades.

    A process that was not there before has used what it has used; one that is gone tells nothing.
    """
    if not trades:
        return {}
    used = {name: max(0.0, after[name] - before.get(name, 0.0)) for name in after}
    dearest = sorted(used, key=lambda name: (-used[name], name))
    return {name: round(used[name] / trades * 1e6, 1) for name in dearest}
