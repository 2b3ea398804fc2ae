"""The audience, in a process of its own: clients of both dialects that note when rows come.

Half of the clients speak STOMP, half JSON; each watches one portfolio. Beside them are one that
watches alerts, one that watches everything, one that reads nothing, and many that are idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks.driven import DrivenProcess, hear_only_orders
from benchmarks.pipeline.load import PORTFOLIOS
from eventstore.collecting import rare_collections

BOOKED = ("positions", "cash", "trades")
WATCHED = (*BOOKED, "pnl")
ALERTS = "alerts"
CONNECTING_AT_ONCE = 20
READY, END = "ready", "end"


class Audience(NamedTuple):
    """Who watches what, and how to come in."""

    address: str
    token: str
    clients: int = 200
    idle: int = 1_000
    has_glutton: bool = True
    has_stalled: bool = True


class Push(NamedTuple):
    """A row that came with a later change: the position of that one, and when, since the epoch.

    What a mark alone moved, behind the booking it was told with before, is none.
    """

    changed_position: int
    received_at: float


class Seen(NamedTuple):
    """What the audience saw: pushes of rows by destination, messages, and bytes.

    Of an alert it is its first push, with the position that it was judged as of.
    """

    pushes: dict[str, list[Push]]
    messages: int
    bytes: int
    glutton_messages: int
    lost: int
    went_back: int
    processor_seconds: float


class _Row(msgspec.Struct):
    changed_position: int
    as_of: int = 0


class _Message(msgspec.Struct):
    type: str
    id: str = ""
    position: int = 0
    rows: dict[str, _Row | None] = {}


_read = msgspec.json.Decoder(_Message).decode


class Watchers(DrivenProcess):
    """The process, driven from here."""

    def __init__(self, audience: Audience) -> None:
        super().__init__(serve, audience)

    def wait_until_ready(self) -> float:
        """Wait until all have their first message; give how long that took, in seconds."""
        seconds: float = self.pipe.recv()
        return seconds

    def end(self) -> Seen:
        """Let everybody go, and give what was seen."""
        self.pipe.send(END)
        seen: Seen = self.pipe.recv()
        return seen


def serve(pipe: Connection, audience: Audience) -> None:
    """Watch until told to end."""
    hear_only_orders()
    # What is noted grows by thousands a second: looking through it all held every socket for 0.5 s.
    with rare_collections(), contextlib.suppress(EOFError):
        asyncio.run(_Crowd(audience).watch(pipe))


class _Crowd:
    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._pushes: dict[str, list[Push]] = {name: [] for name in (*WATCHED, ALERTS)}
        self._messages = self._bytes = self._glutton_messages = self._lost = self._went_back = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._sockets: list[ClientConnection] = []

    async def watch(self, pipe: Connection) -> None:
        """Connect everybody, say so, and watch until the end is told."""
        began = time.monotonic()
        gate = asyncio.Semaphore(CONNECTING_AT_ONCE)
        firsts = [self._one(number, gate) for number in range(self._audience.clients)]
        firsts += [self._idle(gate) for _ in range(self._audience.idle)]
        await asyncio.gather(*firsts, self._alerted(gate))
        if self._audience.has_glutton:
            await self._glutton()
        if self._audience.has_stalled:
            await self._stalled()
        pipe.send(time.monotonic() - began)
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        pipe.send(
            Seen(
                self._pushes, self._messages, self._bytes, self._glutton_messages, self._lost,
                self._went_back, time.process_time(),
            )
        )  # fmt: skip
        for task in self._tasks:
            task.cancel()

    async def _connect(self, gate: asyncio.Semaphore, protocol: str | None) -> ClientConnection:
        async with gate:
            connection = await connect(
                self._audience.address,
                additional_headers={"Authorization": f"Bearer {self._audience.token}"},
                subprotocols=None if protocol is None else [Subprotocol(protocol)],
                proxy=None,
                compression=None,
                open_timeout=60,
                ping_interval=None,
            )
        self._sockets.append(connection)
        return connection

    async def _one(self, number: int, gate: asyncio.Semaphore) -> None:
        portfolio = PORTFOLIOS[number % len(PORTFOLIOS)]
        is_stomp = number % 2 == 1
        connection = await self._connect(gate, "v12.stomp" if is_stomp else None)
        names = [(name, f"portfolios/{portfolio}/{name}") for name in WATCHED]
        await _subscribe(connection, names, is_stomp=is_stomp)
        first: set[str] = set()
        everyone = asyncio.Event()
        task = asyncio.create_task(self._note(connection, first, everyone, is_stomp=is_stomp))
        self._tasks.append(task)
        await everyone.wait()

    async def _note(
        self,
        connection: ClientConnection,
        first: set[str],
        everyone: asyncio.Event,
        *,
        is_stomp: bool,
    ) -> None:
        positions: dict[str, int] = {}
        changed: dict[tuple[str, str], int] = {}
        try:
            async for data in connection:
                now = time.time()
                body: str | bytes = data
                if is_stomp:
                    assert isinstance(data, str), "frames are text"
                    if not data.startswith("MESSAGE"):
                        continue
                    head, _, rest = data.partition("\n\n")
                    name = head.partition("subscription:")[2].partition("\n")[0]
                    body = rest[:-1]
                told = _read(body)
                if told.type not in {"snapshot", "change"}:
                    continue
                name = name if is_stomp else told.id
                self._messages += 1
                self._bytes += len(data)
                self._went_back += told.position < positions.get(name, 0)
                positions[name] = told.position
                if told.type == "snapshot":
                    first.add(name)
                    if len(first) == len(WATCHED):
                        everyone.set()
                    continue
                pushes = self._pushes[name]
                for key, row in told.rows.items():
                    if row is not None and row.changed_position > changed.get((name, key), 0):
                        changed[name, key] = row.changed_position
                        pushes.append(Push(row.changed_position, now))
            self._lost += 1
        except Exception:
            self._lost += 1
            raise

    async def _idle(self, gate: asyncio.Semaphore) -> None:
        connection = await self._connect(gate, None)
        await _subscribe(connection, [("portfolios", "portfolios")], is_stomp=False)

        async def drain() -> None:
            async for _ in connection:
                pass
            self._lost += 1

        self._tasks.append(asyncio.create_task(drain()))

    async def _alerted(self, gate: asyncio.Semaphore) -> None:
        connection = await self._connect(gate, None)
        await _subscribe(connection, [(ALERTS, ALERTS)], is_stomp=False)

        async def note() -> None:
            raised: set[str] = set()
            async for data in connection:
                now = time.time()
                for key, row in _read(data).rows.items():
                    if row is not None and key not in raised:
                        raised.add(key)
                        self._pushes[ALERTS].append(Push(row.as_of, now))
            self._lost += 1

        self._tasks.append(asyncio.create_task(note()))

    async def _glutton(self) -> None:
        """Watch everything there is, through one socket."""
        connection = await self._connect(asyncio.Semaphore(1), None)
        names = [
            (f"{portfolio}/{name}", f"portfolios/{portfolio}/{name}")
            for portfolio in PORTFOLIOS
            for name in WATCHED
        ]

        everything = asyncio.Event()

        async def drain() -> None:
            async for _ in connection:
                self._glutton_messages += 1
                if self._glutton_messages >= len(names):
                    everything.set()
            self._lost += 1

        self._tasks.append(asyncio.create_task(drain()))
        await _subscribe(connection, names, is_stomp=False)
        await everything.wait()

    async def _stalled(self) -> None:
        """Watch everything, and read nothing at all."""
        connection = await self._connect(asyncio.Semaphore(1), None)
        names = [(portfolio, f"portfolios/{portfolio}/positions") for portfolio in PORTFOLIOS]
        await _subscribe(connection, names, is_stomp=False)
        connection.transport.pause_reading()


async def _subscribe(
    connection: ClientConnection, names: Sequence[tuple[str, str]], *, is_stomp: bool
) -> None:
    if is_stomp:
        await connection.send("CONNECT\naccept-version:1.2\nheart-beat:0,0\n\n\0")
    for name, destination in names:
        await connection.send(
            f"SUBSCRIBE\nid:{name}\ndestination:{destination}\n\n\0"
            if is_stomp
            else json.dumps({"type": "subscribe", "id": name, "destination": destination})
        )
