"""Delivering records to Kafka in order, with a bounded number of batches on their way.

The producer is idempotent and never gives up on a record, so records of a partition arrive in order
and without a gap, however slow Kafka is or however long it is away. So the report of a partition's
last record in a batch stands for those before it: it is the only one asked for, because hearing
one costs as much as heading a record. It tells the record's offset, and that tells whether as many
records lie there as were sent: nothing is lost unheard. A batch is acknowledged when every record
of it is, and of every batch before it.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from confluent_kafka import KafkaError, Message, Producer

from eventstore.kafka.parting import OutgoingRecord

RECORDS_QUEUED_MAX = 100_000
KILOBYTES_QUEUED_MAX = 65_536
BATCHES_UNDERWAY_MAX = 16
RECORD_BYTES_MAX = 1_000_000
_PATIENCE_SECONDS = 0.05

CONFIGURATION: dict[str, str | int | bool] = {
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "acks": "all",
    # A record that expires while later ones go through would be a gap.
    "message.timeout.ms": 0,
    "message.max.bytes": RECORD_BYTES_MAX,
    "compression.type": "lz4",
    # As long as there is more to send; `flush` waits for nothing.
    "linger.ms": 100,
    "queue.buffering.max.messages": RECORDS_QUEUED_MAX,
    "queue.buffering.max.kbytes": KILOBYTES_QUEUED_MAX,
    "reconnect.backoff.ms": 100,
    "reconnect.backoff.max.ms": 5_000,
    "topic.metadata.refresh.interval.ms": 10_000,
    "allow.auto.create.topics": False,
}

Place: TypeAlias = tuple[str, int]
"""A topic and one of its partitions."""

TagT = TypeVar("TagT")


class DeliveryFailed(Exception):
    """Kafka refused a record for good, or the producer is lost: begin anew from what is kept."""


class _Batch(Generic[TagT]):
    """Records on their way; `missing` counts the reports still to come."""

    __slots__ = ("missing", "tag")

    def __init__(self) -> None:
        self.missing = 0
        self.tag: TagT | None = None


class Arrivals:
    """The records of one partition that Kafka has told of; they begin behind offset `end` - 1."""

    __slots__ = ("_coming", "_end")

    def __init__(self, end: int) -> None:
        self._end = end
        self._coming: deque[int] = deque()

    def expect(self, count: int) -> None:
        """Await one more report, which stands for so many records."""
        self._coming.append(count)

    def are_complete(self, offset: int | None) -> bool:
        """Take the next report; say whether as many records lie up to its offset as were sent.

        There may be more, of another leader. No offset is told of what was found to be there
        when it was sent again; the next report makes up for it.
        """
        least = self._end + self._coming.popleft()
        self._end = least if offset is None else offset + 1
        return self._end >= least


class Delivery(Generic[TagT]):
    """One producer's life. A tag names all that was sent before it, until all that is there.

    Where the records that a partition holds already are known to end, it is among `ends`.
    """

    def __init__(self, bootstrap: str, ends: Mapping[Place, int]) -> None:
        self._failures: list[str] = []
        self._arrivals = {place: Arrivals(end) for place, end in ends.items()}
        self._open: _Batch[TagT] = _Batch()
        self._underway: deque[_Batch[TagT]] = deque()
        self._acknowledged: TagT | None = None
        self._producer = Producer(
            CONFIGURATION | {"bootstrap.servers": bootstrap, "error_cb": self._hear_error},
            logger=logging.getLogger(__name__),
        )

    def close(self) -> None:
        """Forget whatever is still on its way; some of it may arrive nevertheless."""
        self._producer.purge()
        self._producer.poll(0)

    def send(self, records: Iterable[OutgoingRecord], stop: threading.Event) -> int:
        """Hand records over and count them; waits while too much is under way, until `stop`.

        Raises:
            DeliveryFailed: of one of these records or one before them.
        """
        while len(self._underway) >= BATCHES_UNDERWAY_MAX and not stop.is_set():
            self.poll(_PATIENCE_SECONDS)
        produce, hear = self._producer.produce, partial(self._hear, self._open)
        count = 0
        for topic, partition, key, value, timestamp, headers, told in records:
            count += 1
            if told:
                self._arrivals[topic, partition].expect(told)
                self._open.missing += 1
            report = hear if told else None
            while True:
                try:
                    # By place: names cost a tenth of it.
                    produce(topic, value, key, partition, report, None, timestamp, headers)  # type: ignore[arg-type]  # a dict is not covariant
                    break
                except BufferError:
                    if stop.is_set():
                        return count
                    self.poll(_PATIENCE_SECONDS)
        return count

    def mark(self, tag: TagT) -> None:
        """Let a tag name all that was sent so far."""
        self._open.tag = tag
        self._underway.append(self._open)
        self._open = _Batch()

    def poll(self, seconds: float = 0.0) -> None:
        """Hear what has become of records, waiting for the first report as long as `seconds`.

        Raises:
            DeliveryFailed: of one of them.
        """
        self._producer.poll(seconds)
        if self._failures:
            raise DeliveryFailed("; ".join(sorted(set(self._failures))))
        while self._underway and not self._underway[0].missing:
            self._acknowledged = self._underway.popleft().tag

    def flush(self, seconds: float) -> None:
        """Have everything leave at once, and wait for its reports as long as `seconds`.

        Raises:
            DeliveryFailed: of one of them.
        """
        self._producer.flush(seconds)
        self.poll()

    def acknowledged(self) -> TagT | None:
        """Give the tag of the newest batch known to be acknowledged."""
        return self._acknowledged

    def _hear(self, batch: _Batch[TagT], error: KafkaError | None, message: Message) -> None:
        """Take the report of a partition's last record in a batch."""
        if error is not None:
            self._failures.append(str(error))
            return
        place = str(message.topic()), int(message.partition() or 0)
        if self._arrivals[place].are_complete(message.offset()):
            batch.missing -= 1
        else:
            self._failures.append(f"records of partition {place[1]} of {place[0]} are missing")

    def _hear_error(self, error: KafkaError) -> None:
        # All others are troubles of a connection, which the producer overcomes by itself.
        if error.fatal():
            self._failures.append(str(error))
