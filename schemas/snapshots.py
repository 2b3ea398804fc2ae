"""The state of a portfolio as bytes, and back: what a snapshot holds, and the form it is known by.

No part of the truth: a snapshot of another form than `FORM` is not read, the events are folded
instead. So every shape here may change at any time. Books are made from their bytes when first
looked at, and the lots of a checkpoint when a fill comes as late as that.

MessagePack, not JSON: a third smaller, and as quick.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final, cast, get_type_hints, overload
from uuid import UUID

import msgspec
from msgspec.structs import asdict, astuple

from domain.book import Book, Checkpoint, Step
from domain.book_order import BookKey
from domain.held import Due
from domain.limits.events import LimitBreachOpened
from domain.lots import CostBasis, Lot
from domain.money import ZERO
from domain.open_lots import OpenLots, RankedLots, lots_for
from domain.portfolio.day_counts import Counted, DayCounts
from domain.portfolio.dues import Dues
from domain.portfolio.standing import Said, Standing
from domain.portfolio.state import BreachKey, Portfolio, Traded, breach_key
from schemas.codec import decode, encode, event_name

CALCULATION = 1
"""Raise it when the same events fold to another state of the same shape."""

PORTFOLIO_NOT_STORED = frozenset({"_owned", "checked", "moved", "valued"})
BOOK_NOT_STORED = frozenset({"worked_out", "prepared", "disturbed"})
"""Slots that are no state: which books are copied already, as of when no action was found to be
lacking, what positions were worth, and what was worked out in advance, with what says whether it
still fits."""

BOOK_REMEMBERED = frozenset({"steps", "forgotten_key", "checkpoints", "folded"})
"""Slots that only make late fills quick: two ways to one state may remember differently."""

_SaidOf = tuple[int, str, bytes]
_LOT_ROW: Any = tuple.__class_getitem__(tuple(get_type_hints(Lot).values()))
_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_read_rows = msgspec.msgpack.Decoder(list[_LOT_ROW]).decode


class StoredLots(Sequence[Lot]):
    """Lots still in their bytes, made whenever they are asked for."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __len__(self) -> int:
        """Count them."""
        return len(self._made())

    def __iter__(self) -> Iterator[Lot]:
        """List them."""
        return iter(self._made())

    @overload
    def __getitem__(self, index: int) -> Lot: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Lot]: ...
    def __getitem__(self, index: int | slice) -> Lot | Sequence[Lot]:
        """Give one of them, or some."""
        return self._made()[index]

    def _made(self) -> list[Lot]:
        return [Lot(*row) for row in _read_rows(self.data)]


class _Lots(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Open lots; where they are ranked, with the numbers by which steps know them."""

    rows: bytes
    numbers: tuple[int, ...] = ()
    next_number: int = 0


class _Holding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a book holds: the slots it needs to decide what comes in time."""

    basis: CostBasis
    lots: _Lots
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    fees: Decimal = ZERO
    realised_gross: Decimal = ZERO
    realised_net: Decimal = ZERO
    last_key: BookKey | None = None
    forgotten_key: BookKey | None = None
    restating: list[Lot] = []
    opening: Lot | None = None
    folded: int = 0
    opening_basis: CostBasis
    first_key: BookKey | None = None
    entries: dict[UUID, BookKey] = {}


def _stored_field(name: str, hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type
    """Declare a checkpoint's field as it is stored, in the manner of `_Holding`."""
    if name == "lots":
        return name, bytes
    return (name, hint, ZERO) if hint is Decimal else (name, hint)


# Events leave out a number that is the very `ZERO` of their default, and write any other zero. So
# does this, and both come back as they were: events decided after loading are equal to the byte.
_StoredCheckpoint: Any = msgspec.defstruct(
    "_StoredCheckpoint",
    [_stored_field(name, hint) for name, hint in get_type_hints(Checkpoint).items()],
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    gc=False,
)


class _Memory(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a book needs besides, once it changes."""

    steps: list[Step]
    checkpoints: list[_StoredCheckpoint]


_PARTS: Final = (_Holding, _Memory)
_Parts = tuple[bytes, bytes]

_SAID = {name for name, hint in get_type_hints(Standing).items() if hint == Said | None}
_StoredStanding: Any = msgspec.defstruct(
    "_StoredStanding",
    [
        (name, _SaidOf | None if hint == Said | None else hint)
        for name, hint in get_type_hints(Standing).items()
    ],
    array_like=True,
    frozen=True,
)


class _StoredPortfolio(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The slots of a portfolio; events as the log has them, books in their bytes."""

    version: int
    opened: tuple[str, bytes] | None
    standing: _StoredStanding
    cash: dict[str, Decimal]
    pending: dict[str, dict[date, Decimal]]
    awaited: dict[str, dict[date, Decimal]]
    failing: dict[str, dict[date, Decimal]]
    books: dict[str, _Parts]
    dues: dict[UUID, tuple[str, str, Due]]
    breaches: list[tuple[str, bytes]]
    counts: tuple[dict[date, dict[str, Counted]], date | None]
    traded: dict[str, Traded]


BOOK_STORED: Final = frozenset(name for kind in _PARTS for name in kind.__struct_fields__)
PORTFOLIO_STORED: Final = frozenset(_StoredPortfolio.__struct_fields__)
_read_portfolio = msgspec.msgpack.Decoder(_StoredPortfolio).decode
_part_readers: Final = [msgspec.msgpack.Decoder(kind).decode for kind in _PARTS]


class StoredBook(Book):
    """A book whose slots are filled from their bytes when first read; to be copied, not changed.

    A slot that is not set yet falls through to `__getattr__`; once set, it costs nothing.
    """

    __slots__ = ("parts",)

    def __init__(self, parts: _Parts) -> None:
        self.parts = parts
        self.worked_out = self.prepared = None
        self.disturbed = object()

    def __getattr__(self, name: str) -> object:
        """Fill the part that a slot belongs to.

        Raises:
            AttributeError: a book has no such slot, or its snapshots leave it out.
        """
        for kind, read, data in zip(_PARTS, _part_readers, self.parts, strict=True):
            if name in kind.__struct_fields__:
                part = read(data)
                for each in kind.__struct_fields__:
                    restore = _RESTORING.get(each)
                    setattr(self, each, getattr(part, each) if restore is None else restore(part))
                return getattr(self, name)
        raise AttributeError(name)


def encode_portfolio(portfolio: Portfolio) -> bytes:
    """Write the state of a portfolio; nobody may change it meanwhile."""
    return _encoder.encode(_taken(_StoredPortfolio, portfolio))


def decode_portfolio(data: bytes) -> Portfolio:
    """Read the state of a portfolio of this `FORM`.

    Raises:
        msgspec.DecodeError: these are not its bytes.
    """
    stored, portfolio = _read_portfolio(data), Portfolio()
    for name in _StoredPortfolio.__struct_fields__:
        restore = _RESTORING.get(name)
        setattr(portfolio, name, getattr(stored, name) if restore is None else restore(stored))
    return portfolio


def require_readable(data: bytes) -> None:
    """Read what would else be read only when a book is looked at or changes.

    Raises:
        msgspec.DecodeError: something in it cannot be read.
    """
    for book in decode_portfolio(data).books.values():
        book.copy()


def first_difference(one: Portfolio, other: Portfolio) -> str | None:
    """Name the first slot in which two portfolios hold different things, None where there is none.

    What books remember, so as to be quick, may differ.
    """
    for name in _StoredPortfolio.__struct_fields__:
        if name != "books" and getattr(one, name) != getattr(other, name):
            return name
    if one.books.keys() != other.books.keys():
        return "books"
    for instrument, book in one.books.items():
        for name in sorted(BOOK_STORED - BOOK_REMEMBERED):
            values = (getattr(book, name), getattr(other.books[instrument], name))
            found, expected = map(list, values) if name == "lots" else values
            if found != expected:
                return f"{name} of the book of {instrument}"
    return None


def _taken(kind: Callable[..., Any], held: object) -> Any:  # noqa: ANN401 - one of the structs above
    """Take the slots that a struct names from what holds them."""
    values = {}
    for name in kind.__struct_fields__:  # type: ignore[attr-defined]
        store, value = _STORING.get(name), getattr(held, name)
        values[name] = value if store is None else store(value)
    return kind(**values)


def _rows(lots: Sequence[Lot] | OpenLots) -> bytes:
    if isinstance(lots, StoredLots):
        return lots.data
    return _encoder.encode([astuple(lot) for lot in lots])


def _stored_lots(lots: OpenLots) -> _Lots:
    if isinstance(lots, RankedLots):
        return _Lots(
            _rows(lots), tuple(lots.lots[lot.trade_id.int][0] for lot in lots), lots.next_number
        )
    return _Lots(_rows(lots))


def _restored_lots(part: _Holding) -> OpenLots:
    lots, stored = StoredLots(part.lots.rows), part.lots
    empty = lots_for(part.basis)
    if isinstance(empty, RankedLots):
        touched = zip(stored.numbers, lots, strict=True)
        return RankedLots.numbered(touched, stored.next_number, by_cost=empty.by_cost)
    return lots_for(part.basis, lots)


def _stored_checkpoints(checkpoints: Sequence[Checkpoint]) -> list[Any]:
    return [_taken(_StoredCheckpoint, each) for each in checkpoints]


def _restored_checkpoints(part: _Memory) -> list[Checkpoint]:
    found = []
    for each in part.checkpoints:
        fields: dict[str, Any] = asdict(each)
        found.append(Checkpoint(**fields | {"lots": StoredLots(each.lots)}))
    return found


def _stored_books(books: dict[str, Book]) -> dict[str, _Parts]:
    return {
        name: book.parts
        if isinstance(book, StoredBook)
        else (_encoder.encode(_taken(_Holding, book)), _encoder.encode(_taken(_Memory, book)))
        for name, book in books.items()
    }


def _said(value: object) -> object:
    if isinstance(value, Said):
        return (value.version, event_name(value.event), encode(value.event))
    return value


def _restored_standing(stored: _StoredPortfolio) -> Standing:
    values: list[Any] = [
        Said(each[0], decode(each[1], each[2])) if name in _SAID and each is not None else each
        for name, each in asdict(stored.standing).items()
    ]
    return Standing(*values)


def _restored_breaches(stored: _StoredPortfolio) -> dict[BreachKey, LimitBreachOpened]:
    opened = [cast("LimitBreachOpened", decode(*each)) for each in stored.breaches]
    return {breach_key(event): event for event in opened}


_STORING: Final[dict[str, Callable[[Any], object]]] = {
    "opened": lambda opened: None if opened is None else (event_name(opened), encode(opened)),
    "standing": lambda standing: _StoredStanding(*map(_said, astuple(standing))),
    "books": _stored_books,
    "dues": attrgetter("outstanding"),
    "breaches": lambda open_: [(event_name(each), encode(each)) for each in open_.values()],
    "counts": lambda counts: (counts.days, counts.forgotten),
    "lots": lambda lots: _rows(lots) if isinstance(lots, Sequence) else _stored_lots(lots),
    "checkpoints": _stored_checkpoints,
}
_RESTORING: Final[dict[str, Callable[[Any], object]]] = {
    "opened": lambda stored: None if stored.opened is None else decode(*stored.opened),
    "standing": _restored_standing,
    "dues": lambda stored: Dues(stored.dues),
    "breaches": _restored_breaches,
    "counts": lambda stored: DayCounts(*stored.counts),
    "books": lambda stored: {name: StoredBook(parts) for name, parts in stored.books.items()},
    "lots": _restored_lots,
    "checkpoints": _restored_checkpoints,
}


def _form() -> str:
    """Hash the shape of everything stored; what only documents it is left out."""
    rows: Any = list[_LOT_ROW]
    schemas = msgspec.json.schema_components((_StoredPortfolio, *_PARTS, rows))
    # What is written by place has no names in its schema: they, and their order, are its shape too.
    by_place = (_StoredPortfolio, *_PARTS, _Lots, _StoredStanding, Lot, Counted, Traded)
    names = [kind.__struct_fields__ for kind in by_place]
    shape = msgspec.json.encode((CALCULATION, names, _undocumented(schemas)), order="sorted")
    return hashlib.sha256(shape).hexdigest()[:32]


def _undocumented(schema: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(schema, dict):
        return {
            name: _undocumented(value)
            for name, value in schema.items()
            if name != "description" or not isinstance(value, str)
        }
    if isinstance(schema, list | tuple):
        return [_undocumented(each) for each in schema]
    return schema


FORM: Final = _form()
