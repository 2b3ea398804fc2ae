"""Striking beside the write process: figures and ranks are made in processes of their own.

Making them is some milliseconds of an interpreter for each portfolio, which commands would wait
for: such a process has a lower priority, and only it loads what statistics need.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Generic, Self, TypeVar

from commands.desk import Desk
from commands.reactions.contests import AllDue as AllDueRanks
from commands.reactions.contests import run_contests
from commands.reactions.striking import AllDue, run_striking
from eventstore.log import Log
from projections.asking import ReadModelMissing
from projections.performance.contests import any_contest
from projections.reading import Reading, ReadingUnavailable

FIGURES = "infra.due_figures:due_figures"
RANKS = "infra.due_ranks:due_ranks"
NICENESS = 5
LOOK_SECONDS = 1.0
END_SECONDS = 5.0
_POLL_SECONDS = 0.1

DueT = TypeVar("DueT")


def strike_apart(
    desk: Desk, log: Log, stop: threading.Event, *, conninfo: str, partition_count: int
) -> None:
    """Have figures told until `stop`, made in a process beside this one."""
    with Apart[AllDue](FIGURES, conninfo, partition_count, stop) as ask_due:
        run_striking(desk, log, stop, ask_due=ask_due)


def rank_apart(
    desk: Desk, log: Log, stop: threading.Event, *, conninfo: str, partition_count: int
) -> None:
    """Have ranks of contests told until `stop`; a process makes them once there is a contest."""
    with Reading(conninfo, partition_count=partition_count, pool_size=1) as reading:
        while not is_announced(reading):
            if stop.wait(LOOK_SECONDS):
                return
    with Apart[AllDueRanks](RANKS, conninfo, partition_count, stop) as ask_due:
        run_contests(desk, log, stop, ask_due=ask_due)


def is_announced(reading: Reading) -> bool:
    """Say whether any contest is, as far as can be told now."""
    try:
        return reading.answer(any_contest, reading.partitions[:1])
    except (ReadModelMissing, ReadingUnavailable):
        return False


class Apart(Generic[DueT]):
    """Asks what is due of a process of its own; one that has ended is started anew when asked.

    `question` names, as `module:function`, what makes the question there of a `Reading`.
    """

    def __init__(
        self, question: str, conninfo: str, partition_count: int, stop: threading.Event
    ) -> None:
        self._question = question
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

    def __call__(self, *asked: object) -> DueT | None:
        """Tell what is due; None while that cannot be told, and when all is to stop."""
        try:
            pipe = self._pipe or self._start()
            pipe.send(asked)
            while not pipe.poll(_POLL_SECONDS):
                if self._stop.is_set():
                    return None
            told: DueT | None = pipe.recv()
        except (EOFError, OSError):
            self._end()
            return None
        return told

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        arguments = (other, self._question, self._conninfo, self._partition_count)
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


def _answer_all(pipe: Connection, question: str, conninfo: str, partition_count: int) -> None:
    """Answer until the other end of the pipe is closed: by the parent, or with it."""
    module, _, name = question.partition(":")
    make = getattr(importlib.import_module(module), name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    reading = Reading(conninfo, partition_count=partition_count, pool_size=1)
    with suppress(EOFError, OSError), reading:
        ask_due = make(reading)
        while True:
            pipe.send(ask_due(*pipe.recv()))
