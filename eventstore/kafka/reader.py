"""Reading the partitioned topic as one member of a consumer group, from positions of our own.

Where a reader stands is kept beside what it folds, as a log position; Kafka's own group offsets are
told for whoever watches the lag, and never read. A position is found again by its moment: the
timestamps of a partition's first deliveries ascend, so the first record at or after the moment of a
checkpoint is at or before everything that follows it. Repeats (of an old leader of the relay, of a
redelivery) are dropped by their position, and each record names the position of the event before
it, so a missing record is found, not skipped.
"""

import time
from collections import deque
from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple, cast
from uuid import UUID

import structlog
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from eventstore.failures import LogDamaged
from eventstore.kafka.records import (
    ForeignRecord,
    Header,
    RecordHeaders,
    WatermarkHeaders,
    read_headers,
)

BUFFER_RECORDS_MAX = 10_000
BUFFER_BYTES_MAX = 16 * 2**20
"""What is held of one partition before it is paused."""

SILENT_SECONDS_MAX = 60
SESSION_SECONDS = 10
"""How long after its last sign of life a member is held to be dead."""

_TAKEN_AT_ONCE = 5_000
_ASK_SECONDS = 2.0
_ASK_AGAIN_SECONDS = 0.3
QUIET_SECONDS_MAX = 5.0
_CONFIGURATION: dict[str, str | int | bool] = {
    "auto.offset.reset": "earliest",
    "enable.auto.offset.store": False,
    "partition.assignment.strategy": "cooperative-sticky",
    "heartbeat.interval.ms": 2_000,
    "fetch.wait.max.ms": 100,
    "queued.max.messages.kbytes": 16_384,
    "reconnect.backoff.ms": 100,
    "reconnect.backoff.max.ms": 5_000,
    "topic.metadata.refresh.interval.ms": 10_000,
    "allow.auto.create.topics": False,
}


class TopicDamaged(LogDamaged):
    """The topic lacks a record, or holds one of another log: what it says is not the log."""


class Record(NamedTuple):
    """An event or watermark as it arrived; a watermark has no value and is a command's end."""

    position: int
    event_type: str | None
    tenant: str
    recorded_at: datetime
    value: bytes
    is_command_end: bool
    offset: int
    command_id: UUID | None = None


class _Buffer:
    """The records of one partition behind `floor`, none missing, up to `last`.

    `damage` is what came next and cannot follow them; `ask_at` is when to look for a place again.
    """

    def __init__(self) -> None:
        self.records: deque[Record] = deque()
        self.floor: int | None = None
        self.last = 0
        self.held_bytes = 0
        self.is_paused = True
        self.damage: TopicDamaged | None = None
        self.ask_at = self.heard_at = 0.0

    def begin(self, floor: int) -> None:
        """Hold nothing, and expect what follows a position."""
        self.records.clear()
        self.held_bytes = 0
        self.damage = None
        self.heard_at = time.monotonic()
        self.floor = self.last = floor

    def add(self, record: Record) -> None:
        """Hold one more."""
        self.last = record.position
        self.records.append(record)
        self.held_bytes += len(record.value)
        self.heard_at = time.monotonic()

    def drop_until(self, position: int) -> Record | None:
        """Drop what is folded; give the last record dropped."""
        dropped = None
        while self.records and self.records[0].position <= position:
            dropped = self.records.popleft()
            self.held_bytes -= len(dropped.value)
        self.floor = position
        self.last = max(self.last, position)
        return dropped

    def is_full(self, part: float = 1.0) -> bool:
        """Say whether it holds a part of what it may."""
        return (
            len(self.records) >= BUFFER_RECORDS_MAX * part
            or self.held_bytes >= BUFFER_BYTES_MAX * part
        )


class GroupReader:
    """One member of the group that shares a topic's partitions. Used by one thread.

    One that asks for nothing for `silent_seconds_max` loses its partitions to the others.
    """

    def __init__(
        self,
        *,
        bootstrap: str,
        topic: str,
        group: str,
        log_id: UUID,
        partition_count: int,
        silent_seconds_max: int = SILENT_SECONDS_MAX,
    ) -> None:
        self._topic = topic
        self._partition_count = partition_count
        self._is_checked = False
        self.has_joined = False
        self._log_id = log_id
        self._buffers: dict[int, _Buffer] = {}
        self._logger = structlog.get_logger(__name__)
        self._consumer = Consumer(
            _CONFIGURATION
            | {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "error_cb": self._report,
                "max.poll.interval.ms": silent_seconds_max * 1_000,
                "session.timeout.ms": min(silent_seconds_max, SESSION_SECONDS) * 1_000,
            }
        )
        self._consumer.subscribe(
            [topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def close(self) -> None:
        """Leave the group, so that others take the partitions over at once."""
        self._consumer.close()

    def partitions(self) -> Collection[int]:
        """Tell which partitions are this member's now."""
        return self._buffers.keys()

    def read(
        self, number: int, *, after: int, recorded_at: datetime | None, limit: int
    ) -> Sequence[Record]:
        """Give up to `limit` records behind a position, cut at a command's end; maybe none yet.

        `recorded_at` is the moment of the event at `after`; None is the beginning of the topic.
        What was given is given again until it is asked for what follows it.

        Raises:
            TopicDamaged: what follows in this partition cannot be read; others are not concerned.
        """
        buffer = self._buffers.get(number)
        if buffer is None:
            return ()
        if buffer.floor is None or after < buffer.floor:
            self._seek(number, buffer, after, recorded_at)
            return ()
        dropped = buffer.drop_until(after)
        if dropped is not None:
            self._tell(number, dropped.offset + 1)
        if buffer.damage is not None and not buffer.records:
            raise buffer.damage
        if not buffer.records and time.monotonic() - buffer.heard_at > QUIET_SECONDS_MAX:
            # Silence costs one look: a fetch that Kafka's client has lost sight of begins again.
            self._seek(number, buffer, after, recorded_at)
            return ()
        if buffer.is_paused and not buffer.is_full(0.5):
            self._pause(number, buffer, is_paused=False)
        taken = list(islice(buffer.records, limit))
        kept = len(taken)
        while kept and not taken[kept - 1].is_command_end:
            kept -= 1
        return taken[:kept] if kept or len(taken) < limit else taken

    def wait(self, seconds: float) -> None:
        """Take what has arrived; with nothing there, wait up to `seconds` for the first."""
        first = self._consumer.poll(seconds)
        if first is None:
            return
        self._take(first)
        for message in self._consumer.consume(_TAKEN_AT_ONCE, 0):
            self._take(message)

    def _take(self, message: Message) -> None:
        """Put a record in its buffer; one that cannot follow ends the partition, not the others."""
        error = message.error()
        if error is not None:
            self._report(error)
            return
        number, offset = message.partition(), message.offset()
        assert number is not None, "a message that arrived is of a partition"
        assert offset is not None, "a message that arrived has an offset"
        buffer = self._buffers.get(number)
        if buffer is None or buffer.floor is None or buffer.damage is not None:
            return
        try:
            record = self._record(message, number, offset)
        except TopicDamaged as damage:
            buffer.damage = damage
            return
        if record.position <= buffer.last:
            return
        buffer.add(record)
        if buffer.is_full() and not buffer.is_paused:
            self._pause(number, buffer, is_paused=True)

    def _record(self, message: Message, number: int, offset: int) -> Record:
        try:
            told = read_headers(cast("list[Header] | None", message.headers()))
        except ForeignRecord as error:
            raise TopicDamaged(f"{self._place(number, offset)} holds {error}") from error
        if told.log_id != self._log_id:
            raise TopicDamaged(
                f"{self._place(number, offset)} holds a record of the log {told.log_id}, "
                f"this is {self._log_id}"
            )
        self._require_follows(number, told)
        if isinstance(told, WatermarkHeaders):
            return Record(told.position, None, "", told.recorded_at, b"", True, offset)
        return Record(
            told.position,
            told.event_type,
            told.tenant,
            told.recorded_at,
            message.value() or b"",
            told.is_command_end,
            offset,
            told.command_id,
        )

    def _require_follows(self, number: int, told: RecordHeaders | WatermarkHeaders) -> None:
        last = self._buffers[number].last
        if told.position > last < told.previous:
            raise TopicDamaged(
                f"partition {number} of {self._topic} lacks position {told.previous}: "
                f"{told.position} follows {last}. Was the topic made anew, or its retention not "
                "infinite? Begin another generation"
            )

    def _place(self, number: int, offset: int) -> str:
        return f"partition {number} of {self._topic}, offset {offset},"

    def _seek(self, number: int, buffer: _Buffer, after: int, recorded_at: datetime | None) -> None:
        """Begin anew behind a position; while Kafka cannot say where that is, nothing changes."""
        if time.monotonic() < buffer.ask_at:
            return
        try:
            self._require_partitions()
            offset = self._offset_of(number, recorded_at)
            self._consumer.seek(TopicPartition(self._topic, number, offset))
        except KafkaException as error:
            self._logger.info("kafka_seek_postponed", partition=number, error=str(error))
            buffer.ask_at = time.monotonic() + _ASK_AGAIN_SECONDS
            return
        buffer.begin(after)
        self._pause(number, buffer, is_paused=False)

    def _require_partitions(self) -> None:
        """Refuse a topic parted otherwise: a portfolio's events would be looked for elsewhere."""
        if self._is_checked:
            return
        found = self._consumer.list_topics(self._topic, timeout=_ASK_SECONDS)
        count = len(found.topics[self._topic].partitions)
        if count != self._partition_count:
            raise TopicDamaged(
                f"{self._topic} has {count} partitions, {self._partition_count} are expected. Set "
                "PMS_PARTITIONS to what it has, or begin another generation of the topic"
            )
        self._is_checked = True

    def _offset_of(self, number: int, recorded_at: datetime | None) -> int:
        place = TopicPartition(self._topic, number)
        # Asked before: what arrives between the two questions must not be skipped.
        begin, end = self._consumer.get_watermark_offsets(place, timeout=_ASK_SECONDS)
        if recorded_at is None:
            if begin > 0:
                raise TopicDamaged(
                    f"partition {number} of {self._topic} no longer has its first {begin} records. "
                    "Is its retention not infinite? Begin another generation"
                )
            return int(begin)
        place.offset = int(recorded_at.timestamp() * 1_000)
        (found,) = self._consumer.offsets_for_times([place], timeout=_ASK_SECONDS)
        if found.error is not None:
            raise KafkaException(found.error)
        return end if found.offset < 0 else int(found.offset)

    def _pause(self, number: int, buffer: _Buffer, *, is_paused: bool) -> None:
        place = [TopicPartition(self._topic, number)]
        if is_paused:
            self._consumer.pause(place)
        else:
            self._consumer.resume(place)
        buffer.is_paused = is_paused

    def _tell(self, number: int, offset: int) -> None:
        """Let Kafka's tools see how far this partition is folded."""
        try:
            self._consumer.store_offsets(offsets=[TopicPartition(self._topic, number, offset)])
        except KafkaException:
            return  # It is another member's by now, which tells it itself.

    def _assigned(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        # A plain number: "the end" is asked of the broker, and its answer may undo a seek.
        places = [TopicPartition(each.topic, each.partition, 0) for each in assigned]
        self.has_joined = True
        consumer.incremental_assign(places)
        consumer.pause(places)  # until somebody asks, and says from where
        for each in assigned:
            self._buffers[each.partition] = _Buffer()

    def _revoked(self, _consumer: Consumer, revoked: list[TopicPartition]) -> None:
        for each in revoked:
            self._buffers.pop(each.partition, None)

    def _report(self, error: KafkaError) -> None:
        self._logger.warning("kafka_reader", error=str(error), code=error.name())
        if error.fatal():
            raise KafkaException(error)
