"""An open-loop load from a process of its own: requests become due whatever comes back.

They become due at random (exponential gaps, seeded), as independent systems would send them, over
a bounded number of connections. Who finds none free waits, and his time runs from the moment he was
due; past a bound of waiting requests they are counted as unsent. In a closed loop, which measures
capacity, each connection sends its next request when the last one is answered.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple, cast

import uvloop

from benchmarks.driven import DrivenProcess, hear_only_orders
from infra.clock import now

UNSENT_WAITING_MAX = 2_000
ANSWER_SECONDS = 40.0
NAME = b"@@@@@@@@@@@@@@@@"
"""Stands in a body where a request's own name goes."""

AT = b"9999-12-31T23:59:59.999999Z"
"""Stands in a body where the moment of sending goes."""


class Stream(NamedTuple):
    """One source of requests: so many commands in each, and its part of the whole rate."""

    name: str
    token: str
    path: str
    body: bytes
    commands: int
    part: float


class Order(NamedTuple):
    """One run: `rate` in commands a second, or None for a closed loop."""

    run: str
    host: str
    port: int
    streams: Sequence[Stream]
    rate: float | None
    seconds: float
    connections: int


class Answer(NamedTuple):
    """What became of a request; times are seconds after the start, `status` 0: no answer came."""

    stream: int
    key: str
    due: float
    sent: float
    answered: float
    status: int
    accepted: int
    is_telling_when: bool


class Generator(DrivenProcess):
    """The generating process, driven from here."""

    def __init__(self) -> None:
        super().__init__(serve)

    def begin(self, order: Order) -> None:
        """Begin a run."""
        self.pipe.send(order)

    def collect(self) -> tuple[list[Answer], int]:
        """Wait for the end of the run; its answers, and how many requests were not sent."""
        found: tuple[list[Answer], int] = self.pipe.recv()
        return found

    def run(self, order: Order) -> tuple[list[Answer], int]:
        """Do one run."""
        self.begin(order)
        return self.collect()


def serve(pipe: Connection) -> None:
    """Do the runs that are ordered until the other end is closed."""
    hear_only_orders()
    try:
        while True:
            order: Order = pipe.recv()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                pipe.send(runner.run(Run(order).run()))
    except EOFError:
        return


class Request(NamedTuple):
    """One request that is due."""

    stream: int
    key: str
    due: float
    is_again: bool = False


class Line(asyncio.Protocol):
    """One connection: a request, its whole answer, the next request."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self.request: Request | None = None
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is open."""
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: Request, content: bytes) -> None:
        """Send a request."""
        assert self._transport is not None, "sent on open lines only"
        self.request, self.sent = request, self._run.elapsed()
        self._received.clear()
        self._transport.write(content)

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end]).lower()
        begin = head.find(b"content-length:") + len(b"content-length:")
        length = int(head[begin:].split(b"\r\n", 1)[0])
        if len(self._received) < end + 4 + length:
            return
        accepted = self._received.count(b'"outcome":"accepted"')
        self._run.answered(self, int(head[9:12]), accepted, b"retry-after:" in head)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's word
        """The line is gone; what was asked on it has no answer."""
        self._run.lost(self)


class Run:
    """One run while it lasts."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._heads = [_head(stream, order) for stream in order.streams]
        self._free: deque[Line] = deque()
        self._waiting: deque[Request] = deque()
        self._answers: list[Answer] = []
        self._count = 0
        self._under_way = 0
        self._unsent = 0
        self._opening: set[asyncio.Task[None]] = set()
        self._started = 0.0
        self._is_over = False

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    async def run(self) -> tuple[list[Answer], int]:
        """Open the lines, send what becomes due, wait for the last answers."""
        order = self._order
        for _ in range(order.connections):
            await self._open()
        self._started = time.monotonic()
        if order.rate is None:
            self._go_round()
            await asyncio.sleep(order.seconds)
        else:
            await asyncio.gather(*(self._fall_due(each) for each in range(len(order.streams))))
        self._is_over = True
        self._unsent += len(self._waiting)
        self._waiting.clear()
        deadline = self.elapsed() + ANSWER_SECONDS
        while self._under_way and self.elapsed() < deadline:  # noqa: ASYNC110 - once, at the end
            await asyncio.sleep(0.01)
        return self._answers, self._unsent

    async def _open(self) -> None:
        order = self._order
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(lambda: Line(self), order.host, order.port)
        self._free.append(line)
        self._send_waiting()

    async def _fall_due(self, stream: int) -> None:
        """Let one stream's requests become due."""
        wanted = self._order.streams[stream]
        assert self._order.rate is not None, "in a closed loop nothing becomes due"
        per_second = self._order.rate * wanted.part / wanted.commands
        draw = random.Random(f"{self._order.run} {wanted.name}")
        due = draw.expovariate(per_second)
        while due < self._order.seconds:
            await asyncio.sleep(max(0.0, due - self.elapsed()))
            if len(self._waiting) >= UNSENT_WAITING_MAX:
                self._unsent += 1
            else:
                self._waiting.append(self._request(stream, due))
                self._send_waiting()
            due += draw.expovariate(per_second)

    def _go_round(self) -> None:
        """In a closed loop every free line sends, the streams in turn."""
        while self._free:
            self._waiting.append(
                self._request(self._count % len(self._order.streams), self.elapsed())
            )
            self._send_waiting()

    def _request(self, stream: int, due: float) -> Request:
        self._count += 1
        return Request(stream, f"{self._order.run}-{self._count:09}"[-len(NAME) :], due)

    def _send_waiting(self) -> None:
        while self._waiting and self._free:
            request = self._waiting.popleft()
            name = request.key.encode().ljust(len(NAME), b"_")
            at = now().replace(tzinfo=None).isoformat(timespec="microseconds").encode() + b"Z"
            body = self._order.streams[request.stream].body.replace(NAME, name).replace(AT, at)
            self._under_way += 1
            self._free.popleft().send(request, self._heads[request.stream] % name + body)

    def answered(self, line: Line, status: int, accepted: int, is_telling_when: bool) -> None:  # noqa: FBT001
        """Write an answer down; the line is free for the next request."""
        request, line.request = line.request, None
        if request is None:
            return
        self._under_way -= 1
        self._free.append(line)
        self._write_down(request, line, status, accepted, is_telling_when=is_telling_when)
        if self._is_over:
            return
        if self._order.rate is None:
            self._go_round()
        self._send_waiting()

    def _write_down(
        self, request: Request, line: Line, status: int, accepted: int, *, is_telling_when: bool
    ) -> None:
        key = request.key.ljust(len(NAME), "_")
        self._answers.append(
            Answer(
                request.stream, key, request.due, line.sent, self.elapsed(), status, accepted,
                is_telling_when,
            )
        )  # fmt: skip

    def lost(self, line: Line) -> None:
        """A line broke, as idle ones do: another is opened, and its request sent again, once."""
        if line in self._free:
            self._free.remove(line)
        if self._is_over and line.request is None:
            return
        request, line.request = line.request, None
        if request is not None:
            self._under_way -= 1
            if request.is_again:
                self._write_down(request, line, 0, 0, is_telling_when=False)
            else:
                self._waiting.appendleft(request._replace(is_again=True))
        task = asyncio.get_running_loop().create_task(self._open())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)


def _head(stream: Stream, order: Order) -> bytes:
    """Give the head of a stream's requests, with a place for the key."""
    return (
        f"POST {stream.path} HTTP/1.1\r\nHost: {order.host}\r\n"
        f"Authorization: Bearer {stream.token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(stream.body)}\r\nIdempotency-Key: %s\r\n\r\n"
    ).encode()
