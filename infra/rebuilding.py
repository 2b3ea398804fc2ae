"""Rebuilding several read models at once: shares of them in processes of their own.

The models of a share are rebuilt together, so that each event is read and decoded once for all of
them; shares run beside each other, one a processor, because folding is work of the processor.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from typing import NamedTuple

import psycopg

from eventstore.failures import LogFailure
from eventstore.log import Log
from eventstore.partitions import Partition
from infra.build_name import build_name
from infra.clock import now
from infra.errors import OperatorError
from projections.building import BuildFailed, BuildRunning
from projections.read_model import Placed, ReadModel
from projections.rebuild import rebuild_together

SHARES_MAX = 4
"""More would read and decode the same events once more each."""

NICENESS = 10
END_SECONDS = 10.0

Watch = Callable[[str, int, int], None]
"""Told a share's name, the position it has reached, and the one it goes to."""


class Share(NamedTuple):
    """Read models of one partition that are rebuilt together."""

    models: tuple[ReadModel, ...]
    partition: Partition

    @property
    def schemas(self) -> list[str]:
        """The tables that it makes anew."""
        return [Placed(model, self.partition).schema for model in self.models]

    @property
    def name(self) -> str:
        """What people call it."""
        return ", ".join(self.schemas)


class _Reached(NamedTuple):
    position: int
    target: int


class _Swapped(NamedTuple):
    position: int


class _Failed(NamedTuple):
    message: str


def shares_of(
    models: Sequence[ReadModel], partitions: Sequence[Partition], *, processes: int
) -> list[Share]:
    """Part models among processes, neighbours together; each partition is rebuilt for itself."""
    count = min(len(models), max(1, processes), SHARES_MAX)
    bounds = [len(models) * number // count for number in range(count + 1)]
    parts = [tuple(models[first:last]) for first, last in pairwise(bounds)]
    return [Share(part, partition) for partition in partitions for part in parts]


def processors() -> int:
    """Tell how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def rebuild_shares(
    shares: Sequence[Share],
    app_conninfo: str,
    watch: Watch,
    *,
    processes: int,
    events_per_second_max: int | None = None,
) -> dict[str, int]:
    """Rebuild all shares, so many at a time; give by schema at which position it was swapped in.

    Whatever `watch` raises ends those under way; their live tables stay as they are.

    Raises:
        OperatorError: one could not be rebuilt; those under way are stopped.
    """
    waiting = list(reversed(shares))
    done: dict[str, int] = {}
    running: dict[Connection, _Process] = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                started = _Process(waiting.pop(), app_conninfo, events_per_second_max)
                running[started.pipe] = started
            for ready in wait(list(running)):
                process = running[ready]  # type: ignore[index]
                told = process.hear()
                if isinstance(told, _Reached):
                    watch(process.share.name, *told)
                    continue
                running.pop(process.pipe).end()
                if isinstance(told, _Failed):
                    raise OperatorError(told.message)
                done |= dict.fromkeys(process.share.schemas, told.position)
    finally:
        for process in running.values():
            process.stop()
    return done


class _Process:
    """One share under way; stopped, it leaves schemas that the next rebuild clears away."""

    def __init__(self, share: Share, app_conninfo: str, events_per_second_max: int | None) -> None:
        context = _context()
        self.share = share
        self.pipe, other = context.Pipe()
        arguments = (other, share, app_conninfo, events_per_second_max)
        self._process = context.Process(target=_rebuild_share, args=arguments, daemon=True)
        self._process.start()
        other.close()

    def hear(self) -> _Reached | _Swapped | _Failed:
        """Hear what it tells next; one that ended without a word has failed."""
        try:
            told: _Reached | _Swapped | _Failed = self.pipe.recv()
        except EOFError:
            return _Failed(f"The process that rebuilds {self.share.name} has ended.")
        return told

    def end(self) -> None:
        """Wait until it has ended."""
        self.pipe.close()
        self._process.join(END_SECONDS)
        self.stop()

    def stop(self) -> None:
        """End it now."""
        self._process.terminate()
        self._process.join()


def _context() -> ForkContext | SpawnContext:
    """Fork where that is safe: another interpreter takes as long to start as 30,000 events."""
    if sys.platform == "darwin":
        return multiprocessing.get_context("spawn")
    return multiprocessing.get_context("fork")


def _rebuild_share(
    pipe: Connection, share: Share, app_conninfo: str, events_per_second_max: int | None
) -> None:
    """Rebuild a share and tell the other end of the pipe how far it is; runs in its process.

    It yields to whatever else the machine does: nobody waits for a rebuild as for a query.
    """
    os.nice(NICENESS)
    with suppress(BrokenPipeError, KeyboardInterrupt):
        pipe.send(_outcome(pipe, share, app_conninfo, events_per_second_max))


def _outcome(
    pipe: Connection, share: Share, app_conninfo: str, events_per_second_max: int | None
) -> _Swapped | _Failed:
    def progress(position: int, target: int) -> None:
        pipe.send(_Reached(position, target))

    try:
        with Log(app_conninfo, clock=now, build=build_name()) as log:
            reached = rebuild_together(
                share.models, log, app_conninfo, progress, share.partition,
                events_per_second_max=events_per_second_max,
            )  # fmt: skip
    except BuildRunning as error:
        return _Failed(f"{error}; try again when it has finished")
    except BuildFailed as error:
        return _Failed(
            f"{share.name} cannot be rebuilt past position {error.position} "
            f"({error.event_type}): {error}. The live tables are as they were."
        )
    except (LogFailure, psycopg.OperationalError) as error:
        return _Failed(f"The log cannot be read: {error}")
    return _Swapped(reached[0].position)
