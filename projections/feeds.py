"""Feeds: where a projector's events come from, the log itself or Kafka.

Both keep one contract. A feed tells which partitions this projector folds; each is a complete
sub-log. From a partition it reads the batch behind a checkpoint, ascending, gapless for that
partition, without repeats, and cut at a command's end where it can be. What was read can be read
again from any earlier checkpoint. A batch may hold no event at all: it says that the sub-log has
none up to a position.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from domain.event import Event
from eventstore.log import Log
from eventstore.partitions import WHOLE, Partition
from eventstore.tables import CHANNEL
from projections.batches import Batch, read_batch
from projections.building import Connection
from projections.checkpoint import Checkpoint


class Feed(Protocol):
    """What a projector folds. Used by one thread."""

    is_log: bool
    """Whether it is the log itself: what it gives is there, and of what is not, a hint comes."""

    def begin(self, connection: Connection) -> None:
        """Take note of a new connection to the database, which the projector lends."""

    @property
    def has_begun(self) -> bool:
        """Whether it is known which partitions are this projector's."""

    def partitions(self) -> Collection[Partition]:
        """Tell which partitions are this projector's now."""

    def read(
        self,
        partition: Partition,
        after: Checkpoint,
        *,
        limit: int,
        event_types: Iterable[type[Event]],
    ) -> Batch | None:
        """Read what follows a checkpoint, at most about `limit` events; None when nothing does.

        Raises:
            LogUnavailable: it cannot be read now.
            LogDamaged: an event is missing, in the log or, as `TopicDamaged`, in this partition.
        """

    def wait(self, seconds: float) -> None:
        """Take what has arrived; with `seconds`, wait that long for something to arrive."""

    def close(self) -> None:
        """Hand the partitions back."""


class LogFeed:
    """The log itself: the whole of it, or the partitions given, for every projector alike."""

    has_begun = True
    is_log = True

    def __init__(self, log: Log, partitions: Sequence[Partition] = (WHOLE,)) -> None:
        self._log = log
        self._partitions = partitions
        self._connection: Connection | None = None

    def begin(self, connection: Connection) -> None:
        """Listen for hints of new events."""
        connection.execute(f"LISTEN {CHANNEL}")
        self._connection = connection

    def partitions(self) -> Collection[Partition]:
        """Tell the partitions."""
        return self._partitions

    def read(
        self,
        partition: Partition,
        after: Checkpoint,
        *,
        limit: int,
        event_types: Iterable[type[Event]],
    ) -> Batch | None:
        """Read what follows a checkpoint."""
        return read_batch(
            self._log,
            partition,
            after=after.position,
            limit=limit,
            until=None,
            event_types=event_types,
        )

    def wait(self, seconds: float) -> None:
        """Wait for a hint; those that came meanwhile are taken as well, or they would pile up."""
        assert self._connection is not None, "begun before"
        for _ in self._connection.notifies(timeout=seconds, stop_after=1 if seconds else None):
            pass

    def close(self) -> None:
        """Hold nothing to hand back."""
