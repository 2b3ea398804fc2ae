"""Following the log: every event once, in order, soon after it was committed.

NOTIFY is only a hint: the follower also polls, so that a lost hint costs a moment and no event.
A lost connection is opened again after a pause that grows and differs between followers.
"""

import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator
from typing import LiteralString, Protocol
from uuid import UUID

import psycopg
import structlog

from eventstore.connections import Connection
from eventstore.envelope import RecordedEvent
from eventstore.failures import LogBehindCheckpoint, LogDamaged, LogUnavailable
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
from eventstore.tables import CHANNEL, OPENED_EVENT_TYPES, PARKING_EVENT_TYPES, SHARED_TENANT
from eventstore.tail import Reach, Tail

_PAUSE_FIRST_SECONDS = 0.05
_PAUSE_MAX_SECONDS = 5.0
_POLL_SECONDS = 0.25
_GATHER_SECONDS = 0.02
"""How long hints are gathered: mostly they are of what this process appended, and holds."""

_READ_MAX = 2_000

_log = structlog.get_logger("eventstore.following")


class ReadOn(Protocol):
    """Reads the events that a follower wants, some or all."""

    def __call__(self, connection: Connection, after: int, limit: int) -> Reach:
        """Ask the log for those behind a position, `limit` at most or among so many."""

    def choose(self, held: Reach) -> Reach:
        """Leave, of all events up to a position, what is wanted."""


def no_rest() -> float:
    """Rest for no seconds between two looks."""
    return 0.0


class ReadEverything:
    """Reads every event."""

    def __call__(self, connection: Connection, after: int, limit: int) -> Reach:
        """Read the next ones."""
        events = read_events(connection, after=after, limit=limit)
        return events, events[-1].position if events else after, len(events) < limit

    def choose(self, held: Reach) -> Reach:
        """All are wanted."""
        return held


class ReadShared:
    """Reads, from two small indexes, what all portfolios share and the events of some types."""

    def __init__(self, statement: LiteralString, event_types: Collection[str]) -> None:
        self._statements = (SHARED, statement)
        self._event_types = event_types

    def __call__(self, connection: Connection, after: int, limit: int) -> Reach:
        """Read so many of each, and give what lies before the end of one that was cut short."""
        head = read_head(connection).position
        found = [
            read_selected(connection, each, after=after, limit=limit, until=head)
            for each in self._statements
        ]
        reached = min([head, *(each[-1].position for each in found if len(each) == limit)])
        known = {event.position: event for each in found for event in each}
        events = [known[position] for position in sorted(known) if position <= reached]
        return events, reached, reached == head

    def choose(self, held: Reach) -> Reach:
        """Leave the same of what is held."""
        events, reached, is_level = held
        types = self._event_types
        wanted = [
            each for each in events if each.tenant == SHARED_TENANT or each.event_type in types
        ]
        return wanted, reached, is_level


read_everything = ReadEverything()
read_releasing = ReadShared(PARKING, PARKING_EVENT_TYPES)
"""What all portfolios share, and what is parked or released."""
read_settling = ReadShared(OPENED, OPENED_EVENT_TYPES)
"""What all portfolios share, and which are opened."""


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

    def __call__(self, connection: Connection, after: int, limit: int) -> Reach:
        """Read among the next `limit` events, chosen or not."""
        head = read_head(connection).position
        reached = min(after + limit, head)
        events = read_of_types(connection, self.event_types, after=after, until=reached)
        return self._heed(events, reached, head)

    def choose(self, held: Reach) -> Reach:
        """Leave the same of what is held."""
        events, reached, is_level = held
        types = self.event_types
        chosen = [each for each in events if each.event_type in types]
        return self._heed(chosen, reached, reached if is_level else reached + 1)

    def _heed(self, events: list[RecordedEvent], reached: int, head: int) -> Reach:
        for count, each in enumerate(events, start=1):
            if each.event_type in self.heeded:
                events, reached = events[:count], each.position
                break
        self.reached, self.lag, self.is_level = reached, head - reached, reached == head
        return events, reached, self.is_level


def follow_tail(
    tail: Tail,
    connect: Callable[[], Connection],
    *,
    log_id: UUID,
    after: int,
    batch_events_max: int,
    stop: threading.Event,
    poll_seconds: float,
    rest_seconds: Callable[[], float],
    read: ReadOn,
) -> Iterator[list[RecordedEvent]]:
    """Yield as `follow_log` does, from memory; what is not held there is read from the log."""
    while not stop.is_set():
        looked_at = time.monotonic()
        held = tail.behind(after, batch_events_max)
        if held is None:
            following = follow_log(
                connect,
                log_id=log_id,
                after=after,
                batch_events_max=batch_events_max,
                stop=stop,
                poll_seconds=poll_seconds,
                rest_seconds=rest_seconds,
                read=read,
                until=tail.holds,
            )
            after = yield from following
            continue
        events, after, is_level = read.choose(held)
        yield events
        if not stop.is_set():
            tail.wait(after, poll_seconds)
        if is_level:
            stop.wait(max(0.0, looked_at + rest_seconds() - time.monotonic()))


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
    until: Callable[[int], bool] = lambda _: False,
) -> Generator[list[RecordedEvent], None, int]:
    """Yield the events behind `after` in batches, until `stop` is set; see `Log.follow`.

    It ends, too, `until` that holds of the position reached, which it returns.
    """
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
                    if until(after):
                        return after
                    if is_level and not stop.is_set():
                        wait_for_hint(connection, poll_seconds)
                        stop.wait(max(0.0, looked_at + rest_seconds() - time.monotonic()))
        except (psycopg.OperationalError, psycopg.InterfaceError, LogUnavailable):
            stop.wait(pause_seconds(failures))
            failures += 1
    return after


def keep_tail(
    tail: Tail, connect: Callable[[], Connection], *, log_id: UUID, stop: threading.Event
) -> None:
    """Put into a tail what others append until `stop`; where the log is another one, it ends."""
    failures = 0
    while not stop.is_set():
        try:
            with connect() as connection:
                _require_same_log(connection, log_id=log_id, after=tail.position or 0)
                connection.execute(f"LISTEN {CHANNEL}")
                if tail.position is None:
                    tail.begin(read_head(connection).position)
                _read_on(tail, connection)
                failures = 0
                while not stop.is_set():
                    if _may_lack(tail, connection, stop):
                        _read_on(tail, connection)
        except (psycopg.OperationalError, psycopg.InterfaceError, LogUnavailable):
            stop.wait(pause_seconds(failures))
            failures += 1
        except (LogBehindCheckpoint, LogDamaged) as error:
            _log.error("tail.ended", error=str(error))  # Each follower meets it itself.
            break
    tail.forget()


def _may_lack(tail: Tail, connection: Connection, stop: threading.Event) -> bool:
    """Wait for hints, and say whether the log may hold more than a tail."""
    hints = [each.payload for each in connection.notifies(timeout=_POLL_SECONDS, stop_after=1)]
    if not hints:
        return True  # One may have been lost.
    stop.wait(_GATHER_SECONDS)
    hints += [each.payload for each in connection.notifies(timeout=0)]
    held = tail.position or 0
    return any(not hint.isdigit() or int(hint) > held for hint in hints)


def _read_on(tail: Tail, connection: Connection) -> None:
    is_level = False
    while not is_level and tail.position is not None:
        events = read_events(connection, after=tail.position, limit=_READ_MAX)
        is_level = len(events) < _READ_MAX
        tail.include(events, is_level=is_level)


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
