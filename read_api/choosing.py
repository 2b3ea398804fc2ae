"""Sparse fields: which parts of an item are asked for, and keeping only those.

A field of a struct within an item is named with a dot, `struck.nav`, like the column of a file.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from gateway.problem import Problem
from read_api.exported import columns_of
from read_api.shaping import Shaped

FIELDS_PATTERN = r"^[a-z0-9_]+(\.[a-z0-9_]+)*(,[a-z0-9_]+(\.[a-z0-9_]+)*)*\Z"

Wanted: TypeAlias = "dict[str, Wanted]"
"""Fields by name; one without fields of its own is wanted whole."""


def row_kind(kind: Any) -> type[Shaped] | None:  # noqa: ANN401
    """Give the struct of a list's items; None where a kind of answer is no list of structs."""
    items = _field_type(kind, "items")
    inner = getattr(items, "__args__", (None,))[0]
    return inner if isinstance(inner, type) and issubclass(inner, Shaped) else None


def item_kind(kind: Any) -> type[Shaped] | None:  # noqa: ANN401
    """Give the struct of the one item of a document; None where it is no struct."""
    item = _field_type(kind, "item")
    return item if isinstance(item, type) and issubclass(item, Shaped) else None


def _field_type(kind: Any, name: str) -> Any:  # noqa: ANN401
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return None
    return next((field.type for field in msgspec.structs.fields(kind) if field.name == name), None)


def chosen_fields(asked: str | None, row: type[Shaped]) -> tuple[str, ...] | None:
    """Read which fields are asked for; None: all.

    Raises:
        Problem: `parameter_invalid`, naming those that are not there and those that are.
    """
    if asked is None:
        return None
    names = tuple(dict.fromkeys(asked.split(",")))
    paths = [column.path for column in columns_of(row)]
    known = {".".join(path[:length]) for path in paths for length in range(1, len(path) + 1)}
    unknown = [name for name in names if name not in known]
    if unknown:
        there = dict.fromkeys(".".join(path) for path in paths)
        detail = f"There is no {', '.join(unknown)}; there are {', '.join(there)}."
        raise Problem("parameter_invalid", detail, fields=("fields",))
    return names


def kept(document: Mapping[str, msgspec.Raw], names: Sequence[str]) -> dict[str, msgspec.Raw]:
    """Keep only the fields asked for of a document's item, or of its items."""
    wanted: Wanted = {}
    for name in sorted(names, key=lambda name: -name.count(".")):
        *within, last = name.split(".")
        part = wanted
        for each in within:
            part = part.setdefault(each, {})
        part[last] = {}  # Wanted whole, also where a part of it was named before.
    ordered = {name: wanted[name] for name in (name.split(".")[0] for name in names)}
    found = dict(document)
    if "items" in document:
        items = msgspec.json.decode(document["items"], type=list[msgspec.Raw])
        found["items"] = _raw([_kept(item, ordered) for item in items])
    else:
        found["item"] = _kept(document["item"], ordered)
    return found


def _kept(value: msgspec.Raw, wanted: Wanted) -> msgspec.Raw:
    if not wanted or bytes(value) == b"null":
        return value
    parts = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    return _raw({name: _kept(parts[name], wanted[name]) for name in wanted if name in parts})


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
