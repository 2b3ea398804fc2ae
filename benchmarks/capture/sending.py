"""Sending from a process of its own: prepare a phase, run it, collect what was answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from multiprocessing.connection import Connection
from typing import NamedTuple

import uvloop

from benchmarks.capture.clients import Answered, Client
from benchmarks.capture.load import HOT, INSTRUMENTS, Lane, Load, Request, portfolio_names
from benchmarks.driven import DrivenProcess, hear_only_orders

ANSWER_SECONDS = 35.0


class Doors(NamedTuple):
    """Where commands are sent, a token for each sender, and when the trades' business begins."""

    host: str
    port: int
    tokens: tuple[str, ...]
    portfolios: int
    began_at: datetime


class Phase(NamedTuple):
    """Clients that send single trades beside senders of batches, for so many seconds.

    `requests` and `batches` bound what is made beforehand, so what is sent at most, in all.
    """

    seconds: float
    clients: int = 0
    requests: int = 0
    senders: int = 0
    batches: int = 0
    batch_trades: int = 1
    is_hot: bool = False


class Ran(NamedTuple):
    """What came of a phase: the answers of singles and of batches; moments of one clock."""

    started_at: float
    ended_at: float
    singles: list[Answered]
    batches: list[Answered]


class Sender(DrivenProcess):
    """The sending process, driven from here."""

    def __init__(self, doors: Doors) -> None:
        super().__init__(serve, doors)

    def prepare(self, phase: Phase) -> None:
        """Make all requests of a phase; returns when they are made."""
        self.pipe.send(phase)
        self.pipe.recv()

    def run(self) -> Ran:
        """Run the prepared phase to its end."""
        self.pipe.send(None)
        ran: Ran = self.pipe.recv()
        return ran


def serve(pipe: Connection, doors: Doors) -> None:
    """Do the phases that are ordered until the other end is closed."""
    hear_only_orders()
    load = Load(began_at=doors.began_at)
    try:
        while True:
            phase: Phase = pipe.recv()
            singles, batches = drawn(load, phase, doors)
            pipe.send("prepared")
            pipe.recv()
            pipe.send(uvloop.run(_run(load, phase, doors, singles, batches)))
    except EOFError:
        return


def lanes_of(phase: Phase, doors: Doors) -> tuple[list[Lane], list[Lane]]:
    """Share out portfolios so that no two send for the same place: singles, then batches."""
    if phase.is_hot:
        every = range(len(INSTRUMENTS))
        hot = [
            Lane(doors.tokens[number % len(doors.tokens)], (HOT,), every[number :: phase.senders])
            for number in range(phase.senders)
        ]
        return [], hot
    names = portfolio_names(doors.portfolios)
    count = phase.clients + phase.senders
    if phase.clients and phase.senders:
        half = len(names) // 2
        singles, batches = names[:half], names[half:]
    else:
        singles = batches = names
    assert len(names) >= count, "each that sends has portfolios of its own"
    tokens = doors.tokens
    return (
        [
            Lane(tokens[number % len(tokens)], singles[number :: phase.clients])
            for number in range(phase.clients)
        ],
        [
            Lane(tokens[number % len(tokens)], batches[number :: phase.senders])
            for number in range(phase.senders)
        ],
    )


def drawn(
    load: Load, phase: Phase, doors: Doors
) -> tuple[list[list[Request]], list[list[Request]]]:
    """Draw the requests of each that sends singles, and of each that sends batches."""
    singles, batches = lanes_of(phase, doors)
    one_by_one = [
        [load.single(lane) for _ in range(phase.requests // len(singles))] for lane in singles
    ]
    together = [
        [load.batch(lane, phase.batch_trades) for _ in range(phase.batches // len(batches))]
        for lane in batches
    ]
    return one_by_one, together


async def _run(
    load: Load,
    phase: Phase,
    doors: Doors,
    singles: Sequence[Sequence[Request]],
    batches: Sequence[Sequence[Request]],
) -> Ran:
    loop = asyncio.get_running_loop()
    started = time.monotonic()
    until = started + phase.seconds

    async def open_client(requests: Sequence[Request]) -> Client:
        _, client = await loop.create_connection(
            lambda: Client(requests, lambda now: now > until, time.monotonic),
            doors.host,
            doors.port,
        )
        return client

    heavy = [await open_client(requests) for requests in batches]
    light = [await open_client(requests) for requests in singles]
    async with asyncio.timeout(phase.seconds + ANSWER_SECONDS):
        for client in (*heavy, *light):
            await client.ended
    for client in (*heavy, *light):
        load.undo(client.unsent)
    answered_one = [answer for client in light for answer in client.answers]
    answered_many = [answer for client in heavy for answer in client.answers]
    return Ran(started, time.monotonic(), answered_one, answered_many)
