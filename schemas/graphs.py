"""Objects of the domain, however they refer to each other, as one document and back.

For snapshots of what is folded into many objects: it is no form to be kept, for a document is read
only by the very code that wrote it (see `code_digest`), and may be thrown away. Only classes of the
domain come back from it, so it names nothing that could be run. What figures are made of
(`Measured`) is worked out when it is written.
"""

import hashlib
import importlib
import itertools
import sys
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any
from uuid import UUID

import msgspec
from msgspec.msgpack import Ext

import domain
from domain.alerts.events import Contributor
from domain.alerts.figures import Measured

Node = list[Any]
FACTORIES: dict[str, type[Any]] = {"set": set, "list": list, "dict": dict}
_PLAIN = frozenset({type(None), bool, int, float, str, bytes})


class Unwritable(Exception):
    """Something belongs to the objects that cannot be written."""


class Unreadable(Exception):
    """The document does not say how the objects are."""


class _Made:
    """What makes most of a figure, as it was when it was written."""

    def __init__(self, contributors: tuple[Contributor, ...]) -> None:
        self._contributors = contributors

    def __call__(self) -> tuple[Contributor, ...]:
        return self._contributors


def written(root: object) -> bytes:
    """Write an object with all it refers to.

    Raises:
        Unwritable: a function, or an object of a class that is not the domain's, is among them.
    """
    writer = _Writer()
    place = writer.write(root)
    return msgspec.msgpack.encode([place, writer.nodes])


def read(document: bytes) -> Any:  # noqa: ANN401 - whatever was written
    """Give the object that was written, with all it refers to.

    Raises:
        Unreadable: it is not what `written` of this code has given.
    """
    try:
        place, nodes = _decoder.decode(document)
        return _Reader(nodes).read(place)
    except Exception as error:  # Whatever bytes may lead to: they are not those that were written.
        raise Unreadable(f"{type(error).__name__}: {error}") from error


@cache
def code_digest() -> str:
    """Name the code of the domain: other code may mean something else by the same document."""
    digest = hashlib.sha256()
    root = Path(domain.__file__ or "").parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class _Writer:
    """Gives each object a place in a list; what refers to it names the place."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._places: dict[int, int] = {}
        self._kept: list[object] = []

    def write(self, value: Any) -> Any:  # noqa: ANN401 - whatever an object has
        """Give a value as it stands in a node: what is plain by itself, all else by its place."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        scalar = _SCALARS.get(kind)
        if scalar is not None:
            return scalar(value)
        place = self._places.get(id(value))
        if place is None:
            place = self._places[id(value)] = len(self.nodes)
            self._kept.append(value)  # So that no other object gets its id meanwhile.
            node: Node = []
            self.nodes.append(node)
            node.extend(self._node(value))
        return [place]

    def _node(self, value: Any) -> Node:  # noqa: ANN401
        kind = type(value)
        if isinstance(value, type):
            return ["class", _name(value)]
        if isinstance(value, Enum):
            return ["enum", _name(kind), value.value]
        if kind is Measured:
            return ["measured", self.write(value.actual), self.write(value.contributors())]
        if isinstance(value, MethodType):
            return ["method", self.write(value.__self__), value.__func__.__name__]
        if isinstance(value, FunctionType | BuiltinFunctionType):
            raise Unwritable(f"the function {value.__qualname__}")
        return self._container(value) or self._object(value)

    def _container(self, value: Any) -> Node | None:  # noqa: ANN401
        kind = type(value)
        if kind in {list, tuple, set, frozenset}:
            return [kind.__name__, [self.write(each) for each in value]]
        if kind is deque:
            return ["deque", value.maxlen, [self.write(each) for each in value]]
        if kind is itertools.count:
            return ["count", value.__reduce__()[1][0]]
        if kind is dict or kind is defaultdict:
            factory = getattr(value, "default_factory", None)
            pairs = [[self.write(key), self.write(each)] for key, each in value.items()]
            return ["dict", None if factory is None else factory.__name__, pairs]
        return None

    def _object(self, value: Any) -> Node:  # noqa: ANN401
        kind = type(value)
        if kind is object:
            return ["mark"]
        name = _name(kind)
        if issubclass(kind, tuple):
            return ["named", name, [self.write(each) for each in value]]
        if issubclass(kind, msgspec.Struct):
            return ["struct", name, [self.write(getattr(value, each)) for each in _fields(kind)]]
        kept = {each: self.write(getattr(value, each)) for each in _attributes(value)}
        return ["object", name, kept]


_SCALARS: dict[type[Any], Callable[[Any], Ext]] = {
    Decimal: lambda it: Ext(1, str(it).encode()),
    datetime: lambda it: Ext(2, it.isoformat().encode()),
    date: lambda it: Ext(3, it.isoformat().encode()),
    UUID: lambda it: Ext(4, it.bytes),
    timedelta: lambda it: Ext(5, f"{it.days} {it.seconds} {it.microseconds}".encode()),
}
_SCALARS_READ: dict[int, Callable[[bytes], Any]] = {
    1: lambda it: Decimal(it.decode()),
    2: lambda it: datetime.fromisoformat(it.decode()),
    3: lambda it: date.fromisoformat(it.decode()),
    4: lambda it: UUID(bytes=it),
    5: lambda it: timedelta(*map(int, it.split())),
}


def _scalar(code: int, data: memoryview) -> Any:  # noqa: ANN401
    return _SCALARS_READ[code](bytes(data))


_decoder = msgspec.msgpack.Decoder(tuple[Any, list[Node]], ext_hook=_scalar)
_FROZEN: dict[str, Callable[[Any], Any]] = {"tuple": tuple, "frozenset": frozenset}


class _Reader:
    """Makes each object once; one that may refer to itself is there before what it refers to."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes
        self._made: dict[int, Any] = {}

    def read(self, value: Any) -> Any:  # noqa: ANN401
        """Give a value as it was written."""
        if not isinstance(value, list):
            return value
        (place,) = value
        if place not in self._made:
            self._make(place)
        return self._made[place]

    def _all(self, values: list[Any]) -> list[Any]:
        return [self.read(each) for each in values]

    def _make(self, place: int) -> None:
        kind, *rest = self._nodes[place]
        made = self._made
        match kind:
            case "list" | "set" | "deque" | "dict" | "object":
                self._fill(place, kind, rest)
            case "tuple" | "frozenset":
                made[place] = _FROZEN[kind](self._all(rest[0]))
            case "class":
                made[place] = _class(rest[0])
            case "enum":
                made[place] = _class(rest[0])(rest[1])
            case "measured":
                made[place] = Measured(self.read(rest[0]), _Made(self.read(rest[1])))
            case "method":
                made[place] = getattr(self.read(rest[0]), rest[1])
            case "count":
                made[place] = itertools.count(rest[0])
            case "mark":
                made[place] = object()
            case "named":
                made[place] = _class(rest[0])(*self._all(rest[1]))
            case "struct":
                found = _class(rest[0])
                values = zip(_fields(found), self._all(rest[1]), strict=True)
                made[place] = found(**dict(values))
            case _:
                raise Unreadable(f"{kind} is nothing")

    def _fill(self, place: int, kind: str, rest: Node) -> None:
        """Make what may be changed, and then put into it what belongs there."""
        made = self._made
        if kind == "object":
            found = made[place] = object.__new__(_class(rest[0]))
            for name, each in rest[1].items():
                setattr(found, name, self.read(each))
        elif kind == "dict":
            factory = rest[0]
            found = {} if factory is None else defaultdict(FACTORIES[factory])
            made[place] = found
            for key, each in rest[1]:
                found[self.read(key)] = self.read(each)
        elif kind == "set":
            made[place] = set()
            made[place].update(self._all(rest[0]))
        else:
            made[place] = [] if kind == "list" else deque(maxlen=rest[0])
            made[place].extend(self._all(rest[-1]))


def _attributes(value: object) -> list[str]:
    """Name what an object has: in slots of its classes, or by itself."""
    slots = [
        name
        for kind in type(value).__mro__
        for name in getattr(kind, "__slots__", ())
        if hasattr(value, name)
    ]
    return [*slots, *getattr(value, "__dict__", {})]


def _fields(kind: type[Any]) -> tuple[str, ...]:
    """Name the fields of a struct, in their order."""
    fields: tuple[str, ...] = kind.__struct_fields__
    return fields


def _name(kind: type[Any]) -> str:
    if not kind.__module__.startswith("domain.") or "<locals>" in kind.__qualname__:
        raise Unwritable(f"an object of {kind.__module__}.{kind.__qualname__}")
    return f"{kind.__module__}:{kind.__qualname__}"


@cache
def _class(name: str) -> type[Any]:
    """Find a class of the domain, and nothing else."""
    module, _, qualified = name.partition(":")
    if not module.startswith("domain."):
        raise Unreadable(f"{name} is no class of the domain")
    found: Any = sys.modules.get(module) or importlib.import_module(module)
    for part in qualified.split("."):
        found = vars(found)[part]
    if not isinstance(found, type) or found.__module__ != module:
        raise Unreadable(f"{name} is no class of the domain")
    return found
