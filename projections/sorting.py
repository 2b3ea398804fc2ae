"""Lists in the order asked for: by one field, nulls last, ties by the row's identity; then pages.

A sort is written `trade_date`, or `-trade_date` from the largest; ties go the same way. A cursor
holds the last row's value and identity, so rows that come, go or change between two pages neither
shift nor repeat the others: each page begins behind a place, not behind a count. Where no index
gives the order, the rows that match are sorted for each page, and may be only so many.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import GenericAlias
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from projections.asking import Answered, Readable, ask
from projections.paging import Page, page_of, read_cursor

SORTED_ROWS_MAX = 100_000

Row = TypeVar("Row", bound=msgspec.Struct)


class SortTooLong(Exception):
    """More rows match than are sorted for an answer; `indexed` are the sorts without a bound."""

    def __init__(self, indexed: Iterable[str]) -> None:
        super().__init__(f"more than {SORTED_ROWS_MAX} rows to sort")
        self.indexed = tuple(indexed)


class SortUnknown(Exception):
    """A list has no such field to sort by; `known` are those it has."""

    def __init__(self, known: Iterable[str]) -> None:
        super().__init__("no such sort")
        self.known = tuple(known)


class Field(NamedTuple):
    """A field to sort by; `kind` is that of its values.

    If `is_indexed`, an index of the table gives rows of one tenant in its order, then by identity.
    """

    kind: Any
    is_nullable: bool = False
    is_indexed: bool = False


class Listing(NamedTuple, Generic[Row]):
    """Rows of one model that can be sorted: `select` gives `columns`, and can be filtered by them.

    Texts are of the collation "C", so that the database and Python agree on their order.
    """

    model: str
    select: str
    row: Callable[[Sequence[Any]], Row]
    columns: tuple[str, ...]
    fields: Mapping[str, Field]
    identity: Mapping[str, type]


class Sort(NamedTuple):
    """How a list is ordered: by one field, then by identity."""

    name: str
    field: Field
    identity: Mapping[str, type]
    is_descending: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it compares, in order."""
        return (self.name, *(name for name in self.identity if name != self.name))

    def place(self, values: Callable[[str], Any]) -> tuple[Any, ...]:
        """Give the place of a row, by the values of its columns, as a cursor holds it."""
        return tuple(values(name) for name in self.columns)

    def key(self, place: Sequence[Any]) -> tuple[Any, ...]:
        """Give what Python sorts a place by, in reverse if descending: a null is last."""
        is_null = place[0] is None
        first = () if is_null else (place[0],)
        return (is_null != self.is_descending, *first, *place[1:])

    def read(self, question: str, cursor: str | None) -> tuple[Any, ...] | None:
        """Read the place that a page begins behind; None: it is the first.

        Raises:
            CursorInvalid: it is not of this question.
        """
        if cursor is None:
            return None
        kinds = [self.identity.get(name, self.field.kind) for name in self.columns]
        if self.field.is_nullable:
            kinds[0] = kinds[0] | None
        kind: Any = GenericAlias(tuple, tuple(kinds))
        place: tuple[Any, ...] = read_cursor(question, cursor, kind)
        return place


def sort_of(text: str, fields: Mapping[str, Field], identity: Mapping[str, type]) -> Sort:
    """Read a sort.

    Raises:
        SortUnknown: its field is none of those.
    """
    name = text.removeprefix("-")
    if name not in fields:
        raise SortUnknown(fields)
    return Sort(name, fields[name], identity, text.startswith("-"))


def sorted_page(
    readable: Readable,
    listing: Listing[Row],
    *,
    question: str,
    where: Sequence[str],
    parameters: Mapping[str, object],
    sort: str,
    cursor: str | None,
    limit: int,
) -> Page[Row]:
    """Ask for a page of the rows that meet all conditions.

    Raises:
        CursorInvalid: the cursor is not of this question.
        SortTooLong: more match than are sorted without an index.
        SortUnknown: there is no such field.
    """
    order = sort_of(sort, listing.fields, listing.identity)
    question = f"{question} {sort}"
    place = order.read(question, cursor)
    selected = f"{listing.select} WHERE {' AND '.join(where)}"
    asked: dict[str, object] = {**parameters, "limit": limit + 1}
    if not order.field.is_indexed:
        _require_few(readable, listing, selected, asked)
    for name, value in zip(order.columns, place or (), strict=False):
        asked[f"after_{name}"] = value
    at = [listing.columns.index(name) for name in order.columns]
    answered = ask(
        readable,
        listing.model,
        f"* FROM ({_branches(order, selected, place)}) AS found",
        asked,
        order=f"ORDER BY answer.{order.name} IS NULL, {_ordered(order, 'answer.')}",
        merge=lambda row: order.key([row[index] for index in at]),
        is_reversed=order.is_descending,
        prepare=False,
    )
    rows = [listing.row(values) for values in answered.rows]
    return page_of(
        question,
        answered,
        rows,
        limit=limit,
        key=lambda row: order.place(lambda name: getattr(row, name)),
    )


def sorted_in_memory(
    answered: Answered,
    rows: Sequence[Row],
    *,
    question: str,
    order: Sort,
    cursor: str | None,
    limit: int,
    value: Callable[[Row, str], Any] = getattr,
) -> Page[Row]:
    """Make a page of all rows there are, of which some fields are only known here.

    `value` gives a row's value of a field.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"{question} {'-' if order.is_descending else ''}{order.name}"
    place = order.read(question, cursor)

    def placed(row: Row) -> tuple[Any, ...]:
        return order.place(lambda name: value(row, name))

    def key(row: Row) -> tuple[Any, ...]:
        return order.key(placed(row))

    ordered = sorted(rows, key=key, reverse=order.is_descending)
    if place is not None:
        last = order.key(place)
        ordered = [
            row for row in ordered if (key(row) < last if order.is_descending else key(row) > last)
        ]
    return page_of(question, answered, ordered, limit=limit, key=placed)


def _require_few(
    readable: Readable, listing: Listing[Row], selected: str, asked: Mapping[str, object]
) -> None:
    counted = f"count(*) FROM ({selected} LIMIT {SORTED_ROWS_MAX + 1}) AS found"
    found = ask(readable, listing.model, counted, asked, merge=lambda row: row[0], prepare=False)
    if sum(count for (count,) in found.rows) > SORTED_ROWS_MAX:
        raise SortTooLong(name for name, field in listing.fields.items() if field.is_indexed)


def _branches(order: Sort, selected: str, place: tuple[Any, ...] | None) -> str:
    """Write the question: those that have a value, then those that have none.

    As one ORDER BY with NULLS LAST it could use an index in one direction only.
    """
    name, direction = order.name, "<" if order.is_descending else ">"
    ids = order.columns[1:]
    branches = []
    if place is None or place[0] is not None:
        after = ""
        if place is not None:
            after = f" AND {_row(order.columns)} {direction} {_row(order.columns, given=True)}"
        given = f" AND {name} IS NOT NULL" if order.field.is_nullable else ""
        branches.append(f"{selected}{given}{after} ORDER BY {_ordered(order)} LIMIT %(limit)s")
    if order.field.is_nullable:
        after = ""
        if place is not None and place[0] is None:
            after = f" AND {_row(ids)} {direction} {_row(ids, given=True)}"
        branches.append(
            f"{selected} AND {name} IS NULL{after}"
            f" ORDER BY {_ordered(order, names=ids)} LIMIT %(limit)s"
        )
    return " UNION ALL ".join(f"({branch})" for branch in branches)


def _ordered(order: Sort, prefix: str = "", names: Sequence[str] | None = None) -> str:
    direction = " DESC" if order.is_descending else ""
    names = order.columns if names is None else names
    return ", ".join(f"{prefix}{name}{direction}" for name in names)


def _row(names: Sequence[str], *, given: bool = False) -> str:
    return "(" + ", ".join(f"%(after_{name})s" if given else name for name in names) + ")"
