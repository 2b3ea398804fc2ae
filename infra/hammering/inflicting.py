"""Inflicting the faults of a plan on a running system, and lifting all of them at the end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil

from infra.hammering.plan import DELAY_SECONDS, Fault, Wound
from infra.hammering.system import HammeredSystem

LOOK_SECONDS = 0.05
DATABASE = "database"
COMMIT = b"; COMMIT\0"
"""How the last message of an append ends: its answer is the one worth losing."""


class Torment:
    """Carries out a plan in threads; `counts` are the faults inflicted, by wound and target."""

    def __init__(self, system: HammeredSystem, say: Callable[[str], None]) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[BaseException] = []
        self._system = system
        self._say = say
        self._lifted = threading.Event()
        self._threads: list[threading.Thread] = []

    def run(self, plan: Sequence[Fault], stop: threading.Event) -> None:
        """Inflict each fault at its time, until the last is over or `stop` is set."""
        began = time.monotonic()
        try:
            for fault in plan:
                if stop.wait(max(0.0, began + fault.at_seconds - time.monotonic())):
                    break
                lasting = f" for {fault.for_seconds:.1f} s" if fault.for_seconds else ""
                self._say(f"{fault.at_seconds:6.1f} s: {fault.wound} {fault.target}{lasting}")
                thread = threading.Thread(target=self._suffer, args=(fault,), daemon=True)
                self._threads.append(thread)
                thread.start()
            while not stop.is_set() and any(each.is_alive() for each in self._threads):
                stop.wait(LOOK_SECONDS)
        finally:
            self.lift()

    def lift(self) -> None:
        """End every fault that lasts."""
        self._lifted.set()
        for thread in self._threads:
            thread.join()
        for line in self._system.lines.values():
            line.lift()

    def _suffer(self, fault: Fault) -> None:
        try:
            with self._inflicted(fault):
                self.counts[f"{fault.wound} {fault.target}"] += 1
                self._lifted.wait(fault.for_seconds)
        except BaseException as error:  # noqa: BLE001 - told by whoever runs the torment
            self.failures.append(error)

    @contextmanager
    def _inflicted(self, fault: Fault) -> Iterator[None]:
        if fault.target in self._system.lines:
            self._hurt_line(fault)
            yield
            if fault.for_seconds:
                self._system.lines[fault.target].lift()
            return
        match fault.wound:
            case Wound.KILL | Wound.CRASH:
                self._kill(fault)
                yield
            case Wound.KEEP_DEAD:
                yield from self._keep_dead(fault)
            case _:
                yield from self._freeze(fault)

    def _hurt_line(self, fault: Fault) -> None:
        line = self._system.lines[fault.target]
        match fault.wound:
            case Wound.CUT:
                line.cut()
            case Wound.REFUSE:
                line.refuse()
            case Wound.DEAFEN:
                line.deafen(COMMIT if fault.target == DATABASE else b"")
            case Wound.HOLD:
                line.hold()
            case _:
                line.slow(DELAY_SECONDS)

    def _found(self, target: str) -> psutil.Process | None:
        """Find the process that now runs under this name; None while there is none.

        The number of one that has ended may be somebody else's by now: only ours is hurt.
        """
        process_id = self._system.process_ids.get(target)
        try:
            process = None if process_id is None else psutil.Process(process_id)
            return process if process is not None and process.ppid() == os.getpid() else None
        except psutil.NoSuchProcess:
            return None

    def _kill(self, fault: Fault) -> bool:
        """Kill what runs under a name, with its children if it is to crash."""
        process = self._found(fault.target)
        if process is None:
            return False
        with suppress(psutil.NoSuchProcess):
            family = process.children(recursive=True) if fault.wound is Wound.CRASH else []
            for each in (process, *family):
                with suppress(psutil.NoSuchProcess):
                    each.send_signal(signal.SIGKILL)
            return True
        return False

    def _keep_dead(self, fault: Fault) -> Iterator[None]:
        over = threading.Event()

        def keep_dead() -> None:
            while not over.is_set():
                self._kill(fault)
                over.wait(LOOK_SECONDS)

        killer = threading.Thread(target=keep_dead, daemon=True)
        killer.start()
        try:
            yield
        finally:
            over.set()
            killer.join()

    def _freeze(self, fault: Fault) -> Iterator[None]:
        process = self._found(fault.target)
        if process is None:
            yield
            return
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGSTOP)
        if fault.wound is Wound.ZOMBIE:
            self._system.lines[DATABASE].cut()
        try:
            yield
        finally:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
