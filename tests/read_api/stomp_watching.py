"""Watching live with a client nobody here wrote: `@stomp/stompjs`, under Node.

It is installed once into the cache directory, as `tests/stomp/package-lock.json` pins it.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.settings import default_cache_directory

PACKAGE = Path(__file__).parent.parent / "stomp"
ANSWER_SECONDS_MAX = 30.0


def stomp_clients() -> Path:
    """Give the folder where the clients are installed; skip where there is no Node outside CI."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("Node and npm are needed: real STOMP clients are a part of the gate")
        pytest.skip("needs Node and npm")
    files = [PACKAGE / name for name in ("package.json", "package-lock.json", ".npmrc")]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = default_cache_directory() / f"stomp-clients-{digest}"
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy(file, folder)
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True
        )
        (folder / "installed").touch()
    shutil.copy(PACKAGE / "watch.mjs", folder)
    return folder


class StompWatcher:
    """What the client tells, and the state that its messages make, by subscription."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.states: dict[str, dict[str, Any]] = {}
        self.positions: dict[str, int] = {}
        self.messages: list[dict[str, Any]] = []
        self._told: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def hear(self) -> dict[str, Any]:
        """Take in what the client tells next."""
        told = self._told.get(timeout=ANSWER_SECONDS_MAX)
        if told["kind"] == "message":
            self._fold(told["headers"], json.loads(told["body"]))
        self.messages.append(told)
        return told

    def until_state(self, name: str, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Take messages in until a subscription's state is as wanted."""
        while name not in self.states or not wanted(self.states[name]):
            self.hear()

    def _read(self) -> None:
        assert self.process.stdout is not None, "it is a pipe"
        for line in self.process.stdout:
            self._told.put(json.loads(line))

    def _fold(self, headers: dict[str, str], body: dict[str, Any]) -> None:
        name, position = headers["subscription"], body["position"]
        assert headers["type"] == body["type"]
        assert int(headers["position"]) == position
        assert position >= self.positions.get(name, 0)
        self.positions[name] = position
        state = {} if body["type"] == "snapshot" else self.states[name]
        self.states[name] = state | body["rows"]
        for gone in [key for key, row in self.states[name].items() if row is None]:
            del self.states[name][gone]


@contextmanager
def stomp_watching(
    read_address: str, bearer: str, *subscriptions: dict[str, str]
) -> Iterator[StompWatcher]:
    """Run the client with some subscriptions, until the end; it disconnects as it should."""
    folder = stomp_clients()
    address = read_address.replace("http", "ws", 1) + "/v1/live"
    asked = [json.dumps(each) for each in subscriptions]
    with subprocess.Popen(
        ["node", "watch.mjs", address, bearer, *asked],
        cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield StompWatcher(process)
            assert process.stdin is not None, "it is a pipe"
            process.stdin.close()
            assert process.wait(ANSWER_SECONDS_MAX) == 0
        finally:
            process.kill()
