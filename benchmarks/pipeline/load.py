"""What the load consists of: batches of trades as trading systems tell them, drawn from a seed.

Each connection ("lane") serves portfolios of its own, so each portfolio's trades arrive in the
order they were told. Business time goes on by a millisecond a trade of a lane; one trade in a
hundred is told late by up to ten seconds of it. Nothing is sold that is not held, so all must be
accepted.
"""

from __future__ import annotations

import random
from collections import deque
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from client.market import Mark, Marks

TENANT = "benchmark"
PORTFOLIOS = tuple(f"P{number:03}" for number in range(200))
INSTRUMENTS = tuple(f"I{number:02}" for number in range(50))
CURRENCY = "USD"
CALENDAR = "24/7"
CASH = Decimal(10) ** 12
PROPOSED_PART = 0.03
LATE_PART = 0.01
LATE_MILLISECONDS_MAX = 10_000
SEED = 20_260_103

_TRADE = (
    '{"portfolio":"%s","external_id":"%s","intent":"%s","instrument":"%s","side":"%s",'
    '"quantity":"%d","price":"%d.%02d","currency":"USD","fee":"1.25","executed_at":"%sZ"}'
)


class Batch(NamedTuple):
    """The body of one request, and the key that names it for ever."""

    key: str
    body: bytes
    trades: int


class Lane:
    """Draws the batches of one of so many lanes; what was not sent stays in `drawn`, in order."""

    def __init__(self, number: int, *, of: int, began_at: datetime) -> None:
        self.number = number
        self.drawn: deque[Batch] = deque()
        self._draw = random.Random(f"{SEED} {number}")
        self._portfolios = PORTFOLIOS[number::of]
        self._held: dict[tuple[str, str], int] = {}
        self._began_at = began_at.replace(tzinfo=None)
        self._batches = 0
        self._trades = 0

    @property
    def source(self) -> str:
        """The trading system that sends on this lane."""
        return f"system-{self.number}"

    def draw_up_to(self, batches: int, *, trades: int) -> None:
        """Draw until so many batches, of so many trades each, are there to be sent."""
        while len(self.drawn) < batches:
            self._batches += 1
            items = ",".join([self._trade() for _ in range(trades)])
            key = f"{self.source}-{self._batches}"
            self.drawn.append(Batch(key, f"[{items}]".encode(), trades))

    def _trade(self) -> str:
        draw = self._draw.random
        portfolio = self._portfolios[int(draw() * len(self._portfolios))]
        number = int(draw() * len(INSTRUMENTS))
        place = portfolio, INSTRUMENTS[number]
        held = self._held.get(place, 0)
        is_sale = held > 0 and draw() < 0.5
        quantity = 1 + int(draw() * (held if is_sale else 500))
        self._held[place] = held - quantity if is_sale else held + quantity
        self._trades += 1
        milliseconds = self._trades
        if draw() < LATE_PART:
            milliseconds -= int(draw() * LATE_MILLISECONDS_MAX)
        executed_at = self._began_at + timedelta(milliseconds=milliseconds)
        return _TRADE % (
            portfolio,
            f"{self.number}-{self._trades}",
            "proposed" if draw() < PROPOSED_PART else "executed",
            place[1],
            "sell" if is_sale else "buy",
            quantity,
            20 + 7 * number,
            int(draw() * 100),
            executed_at.isoformat(),
        )


class Ticks:
    """Draws the market's marks: a price of every instrument, all at one moment."""

    def __init__(self) -> None:
        self._draw = random.Random(SEED)

    def body(self, at: datetime) -> bytes:
        """Draw the body of one request."""
        return self.marks(at).body()

    def marks(self, at: datetime) -> Marks:
        """Draw the marks of a moment."""
        marks = [
            Mark(instrument=name, price=f"{20 + 7 * number}.{self._draw.randrange(100):02}")
            for number, name in enumerate(INSTRUMENTS)
        ]
        return Marks(at=at, marks=marks)
