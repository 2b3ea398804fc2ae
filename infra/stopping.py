"""The wish to stop: Ctrl-C, SIGTERM or a closed terminal, heard once; a second one forces."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FORCED_EXIT_STATUS = 130


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
