"""What became of the demo's trades: accepted, refused on purpose, refused by accident."""

import threading
from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from client import Accepted, ItemAnswer
from simulation.bots import Order

REFUSALS_SHOWN = 8

OnAccepted = Callable[[int, datetime], None]


class Refusal(NamedTuple):
    """A trade that was refused, and by which rule."""

    portfolio: str
    instrument: str
    code: str
    is_intended: bool


class Counts(NamedTuple):
    """Trades by outcome; `accepted_by_accident` should have been refused."""

    accepted: int = 0
    refused_intended: int = 0
    refused_by_accident: int = 0
    accepted_by_accident: int = 0
    unanswered: int = 0

    @property
    def refused(self) -> int:
        """All refusals."""
        return self.refused_intended + self.refused_by_accident

    @property
    def as_meant(self) -> bool:
        """Whether everything ended as the bots meant it to."""
        return not (self.refused_by_accident or self.accepted_by_accident or self.unanswered)


class Tally:
    """Counts outcomes from several threads; `on_accepted` hears position and recording time."""

    def __init__(self, on_accepted: OnAccepted) -> None:
        self._on_accepted = on_accepted
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter()
        self._refusals: deque[Refusal] = deque(maxlen=REFUSALS_SHOWN)

    def counts(self) -> Counts:
        """Give the counts so far."""
        with self._lock:
            return Counts(**self._counted)

    def refusals(self) -> list[Refusal]:
        """Give the latest refusals, newest first."""
        with self._lock:
            return list(reversed(self._refusals))

    def unanswered(self, count: int) -> None:
        """Count trades whose outcome nobody told in time."""
        with self._lock:
            self._counted["unanswered"] += count

    def outcome(self, portfolio: str, order: Order, answer: ItemAnswer) -> bool:
        """Count one trade's outcome as it was told; say whether it was accepted."""
        code = "" if isinstance(answer, Accepted) else answer.code
        is_intended = order.refusal is not None
        if answer.is_accepted:
            kind = "accepted_by_accident" if is_intended else "accepted"
        else:
            is_intended = is_intended and order.refusal == code
            kind = "refused_intended" if is_intended else "refused_by_accident"
        with self._lock:
            self._counted[kind] += 1
            if not answer.is_accepted:
                self._refusals.append(Refusal(portfolio, order.instrument, code, is_intended))
        if isinstance(answer, Accepted):
            self._on_accepted(answer.position, answer.recorded_at)
        return answer.is_accepted
