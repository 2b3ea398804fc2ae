"""Watching live as a dashboard does: the library `websockets`, and the state its messages make."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

ANSWER_SECONDS_MAX = 20.0


class Watcher:
    """A client of the JSON dialect that folds what it is told, and checks the promises of order."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.states: dict[str, dict[str, Any]] = {}
        self.positions: dict[str, int] = {}
        self.editions: dict[str, int] = {}
        self.kinds: dict[str, list[str]] = {}

    def say(self, **message: object) -> None:
        """Send a message."""
        self.socket.send(json.dumps(message))

    def hear(self, *, seconds: float = ANSWER_SECONDS_MAX) -> dict[str, Any]:
        """Take the next message in, whatever it is."""
        told: dict[str, Any] = json.loads(self.socket.recv(timeout=seconds))
        if told["type"] in {"snapshot", "change"}:
            self._fold(told)
        return told

    def subscribe(self, name: str, destination: str, **resumed: object) -> dict[str, Any]:
        """Subscribe; give the first message of the subscription."""
        self.say(type="subscribe", id=name, destination=destination, **resumed)
        return self.until(lambda told: told.get("id") == name)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Take messages in until one is wanted; give it."""
        while True:
            told = self.hear()
            if wanted(told):
                return told

    def until_state(self, name: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Take messages in until a subscription's state is as wanted; give the state."""
        while not wanted(self.states.get(name, {})):
            self.hear()
        return self.states[name]

    def _fold(self, told: dict[str, Any]) -> None:
        name, position = told["id"], told["position"]
        known = self.positions.get(name)
        if told["type"] == "change":
            is_later = known is None or position > known
            assert is_later or (position == known and not told["rows"]), "positions ascend"
        else:
            assert known is None or position >= known, "a snapshot is never older"
            self.states[name] = {}
        self.positions[name], self.editions[name] = position, told["edition"]
        self.kinds.setdefault(name, []).append(told["type"])
        state = self.states.setdefault(name, {})
        for key, row in told["rows"].items():
            if row is None:
                state.pop(key, None)
            else:
                state[key] = row


@contextmanager
def watching(
    read_address: str, bearer: str | None, *, max_queue: int | None = 16
) -> Iterator[Watcher]:
    """Connect to live of an interface; the token goes into the handshake.

    More than `max_queue` messages that nobody has heard are not taken from the line.
    """
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    address = read_address.replace("http", "ws", 1) + "/v1/live"
    with connect(
        address, additional_headers=headers, proxy=None, compression=None, max_size=None,
        max_queue=max_queue, close_timeout=1,
    ) as socket:  # fmt: skip
        watcher = Watcher(socket)
        if bearer is not None:
            assert watcher.hear()["type"] == "connected"
        yield watcher
