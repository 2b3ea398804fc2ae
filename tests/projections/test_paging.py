"""Cursors: what was given out comes back, what nobody gave out is refused by name."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from projections.paging import CursorInvalid, read_cursor, write_cursor

Place: Any = tuple[Decimal | None, datetime, int]
NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1E+999999", "1E-999999"])
def test_a_number_that_no_row_can_have_is_refused(value: str) -> None:
    """The checksum is no secret: anybody can write such a cursor."""
    cursor = write_cursor("asked", (value, NOON, 1))

    with pytest.raises(CursorInvalid):
        read_cursor("asked", cursor, Place)


@pytest.mark.parametrize("value", [None, Decimal("1E+25"), Decimal("-0.000000000001")])
def test_a_place_comes_back(value: Decimal | None) -> None:
    """As it was written."""
    cursor = write_cursor("asked", (value, NOON, 1))

    assert read_cursor("asked", cursor, Place) == (value, NOON, 1)
