"""The Avro schema of every event type, derived from its annotations.

Decimals are strings with the property `pms.type`: exact, of any scale, several times cheaper than
the logical type (decision 0008). Enumerations are strings that name their `pms.symbols`, so that a
new symbol is no new type. What the log's JSON leaves out is a default here.
"""

import enum
import inspect
import json
from decimal import Decimal
from functools import cache
from typing import Any, cast

import msgspec
from msgspec import inspect as types

from schemas.catalogue import EVENT_TYPES
from schemas.watermark import WATERMARK, Watermark

WIRE_TYPES: dict[str, type[msgspec.Struct]] = {**EVENT_TYPES, WATERMARK: Watermark}
"""Everything a topic may carry, by stored name."""

AvroType = dict[str, Any] | list[Any] | str


def record_name(stored_name: str) -> str:
    """Name the Avro record of an event: `trade.captured.v1` is `pms.trade.v1.Captured`."""
    subject, act, version = stored_name.split(".")
    words = "".join(word.capitalize() for word in act.split("_"))
    return f"pms.{subject}.{version}.{words}"


@cache
def schema_text(stored_name: str) -> str:
    """Give the schema of an event as one line of JSON: the form in which it is registered."""
    return json.dumps(derive(stored_name, WIRE_TYPES[stored_name]), ensure_ascii=False)


def derive(stored_name: str, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Derive the schema of a type that is stored under a name.

    Structs in its fields are records of its namespace, written out where they are first met.
    """
    namespace, _, name = record_name(stored_name).rpartition(".")
    return {
        "type": "record",
        "name": name,
        "namespace": namespace,
        "doc": _summary(kind),
        "pms.event": stored_name,
        "fields": _fields(kind, seen=set()),
    }


def _summary(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _fields(kind: type, *, seen: set[type]) -> list[dict[str, Any]]:
    described = cast("types.StructType", types.type_info(kind))
    return [_field(field, seen) for field in described.fields]


def _field(field: types.Field, seen: set[type]) -> dict[str, Any]:
    schema: dict[str, Any] = {"name": field.encode_name, "type": _type(field.type, seen)}
    if not field.required:
        schema["default"] = _default(field.default)
    return schema


def _default(value: object) -> object:
    match value:
        case Decimal():
            return str(value)
        case enum.Enum():
            return value.value
        case tuple():
            return [_default(each) for each in value]
        case None | bool() | int() | str():
            return value
    raise TypeError(f"no Avro default is known for {value!r}")


def _type(described: types.Type, seen: set[type]) -> AvroType:
    match described:
        case types.StrType():
            return "string"
        case types.BoolType():
            return "boolean"
        case types.IntType():
            return "long"
        case types.DecimalType():
            return {"type": "string", "pms.type": "decimal"}
        case types.UUIDType():
            return {"type": "string", "logicalType": "uuid"}
        case types.DateType():
            return {"type": "int", "logicalType": "date"}
        case types.DateTimeType():
            return {"type": "long", "logicalType": "timestamp-micros"}
        case types.EnumType():
            return {"type": "string", "pms.symbols": [each.value for each in described.cls]}
        case types.VarTupleType():
            return {"type": "array", "items": _type(described.item_type, seen)}
        case types.UnionType(types=(inner, types.NoneType())):
            return ["null", _type(inner, seen)]
        case types.StructType():
            return _nested(described.cls, seen)
    raise TypeError(f"no Avro type is known for {described!r}")


def _nested(kind: type, seen: set[type]) -> AvroType:
    if kind in seen:
        return kind.__name__
    seen.add(kind)
    return {
        "type": "record",
        "name": kind.__name__,
        "doc": _summary(kind),
        "fields": _fields(kind, seen=seen),
    }
