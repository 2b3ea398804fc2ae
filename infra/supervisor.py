"""Keeps servers and processes running: starts them in order, restarts what ends, stops them.

One thread of its own does all of that for as long as the supervisor runs, because the kernel's
parent-death signal follows the thread that started a child.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

from infra.child_processes import start_child, stop_child
from infra.errors import OperatorError

LOOK_SECONDS = 0.05
READY_SECONDS_MAX = 600.0
WAITING_SAID_SECONDS = 10.0
BACK_OFF_SECONDS_FIRST = 0.2
BACK_OFF_SECONDS_MAX = 10.0
STEADY_SECONDS = 30.0
FALSE_STARTS_MAX = 3
LOG_BYTES_MAX = 64 * 2**20


class Supervised(Protocol):
    """What can be kept running. `start` and `stop` may be called again and again."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def process_id(self) -> int | None:
        """Its process id while it runs."""

    def start(self) -> None:
        """Start it."""

    def stop(self) -> None:
        """Stop it in good order; also clears away what is left of an ended one."""

    def is_running(self) -> bool:
        """Tell whether its process lives."""


@dataclass
class ChildProcess:
    """A Python process of ours; its output goes to `log`, one JSON object per line."""

    name: str
    arguments: Sequence[str]
    log: Path
    ready_url: str
    environment: Mapping[str, str] | None = field(default=None, repr=False)
    stop_seconds: float = 20.0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def process_id(self) -> int | None:
        """The process id while it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process; being ready comes later."""
        assert not self.is_running(), "already started"
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_name(f"{self.log.name}.1"))
        with self.log.open("ab") as log:
            # Crash-only: when the supervisor is killed, its processes end at once. What they
            # answered with success is in the log already, so there is nothing to save.
            self._process = start_child(
                self.arguments,
                death_signal=signal.SIGKILL,
                environment=self.environment,
                directory=self.log.parent,
                output=log,
            )

    def stop(self) -> None:
        """Let the process drain what it has begun, then end it."""
        process, self._process = self._process, None
        if process is not None:
            stop_child(process, patience_seconds=self.stop_seconds)

    def is_running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def is_ready(self) -> bool:
        """Ask the process whether it can do its work."""
        address = urlsplit(self.ready_url)
        connection = HTTPConnection(address.netloc, timeout=2.0)
        try:
            connection.request("GET", address.path)
            return connection.getresponse().status == 200  # noqa: PLR2004 - HTTP's word for yes
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def last_words(self) -> str:
        """Return the last thing the process wrote in its log, shortened to one line."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except FileNotFoundError:
            return ""
        if not lines:
            return ""
        try:
            written = json.loads(lines[-1])
        except ValueError:
            return lines[-1]
        exception = str(written.get("exception", "")).strip().splitlines()
        return exception[-1] if exception else str(written.get("event", lines[-1]))


@dataclass
class _Watched:
    unit: Supervised
    started_at: float = 0.0
    false_starts: int = 0
    restart_at: float | None = None
    was_ready: bool = False


class Supervisor:
    """Runs its units in the given order and stops them in the reverse order.

    Units already running when `start` is called are only watched. `say` is told, in one sentence
    each, what an operator should know; `changed` is called when a process id is another one.
    """

    def __init__(
        self,
        units: Sequence[Supervised],
        *,
        say: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._watched = [_Watched(unit) for unit in units]
        self._say = say
        self._changed = changed
        self._stop_requested = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self.restarts = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop_requested.set()
        self._thread.join()

    @property
    def process_ids(self) -> dict[str, int]:
        """The process id of every running unit, by name."""
        return {
            watched.unit.name: watched.unit.process_id
            for watched in self._watched
            if watched.unit.process_id is not None
        }

    def wait_until_ready(
        self, give_up: threading.Event | None = None, seconds_max: float = READY_SECONDS_MAX
    ) -> bool:
        """Wait until every process says it is ready; False when `give_up` was set meanwhile.

        Raises:
            OperatorError: one ended again and again while starting, or time is over.
        """
        started = said = time.monotonic()
        children = [
            (watched, watched.unit)
            for watched in self._watched
            if isinstance(watched.unit, ChildProcess)
        ]
        while waiting := [
            child for watched, child in children if not self._has_become_ready(watched, child)
        ]:
            if give_up is not None and give_up.is_set():
                return False
            names = ", ".join(child.name for child in waiting)
            if time.monotonic() - started > seconds_max:
                raise OperatorError(
                    f"Not ready after {seconds_max:.0f} s: {names}. Logs: {waiting[0].log.parent}"
                )
            if time.monotonic() - said > WAITING_SAID_SECONDS:
                said = time.monotonic()
                self._say(f"still waiting for {names}; a long log takes a while to fold")
            time.sleep(LOOK_SECONDS)
        return True

    def unready(self) -> dict[str, str]:
        """Ask every unit whether it can do its work now.

        Gives the names of those that cannot, each with the last thing it wrote in its log.
        """
        found: dict[str, str] = {}
        for unit in (watched.unit for watched in self._watched):
            if not isinstance(unit, ChildProcess):
                if not unit.is_running():
                    found[unit.name] = ""
            elif not (unit.is_running() and unit.is_ready()):
                found[unit.name] = unit.last_words()
        return found

    def _has_become_ready(self, watched: _Watched, child: ChildProcess) -> bool:
        if not watched.was_ready:
            watched.was_ready = child.is_running() and child.is_ready()
        if not watched.was_ready and watched.false_starts >= FALSE_STARTS_MAX:
            raise OperatorError(
                f"{child.name} ended {watched.false_starts} times while starting: "
                f"{child.last_words()} (its log: {child.log})"
            )
        return watched.was_ready

    def _run(self) -> None:
        try:
            for watched in self._watched:
                if not watched.unit.is_running():
                    self._start(watched)
                watched.started_at = time.monotonic()
            while not self._stop_requested.wait(LOOK_SECONDS):
                for watched in self._watched:
                    self._look_after(watched)
        finally:
            for watched in reversed(self._watched):
                watched.unit.stop()
            self._changed()

    def _look_after(self, watched: _Watched) -> None:
        now = time.monotonic()
        if watched.unit.is_running():
            if now - watched.started_at > STEADY_SECONDS:
                watched.false_starts = 0
        elif watched.restart_at is None:
            pause = min(BACK_OFF_SECONDS_FIRST * 2**watched.false_starts, BACK_OFF_SECONDS_MAX)
            watched.false_starts += 1
            watched.restart_at = now + pause
            self._say(f"{watched.unit.name} ended unasked; starting it again in {pause:.1f} s")
        elif now >= watched.restart_at:
            watched.restart_at = None
            self.restarts += 1
            watched.unit.stop()
            self._start(watched)

    def _start(self, watched: _Watched) -> None:
        watched.started_at = time.monotonic()
        try:
            watched.unit.start()
        except (OperatorError, OSError) as error:
            self._say(f"{watched.unit.name} did not start: {error}")
        self._changed()
