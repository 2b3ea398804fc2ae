"""Data quality: closes that look wrong, were corrected or cancelled, and those that do not."""

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec

from projections.asking import PAGE_ROWS_MAX, Readable, ask
from projections.market.tables import CloseStatus
from projections.paging import Page, page_of, read_cursor

_CLOSES = """
calendar, session, name, at, price, status, findings, replaces, reason, corrected_position,
    position AS mark_position
FROM {schema}.marks
WHERE status = '{status}' AND calendar IS NOT NULL AND (%s::text IS NULL OR name = %s)
    AND (name, at, position) > (%s, %s, %s)
ORDER BY name, at, position LIMIT %s
"""
_BEFORE_ALL = ("", datetime.min.replace(tzinfo=UTC), 0)


class JudgedClose(msgspec.Struct, frozen=True):
    """A close with what was found about it; `price` is null where it was cancelled.

    `replaces` is the price before the last correction, `corrected_position` that correction's;
    `position` is where the close as it stands is in the log.
    """

    calendar: str
    session: date
    instrument: str
    ends_at: datetime
    price: Decimal | None
    status: str
    findings: list[str]
    replaces: Decimal | None
    reason: str | None
    corrected_position: int | None
    position: int


def judged_closes(
    readable: Readable,
    *,
    status: CloseStatus = CloseStatus.SUSPECT,
    instrument: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[JudgedClose]:
    """Read closes of one status, by instrument and time. They belong to all tenants.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"closes {status.value} {instrument}"
    after = _BEFORE_ALL
    if cursor is not None:
        after = read_cursor(question, cursor, tuple[str, datetime, int])
    # Written out rather than passed in, so that the planner sees the partial index apply.
    statement = _CLOSES.replace("{status}", status.value)
    parameters = (instrument, instrument, *after, limit + 1)
    order = "ORDER BY name, at, mark_position"
    answered = ask(readable, "market", statement, parameters, order=order)
    rows = [JudgedClose(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=_place)


def _place(close: JudgedClose) -> tuple[str, datetime, int]:
    return close.instrument, close.ends_at, close.position
