"""A client that costs little: one connection, the next request when the last is answered.

It reads of an answer what it must: the status, the length, and of a batch how many were accepted.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from benchmarks.capture.load import Request

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_COUNTS = re.compile(rb'"counts":\{([^}]*)\}[^{}]*\}$')
_ACCEPTED = re.compile(rb'"accepted":(\d+)')
_TAIL_BYTES = 400
_STATUS = slice(9, 12)
PROBLEM_BYTES = 300


class Answered(NamedTuple):
    """One request's end: moments of the clock, trades sent and accepted; `problem` where fewer."""

    sent_at: float
    answered_at: float
    trades: int
    accepted: int
    problem: str = ""


def accepted_in(status: bytes, body: bytes) -> int:
    """Count the trades that an answer accepts."""
    if status == b"201":
        return 1
    counts = _COUNTS.search(body[-_TAIL_BYTES:]) if status == b"200" else None
    accepted = None if counts is None else _ACCEPTED.search(counts[1])
    return 0 if accepted is None else int(accepted[1])


class Client(asyncio.Protocol):
    """Sends requests in order until there are no more, or it is `past` their time."""

    def __init__(
        self, requests: Sequence[Request], past: Callable[[float], bool], clock: Callable[[], float]
    ) -> None:
        self._requests = requests
        self._past = past
        self._clock = clock
        self._transport: asyncio.WriteTransport | None = None
        self._head = bytearray()
        self._body: list[bytes] = []
        self._missing = -1
        self._status = b""
        self._sent_at = 0.0
        self._next = 0
        self.answers: list[Answered] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def unsent(self) -> Sequence[Request]:
        """The requests there was no time for."""
        return self._requests[self._next :]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own is no subclass.
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        if self._missing < 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            found = _LENGTH.search(self._head, 0, end)
            assert found is not None, "our server says how long its answers are"
            self._status = bytes(self._head[_STATUS])
            self._missing = int(found[1])
            data = bytes(self._head[end + 4 :])
            self._head.clear()
        self._body.append(data)
        self._missing -= len(data)
        if self._missing == 0:
            self._take()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; whoever is still owed an answer hears that there is none."""
        if self.ended.done():
            return
        request = self._requests[self._next - 1]
        problem = f"connection lost: {exc}"
        now = self._clock()
        self.answers.append(Answered(self._sent_at, now, request.trades, 0, problem))
        self.ended.set_result(None)

    def _take(self) -> None:
        now = self._clock()
        request = self._requests[self._next - 1]
        body = b"".join(self._body)
        accepted = accepted_in(self._status, body)
        problem = ""
        if accepted < request.trades:
            problem = f"{self._status.decode()} {body[:PROBLEM_BYTES].decode(errors='replace')}"
        self.answers.append(Answered(self._sent_at, now, request.trades, accepted, problem))
        self._body.clear()
        self._missing = -1
        self._send()

    def _send(self) -> None:
        assert self._transport is not None, "it is connected"
        self._sent_at = self._clock()
        if self._next == len(self._requests) or self._past(self._sent_at):
            self.ended.set_result(None)
            self._transport.close()
            return
        self._transport.write(self._requests[self._next].content)
        self._next += 1
