"""The wire's codec: the log's JSON to Avro in the Confluent format, and back to events.

A value is a zero byte, the id of the schema it was written with (4 bytes, big-endian), and the
Avro body.
"""

import io
import json
import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast

import fastavro
import msgspec

from domain.event import Event
from schemas.avro_reading import Read, make_reader
from schemas.avro_schemas import WIRE_TYPES, derive, record_name
from schemas.avro_writing import Write, make_writer
from schemas.codec import UnknownEventType
from schemas.watermark import WATERMARK, Watermark

PREFIX = struct.Struct(">bI")
MAGIC = 0

_SCHEMAS = {name: derive(name, kind) for name, kind in WIRE_TYPES.items()}
_WRITERS = {name: make_writer(schema) for name, schema in _SCHEMAS.items()}
_READERS = {name: make_reader(schema) for name, schema in _SCHEMAS.items()}
_NAMES = {record_name(name): name for name in WIRE_TYPES}
_BROKEN = (IndexError, ValueError, EOFError, OverflowError, struct.error, msgspec.MsgspecError)
"""What reading raises where bytes end early, or are no such record."""


class MalformedValue(Exception):
    """Bytes that are no value of this wire."""


class AvroEncoder:
    """Writes events with the schema ids a registry gave, one by stored name."""

    def __init__(self, ids: Mapping[str, int]) -> None:
        self._writers = {
            name: (PREFIX.pack(MAGIC, number), _WRITERS[name]) for name, number in ids.items()
        }

    def encode(self, event_type: str, data: bytes) -> bytes:
        """Write an event from the log's bytes.

        Raises:
            UnknownEventType: the name is not in the catalogue.
        """
        prefix, write = self.writer(event_type)
        return prefix + write(data)[0]

    def writer(self, event_type: str) -> tuple[bytes, Write]:
        """Give how each value of this type begins, and what writes the rest of it.

        Raises:
            UnknownEventType: the name is not in the catalogue.
        """
        try:
            return self._writers[event_type]
        except KeyError as error:
            raise UnknownEventType(f"This build knows no event named {event_type!r}.") from error

    def encode_watermark(self, position: int, recorded_at: datetime) -> bytes:
        """Write a watermark."""
        return self.encode(WATERMARK, msgspec.json.encode(Watermark(position, recorded_at)))


class AvroDecoder:
    """Reads values; `writer_schema` gives a schema's text by an id that is not among `ids`."""

    def __init__(self, writer_schema: Callable[[int], str], ids: Mapping[str, int]) -> None:
        self._writer_schema = writer_schema
        self._readers: dict[int, tuple[Read, type]] = {
            number: (_READERS[name], WIRE_TYPES[name]) for name, number in ids.items()
        }

    def decode(self, value: bytes) -> Event | Watermark:
        """Read a value, whichever form of its schema it was written with.

        Raises:
            UnknownEventType: its record is of no type of this build.
            MalformedValue: it is cut off, or not of this wire.
        """
        try:
            magic, number = PREFIX.unpack_from(value)
            if magic != MAGIC:
                raise MalformedValue(f"A value begins with a zero byte, not with {magic}.")
            read, kind = self._readers.get(number) or self._learned(number)
            plain, end = read(value, PREFIX.size)
            if end != len(value):
                raise MalformedValue(f"A value of {len(value)} bytes is read up to {end}.")
            return cast("Event | Watermark", msgspec.convert(plain, kind))
        except _BROKEN as error:
            raise MalformedValue(f"A value is broken: {error}") from error

    def _learned(self, number: int) -> tuple[Read, type]:
        """Meet an id for the first time: our own form, or another that fastavro resolves to it."""
        writer = json.loads(self._writer_schema(number))
        full_name = f"{writer.get('namespace', '')}.{writer.get('name')}"
        if full_name not in _NAMES:
            raise UnknownEventType(f"This build knows no event whose record is {full_name!r}.")
        name = _NAMES[full_name]
        is_ours = writer == _SCHEMAS[name]
        read = _READERS[name] if is_ours else _resolver(writer, _SCHEMAS[name])
        learned = self._readers[number] = (read, WIRE_TYPES[name])
        return learned


def _resolver(writer: Any, reader: Any) -> Read:  # noqa: ANN401 - schemas as JSON gives them
    written, wanted = fastavro.parse_schema(writer), fastavro.parse_schema(reader)

    def read(value: bytes, at: int) -> tuple[Any, int]:
        body = io.BytesIO(value)
        body.seek(at)
        return fastavro.schemaless_reader(body, written, wanted), body.tell()

    return read
