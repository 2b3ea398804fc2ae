"""What is asked of `cash`: balances, the movements that made them, and dividends to come."""

from datetime import date

from projections.asking import PAGE_ROWS_MAX, Readable, ask
from projections.cash.legs import MovementRow
from projections.cash.model import BalanceRow
from projections.cash.receivables import ReceivableRow
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
_RECEIVABLES = """
* FROM {schema}.receivables
WHERE tenant = %s AND portfolio = %s AND (pay_date, instrument, action) > (%s, %s, %s)
    AND (%s OR gross <> paid_gross OR withheld <> paid_withheld)
ORDER BY pay_date, instrument, action LIMIT %s
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


def receivables_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    include_paid: bool = False,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[ReceivableRow]:
    """List what is outstanding of a portfolio's dividends by pay date, or all there ever was.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"receivables {tenant} {portfolio} {include_paid}"
    start = (date.min, "", "")
    after = start if cursor is None else read_cursor(question, cursor, tuple[date, str, str])
    parameters = (tenant, portfolio, *after, include_paid, limit + 1)
    order = "ORDER BY pay_date, instrument, action"
    answered = ask(readable, "cash", _RECEIVABLES, parameters, order=order)
    rows = [ReceivableRow(*values) for values in answered.rows]
    return page_of(
        question,
        answered,
        rows,
        limit=limit,
        key=lambda row: (row.pay_date, row.instrument, row.action),
    )
