"""What is asked of instruments: their terms as they are in force, and whether they trade.

Today is the UTC date of the newest price of the instrument, or of the last closed session of its
calendar, whichever is later: business time comes from events. Before any, the last told is in
force.
"""

from datetime import date, datetime

import msgspec

from domain.instrument import AssetClass
from projections.asking import PAGE_ROWS_MAX, Readable, ask
from projections.paging import Page, page_of, read_cursor

TODAY = (
    """coalesce((greatest(calendars.ends_at, prices.at) AT TIME ZONE 'UTC')::date, 'infinity')"""
)

_TOLD = """FROM {schema}.terms
    WHERE terms.instrument = instruments.instrument AND term = '{term}' AND from_date <= {today}
    ORDER BY from_date DESC LIMIT 1"""
_IN_FORCE = """(SELECT found.value FROM (
    (SELECT 1 AS rank, value {told}) UNION ALL SELECT 2, {registered} ORDER BY rank LIMIT 1
) AS found) AS {term}"""


def in_force(term: str) -> str:
    """Give the SQL of a term in force, beside `instruments`, `calendars` and `prices`."""
    registered = "NULL" if term == "title" else f"instruments.{term}"
    told = _TOLD.replace("{term}", term).replace("{today}", TODAY)
    statement = _IN_FORCE.replace("{told}", told).replace("{registered}", registered)
    return statement.replace("{term}", term)


_INSTRUMENTS = f"""
* FROM (SELECT instruments.instrument, {in_force("symbol")}, {in_force("title")},
    instruments.currency,
    instruments.asset_class, instruments.calendar, {in_force("sector")}, instruments.suspended_at,
    instruments.delisted_on, coalesce(instruments.delisted_on <= {TODAY}, false) AS is_delisted,
    instruments.changed_position
FROM {{schema}}.instruments
LEFT JOIN {{schema}}.calendars ON calendars.calendar = instruments.calendar
LEFT JOIN {{schema}}.prices ON prices.instrument = instruments.instrument
) AS found
WHERE instrument > %(after)s
    AND (%(asset_class)s::text IS NULL OR asset_class = %(asset_class)s)
    AND (%(currency)s::text IS NULL OR currency = %(currency)s)
    AND (%(sector)s::text IS NULL OR sector = %(sector)s)
ORDER BY instrument LIMIT %(limit)s
"""  # noqa: S608 - nothing of it is given from outside


class InstrumentView(msgspec.Struct, frozen=True):
    """An instrument with what is in force; `suspended_at` is null while it trades."""

    instrument: str
    symbol: str
    title: str | None
    currency: str
    asset_class: str
    calendar: str
    sector: str | None
    suspended_at: datetime | None
    delisted_on: date | None
    is_delisted: bool
    changed_position: int


def instruments_in_force(
    readable: Readable,
    *,
    asset_class: AssetClass | None = None,
    currency: str | None = None,
    sector: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[InstrumentView]:
    """List all instruments by name, or those of which this is in force. They belong to all tenants.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"instruments {asset_class} {currency} {sector}"
    asked = {
        "asset_class": asset_class,
        "currency": currency,
        "sector": sector,
        "after": "" if cursor is None else read_cursor(question, cursor, str),
        "limit": limit + 1,
    }
    answered = ask(readable, "positions", _INSTRUMENTS, asked, order="ORDER BY instrument")
    rows = [InstrumentView(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=_name)


def _name(view: InstrumentView) -> str:
    return view.instrument
