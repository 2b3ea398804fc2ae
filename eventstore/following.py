"""Following the log: every event once, in order, soon after it was committed.

NOTIFY is only a hint: the follower also polls, so that a lost hint costs a moment and no event.
A lost connection is opened again after a pause that grows and differs between followers.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import LiteralString, TypeAlias
from uuid import UUID

import psycopg

from eventstore.connections import Connection
from eventstore.envelope import RecordedEvent
from eventstore.failures import LogBehindCheckpoint, LogUnavailable
from eventstore.reading import (
    OPENED,
    PARKING,
    SHARED,
    read_events,
    read_head,
    read_log_id,
    read_of_types,
    read_selected,
)
from eventstore.tables import CHANNEL

_PAUSE_FIRST_SECONDS = 0.05
_PAUSE_MAX_SECONDS = 5.0


ReadOn: TypeAlias = Callable[[Connection, int, int], tuple[list[RecordedEvent], int, bool]]
"""Reads behind a position, so many at most: events, the position reached, whether that was all."""


def no_rest() -> float:
    """Rest for no seconds between two looks."""
    return 0.0


def read_everything(
    connection: Connection, after: int, limit: int
) -> tuple[list[RecordedEvent], int, bool]:
    """Read every event."""
    events = read_events(connection, after=after, limit=limit)
    return events, events[-1].position if events else after, len(events) < limit


def read_releasing(
    connection: Connection, after: int, limit: int
) -> tuple[list[RecordedEvent], int, bool]:
    """Read, from two small indexes, what all portfolios share and what is parked or released."""
    return _read_both(connection, (SHARED, PARKING), after, limit)


def read_settling(
    connection: Connection, after: int, limit: int
) -> tuple[list[RecordedEvent], int, bool]:
    """Read, from two small indexes, what all portfolios share and which are opened."""
    return _read_both(connection, (SHARED, OPENED), after, limit)


def _read_both(
    connection: Connection, statements: Sequence[LiteralString], after: int, limit: int
) -> tuple[list[RecordedEvent], int, bool]:
    head = read_head(connection).position
    found = [
        read_selected(connection, each, after=after, limit=limit, until=head) for each in statements
    ]
    # Behind the end of one that was cut short, the other must not be read yet.
    reached = min([head, *(each[-1].position for each in found if len(each) == limit)])
    known = {event.position: event for each in found for event in each}
    events = [known[position] for position in sorted(known) if position <= reached]
    return events, reached, reached == head


class ReadChosen:
    """Reads the events of some types only; which, may change from one reading to the next.

    `reached` is the position up to which everything chosen was given, `lag` how far behind the head
    that was; it `is_level` where it was the head. Behind the first event of a type that is `heeded`
    nothing is given at once: it may change what is chosen.
    """

    def __init__(self, event_types: Collection[str], *, heeded: Collection[str] = ()) -> None:
        self.event_types = event_types
        self.heeded = heeded
        self.reached = 0
        self.lag = 0
        self.is_level = False

    def __call__(
        self, connection: Connection, after: int, limit: int
    ) -> tuple[list[RecordedEvent], int, bool]:
        """Read among the next `limit` events, chosen or not."""
        head = read_head(connection).position
        reached = min(after + limit, head)
        events = read_of_types(connection, self.event_types, after=after, until=reached)
        for count, each in enumerate(events, start=1):
            if each.event_type in self.heeded:
                events, reached = events[:count], each.position
                break
        self.reached, self.lag, self.is_level = reached, head - reached, reached == head
        return events, reached, self.is_level


def follow_log(
    connect: Callable[[], Connection],
    *,
    log_id: UUID,
    after: int,
    batch_events_max: int,
    stop: threading.Event,
    poll_seconds: float,
    rest_seconds: Callable[[], float] = no_rest,
    read: ReadOn = read_everything,
) -> Iterator[list[RecordedEvent]]:
    """Yield the events behind `after` in batches, until `stop` is set; see `Log.follow`."""
    failures = 0
    looked_at = 0.0
    while not stop.is_set():
        try:
            with connect() as connection:
                _require_same_log(connection, log_id=log_id, after=after)
                connection.execute(f"LISTEN {CHANNEL}")
                while not stop.is_set():
                    looked_at = time.monotonic()
                    events, after, is_level = read(connection, after, batch_events_max)
                    failures = 0
                    yield events
                    if is_level and not stop.is_set():
                        wait_for_hint(connection, poll_seconds)
                        stop.wait(max(0.0, looked_at + rest_seconds() - time.monotonic()))
        except (psycopg.OperationalError, psycopg.InterfaceError, LogUnavailable):
            stop.wait(pause_seconds(failures))
            failures += 1


def _require_same_log(connection: Connection, *, log_id: UUID, after: int) -> None:
    """Refuse to go on after a reconnection that leads to another or a shorter log."""
    found = read_log_id(connection)
    if found != log_id:
        raise LogBehindCheckpoint(f"this is the log {found}, not {log_id}")
    head = read_head(connection)
    if head.position < after:
        raise LogBehindCheckpoint(f"the log ends at {head.position}, already read up to {after}")


def wait_for_hint(connection: Connection, poll_seconds: float) -> None:
    """Wait until a listening connection hears of new events, at most `poll_seconds`."""
    for _ in connection.notifies(timeout=poll_seconds, stop_after=1):
        pass


def pause_seconds(failures: int) -> float:
    """Double the pause at each failure and take between half and all of it.

    The low digits of the monotonic clock are spread well enough to part followers that lost
    their connections together.
    """
    longest = min(_PAUSE_MAX_SECONDS, _PAUSE_FIRST_SECONDS * 2.0 ** min(failures, 10))
    return longest * (0.5 + time.monotonic_ns() // 1_000 % 1_000 / 2_000)
