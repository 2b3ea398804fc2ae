"""Conversations without HTTP: scripted answers, and a clock that only pauses move."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from client.conversation import Conversation, Steps, Stream, Terms
from client.naming import command_id
from client.trades import Trade
from client.wire import Heard, Lost, Pause, Reply, Request, Told

TENANT = "acme"
T = TypeVar("T")
REFUSED_CONNECTION = Lost("ConnectError: nobody there", was_sent=False)
CUT = Lost("ReadError: the line was cut", was_sent=True)


class Clock:
    """Time that goes on by what is waited."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Give the seconds that have passed."""
        return self.seconds


class Played:
    """A conversation played against answers given in turn; `sent` and `pauses` are what it did."""

    def __init__(self, *answers: Reply | Lost, terms: Terms | None = None) -> None:
        self.clock = Clock()
        self.conversation = Conversation(terms or Terms(), TENANT, self.clock)
        self.sent: list[Request] = []
        self.pauses: list[float] = []
        self._answers = list(answers)

    def run(self, steps: Steps[T]) -> T:
        """Play until it ends; give its result."""
        heard: Heard = None
        while True:
            try:
                step = steps.send(heard)
            except StopIteration as end:
                result: T = end.value
                return result
            heard = self._do(step)

    def flow(self, stream: Stream[T]) -> list[T]:
        """Play a stream until it ends; give all its items."""
        items: list[T] = []
        heard: Heard = None
        while True:
            try:
                step = stream.send(heard)
            except StopIteration:
                return items
            if isinstance(step, Told):
                items += step.items
                heard = None
            else:
                heard = self._do(step)

    def _do(self, step: Request | Pause) -> Heard:
        if isinstance(step, Pause):
            self.pauses.append(step.seconds)
            self.clock.seconds += step.seconds
            return None
        self.sent.append(step)
        return self._answers.pop(0)

    @property
    def paths(self) -> list[str]:
        """Where it asked, in turn."""
        return [f"{each.method} {each.path}" for each in self.sent]


def reply(status: int, *, retry_after: str = "", location: str = "", **document: Any) -> Reply:
    """Give an answer with a JSON document."""
    return Reply(status, json.dumps(document).encode(), retry_after, location)


def accepted(key: str = "one", item: int | None = None, **changes: Any) -> dict[str, Any]:
    """Give the members of an acceptance."""
    return {
        "outcome": "accepted",
        "command_id": str(command_id(TENANT, key, item)),
        "position": 7,
        "recorded_at": "2026-03-02T10:00:00Z",
        "replayed": False,
    } | changes


ACCEPTED = reply(201, **accepted())
TURNED_AWAY = reply(429, code="too_many_requests", outcome="not_attempted", retry_after="2")
NOT_ATTEMPTED = reply(503, code="not_attempted", outcome="not_attempted", retry_after="1")
NAMED = command_id(TENANT, "one")
UNKNOWN = reply(
    503,
    code="outcome_unknown",
    outcome="unknown",
    command_id=str(NAMED),
    location=f"/v1/commands/{NAMED}",
    retry_after="1",
)
IN_FLIGHT = reply(200, outcome="in_flight", command_id=str(NAMED))
NEVER_SEEN = reply(200, outcome="never_seen", command_id=str(NAMED))
DECIDED = reply(200, **accepted())
ASKED = f"GET /v1/commands/{NAMED}"
SENT = "POST /v1/trades"


def trade(external_id: str = "fill-1", **changes: Any) -> Trade:
    """Give a trade."""
    fields: dict[str, Any] = {
        "portfolio": "growth",
        "external_id": external_id,
        "intent": "executed",
        "instrument": "AAPL",
        "side": "buy",
        "quantity": "10",
        "price": "150.25",
        "currency": "USD",
        "trade_date": "2024-01-03",
    }
    return Trade(**(fields | changes))
