"""What is sent: proposed trades as whole HTTP requests, made before the clock starts.

Whoever sends serves places (portfolio and instrument) of its own, so each place's trades arrive in
the order they were drawn; nothing is sold that is not held. What was drawn and not sent is undone.
Business time goes on by 10 us a trade, so every trade is the newest of its book and none is of the
future.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

TENANT = "benchmark"
CURRENCY = "USD"
CALENDAR = "24/7"
INSTRUMENTS = tuple(f"I{number:02}" for number in range(50))
HOT = "HOT"
SEED = 20_260_106
QUANTITY_MAX = 500

_TRADE = (
    '{"portfolio":"%s","external_id":"%s","intent":"proposed","instrument":"%s","side":"%s",'
    '"quantity":"%d","price":"%d.%02d","currency":"USD","fee":"1.25","executed_at":"%sZ"}'
)
_REQUEST = (
    "POST %s HTTP/1.1\r\nHost: benchmark\r\nAuthorization: Bearer %s\r\n"
    "Content-Type: application/json\r\nIdempotency-Key: %s\r\nContent-Length: %d\r\n\r\n"
)

Place = tuple[str, int]
"""A portfolio, and an instrument by its number."""


class Request(NamedTuple):
    """A whole HTTP request; `changes` is what its trades do to the quantities held."""

    content: bytes
    trades: int
    changes: tuple[tuple[Place, int], ...]


class Lane(NamedTuple):
    """One that sends: its token, the portfolios and the instruments it trades in."""

    token: str
    portfolios: Sequence[str]
    instruments: Sequence[int] = range(len(INSTRUMENTS))


def price_of(instrument: int) -> int:
    """Give the whole dollars an instrument trades and is marked at."""
    return 20 + 7 * instrument


def portfolio_names(count: int) -> list[str]:
    """Name so many portfolios."""
    return [f"P{number:04}" for number in range(count)]


def http_request(path: str, token: str, key: str, body: bytes) -> bytes:
    """Write a request that posts JSON under an idempotency key."""
    return (_REQUEST % (path, token, key, len(body))).encode() + body


class Load:
    """Draws requests from a seed; `run` makes names that no other load of a log has."""

    def __init__(self, *, began_at: datetime, run: str = "") -> None:
        self._draw = random.Random(SEED)
        self._began_at = began_at.replace(tzinfo=None)
        self._run = run
        self._held: defaultdict[Place, int] = defaultdict(int)
        self._trades = 0
        self._requests = 0

    def single(self, lane: Lane) -> Request:
        """Draw a request of one trade."""
        text, change = self.trade(lane)
        content = http_request("/v1/trades", lane.token, self._key(), text.encode())
        return Request(content, 1, (change,))

    def batch(self, lane: Lane, trades: int) -> Request:
        """Draw a request of so many trades."""
        drawn = [self.trade(lane) for _ in range(trades)]
        body = f"[{','.join([text for text, _ in drawn])}]".encode()
        content = http_request("/v1/trades:batch", lane.token, self._key(), body)
        return Request(content, trades, tuple(change for _, change in drawn))

    def undo(self, unsent: Sequence[Request]) -> None:
        """Take back what the requests at the end of a lane would have done."""
        for request in unsent:
            for place, change in request.changes:
                self._held[place] -= change

    def trade(self, lane: Lane) -> tuple[str, tuple[Place, int]]:
        """Draw one trade as JSON: half of them sell, where anything is held."""
        draw = self._draw.random
        portfolio = lane.portfolios[int(draw() * len(lane.portfolios))]
        number = lane.instruments[int(draw() * len(lane.instruments))]
        place = portfolio, number
        held = self._held[place]
        is_sale = held > 0 and draw() < 0.5
        quantity = 1 + int(draw() * min(held if is_sale else QUANTITY_MAX, QUANTITY_MAX))
        change = -quantity if is_sale else quantity
        self._held[place] = held + change
        self._trades += 1
        executed_at = self._began_at + timedelta(microseconds=10 * self._trades)
        text = _TRADE % (
            portfolio,
            f"{self._run}{self._trades}",
            INSTRUMENTS[number],
            "sell" if is_sale else "buy",
            quantity,
            price_of(number),
            int(draw() * 100),
            executed_at.isoformat(),
        )
        return text, (place, change)

    def _key(self) -> str:
        self._requests += 1
        return f"{self._run}r{self._requests}"
