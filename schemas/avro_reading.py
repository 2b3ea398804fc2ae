"""Readers of Avro bodies, generated from the schemas.

Straight-line code gives the plain value of which `msgspec.convert` makes an event. Three
fifths of fastavro's time (decision 0008), which reads the same: it is the oracle of the tests.
"""

import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from textwrap import indent
from typing import Any, cast

from schemas.avro_forms import Form, Records, Shape, take_apart
from schemas.avro_schemas import AvroType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1).toordinal()
DAYS_KEPT_MAX = 10_000
SEVEN_BITS = 0x7F
MORE = 0x80
LONG_BYTES_MAX = 10

Read = Callable[[bytes, int], tuple[Any, int]]
"""Reads what lies at an offset; gives it, and the offset behind it."""


class _Days(dict[int, date]):
    """Dates by their number, kept from their first use on."""

    def __missing__(self, number: int) -> date:
        if len(self) >= DAYS_KEPT_MAX:
            self.clear()
        day = self[number] = date.fromordinal(number + EPOCH_DAY)
        return day


def _doubled(value: bytes, at: int) -> tuple[int, int]:
    """Read a long as it is stored: doubled by zigzag, negative ones odd."""
    number = 0
    for index in range(LONG_BYTES_MAX):
        byte = value[at + index]
        number |= (byte & SEVEN_BITS) << 7 * index
        if byte <= SEVEN_BITS:
            return number, at + index + 1
    raise ValueError("a long has at most ten bytes")


def _long(value: bytes, at: int) -> tuple[int, int]:
    doubled, at = _doubled(value, at)
    return (doubled >> 1) ^ -(doubled & 1), at


_FOUR_PAIRS = struct.Struct("<4H").unpack_from
_BYTES = [(byte, byte | MORE) for byte in range(MORE)]
_INNER = {
    low | high << 8: (low & SEVEN_BITS) | (high & SEVEN_BITS) << 7
    for _, low in _BYTES
    for _, high in _BYTES
}
_LAST = {low | high << 8: (low & SEVEN_BITS) | high << 7 for _, low in _BYTES for high, _ in _BYTES}
"""The 14 bits in two bytes of a long, by these: within it, and where it ends."""


def _instant(value: bytes, at: int) -> tuple[datetime, int]:
    try:
        # Every instant from 1978 to 3111 fills eight bytes.
        first, second, third, last = _FOUR_PAIRS(value, at)
        doubled = _INNER[first] | _INNER[second] << 14 | _INNER[third] << 28 | _LAST[last] << 42
        end = at + 8
    except (KeyError, struct.error):
        doubled, end = _doubled(value, at)
    return EPOCH + timedelta(0, 0, (doubled >> 1) ^ -(doubled & 1)), end


def _array(value: bytes, at: int, read: Read) -> tuple[list[Any], int]:
    """Read blocks of items up to the empty one; a negative count is followed by a size in bytes."""
    items: list[Any] = []
    count, at = _long(value, at)
    while count:
        if count < 0:
            count, (_, at) = -count, _long(value, at)
        for _ in range(count):
            item, at = read(value, at)
            items.append(item)
        count, at = _long(value, at)
    return items, at


_NAMES: dict[str, Any] = {
    "doubled_at": _doubled,
    "instant_at": _instant,
    "array_at": _array,
    "DAYS": _Days(),
}


def make_reader(schema: AvroType) -> Read:
    """Generate the function that reads one record.

    It raises IndexError where the bytes end early, and ValueError where they are no such record.
    """
    records: Records = {}
    top = take_apart(schema, records).record
    names = dict(_NAMES)
    _define("read_text", Shape(Form.TEXT), records, names)
    for record in records:
        _define(f"read_{record}", Shape(Form.RECORD, record=record), records, names)
    return cast("Read", names[f"read_{top}"])


def _define(name: str, found: Shape, records: Records, names: dict[str, Any]) -> None:
    body = f"{_statements(found, 'it', records)}\nreturn {_expression(found, 'it', records)}, end"
    source = f"def {name}(value, end):\n{indent(body, ' ')}\n"
    exec(source, names)  # noqa: S102 - of our own schemas, when this module is loaded


_LENGTH = """start = end + 1
doubled = value[end]
if doubled > 127:
    doubled, start = doubled_at(value, end)
"""


def _statements(found: Shape, name: str, records: Records) -> str:
    """Spell what reads a value at `end` into a variable, or a record's into one a field."""
    match found.form:
        case Form.TEXT:
            return f"{_LENGTH}end = start + (doubled >> 1)\n{name} = value[start:end].decode()"
        case Form.LONG:
            return f"{_LENGTH}end = start\n{name} = (doubled >> 1) ^ -(doubled & 1)"
        case Form.DAY:
            return f"{_LENGTH}end = start\n{name} = DAYS[(doubled >> 1) ^ -(doubled & 1)]"
        case Form.BOOLEAN:
            return f"{name} = value[end] == 1\nend += 1"
        case Form.INSTANT:
            return f"{name}, end = instant_at(value, end)"
        case Form.RECORD:
            return "\n".join(
                _statements(field.shape, f"{name}_{field.name}", records)
                for field in records[found.record]
            )
    assert found.part is not None, "what is optional or repeated has a type"
    if found.form is Form.ARRAY:
        return f"{name}, end = array_at(value, end, read_{found.part.record or 'text'})"
    if found.part.record:
        inner = f"{name}, end = read_{found.part.record}(value, end)"
    else:
        inner = _statements(found.part, name, records)
    return f"end += 1\nif value[end - 1]:\n{indent(inner, ' ')}\nelse:\n {name} = None"


def _expression(found: Shape, name: str, records: Records) -> str:
    """Spell the value itself: a record is a dict of its fields."""
    if found.form is not Form.RECORD:
        return name
    fields = (
        f"{field.name!r}: {_expression(field.shape, f'{name}_' + field.name, records)}"
        for field in records[found.record]
    )
    return "{" + ", ".join(fields) + "}"
