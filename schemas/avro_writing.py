"""Writers of Avro bodies straight from the log's JSON, generated from the schemas.

The JSON is decoded into structs that keep numbers and ids as the texts they are; what is written of
them is one f-string that looks lengths and dates up. While it grows, a body is a text with one
character for each byte (latin-1): texts of ASCII, which are nearly all, are taken as they are, and
the whole is encoded once. A fraction of fastavro's time (decision 0008), whose bytes are the same:
it is the oracle of the tests.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from types import GenericAlias
from typing import Any, TypeAlias, cast

import msgspec

from schemas.avro_forms import Field, Form, Records, Shape, take_apart
from schemas.avro_schemas import AvroType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1).toordinal()
DAY_SECONDS, SECOND_MICROSECONDS = 86_400, 1_000_000
LONGS_READY = 8_192
DAYS_KEPT_MAX = 10_000
SEVEN_BITS, FOURTEEN_BITS = 0x7F, 0x3FFF
MORE = 0x80
EIGHT_BYTES_FROM, EIGHT_BYTES_UNTIL = 1 << 49, 1 << 56
"""Longs that fill eight bytes of seven bits: the microseconds of every instant from 1978 to 3111,
once doubled by zigzag."""

Write: TypeAlias = Callable[[bytes], tuple[bytes, Any]]
"""Writes an event's JSON as its Avro body; gives the event's fields, as texts, beside it."""

_BACKSLASH = ord("\\")
"""Begins what may be a letter beyond ASCII."""


def varint(number: int) -> bytes:
    """Write a long: zigzag, then seven bits a byte, the lowest first."""
    rest = (number << 1) ^ (number >> 63)
    written = bytearray()
    while rest > SEVEN_BITS:
        written.append(rest & SEVEN_BITS | MORE)
        rest >>= 7
    written.append(rest)
    return bytes(written)


class _Longs(dict[int, str]):
    """Small longs, ready; others are written when asked for."""

    def __missing__(self, number: int) -> str:
        return _characters(varint(number))


class _Days(dict[str, str]):
    """Dates by their text in JSON, kept from their first use on."""

    def __missing__(self, text: str) -> str:
        if len(self) >= DAYS_KEPT_MAX:
            self.clear()
        number = date.fromisoformat(text).toordinal() - EPOCH_DAY
        written = self[text] = _characters(varint(number))
        return written


def _characters(written: bytes) -> str:
    return written.decode("latin-1")


_LONGS = _Longs((number, _characters(varint(number))) for number in range(LONGS_READY))
_LENGTHS = [_LONGS[length] for length in range(LONGS_READY)]
"""Longs as a list, which is faster; it grows with the longest event."""

_PAIRS = range(FOURTEEN_BITS + 1)
_INNER = [chr(pair & SEVEN_BITS | MORE) + chr(pair >> 7 | MORE) for pair in _PAIRS]
_LAST = [chr(pair & SEVEN_BITS | MORE) + chr(pair >> 7) for pair in _PAIRS]


def _instant(at: datetime) -> str:
    since = at - EPOCH
    # The same as a division by a microsecond, which takes longer.
    seconds = since.days * DAY_SECONDS + since.seconds
    doubled = seconds * SECOND_MICROSECONDS + since.microseconds << 1
    if EIGHT_BYTES_FROM <= doubled < EIGHT_BYTES_UNTIL:
        return (
            f"{_INNER[doubled & FOURTEEN_BITS]}{_INNER[doubled >> 14 & FOURTEEN_BITS]}"
            f"{_INNER[doubled >> 28 & FOURTEEN_BITS]}{_LAST[doubled >> 42]}"
        )
    return _characters(varint(doubled >> 1))


def _text(text: str) -> str:
    return _LENGTHS[len(text)] + text


def _array(items: Sequence[Any], write: Callable[[Any], str]) -> str:
    """Write one block of items, and the empty block that ends every array."""
    if not items:
        return "\x00"
    return "".join((_LONGS[len(items)], *map(write, items), "\x00"))


_TYPES: dict[Form, Any] = {
    Form.TEXT: str,
    Form.LONG: int,
    Form.BOOLEAN: bool,
    Form.DAY: str,
    Form.INSTANT: datetime,
}
_NAMES: dict[str, Any] = {
    "LONGS": _LONGS,
    "LENGTHS": _LENGTHS,
    "DAYS": _Days(),
    "BOOLEANS": ("\x00", "\x01"),
    "ABSENT": "\x00",
    "PRESENT": "\x02",
    "instant": _instant,
    "array": _array,
}


def make_writer(schema: AvroType) -> Write:
    """Generate the function that writes the JSON of one event as its Avro body."""
    records: Records = {}
    top = take_apart(schema, records).record
    structs: dict[str, type[msgspec.Struct]] = {}
    names = {**_NAMES, "write_text": _text}
    for record, fields in records.items():
        structs[record] = _struct(record, fields, structs)
        parts = _parts(Shape(Form.RECORD, record=record), "value", records)
        text = "".join(f"{{({part})}}" for part in parts)
        source = f"def write_{record}(value):\n    return f'{text}'\n"
        exec(source, names)  # noqa: S102 - of our own schemas, when this module is loaded
    decoded = msgspec.json.Decoder(structs[top]).decode
    written = cast("Callable[[msgspec.Struct], str]", names[f"write_{top}"])

    def write(data: bytes) -> tuple[bytes, msgspec.Struct]:
        if len(data) >= len(_LENGTHS):
            _LENGTHS.extend(_LONGS[length] for length in range(len(_LENGTHS), len(data) + 1))
        fields = decoded(data)
        is_ascii = data.isascii() and _BACKSLASH not in data
        characters = fields if is_ascii else decoded(_character_for_byte(data))
        return written(characters).encode("latin-1"), fields

    return write


def _character_for_byte(data: bytes) -> bytes:
    """Write JSON so that each text in it has a character for each byte it has in UTF-8."""
    if _BACKSLASH in data:
        data = msgspec.json.encode(msgspec.json.decode(data))
    return _characters(data).encode()


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
    """Spell the expressions whose texts, joined, are a value."""
    match found.form:
        case Form.TEXT:
            return [f"LENGTHS[len(text := {value})]", "text"]
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
