"""Delivering records to Kafka in order, with a bounded number of batches on their way.

The producer is idempotent and never gives up on a record, so records of a partition arrive in order
and without a gap, however slow Kafka is or however long it is away. A batch is acknowledged when
every record of it is, and of every batch before it.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

from confluent_kafka import KafkaError, Message, Producer

from eventstore.kafka.parting import OutgoingRecord

RECORDS_QUEUED_MAX = 100_000
KILOBYTES_QUEUED_MAX = 65_536
BATCHES_UNDERWAY_MAX = 32
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
    "linger.ms": 5,
    "queue.buffering.max.messages": RECORDS_QUEUED_MAX,
    "queue.buffering.max.kbytes": KILOBYTES_QUEUED_MAX,
    "reconnect.backoff.ms": 100,
    "reconnect.backoff.max.ms": 5_000,
    "topic.metadata.refresh.interval.ms": 10_000,
    "allow.auto.create.topics": False,
}

TagT = TypeVar("TagT")


class DeliveryFailed(Exception):
    """Kafka refused a record for good, or the producer is lost: begin anew from what is kept."""


class _Batch(Generic[TagT]):
    """Records on their way; `missing` counts those not yet acknowledged, once all are sent."""

    __slots__ = ("_failures", "missing", "tag")

    def __init__(self, failures: list[KafkaError]) -> None:
        self.missing = 0
        self.tag: TagT | None = None
        self._failures = failures

    def hear(self, error: KafkaError | None, _message: Message) -> None:
        """Take the report of one record."""
        if error is None:
            self.missing -= 1
        else:
            self._failures.append(error)


class Delivery(Generic[TagT]):
    """One producer's life. A tag names all that was sent before it, until all that is there."""

    def __init__(self, bootstrap: str) -> None:
        self._failures: list[KafkaError] = []
        self._open: _Batch[TagT] = _Batch(self._failures)
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
        produce, hear = self._producer.produce, self._open.hear
        count = 0
        for topic, partition, key, value, timestamp, headers in records:
            count += 1
            while not stop.is_set():
                try:
                    produce(
                        topic, value, key, partition,
                        on_delivery=hear, timestamp=timestamp,
                        headers=headers,  # type: ignore[arg-type]  # a list is not covariant
                    )  # fmt: skip
                    break
                except BufferError:
                    self.poll(_PATIENCE_SECONDS)
        self._open.missing += count
        return count

    def mark(self, tag: TagT) -> None:
        """Let a tag name all that was sent so far."""
        self._open.tag = tag
        self._underway.append(self._open)
        self._open = _Batch(self._failures)

    def poll(self, seconds: float = 0.0) -> None:
        """Hear what has become of records, waiting for the first report as long as `seconds`.

        Raises:
            DeliveryFailed: of one of them.
        """
        self._producer.poll(seconds)
        if self._failures:
            raise DeliveryFailed("; ".join(sorted({str(each) for each in self._failures})))
        while self._underway and not self._underway[0].missing:
            self._acknowledged = self._underway.popleft().tag

    def acknowledged(self) -> TagT | None:
        """Give the tag of the newest batch known to be acknowledged."""
        return self._acknowledged

    def _hear_error(self, error: KafkaError) -> None:
        # All others are troubles of a connection, which the producer overcomes by itself.
        if error.fatal():
            self._failures.append(error)
