"""The newest events of the log in memory: read once for all who follow it in one process.

What this process appends is taken from the append itself, when it is durable, and not read again;
what others append is read by one thread (`following.keep_tail`). Events are held without a gap, or
not at all: whoever asks for what is not held asks the log.
"""

import threading
from collections.abc import Sequence
from typing import TypeAlias

from eventstore.envelope import RecordedEvent

Reach: TypeAlias = tuple[list[RecordedEvent], int, bool]
"""Events, the position up to which all that are wanted were given, whether that was the log's end.
"""

EVENTS_MAX = 20_000
"""Events that are held at least, once there were so many; at most twice as many are."""


class Tail:
    """The events behind some position, up to `position`; safe to share between threads.

    It begins where the log ends when it is first kept, and holds nothing before that.
    """

    def __init__(self, *, events_max: int = EVENTS_MAX) -> None:
        self._events_max = events_max
        self._events: list[RecordedEvent] = []
        self._position: int | None = None
        self._is_level = False
        self._changed = threading.Condition()

    @property
    def position(self) -> int | None:
        """The position of the last event known; None while nothing is held."""
        return self._position

    def begin(self, position: int) -> None:
        """Hold what comes behind a position."""
        with self._changed:
            self._events, self._position, self._is_level = [], position, True
            self._changed.notify_all()

    def forget(self) -> None:
        """Hold nothing, until begun again."""
        with self._changed:
            self._events, self._position, self._is_level = [], None, False
            self._changed.notify_all()

    def include(self, events: Sequence[RecordedEvent], *, is_level: bool = True) -> None:
        """Take consecutive events, those that are not held yet; none at all behind a gap.

        `is_level` says that they end where the log ended, as far as whoever gives them knows.
        """
        with self._changed:
            if self._position is None or not events or events[0].position > self._position + 1:
                return
            news = events[self._position + 1 - events[0].position :]
            self._events += news
            if news:
                self._position, self._is_level = news[-1].position, is_level
            if len(self._events) > 2 * self._events_max:
                del self._events[: -self._events_max]
            self._changed.notify_all()

    def behind(self, after: int, limit: int) -> Reach | None:
        """Give up to `limit` events behind a position; None where not all of them are held."""
        with self._changed:
            if self._position is None or not self._holds(after):
                return None
            start = len(self._events) - (self._position - after)
            events = self._events[start : start + limit]
            reached = after + len(events)
            return events, reached, reached == self._position and self._is_level

    def holds(self, after: int) -> bool:
        """Say whether all that comes behind a position is held."""
        with self._changed:
            return self._holds(after)

    def _holds(self, after: int) -> bool:
        position = self._position
        return position is not None and position - len(self._events) <= after <= position

    def wait(self, after: int, seconds: float) -> None:
        """Wait until more is held than up to a position, or nothing any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._position != after, seconds)
