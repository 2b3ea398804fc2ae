"""The headers of a record: an event's envelope on Kafka, without its value.

They follow the CloudEvents 1.0 Kafka binding in binary mode: every value is UTF-8 text, attributes
begin with `ce_`. Moments are RFC 3339 in UTC with microseconds. `previous` chains the events of one
partition by their log positions; watermarks are not part of that chain.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias
from uuid import UUID

import msgspec

from eventstore.kafka.outgoing import OutgoingEvent, Row, stored
from schemas.watermark import WATERMARK

Header: TypeAlias = tuple[str, bytes]
Headers: TypeAlias = dict[str, bytes]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_ENVELOPE = OutgoingEvent._fields.index("data")
"""So many fields come before what the event says."""


class RecordHeaders(msgspec.Struct, frozen=True, gc=False):
    """What the headers of an event's record say; the names are those of `RecordedEvent`.

    `previous` is the position of the event before it in the same partition, 0 at the first. An
    absent `correlation_id` is the command's id.
    """

    log_id: UUID = msgspec.field(name="ce_logid")
    position: int = msgspec.field(name="ce_position")
    previous: int = msgspec.field(name="ce_previous")
    event_type: str = msgspec.field(name="ce_type")
    tenant: str = msgspec.field(name="ce_tenant")
    recorded_at: datetime = msgspec.field(name="ce_time")
    stream_id: UUID = msgspec.field(name="ce_subject")
    stream_version: int = msgspec.field(name="ce_streamversion")
    command_id: UUID = msgspec.field(name="ce_commandid")
    actor: str = msgspec.field(name="ce_actor")
    build: str = msgspec.field(name="ce_build")
    correlation_id: UUID | None = msgspec.field(name="ce_correlationid", default=None)
    causation_id: UUID | None = msgspec.field(name="ce_causationid", default=None)
    key: str | None = msgspec.field(name="ce_instrument", default=None)
    trace_context: str | None = msgspec.field(name="ce_traceparent", default=None)
    is_command_end: bool = msgspec.field(name="ce_commandend", default=False)


class WatermarkHeaders(msgspec.Struct, frozen=True, gc=False):
    """What a watermark says: its partition's last event up to `position` is that at `previous`."""

    log_id: UUID = msgspec.field(name="ce_logid")
    position: int = msgspec.field(name="ce_position")
    recorded_at: datetime = msgspec.field(name="ce_time")
    previous: int = msgspec.field(name="ce_previous", default=0)


class ForeignRecord(Exception):
    """A record whose headers are not those of a log."""


def moment_text(moment: datetime) -> str:
    """Write a moment in UTC as RFC 3339 with microseconds."""
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def milliseconds(moment: datetime) -> int:
    """Give a moment in UTC as Kafka's timestamp: whole milliseconds since 1970."""
    return (moment - _EPOCH) // _MILLISECOND


class HeaderWriter:
    """Writes the headers of one log's records.

    Texts that return from record to record, such as tenants and moments, are written once.
    """

    def __init__(self, log_id: UUID) -> None:
        self._of_log: Headers = {
            "ce_specversion": b"1.0",
            "content-type": b"application/avro",
            "ce_source": f"/pms/logs/{log_id}".encode(),
            "ce_logid": str(log_id).encode(),
        }
        self._recurring = lru_cache(maxsize=4_096)(self._recurring_headers)
        self._timed = lru_cache(maxsize=256)(_timed)

    def event(self, event: Row) -> tuple[Headers, int]:
        """Write what records of an outgoing or prepared event have in common in all partitions.

        Gives the headers, and the timestamp in milliseconds since 1970.
        """
        (_, position, moment, stream_id, stream_version, command_id, correlation_id, causation_id,
         event_type, tenant, actor, build, key, trace_context) = event[:_ENVELOPE]  # fmt: skip
        headers = self._recurring(event_type, tenant, actor, build).copy()
        headers["ce_time"], timestamp = self._timed(moment)
        headers["ce_id"] = headers["ce_position"] = position
        headers["ce_subject"] = stream_id
        headers["ce_streamversion"] = stream_version
        headers["ce_commandid"] = command_id
        if key is not None:
            headers["ce_instrument"] = key
        if correlation_id is not None:
            headers["ce_correlationid"] = correlation_id
        if causation_id is not None:
            headers["ce_causationid"] = causation_id
        if trace_context is not None:
            headers["ce_traceparent"] = trace_context
        return headers, timestamp

    def _recurring_headers(
        self, event_type: bytes, tenant: bytes, actor: bytes, build: bytes
    ) -> Headers:
        return self._of_log | {
            "ce_type": event_type,
            "ce_tenant": tenant,
            "ce_actor": actor,
            "ce_build": build,
        }

    def watermark(self, position: int, recorded_at: datetime, previous: int) -> Headers:
        """Write the headers of a watermark; `recorded_at` is that of the event at `position`."""
        return self._of_log | {
            "ce_type": WATERMARK.encode(),
            "ce_id": b"watermark-%d" % position,
            "ce_time": moment_text(recorded_at).encode(),
            "ce_position": b"%d" % position,
            "ce_previous": b"%d" % previous,
        }


def add_place(headers: Headers, previous: bytes, *, is_command_end: bool) -> None:
    """Add to an event's headers what differs from partition to partition.

    The last record of a command within a partition says that it is that.
    """
    headers["ce_previous"] = previous
    if is_command_end:
        headers["ce_commandend"] = b"1"


def _timed(stored_moment: bytes) -> tuple[bytes, int]:
    """Write a stored moment as text and as milliseconds since 1970."""
    at = stored(stored_moment)
    return moment_text(at).encode(), milliseconds(at)


def read_headers(headers: Iterable[Header] | None) -> RecordHeaders | WatermarkHeaders:
    """Read the headers of a record as a consumer gets them.

    Raises:
        ForeignRecord: they are not those of a log.
    """
    try:
        texts = {name: value.decode() for name, value in headers or ()}
        if texts.get("ce_type") == WATERMARK:
            return msgspec.convert(texts, WatermarkHeaders, strict=False)
        return msgspec.convert(texts, RecordHeaders, strict=False)
    except (msgspec.ValidationError, UnicodeDecodeError, AttributeError) as error:
        # A header without a value comes as None, which our own never do.
        raise ForeignRecord(f"no record of a log: {error}") from error
