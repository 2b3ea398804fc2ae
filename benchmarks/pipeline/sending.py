"""Sending the load from a process of its own, over a few connections that stay open.

Requests are made before the clock starts. Each lane has a thread and a connection; it sends what is
due, reads the whole answer and counts every item's outcome. A batch that was refused as a whole is
kept and sent again in the next run under its key, so that no trade is lost or told twice.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from typing import NamedTuple

import msgspec

from benchmarks.driven import DrivenProcess, hear_only_orders
from benchmarks.pipeline.load import Lane, Ticks
from benchmarks.pipeline.pacing import Pace
from infra.clock import now

LANES = 8
ANSWER_SECONDS = 35.0
TICK_SECONDS = 1.0
OVERTIME_SECONDS = 1.0
BEGAN_BEFORE = timedelta(hours=3)
_ACCEPTED = 201
_DECIDED = 200


class Doors(NamedTuple):
    """Where commands are sent, and the tokens of the lanes in order and of the market."""

    host: str
    port: int
    lane_tokens: tuple[str, ...]
    market_token: str


class Order(NamedTuple):
    """One run: the pace, and for how many seconds requests become due."""

    pace: Pace
    seconds: float


class Recorded(NamedTuple):
    """Trades of one batch that were appended together: when (since the epoch), up to where."""

    recorded_at: float
    position: int
    trades: int


class Answer(NamedTuple):
    """What became of one batch; times are seconds after the start of the run.

    `outcomes` counts items by outcome and is empty when the batch as a whole was not decided, for
    the reason in `problem`.
    """

    due: float
    answered: float
    trades: int
    outcomes: Mapping[str, int]
    recorded: tuple[Recorded, ...]
    problem: str = ""


class _Item(msgspec.Struct, gc=False):
    outcome: str
    position: int | None = None
    recorded_at: datetime | None = None


class _Results(msgspec.Struct, gc=False):
    results: list[_Item]


_read_results = msgspec.json.Decoder(_Results).decode


class Sender(DrivenProcess):
    """The sending process, driven from here: prepare a run, start it, collect its answers."""

    def __init__(self, doors: Doors) -> None:
        super().__init__(serve, doors)

    def prepare(self, order: Order) -> None:
        """Make all requests of a run; returns when they are made."""
        self.pipe.send(order)
        self.pipe.recv()

    def start(self, at: float) -> None:
        """Begin the prepared run at a moment of the monotonic clock."""
        self.pipe.send(at)

    def collect(self) -> list[Answer]:
        """End the run, whose time is over or not, and give its answers in the order due."""
        self.pipe.send(None)
        answers: list[Answer] = self.pipe.recv()
        return answers


def serve(pipe: Connection, doors: Doors) -> None:
    """Do the runs that are ordered until the other end is closed."""
    hear_only_orders()
    lanes = [Lane(number, of=LANES, began_at=now() - BEGAN_BEFORE) for number in range(LANES)]
    ticks = Ticks()
    try:
        while True:
            _run(pipe, pipe.recv(), lanes, ticks, doors)
    except EOFError:
        return


def _run(pipe: Connection, order: Order, lanes: list[Lane], ticks: Ticks, doors: Doors) -> None:
    for lane in lanes:
        count = order.pace.batches(lane.number, until=order.seconds)
        lane.draw_up_to(count, trades=order.pace.batch_trades)
    pipe.send("prepared")
    run = Run(doors, order, started=pipe.recv())
    threads = [threading.Thread(target=run.send_lane, args=(lane,)) for lane in lanes]
    threads.append(threading.Thread(target=run.send_marks, args=(ticks,)))
    for thread in threads:
        thread.start()
    pipe.recv()
    run.stop.set()
    for thread in threads:
        thread.join()
    pipe.send(sorted(run.answers, key=lambda answer: answer.due))


class Run:
    """One run while it lasts; it `started` at a moment of the clock."""

    def __init__(
        self,
        doors: Doors,
        order: Order,
        *,
        started: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stop = threading.Event()
        self.answers: list[Answer] = []
        self._doors = doors
        self._order = order
        self._started = started
        self._clock = clock

    def send_lane(self, lane: Lane) -> None:
        """Send a lane's batches, each when it is due or, when that is past, at once."""
        order = self._order
        connection = self._connection()
        for number in range(order.pace.batches(lane.number, until=order.seconds)):
            due = order.pace.due(lane.number, number)
            if not self._wait(due):
                break
            batch = lane.drawn.popleft()
            headers = _headers(self._doors.lane_tokens[lane.number], batch.key)
            status, body = _exchange(connection, "/v1/trades:batch", batch.body, headers)
            answered = self._clock() - self._started
            if status == _DECIDED:
                answer = _decided(due, answered, batch.trades, body)
            else:
                lane.drawn.appendleft(batch)
                problem = f"{status} {body[:200].decode(errors='replace')}"
                answer = Answer(due, answered, batch.trades, {}, (), problem)
            self.answers.append(answer)
        connection.close()

    def send_marks(self, ticks: Ticks) -> None:
        """Mark every instrument once a second."""
        connection = self._connection()
        due = 0.0
        while due < self._order.seconds and self._wait(due):
            key = f"marks-{self._started}-{due}"
            headers = _headers(self._doors.market_token, key)
            status, body = _exchange(connection, "/v1/marks", ticks.body(now()), headers)
            if status != _ACCEPTED:
                answered = self._clock() - self._started
                problem = f"marks: {status} {body[:200].decode(errors='replace')}"
                self.answers.append(Answer(due, answered, 0, {}, (), problem))
            due += TICK_SECONDS
        connection.close()

    def _wait(self, due: float) -> bool:
        """Wait until a moment of the run; False once the run has ended."""
        elapsed = self._clock() - self._started
        if elapsed > self._order.seconds + OVERTIME_SECONDS:
            return False
        return not self.stop.wait(max(0.0, due - elapsed))

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(
            self._doors.host, self._doors.port, timeout=ANSWER_SECONDS
        )


def _headers(token: str, key: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }


def _exchange(
    connection: http.client.HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    """Send a request and read its whole answer; status 0 when there was none.

    A server closes connections that were idle for some seconds, so a lost one is opened again,
    once: the request carries a key, and is decided once.
    """
    trouble: Exception | None = None
    for _attempt in range(2):
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()  # The next request opens it again.
            trouble = error
    return 0, f"{type(trouble).__name__}: {trouble}".encode()


def _decided(due: float, answered: float, trades: int, body: bytes) -> Answer:
    """Count outcomes, and put together what was appended together."""
    outcomes: dict[str, int] = {}
    appended: dict[datetime, tuple[int, int]] = {}
    for item in _read_results(body).results:
        outcomes[item.outcome] = outcomes.get(item.outcome, 0) + 1
        if item.recorded_at is not None and item.position is not None:
            position, count = appended.get(item.recorded_at, (0, 0))
            appended[item.recorded_at] = max(position, item.position), count + 1
    recorded = tuple(
        Recorded(recorded_at.timestamp(), position, count)
        for recorded_at, (position, count) in appended.items()
    )
    return Answer(due, answered, trades, outcomes, recorded)
