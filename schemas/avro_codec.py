"""The wire's codec: the log's JSON to Avro in the Confluent format, and back to events.

A value is a zero byte, the id of the schema it was written with (4 bytes, big-endian), and the
Avro body.
"""

import io
import json
import struct
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, cast

import fastavro
import msgspec

from domain.event import Event
from schemas import codec
from schemas.avro_schemas import WIRE_TYPES, record_name, schema_text
from schemas.codec import UnknownEventType
from schemas.watermark import WATERMARK, Watermark

PREFIX = struct.Struct(">bI")
MAGIC = 0

_SCHEMAS = {name: fastavro.parse_schema(json.loads(schema_text(name))) for name in WIRE_TYPES}
_NAMES = {record_name(name): name for name in WIRE_TYPES}


class AvroEncoder:
    """Writes events with the schema ids a registry gave: one by stored name."""

    def __init__(self, ids: Mapping[str, int]) -> None:
        self._prefixes = {name: PREFIX.pack(MAGIC, number) for name, number in ids.items()}

    def encode(self, event_type: str, data: bytes) -> bytes:
        """Write an event from the log's bytes.

        Raises:
            UnknownEventType: the name is not in the catalogue.
        """
        return self._written(event_type, codec.decode(event_type, data))

    def encode_watermark(self, position: int, recorded_at: datetime) -> bytes:
        """Write a watermark."""
        return self._written(WATERMARK, Watermark(position, recorded_at))

    def _written(self, name: str, value: msgspec.Struct) -> bytes:
        buffer = io.BytesIO()
        buffer.write(self._prefixes[name])
        plain = msgspec.to_builtins(value, builtin_types=(date, datetime))
        fastavro.schemaless_writer(buffer, _SCHEMAS[name], plain)
        return buffer.getvalue()


class AvroDecoder:
    """Reads values; `writer_schema` gives a schema's text by an id that is not among `ids`."""

    def __init__(self, writer_schema: Callable[[int], str], ids: Mapping[str, int]) -> None:
        self._writer_schema = writer_schema
        self._writers: dict[int, tuple[str, Any]] = {
            number: (name, _SCHEMAS[name]) for name, number in ids.items()
        }

    def decode(self, value: bytes) -> Event | Watermark:
        """Read a value, whichever form of its schema it was written with.

        Raises:
            UnknownEventType: its record is of no type of this build.
        """
        magic, number = PREFIX.unpack_from(value)
        if magic != MAGIC:
            raise ValueError(f"a value begins with a zero byte, not {magic}")
        if number not in self._writers:
            self._writers[number] = self._fetched(number)
        name, writer = self._writers[number]
        body = io.BytesIO(value[PREFIX.size :])
        plain = fastavro.schemaless_reader(body, writer, _SCHEMAS[name])
        return cast("Event | Watermark", msgspec.convert(plain, WIRE_TYPES[name]))

    def _fetched(self, number: int) -> tuple[str, Any]:
        writer = fastavro.parse_schema(json.loads(self._writer_schema(number)))
        full_name = writer["name"] if isinstance(writer, dict) else str(writer)
        if full_name not in _NAMES:
            raise UnknownEventType(f"This build knows no event whose record is {full_name!r}.")
        return _NAMES[full_name], writer
