"""Striking beside the write process: figures are made in a process of their own.

Making them is some milliseconds of an interpreter for each portfolio, which commands would wait
for: the process has a lower priority, and only it loads what statistics need.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Self

from commands.desk import Desk
from commands.reactions.striking import AllDue, run_striking
from eventstore.log import Log
from projections.reading import Reading

NICENESS = 5
END_SECONDS = 5.0
_POLL_SECONDS = 0.1


def strike_apart(
    desk: Desk, log: Log, stop: threading.Event, *, conninfo: str, partition_count: int
) -> None:
    """Have figures told until `stop`, made in a process beside this one."""
    with FiguresApart(conninfo, partition_count, stop) as ask_due:
        run_striking(desk, log, stop, ask_due=ask_due)


class FiguresApart:
    """Asks what is due of a process of its own; one that has ended is started anew when asked."""

    def __init__(self, conninfo: str, partition_count: int, stop: threading.Event) -> None:
        self._conninfo = conninfo
        self._partition_count = partition_count
        self._stop = stop
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def process_id(self) -> int | None:
        """The process that makes figures now."""
        return None if self._process is None else self._process.pid

    def __call__(self, behind: int, limit: int) -> AllDue | None:
        """Tell what is due; None while that cannot be told, and when all is to stop."""
        try:
            pipe = self._pipe or self._start()
            pipe.send((behind, limit))
            while not pipe.poll(_POLL_SECONDS):
                if self._stop.is_set():
                    return None
            told: AllDue | None = pipe.recv()
        except (EOFError, OSError):
            self._end()
            return None
        return told

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        arguments = (other, self._conninfo, self._partition_count)
        self._process = context.Process(target=_answer_all, args=arguments, daemon=True)
        self._process.start()
        other.close()
        return self._pipe

    def _end(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.join(END_SECONDS)
            self._process.kill()
            self._process.join()
        self._pipe = self._process = None


def _answer_all(pipe: Connection, conninfo: str, partition_count: int) -> None:
    """Answer until the other end of the pipe is closed: by the parent, or with it."""
    from infra.due_figures import due_figures  # noqa: PLC0415 - for this process only

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    reading = Reading(conninfo, partition_count=partition_count, pool_size=1)
    with suppress(EOFError, OSError), reading:
        ask_due = due_figures(reading)
        while True:
            pipe.send(ask_due(*pipe.recv()))
