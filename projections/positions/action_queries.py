"""What is asked of corporate actions: those declared, and what they did to a holder."""

from datetime import date

from projections.asking import PAGE_ROWS_MAX, Readable, ask
from projections.paging import Page, page_of, read_cursor
from projections.positions.tables import ActionRow, AppliedRow

_ACTIONS = """
* FROM {schema}.actions WHERE instrument = %s AND (ex_date, action) < (%s, %s)
ORDER BY ex_date DESC, action DESC LIMIT %s
"""
_APPLIED = """
* FROM {schema}.applied
WHERE tenant = %s AND portfolio = %s AND (%s::text IS NULL OR instrument = %s)
    AND (ex_date, instrument, declared_on, action) < (%s, %s, %s, %s)
ORDER BY ex_date DESC, instrument DESC, declared_on DESC, action DESC LIMIT %s
"""
_AFTER_ALL = date.max


def actions_declared(
    readable: Readable,
    *,
    instrument: str,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[ActionRow]:
    """List the actions of an instrument by ex-date, latest first, also those taken back.

    They belong to all tenants.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"actions {instrument}"
    start = (_AFTER_ALL, "")
    before = start if cursor is None else read_cursor(question, cursor, tuple[date, str])
    parameters = (instrument, *before, limit + 1)
    order = "ORDER BY ex_date DESC, action DESC"
    answered = ask(readable, "positions", _ACTIONS, parameters, order=order)
    rows = [ActionRow(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: (row.ex_date, row.action))


def actions_applied(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    instrument: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[AppliedRow]:
    """List what actions did to a portfolio by ex-date, latest first, also those taken back.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"applied {tenant} {portfolio} {instrument}"
    start = (_AFTER_ALL, "", "", "")
    before = start
    if cursor is not None:
        before = read_cursor(question, cursor, tuple[date, str, str, str])
    parameters = (tenant, portfolio, instrument, instrument, *before, limit + 1)
    order = "ORDER BY ex_date DESC, instrument DESC, declared_on DESC, action DESC"
    answered = ask(readable, "positions", _APPLIED, parameters, order=order)
    rows = [AppliedRow(*values) for values in answered.rows]
    return page_of(
        question,
        answered,
        rows,
        limit=limit,
        key=lambda row: (row.ex_date, row.instrument, row.declared_on, row.action),
    )
