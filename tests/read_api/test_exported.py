"""Tables as files: what is written is read back, and the format is the one liked best."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from gateway.problem import Problem
from read_api.exported import (
    FORMULA_STARTS,
    ArrowWriter,
    Column,
    CsvWriter,
    Form,
    Inexact,
    columns_of,
)
from read_api.negotiation import Format, accepted
from read_api.shaping import Amount, PerformanceDay, Shaped

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"


class Inner(Shaped, frozen=True):
    """A struct within a row."""

    worth: Amount | None
    at: datetime | None


class Row(Shaped, frozen=True):
    """A row with every form of value."""

    name: str
    amount: Amount | None
    count: int
    ratio: float | None
    day: date | None
    is_true: bool | None
    names: tuple[str, ...]
    inner: Inner | None


AMOUNTS = st.decimals(
    min_value=Decimal("-1e25"), max_value=Decimal("1e25"), places=12, allow_nan=False
).map(lambda number: format(number, "f"))
INSTANTS = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(2199, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["=1+1", "'=1", "@x", "-5", "+1", "\tx", "", 'a"b', "a,b", "a\r\nb"]
)
ROWS = st.lists(
    st.builds(
        Row,
        name=TEXTS,
        amount=st.none() | AMOUNTS,
        count=st.integers(-(2**63), 2**63 - 1),
        ratio=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        day=st.none() | st.dates(),
        is_true=st.none() | st.booleans(),
        names=st.lists(TEXTS, max_size=3).map(tuple),
        inner=st.none() | st.builds(Inner, worth=st.none() | AMOUNTS, at=st.none() | INSTANTS),
    ),
    max_size=5,
)


class TestAnyTable:
    """What is written is read back, in every format."""

    @pytest.mark.parametrize("form", [Format.ARROW, Format.PARQUET])
    @given(rows=ROWS)
    @settings(max_examples=60, deadline=None)
    def test_arrow_and_parquet_hold_every_value_exactly(
        self, form: Format, rows: list[Row]
    ) -> None:
        """Typed columns; a missing struct is null in all of its columns."""
        file, is_parquet = io.BytesIO(), form is Format.PARQUET
        writer = ArrowWriter(file, columns_of(Row), {"at": "7"}, is_parquet=is_parquet)
        writer.write(rows)
        writer.close()
        file.seek(0)

        table = parquet.read_table(file) if is_parquet else pa.ipc.open_stream(file).read_all()

        assert table.schema.metadata[b"at"] == b"7"
        assert table.to_pylist() == [
            {
                "name": row.name,
                "amount": _number(row.amount),
                "count": row.count,
                "ratio": row.ratio,
                "day": row.day,
                "is_true": row.is_true,
                "names": list(row.names),
                "inner.worth": None if row.inner is None else _number(row.inner.worth),
                "inner.at": None if row.inner is None else row.inner.at,
            }
            for row in rows
        ]

    @given(rows=ROWS)
    @settings(max_examples=60, deadline=None)
    def test_csv_holds_every_value_and_no_formula(self, rows: list[Row]) -> None:
        """A text that would be one has an apostrophe before it, and only that is taken away."""
        file = io.BytesIO()
        writer = CsvWriter(file, columns_of(Row))
        writer.write(rows)

        read = list(csv.DictReader(io.StringIO(file.getvalue().decode(), newline="")))

        assert len(read) == len(rows)
        for found, row in zip(read, rows, strict=True):
            assert not found["name"].startswith(FORMULA_STARTS[:-1])
            assert found["name"].removeprefix("'") == row.name or found["name"] == row.name
            assert found["name"].startswith("''") == row.name.startswith("'")
            assert found["amount"] == (row.amount or "")
            assert found["count"] == str(row.count)
            assert found["ratio"] == "" if row.ratio is None else float(found["ratio"]) == row.ratio
            assert found["day"] == ("" if row.day is None else row.day.isoformat())
            assert msgspec.json.decode(found["names"], type=tuple[str, ...]) == row.names
            at = None if row.inner is None else row.inner.at
            assert found["inner.at"] == ("" if at is None else msgspec.to_builtins(at))

    def test_refuses_a_number_that_a_column_cannot_hold(self) -> None:
        """Thirteen decimals are refused by the column's name, and never rounded."""
        writer = ArrowWriter(
            io.BytesIO(), [Column("worth", ("worth",), Form.AMOUNT)], {}, is_parquet=False
        )

        with pytest.raises(Inexact, match="worth"):
            writer.write([Inner(worth="0.0000000000001", at=None)])

    def test_names_the_columns_of_structs_within(self) -> None:
        """Struck and current valuations side by side."""
        names = [column.name for column in columns_of(PerformanceDay)]

        assert {"session", "struck.nav", "current.nav", "current.unpriced"} <= set(names)


class TestNegotiation:
    """Which format is liked best."""

    @pytest.mark.parametrize(
        ("header", "form"),
        [
            ("*/*", Format.JSON),
            ("", Format.JSON),
            ("text/csv", Format.CSV),
            ("text/*;q=0.5, application/json;q=0.4", Format.CSV),
            ("application/json, text/plain, */*", Format.JSON),
            (f"application/json;q=0.1, {PARQUET}", Format.PARQUET),
            (f"{ARROW};v=1", Format.ARROW),
            ("application/json;q=0, */*", Format.CSV),
        ],
    )
    def test_takes_the_best(self, header: str, form: Format) -> None:
        """By quality, and the more specific range first."""
        assert accepted(header) is form

    @pytest.mark.parametrize("header", ["image/png", "*/*;q=0", "text/html, application/xml"])
    def test_refuses_what_it_cannot_write(self, header: str) -> None:
        """406."""
        with pytest.raises(Problem) as caught:
            accepted(header)

        assert caught.value.kind.status == 406


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
