"""Whether topics and log tell the same story: looked at before a relay goes on.

The last record of each chain must be that event of this log, and what was acknowledged must be
there. An old leader may have delivered repeats behind it: so as many records are looked at as one
producer can have on its way.
"""

from collections.abc import Callable
from typing import NamedTuple, cast
from uuid import UUID

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from eventstore.connections import Connection
from eventstore.failures import LogFailure
from eventstore.kafka.delivering import RECORDS_QUEUED_MAX
from eventstore.kafka.outgoing import OutgoingEvent, read_outgoing, stored
from eventstore.kafka.progress import Progress
from eventstore.kafka.records import (
    ForeignRecord,
    Header,
    HeaderWriter,
    RecordHeaders,
    WatermarkHeaders,
    in_partition,
    read_headers,
)
from eventstore.kafka.topics import Topics
from eventstore.reading import read_head
from schemas.avro_codec import AvroDecoder
from schemas.codec import decode

ASK_SECONDS = 10.0
_TAKEN_AT_ONCE = 1_000


class TopicDiverged(LogFailure):
    """A topic holds what the log does not, or lacks what it was acknowledged to hold."""


class LastRecord(NamedTuple):
    """The record of a chain that stands furthest in the log."""

    told: RecordHeaders | WatermarkHeaders
    value: bytes
    offset: int


class _Chain(NamedTuple):
    topic: str
    partition: int
    acknowledged: int

    def __str__(self) -> str:
        return f"partition {self.partition} of {self.topic}"


def require_no_divergence(
    bootstrap: str,
    topics: Topics,
    connection: Connection,
    *,
    log_id: UUID,
    decoder: AvroDecoder,
    progress: Progress | None,
    market_progress: Progress | None,
) -> list[int]:
    """Hold every chain against the log; give the position of the last record of each, 0 for none.

    Raises:
        TopicDiverged: they do not fit.
        KafkaException: Kafka did not answer.
    """
    head = read_head(connection).position
    for kept in (progress, market_progress):
        if kept is not None and kept.log_id != log_id:
            raise _diverged(f"the progress kept is of the log {kept.log_id}, this is {log_id}")
        if kept is not None and kept.position > head:
            raise _diverged(f"position {kept.position} was acknowledged, the log ends at {head}")
    previous = (0,) * topics.partitions if progress is None else progress.previous[:-1]
    chains = [
        _Chain(topics.portfolios, number, acknowledged)
        for number, acknowledged in enumerate(previous)
    ]
    market = 0 if market_progress is None else market_progress.market_previous
    chains.append(_Chain(topics.market, 0, market))
    positions = []
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"{topics.portfolios}.divergence-check",  # asked for, and never used
            "enable.auto.commit": False,
            "reconnect.backoff.max.ms": 1_000,
        }
    )
    try:
        for chain in chains:
            last = _last_record(consumer, chain)
            if last is not None:
                _require_of_log(chain, last, connection, log_id=log_id, decoder=decoder)
            positions.append(0 if last is None else last.told.position)
    finally:
        consumer.close()
    return positions


def _last_record(consumer: Consumer, chain: _Chain) -> LastRecord | None:
    """Find the record furthest in the log among the last ones of a chain."""
    place = TopicPartition(chain.topic, chain.partition)
    low, high = consumer.get_watermark_offsets(place, timeout=ASK_SECONDS)
    furthest: LastRecord | None = None
    for count in (1, RECORDS_QUEUED_MAX):
        for record in _records(consumer, chain, max(low, high - count), high):
            if furthest is None or record.told.position >= furthest.told.position:
                furthest = record
        if furthest is not None and furthest.told.position >= chain.acknowledged:
            return furthest
    if chain.acknowledged:
        found = "it is empty" if furthest is None else f"it ends at {furthest.told.position}"
        raise _diverged(
            f"{chain} was acknowledged to hold position {chain.acknowledged}, but {found}"
        )
    return furthest


def _records(consumer: Consumer, chain: _Chain, start: int, end: int) -> list[LastRecord]:
    """Read the records of a chain from one offset up to another."""
    records: list[LastRecord] = []
    if start >= end:
        return records
    consumer.assign([TopicPartition(chain.topic, chain.partition, start)])
    while True:
        messages = consumer.consume(_TAKEN_AT_ONCE, ASK_SECONDS)
        if not messages:
            raise KafkaException(f"Kafka gives no records of {chain} within {ASK_SECONDS:.0f} s")
        for message in messages:
            offset = message.offset()
            if message.error() is not None or offset is None:
                raise KafkaException(message.error())
            if offset < end:
                records.append(_record(chain, message, offset))
            if offset >= end - 1:
                return records


def _record(chain: _Chain, message: Message, offset: int) -> LastRecord:
    try:
        told = read_headers(cast("list[Header] | None", message.headers()))
    except ForeignRecord as error:
        raise _diverged(f"offset {offset} of {chain} is {error}") from error
    return LastRecord(told, message.value() or b"", offset)


def _require_of_log(
    chain: _Chain,
    last: LastRecord,
    connection: Connection,
    *,
    log_id: UUID,
    decoder: AvroDecoder,
) -> None:
    """Refuse a record that is not what the log has at its position."""
    told = last.told
    where = f"offset {last.offset} of {chain}"
    if told.log_id != log_id:
        raise _diverged(f"{where} is of the log {told.log_id}, this is {log_id}")
    events = read_outgoing(connection, after=told.position - 1, limit=1)
    if not events:
        raise _diverged(f"{where} has position {told.position}, which the log does not reach")
    (event,) = events
    if isinstance(told, WatermarkHeaders):
        is_same = told.recorded_at == stored(event.stored_moment)
    else:
        is_same = _is_event(told, last.value, event, HeaderWriter(log_id), decoder.decode)
    if not is_same:
        raise _diverged(f"{where} is not what the log has at position {told.position}")


def _is_event(
    told: RecordHeaders,
    value: bytes,
    event: OutgoingEvent,
    writer: HeaderWriter,
    decoded: Callable[[bytes], object],
) -> bool:
    """Compare content, not bytes: an earlier build wrote the same fact by an earlier schema."""
    written = in_partition(
        writer.event(event), previous=told.previous, is_command_end=told.is_command_end
    )
    if read_headers(written) != told:
        return False
    try:
        return decoded(value) == decode(told.event_type, event.data)
    except (ValueError, msgspec.DecodeError):
        return False


def _diverged(what: str) -> TopicDiverged:
    return TopicDiverged(
        f"topic and log diverged: {what}. Was the log restored from a backup, or a topic made "
        "anew? Nothing was written. Begin another generation of the topic (PMS_KAFKA_GENERATION) "
        "under a prefix or number never used, or restore the topic or log that fits."
    )
