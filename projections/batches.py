"""From recorded events to a batch that folds can take: cut at a command's end, decoded once.

Only the types somebody folds are decoded. A name this build does not know stops every reader,
because nobody here can say who would have needed it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial

import msgspec
import psycopg

from domain.event import Event
from domain.identity import MARKET_TENANT
from eventstore.envelope import Excerpt, RecordedEvent
from eventstore.log import Log
from eventstore.partitions import WHOLE, Partition
from projections.checkpoint import Checkpoint
from projections.read_model import Decoded
from schemas.catalogue import EVENT_NAMES, EVENT_TYPES
from schemas.codec import UnknownEventType, decode


class Undecodable(Exception):
    """An event whose bytes or name this build cannot read; `kind` is None when the name is new."""

    def __init__(
        self, position: int, event_type: str, recorded_at: datetime, cause: Exception
    ) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.position = position
        self.event_type = event_type
        self.recorded_at = recorded_at
        self.kind = EVENT_TYPES.get(event_type)


UNREADABLE = (msgspec.DecodeError, UnknownEventType, ArithmeticError)
"""What decoding raises for an event that this build cannot read."""

_decoded = partial(tuple.__new__, Decoded)
"""Makes one without the call of Python that a named tuple's own way is."""

# SQLSTATE classes: connection, rollback, resources, object state, intervention, system.
_TRANSIENT_CLASSES = frozenset({"08", "40", "53", "55", "57", "58"})


class Batch(msgspec.Struct, frozen=True):
    """Consecutive events of a sub-log, decoded; `undecodable` is what stopped it short, if any.

    It goes up to `position`, recorded at `recorded_at`, and `size` counts what was passed on the
    way; `oldest_at` is when the first of it was recorded, `market_position` the position of its
    last event of the tenant `market`, if there is one.
    """

    decoded: list[Decoded]
    size: int
    position: int = 0
    market_position: int | None = None
    recorded_at: datetime | None = None
    oldest_at: datetime | None = None
    undecodable: Undecodable | None = None

    def moved(self, origin: Checkpoint) -> Checkpoint:
        """Give the checkpoint behind this batch."""
        market_position = self.market_position or origin.market_position
        return msgspec.structs.replace(
            origin,
            position=self.position,
            market_position=market_position,
            recorded_at=self.recorded_at,
        )


def whole_commands(events: list[Excerpt], *, limit: int) -> list[Excerpt]:
    """Drop the last command's events when the limit may have cut it in two.

    So readers never see half of what one command did, unless it is longer than a whole batch.
    """
    if len(events) < limit:
        return events
    last_command = events[-1].command_id
    kept = len(events) - 1
    while kept and events[kept - 1].command_id == last_command:
        kept -= 1
    return events[:kept] if kept else events


def decode_batch(
    events: Sequence[Excerpt | RecordedEvent],
    event_types: Iterable[type[Event]],
    partition: Partition = WHOLE,
) -> Batch:
    """Decode a partition's events of the wanted types, up to the first that cannot be read.

    `events` are consecutive ones of the whole log.
    """
    wanted = {EVENT_NAMES[kind] for kind in event_types}
    is_whole = partition.of == 1
    decoded: list[Decoded] = []
    undecodable = None
    size = len(events)
    for index, recorded in enumerate(events):
        name = recorded.event_type
        if name not in wanted and name in EVENT_TYPES:
            continue
        try:
            if not (is_whole or partition.holds(recorded)):
                continue
            event = decode(name, recorded.data)
            envelope = recorded.position, recorded.tenant, recorded.recorded_at
            decoded.append(_decoded((*envelope, event, recorded.command_id)))
        except UNREADABLE as error:
            undecodable = Undecodable(recorded.position, name, recorded.recorded_at, error)
            size = index
            break
    if not size:
        return Batch(decoded, 0, undecodable=undecodable)
    last = events[size - 1]
    return Batch(
        decoded,
        size,
        position=last.position,
        market_position=_last_market_position(events, size),
        recorded_at=last.recorded_at,
        oldest_at=events[0].recorded_at,
        undecodable=undecodable,
    )


def _last_market_position(events: Sequence[Excerpt | RecordedEvent], size: int) -> int | None:
    for index in range(size - 1, -1, -1):
        if events[index].tenant == MARKET_TENANT:
            return events[index].position
    return None


def read_batch(
    log: Log,
    partition: Partition,
    *,
    after: int,
    limit: int,
    until: int | None,
    event_types: Iterable[type[Event]],
) -> Batch | None:
    """Read a partition's batch from the log, cut at a command's end; None at the head.

    `limit` counts events of the whole log. With `until` the batch ends there at the latest.

    Raises:
        LogUnavailable, LogDamaged: as reading the log does.
    """
    events = log.read_excerpts(after, limit, until)
    if not events:
        return None
    if limit > 1 and events[-1].position != until:
        events = whole_commands(events, limit=limit)
    return decode_batch(events, event_types, partition)


def is_transient(error: Exception) -> bool:
    """Tell whether the database, and not the events, made a fold fail."""
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return error.sqlstate is None or error.sqlstate[:2] in _TRANSIENT_CLASSES
