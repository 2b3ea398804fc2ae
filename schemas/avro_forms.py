"""How the generated coders see a schema: the form of each type, and the records by name."""

from enum import Enum, auto
from typing import NamedTuple

import msgspec

from schemas.avro_schemas import AvroType


class Form(Enum):
    """What the bytes of a type look like."""

    TEXT = auto()
    LONG = auto()
    BOOLEAN = auto()
    DAY = auto()
    INSTANT = auto()
    OPTIONAL = auto()
    ARRAY = auto()
    RECORD = auto()


_PLAIN = {"string": Form.TEXT, "long": Form.LONG, "boolean": Form.BOOLEAN}
_LOGICAL = {"date": Form.DAY, "timestamp-micros": Form.INSTANT}


class Shape(NamedTuple):
    """A type taken apart: `part` is what is optional or repeated, `record` a record's name."""

    form: Form
    part: "Shape | None" = None
    record: str = ""


class Field(NamedTuple):
    """A field of a record; `default` is `msgspec.NODEFAULT` where it must be there."""

    name: str
    shape: Shape
    default: object


Records = dict[str, list[Field]]


def take_apart(schema: AvroType, records: Records) -> Shape:
    """Give the shape of a type; its records are added to `records`, the inner ones first."""
    match schema:
        case ["null", inner]:
            return Shape(Form.OPTIONAL, take_apart(inner, records))
        case {"type": "array", "items": items}:
            return Shape(Form.ARRAY, take_apart(items, records))
        case {"type": "record", "name": str(name), "fields": list(fields)}:
            records[name] = [
                Field(
                    field["name"],
                    take_apart(field["type"], records),
                    field.get("default", msgspec.NODEFAULT),
                )
                for field in fields
            ]
            return Shape(Form.RECORD, record=name)
        case {"logicalType": logical} if logical in _LOGICAL:
            return Shape(_LOGICAL[logical])
        case {"type": str(plain)} | str(plain) if plain in _PLAIN:
            return Shape(_PLAIN[plain])
        case str(name) if name in records:
            return Shape(Form.RECORD, record=name)
    raise TypeError(f"no coder is generated for the Avro type {schema!r}")
