"""Whether Avro schemas can follow one another: what the registry and our own gate both ask.

A reader with one schema must understand what a writer with the other has written. The rules are
those of the library `avro`, held tighter where it looks away: it compares no logical types (a
timestamp in milliseconds would read as one in microseconds) and checks no default against its type.
"""

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from avro.compatibility import (
    ReaderWriterCompatibilityChecker,
    SchemaCompatibilityResult,
    SchemaCompatibilityType,
    SchemaIncompatibilityType,
    incompatible,
    merge,
)
from avro.errors import AvroException, IgnoredLogicalType
from avro.schema import (
    ArraySchema,
    EnumSchema,
    FixedSchema,
    MapSchema,
    RecordSchema,
    Schema,
    UnionSchema,
    parse,
)

INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1
MEANING = ("logicalType", "precision", "scale", "pms.type")
"""Properties of a type that say what its bytes mean."""


class Level(StrEnum):
    """Who must understand whom, in the registry's words; transitive ones ask every version."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"


class InvalidSchema(Exception):
    """A text that is no Avro schema; the message says why."""


def parsed(text: str) -> Schema:
    """Read a schema and hold every default against its type.

    Raises:
        InvalidSchema: it is not one.
    """
    try:
        with warnings.catch_warnings():
            # An unknown logical type is ignored by every reader, as the specification asks.
            warnings.simplefilter("ignore", IgnoredLogicalType)
            schema = parse(text)
    except (AvroException, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise InvalidSchema(str(error)) from error
    for record in _records(schema, set()):
        for field in record.fields:
            if field.has_default and not _can_be(field.type, field.default):
                raise InvalidSchema(
                    f"the default {json.dumps(field.default)} of {record.fullname}.{field.name} "
                    f"is no {field.type.type}"
                )
    return schema


def incompatibilities(new: str, earlier: Sequence[str], level: Level) -> tuple[str, ...]:
    """Say why a schema may not follow earlier ones (oldest first); empty when it may.

    Raises:
        InvalidSchema: one of them is no schema.
    """
    newest = parsed(new)
    if level is Level.NONE:
        return ()
    known = list(enumerate((parsed(text) for text in earlier), start=1))
    reasons: list[str] = []
    for version, old in known if level.endswith("_TRANSITIVE") else known[-1:]:
        if not level.startswith("FORWARD"):
            reasons += _unreadable(f"the new schema cannot read version {version}", newest, old)
        if not level.startswith("BACKWARD"):
            reasons += _unreadable(f"version {version} cannot read the new schema", old, newest)
    return tuple(reasons)


def _unreadable(claim: str, reader: Schema, writer: Schema) -> list[str]:
    try:
        result = _Checker().get_compatibility(reader, writer)  # type: ignore[no-untyped-call]
    except AvroException as error:
        return [f"{claim}: {error}"]
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    kinds = dict.fromkeys(each.value for each in result.incompatibilities)
    # A place of "/" is what the library merges in from the parts that are compatible.
    places = sorted(result.locations - {"/"}) or ["/"]
    return [
        f"{claim}: {', '.join(kinds)} ({'; '.join(sorted(result.messages))}) at {', '.join(places)}"
    ]


class _Checker(ReaderWriterCompatibilityChecker):
    """The library's rules, and: what bytes mean may not change with their form unchanged."""

    def calculate_compatibility(
        self, reader: Schema, writer: Schema, location: list[str]
    ) -> SchemaCompatibilityResult:
        """Compare two types, their parts through this method again."""
        result = super().calculate_compatibility(reader, writer, location)
        if isinstance(reader, UnionSchema) or isinstance(writer, UnionSchema):
            return result
        read, written = (_meaning(each) for each in (reader, writer))
        if read == written:
            return result
        message = f"read as {read or 'plain'}, written as {written or 'plain'}"
        mismatch = incompatible(SchemaIncompatibilityType.type_mismatch, message, location)
        return merge(result, mismatch)


def _meaning(schema: Schema) -> dict[str, object]:
    found = {name: schema.props.get(name) for name in MEANING}
    return {name: value for name, value in found.items() if value is not None}


def _records(schema: Schema, seen: set[int]) -> Iterable[RecordSchema]:
    """Every record of a schema once, those inside others too."""
    match schema:
        case RecordSchema():
            if id(schema) in seen:
                return
            seen.add(id(schema))
            yield schema
            parts = [field.type for field in schema.fields]
        case UnionSchema():
            parts = list(schema.schemas)
        case ArraySchema():
            parts = [schema.items]
        case MapSchema():
            parts = [schema.values]
        case _:
            return
    for part in parts:
        yield from _records(part, seen)


def _can_be(schema: Schema, value: object) -> bool:
    """Say whether a JSON value is a default of a type (Avro 1.12: of any branch of a union)."""
    match schema:
        case UnionSchema():
            return any(_can_be(branch, value) for branch in schema.schemas)
        case ArraySchema():
            return isinstance(value, list) and all(_can_be(schema.items, each) for each in value)
        case MapSchema():
            return isinstance(value, dict) and all(
                _can_be(schema.values, each) for each in value.values()
            )
        case EnumSchema():
            return value in schema.symbols
        case FixedSchema():
            return isinstance(value, str) and len(value) == schema.size
        case RecordSchema():
            return isinstance(value, Mapping) and all(
                _can_be(field.type, value[field.name]) if field.name in value else field.has_default
                for field in schema.fields
            )
    return _is_primitive(schema.type, value)


def _is_primitive(kind: str, value: object) -> bool:
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "bytes":
            return isinstance(value, str) and max(value, default="") <= "\xff"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind in {"float", "double"}:
        return True
    limit = INT_MAX if kind == "int" else LONG_MAX
    return isinstance(value, int) and -limit - 1 <= value <= limit
