"""What is asked of `trades`: the blotter, refusals, exceptions that wait, one trade."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TypedDict, Unpack
from uuid import UUID

from projections.asking import PAGE_ROWS_MAX, Readable, ask, snapshot
from projections.paging import Answer, Page, page_of, read_cursor
from projections.sorting import Field, Listing, sorted_page
from projections.trades.names import NameKind
from projections.trades.rows import HeldRow, Status, TradeRow, trade_row

NEWEST_FIRST = "-position"
SORTS: Mapping[str, Field] = {
    "position": Field(int, is_indexed=True),
    "trade_date": Field(date, is_nullable=True, is_indexed=True),
    "instrument": Field(str, is_indexed=True),
    "source": Field(str, is_indexed=True),
    "portfolio": Field(str, is_indexed=True),
    "external_id": Field(str),
    "status": Field(str),
    "side": Field(str),
    "currency": Field(str),
    "executed_at": Field(datetime, is_nullable=True),
    "changed_position": Field(int),
    "quantity": Field(Decimal),
    "price": Field(Decimal),
    "fee": Field(Decimal),
    "consideration": Field(Decimal, is_nullable=True),
    "cash_change": Field(Decimal, is_nullable=True),
    "realised_gross": Field(Decimal, is_nullable=True),
    "realised_net": Field(Decimal, is_nullable=True),
}
_TRADES = Listing(
    "trades",
    "SELECT * FROM {schema}.trades",
    trade_row,
    TradeRow.__struct_fields__,
    SORTS,
    {"position": int},
)
_TRADE = """
* FROM {schema}.trades WHERE tenant = %s AND trade_id = %s
ORDER BY status = 'refused', status = 'reassigned', position DESC LIMIT 1
"""
# Written out rather than passed in, so that the planner sees the partial indexes apply.
_BY_STATUS = {
    status: f"status = '{status.value}'" for status in Status if status is not Status.PARKED
} | {
    Status.PARKED: "status IN ('booked', 'parked', 'amended') AND booked_position IS NULL"
    " AND status = 'parked'"
}
_EQUAL = ("portfolio", "instrument", "block", "source", "side", "intent", "external_id")
_CONDITIONS = {name: f"{name} = %({name})s" for name in _EQUAL} | {
    "from_date": "trade_date >= %(from_date)s",
    "to_date": "trade_date <= %(to_date)s",
}
_NAMES = """
kind, name FROM {schema}.names
WHERE tenant = %(tenant)s AND (
    name ILIKE %(pattern)s OR kind = 'instrument' AND name IN (
        SELECT instrument FROM {schema}.symbols WHERE symbol ILIKE %(pattern)s
    )
)
"""
_TRIGRAM = re.compile("[a-z0-9]{3}", re.IGNORECASE | re.ASCII)
_POSITION_MAX = 2**63 - 1
_HELD = """
* FROM {{schema}}.held_corrections WHERE tenant = %s AND position < %s {filters}
ORDER BY position DESC LIMIT %s
"""


class Wanted(TypedDict, total=False):
    """What narrows the blotter; what is None narrows nothing.

    `text` is a part of a symbol, an instrument, a source or, if it has three letters or digits in
    a row, of an external id, whatever its case.
    """

    portfolio: str | None
    instrument: str | None
    status: Status | None
    block: str | None
    source: str | None
    side: str | None
    intent: str | None
    external_id: str | None
    from_date: date | None
    to_date: date | None
    text: str | None


def blotter(
    readable: Readable,
    *,
    tenant: str,
    sort: str = NEWEST_FIRST,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
    **wanted: Unpack[Wanted],
) -> Page[TradeRow]:
    """List captures: refusals with `status` refused, exceptions with parked.

    Raises:
        CursorInvalid: the cursor is not of this question.
        SortTooLong: more match than are sorted without an index.
        SortUnknown: there is no such field.
    """
    given = {name: value for name, value in wanted.items() if value is not None}
    where = ["tenant = %(tenant)s"]
    where += [condition for name, condition in _CONDITIONS.items() if name in given]
    if (status := wanted.get("status")) is not None:
        where.append(_BY_STATUS[status])
    parameters: dict[str, object] = {**given, "tenant": tenant}
    with snapshot(readable):
        if (text := wanted.get("text")) is not None:
            named, found = _matching(readable, tenant, text)
            where.append(named)
            parameters |= found
        return sorted_page(
            readable,
            _TRADES,
            question=f"trades {tenant} {sorted(given.items())}",
            where=where,
            parameters=parameters,
            sort=sort,
            cursor=cursor,
            limit=limit,
        )


def _matching(readable: Readable, tenant: str, text: str) -> tuple[str, dict[str, object]]:
    """Write the condition that a text is met, each part of it by an index of its own."""
    pattern = "%" + re.sub(r"([%_\\])", r"\\\1", text) + "%"
    asked: dict[str, object] = {"tenant": tenant, "pattern": pattern}
    answered = ask(readable, "trades", _NAMES, asked, merge=lambda row: row)
    found: dict[str, object] = {}
    conditions = []
    for kind in NameKind:
        names = sorted({name for told, name in answered.rows if told == kind})
        if names:
            conditions.append(f"{kind.value} = ANY(%(of_{kind.value})s)")
            found[f"of_{kind.value}"] = names
    if _TRIGRAM.search(text):
        conditions.append("external_id ILIKE %(pattern)s")
        found["pattern"] = pattern
    return f"({' OR '.join(conditions) or 'false'})", found


def held_corrections(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[HeldRow]:
    """List what was told of trades that nobody captured yet, newest first.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"held corrections {tenant} {portfolio}"
    before = _POSITION_MAX if cursor is None else read_cursor(question, cursor, int)
    filters = "" if portfolio is None else "AND portfolio = %s"
    parameters: list[object] = [tenant, before, *([] if portfolio is None else [portfolio])]
    answered = ask(
        readable,
        "trades",
        _HELD.format(filters=filters),
        [*parameters, limit + 1],
        order="ORDER BY answer.position DESC",
        merge=lambda row: -row[4],
    )
    rows = [HeldRow(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.position)


def trade_of(readable: Readable, *, tenant: str, trade_id: UUID) -> Answer[TradeRow]:
    """Find what became of a trade: booked or waiting, else its last refusal."""
    answered = ask(
        readable,
        "trades",
        _TRADE,
        (tenant, trade_id),
        merge=lambda row: (row[3] == Status.REFUSED, row[3] == Status.REASSIGNED, -row[1]),
    )
    row = trade_row(answered.rows[0]) if answered.rows else None
    return Answer(row, answered.position, answered.market_position)
