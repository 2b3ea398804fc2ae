"""Sending: connections that the server closed, batches that were not decided."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from benchmarks.pipeline.load import Lane
from benchmarks.pipeline.pacing import Pace
from benchmarks.pipeline.sending import LANES, Answer, Doors, Order, Run

ANSWERED = (
    b'{"results":['
    b'{"index":0,"outcome":"accepted","position":7,"recorded_at":"2024-03-04T09:30:00Z"},'
    b'{"index":1,"outcome":"accepted","position":9,"recorded_at":"2024-03-04T09:30:00Z"},'
    b'{"index":2,"outcome":"accepted","position":11,"recorded_at":"2024-03-04T09:30:01Z"},'
    b'{"index":3,"outcome":"rejected","code":"insufficient_cash"}'
    b'],"counts":{},"position":11}'
)
TRADES = 4
ORDER = Order(Pace(10_000, TRADES, LANES), 0.005)


class Server(BaseHTTPRequestHandler):
    """Answers as told, and closes each connection without a word after its first answer."""

    protocol_version = "HTTP/1.1"
    statuses: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()

    def do_POST(self) -> None:
        """Take a batch."""
        self.rfile.read(int(self.headers["Content-Length"]))
        kind = type(self)
        kind.keys += (self.headers["Idempotency-Key"],)
        status, *rest = kind.statuses
        kind.statuses = tuple(rest)
        self.send_response(status)
        self.send_header("Content-Length", str(len(ANSWERED)))
        self.end_headers()
        self.wfile.write(ANSWERED)
        self.close_connection = True

    def log_message(self, *_parts: object) -> None:
        """Say nothing."""


@contextmanager
def serving(*statuses: int) -> Iterator[Doors]:
    """Serve so many answers."""
    Server.statuses, Server.keys = statuses, ()
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Doors("127.0.0.1", server.server_port, ("token",) * LANES, "token")
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def lane() -> Lane:
    """A lane with what one run sends."""
    made = Lane(0, of=LANES, began_at=datetime(2024, 3, 4, 9, 30, tzinfo=UTC))
    made.draw_up_to(2, trades=TRADES)
    return made


def answers(doors: Doors, lane: Lane) -> list[Answer]:
    """Send what the lane has until it is due no more."""
    run = Run(doors, ORDER, started=0.0, clock=lambda: 0.0)
    run.send_lane(lane)
    return run.answers


class TestSendingALane:
    """What becomes of batches."""

    def test_counts_outcomes_and_what_was_recorded_together(self, lane: Lane) -> None:
        """Trades of one append share a moment; the farthest of them is their position."""
        with serving(200, 200) as doors:
            found = answers(doors, lane)

        first = found[0]
        assert first.outcomes == {"accepted": 3, "rejected": 1}
        assert [(each.position, each.trades) for each in first.recorded] == [(9, 2), (11, 1)]
        assert first.recorded[1].recorded_at - first.recorded[0].recorded_at == 1.0
        assert not first.problem

    def test_opens_a_closed_connection_again(self, lane: Lane) -> None:
        """The server hung up after the first batch; the second arrives all the same."""
        names = [batch.key for batch in lane.drawn]
        with serving(200, 200) as doors:
            found = answers(doors, lane)

        assert [answer.problem for answer in found] == ["", ""]
        assert list(Server.keys) == names
        assert not lane.drawn

    def test_keeps_what_was_not_decided(self, lane: Lane) -> None:
        """Refused as a whole, a batch comes again before the next one, under its key."""
        names = [batch.key for batch in lane.drawn]
        with serving(429, 200) as doors:
            found = answers(doors, lane)

        assert found[0].problem.startswith("429")
        assert not found[0].outcomes
        assert not found[1].problem
        assert list(Server.keys) == [names[0], names[0]]
        assert [batch.key for batch in lane.drawn] == [names[1]]

    def test_says_when_nobody_answers(self, lane: Lane) -> None:
        """A server that is gone is a problem told, not a crash."""
        with serving() as doors:
            pass

        assert all(answer.problem.startswith("0 ") for answer in answers(doors, lane))
