"""Whether topics and log tell the same story: looked at before a relay goes on.

The last record of each chain must be that event of this log, and what was acknowledged must be
there. An old leader may have delivered repeats behind it: so as many records are looked at as one
producer can have on its way.
"""

from collections.abc import Callable, Mapping, Sequence
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
    add_place,
    read_headers,
)
from eventstore.kafka.topics import Topics
from eventstore.reading import read_head
from schemas.avro_codec import AvroDecoder, MalformedValue
from schemas.codec import UnknownEventType, decode

ASK_SECONDS = 10.0
_TAKEN_AT_ONCE = 1_000


class TopicDiverged(LogFailure):
    """A topic holds what the log does not, or lacks what it was acknowledged to hold."""


class LastRecord(NamedTuple):
    """The record of a chain that stands furthest in the log."""

    told: RecordHeaders | WatermarkHeaders
    value: bytes
    offset: int


class ChainEnd(NamedTuple):
    """The position of the record furthest in the log, 0 for none, and the offset behind all."""

    position: int
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
) -> list[ChainEnd]:
    """Hold every chain against the log; tell where each ends.

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
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"{topics.portfolios}.divergence-check",  # asked for, and never used
            "enable.auto.commit": False,
            "reconnect.backoff.max.ms": 1_000,
            "fetch.wait.max.ms": 50,
        }
    )
    try:
        ends = _offsets(consumer, chains)
        last_records = _last_records(consumer, chains, ends)
    finally:
        consumer.close()
    for chain, last in zip(chains, last_records, strict=True):
        if last is not None:
            _require_of_log(chain, last, connection, log_id=log_id, decoder=decoder)
    return [
        ChainEnd(0 if last is None else last.told.position, ends[chain][1])
        for chain, last in zip(chains, last_records, strict=True)
    ]


def _offsets(consumer: Consumer, chains: Sequence[_Chain]) -> dict[_Chain, tuple[int, int]]:
    """Ask for each chain's first offset, and the one behind its last."""
    return {
        chain: consumer.get_watermark_offsets(
            TopicPartition(chain.topic, chain.partition), timeout=ASK_SECONDS
        )
        for chain in chains
    }


def _last_records(
    consumer: Consumer, chains: Sequence[_Chain], ends: Mapping[_Chain, tuple[int, int]]
) -> list[LastRecord | None]:
    """Find, among the last ones of each chain, the record furthest in the log."""
    spans = {chain: (high - 1, high) for chain, (low, high) in ends.items() if low < high}
    last = _furthest(consumer, spans)
    behind = {
        chain: (max(ends[chain][0], ends[chain][1] - RECORDS_QUEUED_MAX), ends[chain][1])
        for chain, record in last.items()
        if record.told.position < chain.acknowledged
    }
    last |= _furthest(consumer, behind)
    for chain in chains:
        record = last.get(chain)
        if chain.acknowledged > (0 if record is None else record.told.position):
            found = "it is empty" if record is None else f"it ends at {record.told.position}"
            raise _diverged(
                f"{chain} was acknowledged to hold position {chain.acknowledged}, but {found}"
            )
    return [last.get(chain) for chain in chains]


def _furthest(
    consumer: Consumer, spans: Mapping[_Chain, tuple[int, int]]
) -> dict[_Chain, LastRecord]:
    """Read spans of offsets; give the record of each that is furthest in the log."""
    chains = {(chain.topic, chain.partition): chain for chain in spans}
    furthest: dict[_Chain, LastRecord] = {}
    missing = sum(end - start for start, end in spans.values())
    consumer.assign([TopicPartition(*place, spans[chain][0]) for place, chain in chains.items()])
    while missing:
        # It waits until it has as many as asked for.
        messages = consumer.consume(min(_TAKEN_AT_ONCE, missing), ASK_SECONDS)
        if not messages:
            raise KafkaException(f"Kafka gives no records within {ASK_SECONDS:.0f} s")
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
            chain = chains[str(message.topic()), int(message.partition() or 0)]
            record = _record(chain, message)
            if record.offset >= spans[chain][1]:
                continue  # It came while we read.
            missing -= 1
            known = furthest.get(chain)
            if known is None or record.told.position >= known.told.position:
                furthest[chain] = record
    return furthest


def _record(chain: _Chain, message: Message) -> LastRecord:
    offset = message.offset()
    assert offset is not None, "a message that arrived has an offset"
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
    headers, _ = writer.event(event)
    add_place(headers, b"%d" % told.previous, is_command_end=told.is_command_end)
    if read_headers(headers.items()) != told:
        return False
    try:
        return decoded(value) == decode(told.event_type, event.data)
    except (ValueError, msgspec.DecodeError, MalformedValue, UnknownEventType):
        return False


def _diverged(what: str) -> TopicDiverged:
    return TopicDiverged(
        f"topic and log diverged: {what}. Was the log restored from a backup, or a topic made "
        "anew? Nothing was written. Begin another generation of the topic (PMS_KAFKA_GENERATION) "
        "under a prefix or number never used, or restore the topic or log that fits."
    )
