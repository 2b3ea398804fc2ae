"""The cheap client: answers in any pieces, what was accepted, and lost connections."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.capture.clients import Client, accepted_in
from benchmarks.capture.load import Request

REQUESTS = [Request(b"one", 1, ()), Request(b"two", 3, ()), Request(b"three", 1, ())]
ONE = b'{"outcome":"accepted","replayed":false}'
MANY = b'{"results":[{"outcome":"accepted"}],"counts":{"rejected":1,"accepted":2},"position":7}'
REFUSED = b'{"code":"short_not_allowed"}'


def answer(status: str, body: bytes) -> bytes:
    """Write an answer as our server does."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


ANSWERS = answer("201 Created", ONE), answer("200 OK", MANY), answer("422 Refused", REFUSED)


class Wire:
    """A connection that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, content: bytes) -> None:
        """Keep it."""
        self.written.append(content)

    def close(self) -> None:
        """Remember that."""
        self.is_closed = True


def converse(answers: Sequence[Sequence[bytes]], *, ends_at: float = 100.0) -> tuple[Client, Wire]:
    """Give a client these answers, each in pieces; the clock goes on by one at each look."""
    ticks = iter(range(1_000))

    async def all_of_it() -> tuple[Client, Wire]:
        client = Client(REQUESTS, lambda now: now > ends_at, lambda: float(next(ticks)))
        wire = Wire()
        client.connection_made(cast("asyncio.BaseTransport", wire))
        for pieces in answers:
            for piece in pieces:
                client.data_received(piece)
        client.connection_lost(None)
        await client.ended
        return client, wire

    return asyncio.run(all_of_it())


class TestAClient:
    """One connection."""

    @given(st.lists(st.integers(1, 150), max_size=4))
    def test_hears_answers_in_any_pieces(self, cuts: list[int]) -> None:
        """And sends the next request only then."""
        pieces = [
            [each[a:b] for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), None], strict=True)]
            for each in ANSWERS
        ]
        client, wire = converse([[piece for piece in each if piece] for each in pieces])

        assert wire.written == [b"one", b"two", b"three"]
        assert [each.accepted for each in client.answers] == [1, 2, 0]
        assert [each.problem[:3] for each in client.answers] == ["", "200", "422"]
        assert all(each.sent_at < each.answered_at for each in client.answers)
        assert wire.is_closed
        assert not client.unsent

    def test_stops_when_its_time_is_over(self) -> None:
        """What is left was never sent."""
        client, wire = converse([[ANSWERS[0]]], ends_at=1.0)

        assert wire.written == [b"one"]
        assert client.unsent == REQUESTS[1:]

    def test_tells_of_a_lost_connection(self) -> None:
        """The request under way has no answer."""
        client, _ = converse([[ANSWERS[0]]])

        assert [each.problem for each in client.answers] == ["", "connection lost: None"]


class TestReadingAnAnswer:
    """Only the end of a batch's answer is looked at."""

    def test_takes_the_count_behind_the_results(self) -> None:
        """Whatever stands in the results before it."""
        trap = MANY.replace(b'"outcome":"accepted"', b'"counts":{"accepted":9}')

        assert accepted_in(b"200", trap) == 2
        assert accepted_in(b"200", b'{"results":[],"counts":{"rejected":4}}') == 0
