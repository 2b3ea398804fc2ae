"""Writers of Avro bodies straight from the log's JSON, generated from the schemas.

The JSON is decoded into structs that keep numbers and ids as the texts they are; what is written of
them is straight-line code that looks lengths and dates up. A quarter of fastavro's time (decision
0008), whose bytes are the same: it is the oracle of the tests.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from types import GenericAlias
from typing import Any, cast

import msgspec

from schemas.avro_forms import Field, Form, Records, Shape, take_apart
from schemas.avro_schemas import AvroType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1).toordinal()
MICROSECOND = timedelta(microseconds=1)
LONGS_READY = 8_192
DAYS_KEPT_MAX = 10_000
SEVEN_BITS, FOURTEEN_BITS = 0x7F, 0x3FFF
MORE = 0x80
EIGHT_BYTES_FROM, EIGHT_BYTES_UNTIL = 1 << 49, 1 << 56
"""Longs that fill eight bytes of seven bits: the microseconds of every instant from 1978 to 3111,
once doubled by zigzag."""


def varint(number: int) -> bytes:
    """Write a long: zigzag, then seven bits a byte, the lowest first."""
    rest = (number << 1) ^ (number >> 63)
    written = bytearray()
    while rest > SEVEN_BITS:
        written.append(rest & SEVEN_BITS | MORE)
        rest >>= 7
    written.append(rest)
    return bytes(written)


class _Longs(dict[int, bytes]):
    """Small longs, ready; others are written when asked for."""

    def __missing__(self, number: int) -> bytes:
        return varint(number)


class _Days(dict[str, bytes]):
    """Dates by their text in JSON, kept from their first use on."""

    def __missing__(self, text: str) -> bytes:
        if len(self) >= DAYS_KEPT_MAX:
            self.clear()
        written = self[text] = varint(date.fromisoformat(text).toordinal() - EPOCH_DAY)
        return written


_LONGS = _Longs((number, varint(number)) for number in range(LONGS_READY))
_PAIRS = range(FOURTEEN_BITS + 1)
_INNER = [bytes((pair & SEVEN_BITS | MORE, pair >> 7 | MORE)) for pair in _PAIRS]
_LAST = [bytes((pair & SEVEN_BITS | MORE, pair >> 7)) for pair in _PAIRS]


def _instant(at: datetime) -> bytes:
    doubled = (at - EPOCH) // MICROSECOND << 1
    if EIGHT_BYTES_FROM <= doubled < EIGHT_BYTES_UNTIL:
        return (
            _INNER[doubled & FOURTEEN_BITS]
            + _INNER[doubled >> 14 & FOURTEEN_BITS]
            + _INNER[doubled >> 28 & FOURTEEN_BITS]
            + _LAST[doubled >> 42]
        )
    return varint(doubled >> 1)


def _text(text: str) -> bytes:
    written = text.encode()
    return _LONGS[len(written)] + written


def _array(items: Sequence[Any], write: Callable[[Any], bytes]) -> bytes:
    """Write one block of items, and the empty block that ends every array."""
    if not items:
        return b"\x00"
    return b"".join((_LONGS[len(items)], *map(write, items), b"\x00"))


_TYPES: dict[Form, Any] = {
    Form.TEXT: str,
    Form.LONG: int,
    Form.BOOLEAN: bool,
    Form.DAY: str,
    Form.INSTANT: datetime,
}
_NAMES: dict[str, Any] = {
    "LONGS": _LONGS,
    "DAYS": _Days(),
    "BOOLEANS": (b"\x00", b"\x01"),
    "ABSENT": b"\x00",
    "PRESENT": b"\x02",
    "instant": _instant,
    "array": _array,
    "join": b"".join,
}


def make_writer(schema: AvroType) -> Callable[[bytes], bytes]:
    """Generate the function that writes the JSON of one event as its Avro body."""
    records: Records = {}
    top = take_apart(schema, records).record
    structs: dict[str, type[msgspec.Struct]] = {}
    names = {**_NAMES, "write_text": _text}
    for record, fields in records.items():
        structs[record] = _struct(record, fields, structs)
        parts = _parts(Shape(Form.RECORD, record=record), "value", records)
        source = f"def write_{record}(value):\n    return join(({', '.join(parts)},))\n"
        exec(source, names)  # noqa: S102 - of our own schemas, when this module is loaded
    names["decoded"] = msgspec.json.Decoder(structs[top]).decode
    exec(f"def write(data):\n    return write_{top}(decoded(data))\n", names)  # noqa: S102
    return cast("Callable[[bytes], bytes]", names["write"])


def _struct(
    record: str, fields: list[Field], structs: dict[str, type[msgspec.Struct]]
) -> type[msgspec.Struct]:
    def annotation(found: Shape) -> Any:  # noqa: ANN401 - whatever the field is
        if found.part is not None:
            part = annotation(found.part)
            return part | None if found.form is Form.OPTIONAL else GenericAlias(list, part)
        return structs[found.record] if found.record else _TYPES[found.form]

    declared = [
        (field.name, annotation(field.shape), msgspec.field(default=field.default))
        for field in fields
    ]
    return msgspec.defstruct(record, declared, kw_only=True, gc=False)


def _parts(found: Shape, value: str, records: Records) -> list[str]:
    """Spell the expressions whose bytes, joined, are a value."""
    match found.form:
        case Form.TEXT:
            return [f"LONGS[len(text := {value}.encode())]", "text"]
        case Form.LONG:
            return [f"LONGS[{value}]"]
        case Form.BOOLEAN:
            return [f"BOOLEANS[{value}]"]
        case Form.DAY:
            return [f"DAYS[{value}]"]
        case Form.INSTANT:
            return [f"instant({value})"]
        case Form.RECORD:
            return [
                part
                for field in records[found.record]
                for part in _parts(field.shape, f"{value}.{field.name}", records)
            ]
    assert found.part is not None, "what is optional or repeated has a type"
    if found.form is Form.ARRAY:
        return [f"array({value}, write_{found.part.record or 'text'})"]
    if found.part.record:
        return [f"ABSENT if {value} is None else PRESENT + write_{found.part.record}({value})"]
    inner = " + ".join(_parts(found.part, "inner", records))
    return [f"ABSENT if (inner := {value}) is None else PRESENT + {inner}"]
