"""What is asked of `cash`: balances by currency, and the movements that made them."""

from projections.asking import PAGE_ROWS_MAX, Readable, ask
from projections.cash.model import BalanceRow, MovementRow
from projections.paging import Page, page_of, read_cursor

_POSITION_MAX = 2**63 - 1
_BALANCES = """
* FROM {schema}.balances WHERE tenant = %s AND portfolio = %s ORDER BY currency
"""
_MOVEMENTS = """
* FROM {schema}.movements
WHERE tenant = %s AND portfolio = %s AND (position, leg) < (%s, %s)
    AND (%s::text IS NULL OR currency = %s)
ORDER BY position DESC, leg DESC LIMIT %s
"""


def balances_of(readable: Readable, *, tenant: str, portfolio: str) -> Page[BalanceRow]:
    """List a portfolio's cash by currency; no more than a few rows, so always one page."""
    answered = ask(readable, "cash", _BALANCES, (tenant, portfolio), order="ORDER BY currency")
    rows = [BalanceRow(*values) for values in answered.rows]
    return Page(rows, answered.position, answered.market_position)


def movements_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    currency: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[MovementRow]:
    """List what moved a portfolio's cash, newest first.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"movements {tenant} {portfolio} {currency}"
    start = (_POSITION_MAX, 0)
    before = start if cursor is None else read_cursor(question, cursor, tuple[int, int])
    parameters = (tenant, portfolio, *before, currency, currency, limit + 1)
    order = "ORDER BY answer.position DESC, leg DESC"
    answered = ask(readable, "cash", _MOVEMENTS, parameters, order=order)
    rows = [MovementRow(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: (row.position, row.leg))
