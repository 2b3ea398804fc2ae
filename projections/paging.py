"""Pages and their cursors: where the next page begins, opaque to whoever carries it.

A cursor is bound to the question it came from by a checksum, so a cursor of another question, or
one that was altered, is refused by name. It grants nothing: the tenant is part of every query.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

from projections.asking import PAGE_ROWS_MAX, Answered

_CHECKSUM_BYTES = 6
_CURSOR_TEXT_MAX = 1_000
_EXPONENT_MAX = 100

Row = TypeVar("Row")
Key = TypeVar("Key")


class CursorInvalid(Exception):
    """A cursor that this question has not given out."""


class Page(msgspec.Struct, Generic[Row], frozen=True):
    """Rows as of one log position; `next_cursor` is None on the last page."""

    rows: list[Row]
    position: int
    market_position: int
    next_cursor: str | None = None


class Answer(msgspec.Struct, Generic[Row], frozen=True):
    """One row, or None where there is none, as of one log position."""

    row: Row | None
    position: int
    market_position: int


def write_cursor(question: str, key: object) -> str:
    """Write down where the next page of a question begins."""
    payload = msgspec.json.encode(key)
    return base64.urlsafe_b64encode(_checksum(question, payload) + payload).decode().rstrip("=")


def read_cursor(question: str, cursor: str, kind: type[Key]) -> Key:
    """Read a cursor back.

    Raises:
        CursorInvalid: it is not one of this question's.
    """
    if len(cursor) > _CURSOR_TEXT_MAX:
        raise CursorInvalid("The cursor is longer than any given out.")
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        checksum, payload = raw[:_CHECKSUM_BYTES], raw[_CHECKSUM_BYTES:]
        if checksum != _checksum(question, payload):
            raise CursorInvalid("The cursor does not belong to this question.")
        if b"\\u0000" in payload:
            raise CursorInvalid("The cursor holds a text that no row can have.")
        key = msgspec.json.decode(payload, type=kind)
        for value in key if isinstance(key, tuple) else (key,):
            if isinstance(value, Decimal) and not _is_written(value):
                raise CursorInvalid("The cursor holds a number that no row can have.")
        return key
    except (binascii.Error, ValueError) as error:
        raise CursorInvalid("The cursor is not one that was given out.") from error


def page_of(
    question: str,
    answered: Answered,
    rows: list[Row],
    *,
    limit: int,
    key: Callable[[Row], object],
) -> Page[Row]:
    """Make a page of up to `limit` rows; one row more was asked for, to see whether more follow."""
    assert 1 <= limit <= PAGE_ROWS_MAX, "the caller has checked the limit"
    next_cursor = None
    if len(rows) > limit:
        rows = rows[:limit]
        next_cursor = write_cursor(question, key(rows[-1]))
    return Page(rows, answered.position, answered.market_position, next_cursor)


def page_of_lines(
    question: str, answered: Answered, lines: Iterable[Row], *, start: int, limit: int
) -> tuple[Page[Row], Row | None]:
    """Make a page of lines as they come, and give the last of all; only the page is kept.

    The next page is of the same position (`read_place`).
    """
    rows: list[Row] = []
    last: Row | None = None
    end, count = start + limit, 0
    for count, last in enumerate(lines, start=1):
        if start < count <= end:
            rows.append(last)
    next_cursor = write_cursor(question, (answered.position, end)) if end < count else None
    return Page(rows, answered.position, answered.market_position, next_cursor), last


def read_place(question: str, cursor: str | None) -> tuple[int | None, int]:
    """Read of which position the lines are, and where the page begins; None: of now.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    return (None, 0) if cursor is None else read_cursor(question, cursor, tuple[int, int])


def _is_written(number: Decimal) -> bool:
    """Say whether a row could have a number: one that the database can compare with its own."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and abs(exponent) <= _EXPONENT_MAX


def _checksum(question: str, payload: bytes) -> bytes:
    return hashlib.sha256(question.encode() + b"\0" + payload).digest()[:_CHECKSUM_BYTES]
