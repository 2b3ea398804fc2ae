"""Kafka against the log: each partition holds its part of it, whole, in order, value by value."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from domain.identity import MARKET_TENANT
from eventstore.envelope import RecordedEvent
from eventstore.kafka.records import ForeignRecord, RecordHeaders, WatermarkHeaders, read_headers
from eventstore.kafka.topics import Topics
from eventstore.log import Log
from eventstore.partitions import Partition
from projections.findings import Check
from schemas.avro_codec import AvroDecoder, MalformedValue
from schemas.codec import decode
from schemas.registry import fetch_schema

EVENTS_PER_READ = 10_000
RECORDS_AT_ONCE = 2_000
ARRIVAL_SECONDS_MAX = 60.0
ASK_SECONDS = 10.0
_ALIKE = (
    "position", "event_type", "tenant", "recorded_at", "stream_id", "stream_version", "command_id",
    "actor", "build", "causation_id", "key", "trace_context",
)  # fmt: skip

Decode = Callable[[bytes], object]


class SubLog:
    """Holds the records of one partition, as they come, against the events that belong to it."""

    def __init__(
        self, name: str, belonging: Iterable[RecordedEvent], *, log_id: UUID, read: Decode
    ) -> None:
        self.check = Check(f"{name} holds every position that belongs to it, in order")
        self.records = self.repeats = self.watermarks = 0
        self._events = iter(belonging)
        self._next = next(self._events, None)
        self.last = 0
        self._log_id = log_id
        self._read = read

    @property
    def is_complete(self) -> bool:
        """Whether every event has come."""
        return self._next is None

    def take(self, told: RecordHeaders | WatermarkHeaders, value: bytes) -> None:
        """Take one record."""
        self.records += 1
        if told.log_id != self._log_id:
            self.check.fail(f"a record of another log: {told}")
        elif isinstance(told, WatermarkHeaders):
            self._take_watermark(told.position)
        elif told.position <= self.last:
            self.repeats += 1
        else:
            self._take_event(told, value)

    def end(self) -> Check:
        """Say what was found, when there is no more to come."""
        missing = self._next
        self.check.must(
            missing is None, lambda: f"position {missing and missing.position} is missing"
        )
        return self.check

    def _take_watermark(self, position: int) -> None:
        self.watermarks += 1
        due = self._next
        self.check.must(
            due is None or due.position > position,
            lambda: f"a watermark {position}, but {due and due.position} had not come",
        )

    def _take_event(self, told: RecordHeaders, value: bytes) -> None:
        due, previous = self._next, self.last
        if due is None or told.position != due.position:
            due_at = None if due is None else due.position
            self.check.fail(f"after {previous} came {told.position}, due was {due_at}")
            self.last = told.position
            while self._next is not None and self._next.position <= told.position:
                self._next = next(self._events, None)
            return
        self.last = due.position
        self._next = next(self._events, None)
        self.check.counted += 1
        for difference in _differences(told, due, previous, self._next, value, self._read):
            self.check.fail(f"position {due.position}: {difference}")


def _differences(
    told: RecordHeaders,
    due: RecordedEvent,
    previous: int,
    following: RecordedEvent | None,
    value: bytes,
    read: Decode,
) -> Iterator[str]:
    """Say in what a record differs from its event."""
    for name in _ALIKE:
        if getattr(told, name) != getattr(due, name):
            yield f"{name} is {getattr(told, name)!r}, the log has {getattr(due, name)!r}"
    if (told.correlation_id or told.command_id) != due.correlation_id:
        yield f"the correlation id is {told.correlation_id}"
    if told.previous != previous:
        yield f"it names {told.previous} as the one before, which was {previous}"
    is_end = following is None or following.command_id != due.command_id
    if told.is_command_end != is_end:
        yield f"it says {told.is_command_end} to being the end of its command here"
    try:
        found = read(value)
    except (MalformedValue, ValueError, LookupError) as error:
        yield f"its value cannot be read: {error}"
        return
    if found != decode(due.event_type, due.data):
        yield "its value is not the event"


def events_of(log: Log, belongs: Callable[[RecordedEvent], bool]) -> Iterator[RecordedEvent]:
    """Read those events of the whole log that belong to a partition, in order."""
    after = 0
    while recorded := log.read(after, EVENTS_PER_READ):
        yield from (each for each in recorded if belongs(each))
        after = recorded[-1].position


class PartitionChecks:
    """Reads all topics with a plain consumer, and counts what it met."""

    def __init__(self, log: Log, topics: Topics, *, bootstrap: str, registry_url: str) -> None:
        self.records = self.repeats = self.watermarks = 0
        self.last: dict[int, int] = {}
        """The position of the last event of each portfolios' partition."""
        self._log = log
        self._topics = topics
        self._bootstrap = bootstrap
        self._read = AvroDecoder(partial(fetch_schema, registry_url), {}).decode

    def checks(self) -> Iterator[Check]:
        """Check every partition, and the topic of the market alone."""
        for number in range(self._topics.partitions):
            belongs = Partition(number, self._topics.partitions).holds
            sub_log = self._read_through(self._topics.portfolios, number, belongs)
            self.last[number] = sub_log.last
            yield sub_log.end()
        yield self._read_through(
            self._topics.market, 0, lambda event: event.tenant == MARKET_TENANT
        ).end()

    def _read_through(
        self, topic: str, number: int, belongs: Callable[[RecordedEvent], bool]
    ) -> SubLog:
        sub_log = SubLog(
            f"{topic}/{number}",
            events_of(self._log, belongs),
            log_id=self._log.log_id,
            read=self._read,
        )
        for message in self._messages(topic, number, sub_log):
            try:
                told = read_headers(headers_of(message))
            except ForeignRecord as error:
                sub_log.check.fail(f"offset {message.offset()}: {error}")
                continue
            sub_log.take(told, message.value() or b"")
        self.records += sub_log.records
        self.repeats += sub_log.repeats
        self.watermarks += sub_log.watermarks
        return sub_log

    def _messages(self, topic: str, number: int, sub_log: SubLog) -> Iterator[Message]:
        """Read a partition to its end, and on until everything has come or time is over."""
        deadline = time.monotonic() + ARRIVAL_SECONDS_MAX
        settings: dict[str, Any] = {
            "bootstrap.servers": self._bootstrap,
            "group.id": "hammer",
            "enable.auto.commit": False,
            "log_level": 0,
        }
        with closing(Consumer(settings)) as consumer:
            place = TopicPartition(topic, number, OFFSET_BEGINNING)
            consumer.assign([place])
            at = -1
            while True:
                end = consumer.get_watermark_offsets(place, ASK_SECONDS)[1]
                while at + 1 < end and time.monotonic() < deadline:
                    for message in consumer.consume(RECORDS_AT_ONCE, 1.0):
                        if message.error() is None:
                            yield message
                            at = message.offset() or 0
                if sub_log.is_complete or time.monotonic() > deadline:
                    return


def headers_of(message: Message) -> list[tuple[str, bytes]]:
    """Give the headers of a record as pairs, whatever the client gives them as."""
    return msgspec.convert(message.headers() or [], list[tuple[str, bytes]])
