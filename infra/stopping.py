"""The wish to stop: Ctrl-C, SIGTERM or a closed terminal.

`stop_signals` is for what runs until it is stopped: the wish is an event, a second one forces.
`ending_in_order` is for short commands: the wish unwinds them. `signals_held` lets it wait.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FORCED_EXIT_STATUS = 130
ASK_AGAIN_SECONDS = 0.25


class Ended(SystemExit):
    """A short command was asked to end."""


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Turn the first signal into an event; at the second, end at once.

    Ending at once leaves nothing behind either: the kernel signals every child of ours.
    """
    requested = threading.Event()

    def hear(_signal: int, _frame: FrameType | None) -> None:
        if requested.is_set():
            sys.stderr.write("\nForced: everything is ended at once.\n")
            sys.stderr.flush()
            os._exit(FORCED_EXIT_STATUS)
        requested.set()

    before = {number: signal.signal(number, hear) for number in SIGNALS}
    try:
        yield requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let SIGTERM, or a closed terminal, end the block with `Ended`: every `with` clears up.

    One exception is easily lost: where Python ignores exceptions (a `__del__`, the callback of a
    weak reference, some C code), the command would go on as if nobody had asked. So an alarm asks
    again until somebody is clearing up; and whoever clears up is not disturbed by a second wish.
    """

    def ask(number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGALRM:
            asked.append(number)
        if not _is_clearing_up():
            signal.setitimer(signal.ITIMER_REAL, ASK_AGAIN_SECONDS)
            raise Ended(128 + asked[0])

    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN:  # `nohup`
            signal.signal(number, ask)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _is_clearing_up() -> bool:
    """Tell whether the interrupted code runs because an `Ended` passes: in a `with`, a `finally`.

    Python keeps the exception being handled, and under it those that were handled before.
    """
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, Ended):
        error = error.__context__
    return error is not None


@contextmanager
def signals_held() -> Iterator[None]:
    """Let a wish to stop wait for the end of the block: what it begins, somebody then knows of.

    Only the main thread hears signals; in another one this does nothing.
    """
    heard: list[int] = []
    try:
        with ExitStack() as restoring:
            if threading.current_thread() is threading.main_thread():
                for number in (*SIGNALS, signal.SIGALRM):
                    handler = signal.getsignal(number)
                    if callable(handler):
                        restoring.callback(signal.signal, number, handler)
                        signal.signal(number, lambda number, _frame: heard.append(number))
            yield
    finally:
        for each in heard:
            signal.raise_signal(each)
