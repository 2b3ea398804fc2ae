"""What is asked of `trades`: the blotter, refusals, exceptions that wait, one trade."""

from uuid import UUID

from projections.asking import PAGE_ROWS_MAX, Readable, ask
from projections.paging import Answer, Page, page_of, read_cursor
from projections.trades.rows import HeldRow, Status, TradeRow, trade_row

_POSITION_MAX = 2**63 - 1
_TRADES = """
* FROM {{schema}}.trades WHERE tenant = %s AND position < %s {filters}
ORDER BY position DESC LIMIT %s
"""
_TRADE = """
* FROM {schema}.trades WHERE tenant = %s AND trade_id = %s
ORDER BY status = 'refused', status = 'reassigned', position DESC LIMIT 1
"""
# Written out rather than passed in, so that the planner sees the partial indexes apply.
_BY_STATUS = {
    Status.BOOKED: "AND status = 'booked'",
    Status.PARKED: (
        "AND status IN ('booked', 'parked', 'amended') AND booked_position IS NULL"
        " AND status = 'parked'"
    ),
    Status.REFUSED: "AND status = 'refused'",
    Status.AMENDED: "AND status = 'amended'",
    Status.BUSTED: "AND status = 'busted'",
    Status.REASSIGNED: "AND status = 'reassigned'",
}
_HELD = """
* FROM {{schema}}.held_corrections WHERE tenant = %s AND position < %s {filters}
ORDER BY position DESC LIMIT %s
"""


def blotter(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str | None = None,
    instrument: str | None = None,
    status: Status | None = None,
    block: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[TradeRow]:
    """List captures, newest first: refusals with `status` refused, exceptions with parked.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"trades {tenant} {portfolio} {instrument} {status} {block}"
    before = _POSITION_MAX if cursor is None else read_cursor(question, cursor, int)
    filters = [] if status is None else [_BY_STATUS[status]]
    parameters: list[object] = [tenant, before]
    if portfolio is not None:
        filters.append("AND portfolio = %s")
        parameters.append(portfolio)
    if instrument is not None:
        filters.append("AND instrument = %s")
        parameters.append(instrument)
    if block is not None:
        filters.append("AND block = %s")
        parameters.append(block)
    statement = _TRADES.format(filters=" ".join(filters))
    parameters.append(limit + 1)
    order = "ORDER BY answer.position DESC"
    answered = ask(
        readable, "trades", statement, parameters, order=order, merge=lambda row: -row[1]
    )
    rows = [trade_row(values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.position)


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
