"""A topic written by hand: records as the relay makes them, with repeats and gaps on purpose."""

import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast
from uuid import UUID

import msgspec
from confluent_kafka import OFFSET_END, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from eventstore.envelope import RecordedEvent
from eventstore.kafka.outgoing import OutgoingEvent
from eventstore.kafka.reader import GroupReader
from eventstore.kafka.records import Headers, HeaderWriter, add_place
from eventstore.kafka.topic_creation import create_topics
from eventstore.kafka.topics import Topics
from eventstore.packing import microseconds
from eventstore.partitions import Partition, partitions
from projections.kafka_feed import KafkaFeed
from schemas.avro_codec import AvroDecoder, AvroEncoder
from schemas.avro_schemas import WIRE_TYPES
from tests.conftest import KafkaSpace

IDS = {name: number for number, name in enumerate(WIRE_TYPES, start=1)}
UNREADABLE = b"\0\0\0\0\1"


def no_such_schema(schema_id: int) -> str:
    """Every schema of these tests is known beforehand."""
    raise AssertionError(f"schema {schema_id} was asked for")


def outgoing(event: RecordedEvent) -> OutgoingEvent:
    """Write an event as the relay reads it."""
    correlated = event.correlation_id != event.command_id
    return OutgoingEvent(
        position=event.position,
        position_text=b"%d" % event.position,
        stored_moment=struct.pack(">q", microseconds(event.recorded_at)),
        stream_id=str(event.stream_id).encode(),
        stream_version=b"%d" % event.stream_version,
        command_id=str(event.command_id).encode(),
        correlation_id=str(event.correlation_id).encode() if correlated else None,
        causation_id=None,
        event_type=event.event_type.encode(),
        tenant=event.tenant.encode(),
        actor=event.actor.encode(),
        build=event.build.encode(),
        key=None if event.key is None else event.key.encode(),
        trace_context=None,
        data=event.data,
    )


def belongs(event: RecordedEvent, partition: Partition) -> bool:
    """Say whether a partition gets an event; one that nobody can read goes to all."""
    try:
        return partition.holds(event)
    except msgspec.DecodeError:
        return True


class HandmadeTopic:
    """One topic on the test's broker, and feeds that read it."""

    def __init__(self, space: KafkaSpace, log_id: UUID, partition_count: int) -> None:
        topics = Topics(space.prefix, partition_count)
        self.name = topics.portfolios
        self.partitions = partitions(partition_count)
        self._space = space
        self._log_id = log_id
        self._headers = HeaderWriter(log_id)
        self._encoder = AvroEncoder(IDS)
        self._previous = dict.fromkeys(self.partitions, 0)
        # As the relay's is: one that is not idempotent sends a refused record behind its follower,
        # and a partition just made refuses some.
        self._producer = Producer(
            {"bootstrap.servers": space.bootstrap, "linger.ms": 0, "enable.idempotence": True}
        )
        # As the relay's are: a made-up moment long ago must outlive the broker's clean-up.
        create_topics(space.bootstrap, topics)

    def send(
        self, events: Sequence[RecordedEvent], *, only: Iterable[Partition] | None = None
    ) -> None:
        """Send consecutive events, each to the partitions it belongs to."""
        for partition in self.partitions if only is None else only:
            own = [event for event in events if belongs(event, partition)]
            for event, following in itertools.zip_longest(own, own[1:]):
                ends = following is None or following.command_id != event.command_id
                headers, _ = self._headers.event(outgoing(event))
                add_place(headers, b"%d" % self._previous[partition], is_command_end=ends)
                self._previous[partition] = event.position
                self._produce(partition, event, headers)
        self._flush()

    def repeat(self, events: Sequence[RecordedEvent]) -> None:
        """Send events from the first on once more, as a leader would that knows of no progress."""
        now = self._previous
        self._previous = dict.fromkeys(self.partitions, 0)
        self.send(events)
        self._previous = now

    def skip(self, partition: Partition, position: int) -> None:
        """Take an event as sent that was not."""
        self._previous[partition] = position

    def watermark(self, event: RecordedEvent, partition: Partition) -> None:
        """Say that a partition lacks nothing up to an event."""
        self._producer.produce(
            self.name,
            self._encoder.encode_watermark(event.position, event.recorded_at),
            partition=partition.number,
            timestamp=int(event.recorded_at.timestamp() * 1_000),
            headers=cast(
                "dict[str, str | bytes | None]",
                self._headers.watermark(
                    event.position, event.recorded_at, self._previous[partition]
                ),
            ),
        )
        self._flush()

    def forget(self, partition: Partition) -> None:
        """Delete a partition's records, as a retention that somebody set would."""
        admin = AdminClient({"bootstrap.servers": self._space.bootstrap})
        (done,) = admin.delete_records(
            [TopicPartition(self.name, partition.number, OFFSET_END)]
        ).values()
        done.result(30)

    def _produce(self, partition: Partition, event: RecordedEvent, headers: Headers) -> None:
        try:
            value = self._encoder.encode(event.event_type, event.data)
        except msgspec.DecodeError:
            value = UNREADABLE
        self._producer.produce(
            self.name,
            value,
            partition=partition.number,
            timestamp=int(event.recorded_at.timestamp() * 1_000),
            headers=cast("dict[str, str | bytes | None]", headers),
        )

    def _flush(self) -> None:
        assert self._producer.flush(30) == 0, "Kafka took everything"

    @contextmanager
    def feed(self, log_id: UUID | None = None) -> Iterator[KafkaFeed]:
        """Join the group as one more member, for the length of a block."""
        feed = self.new_feed(log_id)
        try:
            yield feed
        finally:
            feed.close()

    def new_feed(self, log_id: UUID | None = None) -> KafkaFeed:
        """Join the group as one more member, which reads this log or another."""
        reader = GroupReader(
            bootstrap=self._space.bootstrap,
            topic=self.name,
            group=self._space.prefix,
            log_id=log_id or self._log_id,
            partition_count=len(self.partitions),
            silent_seconds_max=6,
        )
        decoder = AvroDecoder(no_such_schema, IDS)
        return KafkaFeed(reader, decoder, partition_count=len(self.partitions))
