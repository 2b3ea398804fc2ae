"""What is asked of `market`: last marks with their age, and the history of one name."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec

from domain.rates import RATE_STALE_AFTER
from projections.asking import PAGE_ROWS_MAX, Readable, ask
from projections.paging import Page, page_of, read_cursor

_DAYS = RATE_STALE_AFTER.days
_TODAY = "(greatest(calendars.ends_at, last.at) AT TIME ZONE 'UTC')::date"
_IS_STALE = f"""CASE
    WHEN last.kind = 'write_down' THEN false
    WHEN names.calendar IS NULL
        THEN coalesce(business_time.reached - last.at > interval '{_DAYS} days', false)
    ELSE names.suspended_at IS NOT NULL OR coalesce(names.delisted_on <= {_TODAY}, false)
        OR coalesce(last.at < calendars.starts_at, false) END"""
_LAST = f"""
* FROM (
    SELECT names.name, names.currency, last.price, last.at, last.kind, last.source,
        last.calendar, last.session, last.status, {_IS_STALE} AS is_stale, last.position AS told
    FROM {{schema}}.names
    LEFT JOIN {{schema}}.calendars ON calendars.calendar = names.calendar
    LEFT JOIN {{schema}}.business_time ON true
    CROSS JOIN LATERAL (
        SELECT * FROM {{schema}}.marks
        WHERE marks.name = names.name AND marks.price IS NOT NULL
        ORDER BY marks.at DESC, marks.position DESC LIMIT 1
    ) AS last
    WHERE names.name > %(after)s
        AND (%(names)s::text[] IS NULL OR names.name = ANY(%(names)s::text[]))
) AS found
WHERE (%(is_stale)s::boolean IS NULL OR is_stale = %(is_stale)s)
    AND (%(status)s::text IS NULL OR status = %(status)s)
ORDER BY name LIMIT %(limit)s
"""  # noqa: S608 - nothing of it is given from outside
_HISTORY = """
at, price, kind, source, calendar, session, status, findings, replaces, reason,
    corrected_position, position AS told
FROM {schema}.marks
WHERE name = %s AND at >= %s AND at < %s AND (at, position) < (%s, %s)
ORDER BY at DESC, position DESC LIMIT %s
"""
_EVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_POSITION_MAX = 2**63 - 1


class LastMark(msgspec.Struct, frozen=True):
    """The price or rate in force of one name, in `currency`; `told` is where the log tells it.

    Stale (`domain.marks.is_stale`): of an instrument, from before its calendar's last closed
    session began, or not trading; of a pair, more than 4 days older than the newest business time;
    never a write-down.
    """

    name: str
    currency: str
    price: Decimal
    at: datetime
    kind: str
    source: str | None
    calendar: str | None
    session: date | None
    status: str | None
    is_stale: bool
    told: int


class ToldMark(msgspec.Struct, frozen=True):
    """One price that was told of a name; null where a close was cancelled.

    `replaces` is the price before the last correction, `corrected_position` that correction's.
    """

    at: datetime
    price: Decimal | None
    kind: str
    source: str | None
    calendar: str | None
    session: date | None
    status: str | None
    findings: list[str]
    replaces: Decimal | None
    reason: str | None
    corrected_position: int | None
    told: int


def last_marks(
    readable: Readable,
    *,
    names: Sequence[str] | None = None,
    is_stale: bool | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[LastMark]:
    """Read what is in force of every name that has a price, or of some of them, by name.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    named = None if names is None else sorted(names)
    question = f"market {named} {is_stale} {status}"
    asked = {
        "names": named,
        "is_stale": is_stale,
        "status": status,
        "after": "" if cursor is None else read_cursor(question, cursor, str),
        "limit": limit + 1,
    }
    answered = ask(readable, "market", _LAST, asked, order="ORDER BY name")
    rows = [LastMark(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.name)


def is_listed(readable: Readable, *, name: str) -> bool:
    """Say whether an instrument is registered, or a pair has had a rate."""
    found = ask(readable, "market", "names.name FROM {schema}.names WHERE name = %s", (name,))
    return bool(found.rows)


def told_marks(
    readable: Readable,
    *,
    name: str,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[ToldMark]:
    """Read what was told of a name for business times from `since` to before `until`, newest first.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"marks {name} {since} {until}"
    start, end = since or _EVER[0], until or _EVER[1]
    before = (_EVER[1], _POSITION_MAX)
    if cursor is not None:
        before = read_cursor(question, cursor, tuple[datetime, int])
    parameters = (name, start, end, *before, limit + 1)
    answered = ask(readable, "market", _HISTORY, parameters, order="ORDER BY at DESC, told DESC")
    rows = [ToldMark(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: (row.at, row.told))
