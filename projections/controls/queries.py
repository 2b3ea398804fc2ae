"""What is asked of `controls`: limits and their versions, states, overrides, breaches, usage.

What is shared by all portfolios is asked of one partition; the rest of all of them, or of that of
the portfolio which is named.
"""

from datetime import date, datetime

from projections.asking import PAGE_ROWS_MAX, Readable, ask
from projections.controls.tables import (
    BreachRow,
    LimitRow,
    LimitStatus,
    OverrideRow,
    OverrideStatus,
    StateRow,
    UsageRow,
)
from projections.paging import Page, page_of, read_cursor

_POSITION_MAX = 2**63 - 1
_LIMITS = """
* FROM {{schema}}.limits
WHERE tenant = %s AND (limit_name, version) > (%s, %s)
    AND status IN ('in_force', 'proposed') {filters}
ORDER BY limit_name, version LIMIT %s
"""
_VERSIONS = """
* FROM {schema}.limits WHERE tenant = %s AND limit_name = %s AND version < %s
ORDER BY version DESC LIMIT %s
"""
_STATES = """
* FROM {{schema}}.trading_states WHERE tenant = %s AND position < %s {filters}
ORDER BY position DESC LIMIT %s
"""
_NOT_ACTIVE = "AND until_position IS NULL AND state <> 'active'"
_OVERRIDES = """
* FROM {{schema}}.overrides WHERE tenant = %s AND position < %s {filters}
ORDER BY position DESC LIMIT %s
"""
_BREACHES = """
* FROM {{schema}}.breaches WHERE tenant = %s AND position < %s {filters}
ORDER BY position DESC LIMIT %s
"""
_USAGE = """
* FROM {schema}.usage WHERE tenant = %s AND limit_name = %s AND trade_date < %s
ORDER BY trade_date DESC LIMIT %s
"""
_BY_POSITION = "ORDER BY answer.position DESC"


def limits_now(
    readable: Readable,
    *,
    tenant: str,
    status: LimitStatus | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[LimitRow]:
    """List versions in force and those proposed, by name: a limit that is to change has both.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"limits {tenant} {status}"
    after = ("", 0) if cursor is None else read_cursor(question, cursor, tuple[str, int])
    filters = "" if status is None else "AND status = %s"
    parameters = [tenant, *after, *([] if status is None else [status.value]), limit + 1]
    order = "ORDER BY answer.limit_name, answer.version"
    answered = ask(readable, "controls", _LIMITS.format(filters=filters), parameters, order=order)
    rows = [LimitRow(*values) for values in answered.rows]
    return page_of(
        question, answered, rows, limit=limit, key=lambda row: (row.limit_name, row.version)
    )


def versions_of(
    readable: Readable,
    *,
    tenant: str,
    name: str,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[LimitRow]:
    """List every version of a limit ever proposed, newest first.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"limit {tenant} {name}"
    before = 2**31 - 1 if cursor is None else read_cursor(question, cursor, int)
    parameters = (tenant, name, before, limit + 1)
    order = "ORDER BY answer.version DESC"
    answered = ask(readable, "controls", _VERSIONS, parameters, order=order)
    rows = [LimitRow(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.version)


def trading_states(
    readable: Readable,
    *,
    tenant: str,
    include_ended: bool = False,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[StateRow]:
    """List what restricts trading now, newest first; on request all that ever was assigned.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"trading states {tenant} {include_ended}"
    before = _POSITION_MAX if cursor is None else read_cursor(question, cursor, int)
    statement = _STATES.format(filters="" if include_ended else _NOT_ACTIVE)
    answered = ask(readable, "controls", statement, (tenant, before, limit + 1), order=_BY_POSITION)
    rows = [StateRow(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.position)


def overrides_of(
    readable: Readable,
    *,
    tenant: str,
    now: datetime,
    portfolio: str | None = None,
    status: OverrideStatus | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[OverrideRow]:
    """List overrides, newest first; what could count no more at `now` is expired.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"overrides {tenant} {portfolio} {status}"
    before = _POSITION_MAX if cursor is None else read_cursor(question, cursor, int)
    filters, parameters = _of_portfolio(portfolio)
    if status is OverrideStatus.EXPIRED:
        filters += " AND status IN ('proposed', 'approved') AND expires_at < %s"
        parameters.append(now)
    elif status is not None:
        filters += " AND status = %s"
        parameters.append(status.value)
        if status in {OverrideStatus.PROPOSED, OverrideStatus.APPROVED}:
            filters += " AND expires_at >= %s"
            parameters.append(now)
    answered = ask(
        readable,
        "controls",
        _OVERRIDES.format(filters=filters),
        [tenant, before, *parameters, limit + 1],
        order=_BY_POSITION,
        merge=lambda row: -row[1],
    )
    rows = [OverrideRow(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.position)


def breaches_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str | None = None,
    is_open: bool | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[BreachRow]:
    """List limits that portfolios went beyond without a trade, newest first.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"breaches {tenant} {portfolio} {is_open}"
    before = _POSITION_MAX if cursor is None else read_cursor(question, cursor, int)
    filters, parameters = _of_portfolio(portfolio)
    if is_open is not None:
        filters += f" AND closed_position IS {'' if is_open else 'NOT '}NULL"
    answered = ask(
        readable,
        "controls",
        _BREACHES.format(filters=filters),
        [tenant, before, *parameters, limit + 1],
        order=_BY_POSITION,
        merge=lambda row: -row[1],
    )
    rows = [BreachRow(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.position)


def usage_of(
    readable: Readable,
    *,
    tenant: str,
    name: str,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[UsageRow]:
    """List what is used of a shared limit by trade date, latest first.

    Each partition knows what its own portfolios used last, told as what is used by all; so the last
    word on a date is that of the partition which was told last.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"usage {tenant} {name}"
    before = date.max if cursor is None else read_cursor(question, cursor, date)
    answered = ask(
        readable,
        "controls",
        _USAGE,
        (tenant, name, before, limit + 1),
        order="ORDER BY answer.trade_date DESC",
        merge=lambda row: (-row[2].toordinal(), -row[6]),
    )
    rows: list[UsageRow] = []
    for values in answered.rows:
        row = UsageRow(*values)
        if not rows or rows[-1].trade_date != row.trade_date:
            rows.append(row)
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.trade_date)


def _of_portfolio(portfolio: str | None) -> tuple[str, list[object]]:
    return ("", []) if portfolio is None else ("AND portfolio = %s", [portfolio])
