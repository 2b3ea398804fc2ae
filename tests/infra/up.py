"""An `up` in a process of its own, for tests that stop, kill and start whole systems."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from infra.child_processes import start_child
from infra.data_directory import DataDirectory
from infra.running import running_addresses

PATIENCE_SECONDS = 60.0


class Up:
    """Real servers, and stand-ins for the processes that are not named in `real`.

    It has a process group of its own, as a shell gives to a job, and ends when we do, be it killed.
    """

    def __init__(self, directory: Path, real: Sequence[str] = ()) -> None:
        self.data = DataDirectory(directory)
        self.process = start_child(
            [sys.executable, "-m", "tests.infra.stand_in", "up", directory, *real],
            death_signal=signal.SIGTERM,
            output=subprocess.PIPE,
            error_output=subprocess.PIPE,
        )

    def wait_until_ready(self) -> None:
        """Wait for its word."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n", self.end()

    def family(self) -> list[psutil.Process]:
        """Every process below it, and itself."""
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def addresses(self) -> dict[str, Any]:
        """What it left word of."""
        found = running_addresses(self.data)
        assert found is not None
        return found

    def end(self, number: signal.Signals | None = None) -> tuple[int, str]:
        """Send a signal, wait for the end; the exit status and what it said."""
        if number is not None:
            self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, said.decode()


def wait_until(is_true: Callable[[], bool], *, look_seconds: float = 0.02) -> None:
    """Look again and again until something is true, at most `PATIENCE_SECONDS`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(look_seconds)
