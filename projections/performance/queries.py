"""Questions to `performance`: a portfolio's days, its summary over a range, and what changed.

Each is one statement, so rows and checkpoint are of one snapshot. The tenant is part of every
question. Returns are fractions; cumulative ones chain the current returns of the asked range.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from domain.money import ZERO
from domain.returns import ReturnReason, cumulative
from projections.asking import PAGE_ROWS_MAX, Readable, ask
from projections.paging import Answer, Page, page_of, read_cursor

NAME = "performance"

_VALUED = """
{0}nav, {0}nav_status, {0}priced, {0}unpriced, {0}stale, {0}priced_by_trade, {0}flows,
{1}return, {0}return_reason, {0}return_method, {0}return_from
"""
DAY = (
    "days.portfolio, days.session, days.ends_at, days.currency, days.struck_position, "
    + _VALUED.format("struck_", "struck_")
    + ", "
    + _VALUED.format("", "daily_")
    + ", restated_position, restated_reason, changed_position"
)
_DAILY = """
earlier.returns, earlier.reasons, day.* FROM (
    SELECT array_agg(daily_return ORDER BY session) AS returns,
        array_agg(return_reason ORDER BY session) AS reasons
    FROM {schema}.days
    WHERE tenant = %s AND portfolio = %s AND session >= %s AND session <= %s
) AS earlier
CROSS JOIN LATERAL (
    SELECT {day} FROM {schema}.days
    WHERE tenant = %s AND portfolio = %s AND session >= %s AND session > %s AND session <= %s
    ORDER BY session LIMIT %s
) AS day
""".replace("{day}", DAY)
_SUMMARY = """
portfolios.base_currency, portfolios.calendar, before.session AS before_session, before.nav,
    inside.*
FROM {schema}.portfolios
LEFT JOIN LATERAL (
    SELECT session, nav FROM {schema}.days
    WHERE days.tenant = portfolios.tenant AND days.portfolio = portfolios.portfolio
        AND session >= portfolios.first_session AND session < %s
    ORDER BY session DESC LIMIT 1
) AS before ON true
LEFT JOIN LATERAL (
    SELECT min(session), max(session), count(*), (array_agg(nav ORDER BY session))[count(*)],
        array_agg(flows ORDER BY session) FILTER (WHERE flows IS DISTINCT FROM 0),
        array_agg(daily_return ORDER BY session), array_agg(return_reason ORDER BY session),
        count(restated_position), max(restated_position)
    FROM {schema}.days
    WHERE days.tenant = portfolios.tenant AND days.portfolio = portfolios.portfolio
        AND session >= portfolios.first_session AND session BETWEEN %s AND %s
) AS inside ON true
WHERE portfolios.tenant = %s AND portfolios.portfolio = %s
"""
_CHANGED = """
{day} FROM {schema}.days WHERE tenant = %s AND changed_position > %s
ORDER BY changed_position, portfolio, session LIMIT %s
""".replace("{day}", DAY)


class Valued(msgspec.Struct, frozen=True):
    """A session's valuation: NAV null where incomplete, and the return, null with its reason.

    `flows` are the net external flows of the session in the base currency, null where one had no
    rate; `return_from` is the session of the valuation the return starts at, null at the first.
    """

    nav: Decimal | None
    nav_status: str
    priced: Decimal
    unpriced: list[str]
    stale: list[str]
    priced_by_trade: list[str]
    flows: Decimal | None
    daily_return: Decimal | None
    return_reason: str | None
    return_method: str | None
    return_from: date | None


class PerformanceDay(msgspec.Struct, frozen=True):
    """One session of a portfolio, as struck (absent where it was not) and as known now."""

    portfolio: str
    session: date
    ends_at: datetime
    currency: str
    struck_position: int | None
    struck: Valued | None
    current: Valued
    restated_position: int | None
    restated_reason: str | None
    changed_position: int
    cumulative_return: Decimal | None = None


class PerformanceSummary(msgspec.Struct, frozen=True):
    """A portfolio over a range of sessions, as known now.

    `nav_start` is the NAV of the session before the range, 0 before the first; `result` is
    nav_end - nav_start - flows. Each is null where a NAV or a flow it needs is not known.
    """

    portfolio: str
    currency: str
    calendar: str
    first_session: date | None
    last_session: date | None
    sessions: int
    nav_start: Decimal | None
    nav_end: Decimal | None
    flows: Decimal | None
    result: Decimal | None
    cumulative_return: Decimal | None
    incomplete_sessions: int
    undefined_sessions: int
    restated_sessions: int
    restated_position: int | None


def daily_performance(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    since: date | None = None,
    until: date | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[PerformanceDay]:
    """List a portfolio's days in order; none for one that the tenant does not have.

    `cumulative_return` chains the returns from `since` on: null on a day without a return, and
    behind a day whose return is undefined.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"performance {tenant} {portfolio} {since} {until}"
    first, last = since or date.min, until or date.max
    after = date.min if cursor is None else read_cursor(question, cursor, date)
    owner = (tenant, portfolio)
    parameters = (*owner, first, after, *owner, first, after, last, limit + 1)
    answered = ask(readable, NAME, _DAILY, parameters, order="ORDER BY session")
    days = [day_of_row(row[2:]) for row in answered.rows]
    returns, reasons = answered.rows[0][:2] if days else (None, None)
    chained = list(zip(returns or (), map(_reason, reasons or ()), strict=True))
    behind = len(chained)
    chained += [(day.current.daily_return, _reason(day.current.return_reason)) for day in days]
    rows = [
        msgspec.structs.replace(day, cumulative_return=value)
        for day, value in zip(days, cumulative(chained, behind=behind), strict=True)
    ]
    return page_of(question, answered, rows, limit=limit, key=lambda day: day.session)


def performance_summary(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    since: date | None = None,
    until: date | None = None,
) -> Answer[PerformanceSummary]:
    """Sum a portfolio up over a range; no row when the tenant has no such portfolio."""
    first, last = since or date.min, until or date.max
    answered = ask(readable, NAME, _SUMMARY, (first, first, last, tenant, portfolio))
    summary = _summary(portfolio, answered.rows[0]) if answered.rows else None
    return Answer(summary, answered.position, answered.market_position)


def changed_performance(
    readable: Readable, *, tenant: str, after: int, limit: int = PAGE_ROWS_MAX
) -> Page[PerformanceDay]:
    """List a tenant's days that changed behind a log position, oldest change first.

    Without `limit` rows there are no more; with them, ask again behind the last complete position.
    They carry no cumulative return.
    """
    order = "ORDER BY changed_position, portfolio, session"
    answered = ask(
        readable,
        NAME,
        _CHANGED,
        (tenant, after, limit),
        order=order,
        merge=lambda row: (row[29], row[0], row[1]),
    )
    rows = [day_of_row(row) for row in answered.rows]
    return Page(rows, answered.position, answered.market_position)


def _summary(portfolio: str, row: tuple[Any, ...]) -> PerformanceSummary:
    currency, calendar, before, nav_before, first, last, sessions, nav_end, amounts = row[:9]
    returns, told, restated, restated_position = row[9:]
    nav_start = ZERO if before is None else nav_before
    flows = _sum(amounts or [])
    result = None
    if nav_start is not None and nav_end is not None and flows is not None and sessions:
        result = nav_end - nav_start - flows
    chained = list(zip(returns or (), map(_reason, told or ()), strict=True))
    values = list(cumulative(chained, behind=sessions - 1))
    reasons = [reason for _, reason in chained if reason is not None]
    incomplete = reasons.count(ReturnReason.NAV_INCOMPLETE)
    return PerformanceSummary(
        portfolio=portfolio,
        currency=currency,
        calendar=calendar,
        first_session=first,
        last_session=last,
        sessions=sessions,
        nav_start=nav_start,
        nav_end=nav_end,
        flows=flows,
        result=result,
        cumulative_return=values[-1] if values else None,
        incomplete_sessions=incomplete,
        undefined_sessions=len(reasons) - incomplete,
        restated_sessions=restated,
        restated_position=restated_position,
    )


def day_of_row(row: Sequence[Any]) -> PerformanceDay:
    """Read a row of `DAY`."""
    struck = Valued(*row[5:16]) if row[4] is not None else None
    return PerformanceDay(
        portfolio=row[0],
        session=row[1],
        ends_at=row[2],
        currency=row[3],
        struck_position=row[4],
        struck=struck,
        current=Valued(*row[16:27]),
        restated_position=row[27],
        restated_reason=row[28],
        changed_position=row[29],
    )


def _reason(text: str | None) -> ReturnReason | None:
    return None if text is None else ReturnReason(text)


def _sum(amounts: list[Decimal | None]) -> Decimal | None:
    total = ZERO
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
