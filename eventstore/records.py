"""Rows of the log as arrays of its tables' row types, in PostgreSQL's binary format, by hand.

As values of a prepared INSERT a few rows cost less than a COPY, which is parsed and set up each
time and takes two round trips of its own. Format: the `array_recv` and `record_recv`: of the
array its dimensions, flags, element type, length and lower bound; of each row its length and its
count of fields, and per field the type, the length (-1 for null) and the value.
"""

from collections.abc import Sequence
from struct import Struct
from uuid import UUID

from eventstore.envelope import FINGERPRINT_BYTES, NewEvent, NewReceipt
from eventstore.packing import Texts, receipt_position

_BYTEA, _BIGINT, _TEXT, _TIMESTAMPTZ, _UUID = 17, 20, 25, 1184, 2950
_head = Struct(">5i").pack
_integer = Struct(">i").pack
_event = Struct(">i iiq iiq ii16s iiq ii16s ii16s ii").pack
_receipt = Struct(">i ii16s iiq iiq ii32s").pack
_TEXT_TYPE, _BYTEA_TYPE = _integer(_TEXT), _integer(_BYTEA)


def event_records(
    events: Sequence[NewEvent],
    *,
    row_type: int,
    texts: Texts,
    build: bytes,
    first_position: int,
    recorded_at: int,
) -> bytes:
    """Pack admitted events; `recorded_at` in microseconds since 2000, `row_type` of their table."""
    rows: list[bytes] = []
    for position, event in enumerate(events, start=first_position):
        caused_by = event.causation_id
        fields = (
            _event(
                14, _BIGINT, 8, position, _TIMESTAMPTZ, 8, recorded_at,
                _UUID, 16, event.stream_id.bytes, _BIGINT, 8, event.stream_version,
                _UUID, 16, event.command_id.bytes, _UUID, 16, event.correlation_id.bytes,
                _UUID, -1 if caused_by is None else 16,
            ),
            b"" if caused_by is None else caused_by.bytes,
            _TEXT_TYPE, texts[event.event_type],
            _TEXT_TYPE, texts[event.tenant],
            _TEXT_TYPE, texts[event.actor],
            _TEXT_TYPE, build,
            _TEXT_TYPE, texts[event.key],
            _TEXT_TYPE, texts[event.trace_context],
            _BYTEA_TYPE, _integer(len(event.data)), event.data,
        )  # fmt: skip
        rows.append(b"".join(fields))
    return _array(row_type, rows)


def receipt_records(
    receipts: Sequence[NewReceipt],
    *,
    row_type: int,
    texts: Texts,
    first_position: int,
    recorded_at: int,
) -> bytes:
    """Pack admitted receipts; see `event_records`."""
    rows: list[bytes] = []
    for receipt in receipts:
        position = receipt_position(receipt, first_position)
        fields = (
            _receipt(
                6, _UUID, 16, receipt.command_id.bytes, _BIGINT, 8, position,
                _TIMESTAMPTZ, 8, recorded_at, _BYTEA, FINGERPRINT_BYTES, receipt.fingerprint,
            ),
            _TEXT_TYPE, texts[receipt.tenant],
            _BYTEA_TYPE, _integer(len(receipt.outcome)), receipt.outcome,
        )  # fmt: skip
        rows.append(b"".join(fields))
    return _array(row_type, rows)


def uuid_array(ids: Sequence[UUID]) -> bytes:
    """Pack ids as the value of a parameter `uuid[]`."""
    return _array(_UUID, [each.bytes for each in ids])


def _array(element_type: int, elements: Sequence[bytes]) -> bytes:
    if not elements:
        return _head(0, 0, element_type, 0, 0)[:12]
    parts = [_head(1, 0, element_type, len(elements), 1)]
    for each in elements:
        parts += (_integer(len(each)), each)
    return b"".join(parts)
