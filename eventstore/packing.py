"""Rows of the log in PostgreSQL's binary COPY format, packed by hand.

Format: PostgreSQL documentation, COPY, "Binary Format": a header, per row a 16-bit field count and
per field a 32-bit length (-1 for null) with the value in network order, then a 16-bit -1.
Timestamps are microseconds since 2000-01-01 UTC. One `struct` call covers all fields of fixed
width, and each distinct text is encoded once, which makes a row several times cheaper than
`Copy.write_row`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from struct import Struct
from typing import TypeAlias

from eventstore.envelope import (
    ACTOR_BYTES_MAX,
    BUILD_BYTES_MAX,
    EVENT_BYTES_MAX,
    EVENT_TYPE_BYTES_MAX,
    FINGERPRINT_BYTES,
    KEY_BYTES_MAX,
    OUTCOME_BYTES_MAX,
    TENANT_BYTES_MAX,
    TRACE_CONTEXT_BYTES_MAX,
    NewEvent,
    NewReceipt,
)
from eventstore.failures import EnvelopeOutOfRange, EventTooLarge

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
CHUNK_ROWS = 250
"""Rows packed before they are sent: the server stores one chunk while the next is packed."""

EVENT_COLUMNS = (
    "position, recorded_at, stream_id, stream_version, command_id, correlation_id, causation_id, "
    "event_type, tenant, actor, build, key, trace_context, data"
)
RECEIPT_COLUMNS = "command_id, position, recorded_at, fingerprint, tenant, outcome"

_data: Callable[[NewEvent], bytes] = attrgetter("data")
_stream_version: Callable[[NewEvent], int] = attrgetter("stream_version")
_TEXTS: tuple[tuple[str, int, Callable[[NewEvent], str | None]], ...] = (
    ("event_type", EVENT_TYPE_BYTES_MAX, attrgetter("event_type")),
    ("tenant", TENANT_BYTES_MAX, attrgetter("tenant")),
    ("actor", ACTOR_BYTES_MAX, attrgetter("actor")),
    ("key", KEY_BYTES_MAX, attrgetter("key")),
    ("trace_context", TRACE_CONTEXT_BYTES_MAX, attrgetter("trace_context")),
)

Texts: TypeAlias = dict[str | None, bytes]
"""Each text as a field, its length before it; None is the null field."""

_NULL = b"\xff\xff\xff\xff"
_VERSION_MAX = 2**63 - 1
_length = Struct(">i").pack
_caused = Struct(">hiqiqi16siqi16si16si16s").pack
_uncaused = Struct(">hiqiqi16siqi16si16si").pack
_receipt = Struct(">hi16siqiqi32s").pack


def microseconds(moment: datetime) -> int:
    """Count microseconds from 2000-01-01 UTC to `moment`, which must carry a time zone."""
    return (moment - EPOCH) // MICROSECOND


def moment(since_epoch: int) -> datetime:
    """Give the UTC moment `since_epoch` microseconds after 2000-01-01."""
    return EPOCH + since_epoch * MICROSECOND


def text_field(text: str, *, name: str, bytes_max: int) -> bytes:
    """Encode a text with its length.

    Raises:
        EnvelopeOutOfRange: empty, too long, or not storable (NUL, lone surrogate).
    """
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise EnvelopeOutOfRange(f"{name} holds a lone surrogate") from None
    if not encoded or len(encoded) > bytes_max:
        raise EnvelopeOutOfRange(f"{name} must have 1 to {bytes_max} bytes, not {len(encoded)}")
    if b"\0" in encoded:
        raise EnvelopeOutOfRange(f"{name} holds a NUL character")
    return _length(len(encoded)) + encoded


def build_field(build: str) -> bytes:
    """Encode the build that writes, once for the life of a log."""
    return text_field(build, name="build", bytes_max=BUILD_BYTES_MAX)


def build_text(field: bytes) -> str:
    """Read what `build_field` wrote."""
    return field[4:].decode()


def admit_events(events: Sequence[NewEvent], *, version_min: int = 1) -> Texts:
    """Check every bound of the events before anything is sent, and encode their texts.

    Raises:
        EventTooLarge, EnvelopeOutOfRange: naming what breaks its bound.
    """
    if not events:
        return {}
    if max(map(len, map(_data, events))) > EVENT_BYTES_MAX:
        largest = max(events, key=lambda event: len(event.data))
        raise EventTooLarge(
            f"{largest.event_type} has {len(largest.data)} bytes, more than {EVENT_BYTES_MAX}"
        )
    versions = list(map(_stream_version, events))
    if min(versions) < version_min or max(versions) > _VERSION_MAX:
        raise EnvelopeOutOfRange(f"stream_version is outside {version_min} to {_VERSION_MAX}")
    texts: Texts = {None: _NULL}
    for name, bytes_max, field in _TEXTS:
        for text in set(map(field, events)):
            if text is not None:
                texts[text] = text_field(text, name=name, bytes_max=bytes_max)
    return texts


def event_rows(
    events: Sequence[NewEvent],
    *,
    texts: Texts,
    build: bytes,
    first_position: int,
    recorded_at: int,
) -> Iterator[bytes]:
    """Pack admitted events into a whole COPY stream, in chunks; `recorded_at` in microseconds."""
    yield HEADER
    position = first_position
    for start in range(0, len(events), CHUNK_ROWS):
        fields: list[bytes] = []
        for event in events[start : start + CHUNK_ROWS]:
            command_id, correlation_id = event.command_id, event.correlation_id
            command = command_id.int.to_bytes(16, "big")
            known = (
                14, 8, position, 8, recorded_at,
                16, event.stream_id.int.to_bytes(16, "big"), 8, event.stream_version, 16, command,
                16, command if correlation_id is command_id else correlation_id.bytes,
            )  # fmt: skip
            caused_by = event.causation_id
            fields += (
                _uncaused(*known, -1)
                if caused_by is None
                else _caused(*known, 16, caused_by.bytes),
                texts[event.event_type],
                texts[event.tenant],
                texts[event.actor],
                build,
                texts[event.key],
                texts[event.trace_context],
                _length(len(event.data)),
                event.data,
            )
            position += 1
        yield b"".join(fields)
    yield TRAILER


def admit_receipts(receipts: Iterable[NewReceipt], *, events: int) -> Texts:
    """Check every bound of the receipts of a batch of so many `events`, and encode their tenants.

    Raises:
        EnvelopeOutOfRange: naming what breaks its bound.
    """
    texts: Texts = {}
    for receipt in receipts:
        if len(receipt.fingerprint) != FINGERPRINT_BYTES:
            raise EnvelopeOutOfRange(f"fingerprint must have {FINGERPRINT_BYTES} bytes")
        if len(receipt.outcome) > OUTCOME_BYTES_MAX:
            raise EnvelopeOutOfRange(f"outcome has more than {OUTCOME_BYTES_MAX} bytes")
        if receipt.last_event is not None and not 0 <= receipt.last_event < events:
            raise EnvelopeOutOfRange(f"last_event {receipt.last_event} is outside the batch")
        if receipt.tenant not in texts:
            texts[receipt.tenant] = text_field(
                receipt.tenant, name="tenant", bytes_max=TENANT_BYTES_MAX
            )
    return texts


def receipt_position(receipt: NewReceipt, first_position: int) -> int:
    """Say where in the log a receipt is of: at its last event, or at the head before the batch."""
    return first_position + (-1 if receipt.last_event is None else receipt.last_event)


def receipt_rows(
    receipts: Sequence[NewReceipt], *, texts: Texts, first_position: int, recorded_at: int
) -> Iterator[bytes]:
    """Pack admitted receipts into a whole COPY stream, in chunks; `recorded_at` in microseconds."""
    yield HEADER
    for start in range(0, len(receipts), CHUNK_ROWS):
        fields: list[bytes] = []
        for receipt in receipts[start : start + CHUNK_ROWS]:
            position = receipt_position(receipt, first_position)
            fields += (
                _receipt(
                    6, 16, receipt.command_id.bytes, 8, position, 8, recorded_at,
                    FINGERPRINT_BYTES, receipt.fingerprint,
                ),
                texts[receipt.tenant],
                _length(len(receipt.outcome)),
                receipt.outcome,
            )  # fmt: skip
        yield b"".join(fields)
    yield TRAILER
