"""Tables as files: CSV, Parquet and Arrow of the very structs that are answered as JSON.

Exact numbers stay exact: text in CSV, decimal128(38, 12) in Arrow and Parquet, where a value that
does not fit is refused. Quotients (returns, rates, what was converted) have more decimals and are
text everywhere. Times are UTC. A struct within a row gives a column per field, `outer.inner`;
lists of texts are lists; anything else that is not one value is JSON text.
"""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, BinaryIO, NamedTuple, Protocol

import msgspec
import msgspec.inspect as kinds
import pyarrow as pa
from pyarrow import parquet

from read_api.shaping import AMOUNT_PATTERN, QUOTIENT_PATTERN, Shaped

NUMBER_DIGITS, NUMBER_PLACES = 38, 12
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")


class Form(StrEnum):
    """What the values of a column are."""

    AMOUNT = "amount"
    DAY = "day"
    DOCUMENT = "document"
    FLAG = "flag"
    INSTANT = "instant"
    INTEGER = "integer"
    QUOTIENT = "quotient"
    STATISTIC = "statistic"
    TEXT = "text"
    TEXTS = "texts"


class Column(NamedTuple):
    """One column: its name, and the fields that lead from a row to its value."""

    name: str
    path: tuple[str, ...]
    form: Form


class Inexact(Exception):
    """A value that the format cannot hold exactly."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


class Writer(Protocol):
    """Writes a table to a file, some rows at a time."""

    def write(self, rows: Sequence[Shaped]) -> None:
        """Write rows.

        Raises:
            Inexact: a value does not fit the format.
        """
        ...

    def close(self) -> None:
        """Write what ends the file; the file stays open."""
        ...


_FORMS: dict[type[kinds.Type], Form] = {
    kinds.BoolType: Form.FLAG,
    kinds.DateTimeType: Form.INSTANT,
    kinds.DateType: Form.DAY,
    kinds.EnumType: Form.TEXT,
    kinds.FloatType: Form.STATISTIC,
    kinds.IntType: Form.INTEGER,
    kinds.LiteralType: Form.TEXT,
    kinds.StrType: Form.TEXT,
    kinds.UUIDType: Form.TEXT,
}
_NUMBERS = {AMOUNT_PATTERN: Form.AMOUNT, QUOTIENT_PATTERN: Form.QUOTIENT}
_ARROW_TYPES: dict[Form, Callable[[], pa.DataType]] = {
    Form.AMOUNT: lambda: pa.decimal128(NUMBER_DIGITS, NUMBER_PLACES),
    Form.DAY: pa.date32,
    Form.DOCUMENT: pa.string,
    Form.FLAG: pa.bool_,
    Form.INSTANT: lambda: pa.timestamp("us", "UTC"),
    Form.INTEGER: pa.int64,
    Form.QUOTIENT: pa.string,
    Form.STATISTIC: pa.float64,
    Form.TEXT: pa.string,
    Form.TEXTS: lambda: pa.list_(pa.string()),
}


def columns_of(kind: type[Shaped], names: Sequence[str] | None = None) -> tuple[Column, ...]:
    """List the columns of rows of a kind: all, or those of the named fields in their order."""
    described = kinds.type_info(kind)
    assert isinstance(described, kinds.StructType), "rows are structs"
    every = [
        column for field in described.fields for column in _columns((), field.name, field.type)
    ]
    chosen = [
        column
        for name in names or ()
        for column in every
        if column.name == name or column.name.startswith(f"{name}.")
    ]
    return tuple(every if names is None else dict.fromkeys(chosen))


def _columns(path: tuple[str, ...], name: str, kind: kinds.Type) -> list[Column]:
    path = (*path, name)
    kind = _without_null(kind)
    if isinstance(kind, kinds.StructType):
        return [
            column for field in kind.fields for column in _columns(path, field.name, field.type)
        ]
    return [Column(".".join(path), path, _form(kind))]


def _without_null(kind: kinds.Type) -> kinds.Type:
    while isinstance(kind, kinds.Metadata):
        kind = kind.type
    if isinstance(kind, kinds.UnionType):
        given = [each for each in kind.types if not isinstance(each, kinds.NoneType)]
        return _without_null(given[0]) if len(given) == 1 else kind
    return kind


def _form(kind: kinds.Type) -> Form:
    if isinstance(kind, kinds.StrType) and kind.pattern in _NUMBERS:
        return _NUMBERS[kind.pattern]
    if isinstance(kind, kinds.VarTupleType | kinds.ListType):
        inner = _without_null(kind.item_type)
        return Form.TEXTS if isinstance(inner, kinds.StrType) else Form.DOCUMENT
    return _FORMS.get(type(kind), Form.DOCUMENT)


def value_of(row: Any, column: Column) -> Any:  # noqa: ANN401
    """Give a row's value in a column: an amount and a document as text; None for null."""
    for name in column.path:
        if row is None:
            return None
        row = getattr(row, name)
    if row is None:
        return None
    if column.form is Form.TEXT:
        return str(row)
    return json_text(row) if column.form is Form.DOCUMENT else row


def json_text(value: Any) -> str:  # noqa: ANN401
    """Write a value as JSON."""
    return msgspec.json.encode(value).decode()


class CsvWriter:
    """CSV (RFC 4180) in UTF-8 with a line of names.

    Texts are quoted and null is nothing, so that an empty text is another thing. A text that a
    spreadsheet would take for a formula, or that begins with an apostrophe, has an apostrophe
    before it; take one away to have the text.
    """

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._file = file
        self._columns = columns
        self._line(column.name for column in columns)

    def write(self, rows: Sequence[Shaped]) -> None:
        """Write a line per row."""
        for row in rows:
            self._line(csv_cell(value_of(row, column), column.form) for column in self._columns)

    def close(self) -> None:
        """Do nothing: the last line is the end."""

    def _line(self, cells: Any) -> None:  # noqa: ANN401
        self._file.write((",".join(cells) + "\r\n").encode())


def csv_cell(value: Any, form: Form) -> str:  # noqa: ANN401
    """Write one value of a CSV line."""
    if value is None:
        return ""
    if form is Form.TEXT:
        guarded = f"'{value}" if value.startswith(FORMULA_STARTS) else value
        return _quoted(guarded)
    if form in {Form.TEXTS, Form.DOCUMENT}:
        return _quoted(value if form is Form.DOCUMENT else json_text(value))
    if form in {Form.DAY, Form.INSTANT}:
        return str(msgspec.to_builtins(value))
    return value if form in {Form.AMOUNT, Form.QUOTIENT} else json.dumps(value)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


class ArrowWriter:
    """An Arrow stream, or a Parquet file: typed columns, the positions in the schema's metadata."""

    def __init__(
        self,
        file: BinaryIO,
        columns: Sequence[Column],
        metadata: dict[str, str],
        *,
        is_parquet: bool,
    ) -> None:
        self._columns = columns
        fields = [(column.name, _ARROW_TYPES[column.form]()) for column in columns]
        self._schema = pa.schema(fields, metadata=metadata)
        self._writer = (
            parquet.ParquetWriter(file, self._schema)
            if is_parquet
            else pa.ipc.new_stream(file, self._schema)
        )

    def write(self, rows: Sequence[Shaped]) -> None:
        """Write the rows as one batch."""
        arrays = [
            self._array([value_of(row, column) for row in rows], column, field.type)
            for column, field in zip(self._columns, self._schema, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        """Write the end; a Parquet file is none without it."""
        self._writer.close()

    def _array(self, values: list[Any], column: Column, kind: pa.DataType) -> pa.Array:
        if column.form is Form.AMOUNT:
            values = [None if value is None else Decimal(value) for value in values]
        try:
            return pa.array(values, kind)
        except pa.ArrowInvalid:
            raise Inexact(column.name) from None
