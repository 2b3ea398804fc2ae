"""`pms bench rebuild`: events folded a second into all read models from zero, and what it costs.

The rival of the same run is the least a rebuild can do: every event copied out of the log and its
JSON decoded, in one process, with nothing folded. What was rebuilt is then verified.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psutil
import psycopg

from benchmarks.universe import CALENDAR, Size, drawn_prices, write_universe
from eventstore.collecting import rare_collections
from eventstore.log import Log
from eventstore.partitions import WHOLE
from eventstore.tables import create_log
from infra.clock import now
from infra.read_models import READ_MODELS
from infra.rebuilding import processors, rebuild_shares, shares_of
from projections.read_model import ReadModel
from projections.rebuild import rebuild_together
from projections.verification import verify
from schemas.codec import decode

MICROSECONDS = 1e6
SNAPSHOTS_CHECKED = 10
_COPY = "COPY (SELECT event_type, data FROM log.events ORDER BY position) TO STDOUT (FORMAT BINARY)"

Progress = Callable[[int, int], None]


class Cost(NamedTuple):
    """What one rebuild took: wall seconds, and processor seconds of ours and of PostgreSQL."""

    seconds: float
    ours: float
    postgresql: float

    def told(self, events: int) -> dict[str, float]:
        """Say it by event."""
        return {
            "events_per_second": round(events / self.seconds),
            "microseconds": round(self.seconds / events * MICROSECONDS, 1),
            "processor_microseconds": round(self.ours / events * MICROSECONDS, 1),
            "postgresql_microseconds": round(self.postgresql / events * MICROSECONDS, 1),
        }


class Bench:
    """A log that is written, on a PostgreSQL of its own, and the ways it is folded."""

    def __init__(self, app_conninfo: str, server: psutil.Process, events: int) -> None:
        self._conninfo = app_conninfo
        self._server = server
        self.events = events

    def apart(self) -> Cost:
        """Rebuild all models as `pms rebuild` does: in shares, side by side."""
        processes = processors()
        shares = shares_of(READ_MODELS, [WHOLE], processes=processes)
        return self._cost(
            lambda: rebuild_shares(shares, self._conninfo, _unwatched, processes=processes)
        )

    def together(self, models: Sequence[ReadModel]) -> Cost:
        """Rebuild models in this process."""

        def run() -> None:
            with self._log() as log:
                rebuild_together(models, log, self._conninfo)

        return self._cost(run)

    def baseline(self) -> Cost:
        """Copy every event out of the log and decode it."""

        def run() -> None:
            with (
                rare_collections(),
                psycopg.connect(self._conninfo) as connection,
                connection.cursor().copy(_COPY) as copy,
            ):
                copy.set_types(["text", "bytea"])
                for name, data in copy.rows():
                    decode(name, data)

        return self._cost(run)

    def difference(self) -> str | None:
        """Hold the tables against another rebuild, and the log against its rules."""
        with self._log() as log:
            report = verify(log, self._conninfo, READ_MODELS, snapshots_max=SNAPSHOTS_CHECKED)
        return report.difference

    def _log(self) -> Log:
        return Log(self._conninfo, clock=now, build="benchmark")

    def _cost(self, work: Callable[[], object]) -> Cost:
        ours, theirs, began = _used(psutil.Process()), self._used(), time.perf_counter()
        work()
        seconds = time.perf_counter() - began
        return Cost(seconds, _used(psutil.Process()) - ours, self._used() - theirs)

    def _used(self) -> float:
        children = self._server.children()
        return _used(self._server) + sum(_still_used(child) for child in children)


def run(
    owner_conninfo: str,
    app_conninfo: str,
    *,
    server: int,
    size: Size,
    rounds: int,
    progress: Progress,
) -> dict[str, Any]:
    """Write a log and rebuild from it, the ways taking turns; `server` is PostgreSQL's process.

    The best of the `rounds` counts: others use the machine too.
    """
    create_log(owner_conninfo)
    written = time.perf_counter()
    events = write_universe(app_conninfo, size=size, prices=drawn_prices(size), progress=progress)
    written = time.perf_counter() - written
    bench = Bench(app_conninfo, psutil.Process(server), events)
    apart, together, baseline = [], [], []
    for number in range(rounds):
        baseline.append(bench.baseline())
        apart.append(bench.apart())
        together.append(bench.together(READ_MODELS))
        progress(number + 1, rounds)
    models = {model.name: bench.together([model]).told(events) for model in READ_MODELS}
    difference = bench.difference()
    best, least = min(apart), min(baseline)
    return {
        "benchmark": "rebuild",
        "events_per_second": round(events / best.seconds),
        "ratio_to_baseline": round(least.seconds / best.seconds, 3),
        "ratio_to_one_process": round(min(together).seconds / best.seconds, 2),
        "events": events,
        "log": {**size._asdict(), "calendar": CALENDAR, "seconds": round(written, 1)}
        | {"events_by_type": _by_type(app_conninfo)},
        "in_shares": best.told(events),
        "in_one_process": min(together).told(events),
        "copied_and_decoded": least.told(events),
        "models_alone": models,
        "machine": {"processors": psutil.cpu_count(), "load": psutil.getloadavg()[0]}
        | {"system": platform.platform(), "python": platform.python_version()},
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "check": {"ok": difference is None, "difference": difference},
    }


def _by_type(conninfo: str) -> dict[str, int]:
    with psycopg.connect(conninfo) as connection:
        statement = "SELECT event_type, count(*) FROM log.events GROUP BY 1 ORDER BY 2 DESC"
        return dict(connection.execute(statement).fetchall())


def _used(process: psutil.Process) -> float:
    """Give the processor seconds of a process and of its children that have ended."""
    times = process.cpu_times()
    ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return float(times.user + times.system + ended)


def _still_used(process: psutil.Process) -> float:
    try:
        return _used(process)
    except psutil.NoSuchProcess:
        return 0.0


def _unwatched(_name: str, _position: int, _target: int) -> None:
    """Watch nothing."""
