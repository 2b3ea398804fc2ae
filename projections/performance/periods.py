"""Returns by period: day, week, month, quarter, year, or the whole range (convention 11).

Weeks are those of ISO 8601. One statement: PostgreSQL groups the days, the domain chains returns.
"""

from datetime import date
from decimal import Decimal
from typing import Any, Literal

import msgspec

from domain.money import ZERO
from domain.returns import ReturnReason, cumulative
from projections.asking import PAGE_ROWS_MAX, Readable, ask
from projections.paging import Page, page_of, read_cursor
from projections.performance.history import NAME

By = Literal["day", "week", "month", "quarter", "year", "all"]

_ALL = "all"
_PERIODS = """
period.*, before.session AS start_session, before.nav FROM (
    SELECT {begins} AS begins, min(session) AS first, max(session) AS last, count(*) AS sessions,
        (array_agg(nav ORDER BY session))[count(*)] AS nav_end,
        CASE WHEN count(flows) = count(*) THEN sum(flows) END AS flows,
        array_agg(daily_return ORDER BY session) AS returns,
        array_agg(return_reason ORDER BY session) AS reasons
    FROM {schema}.days
    WHERE tenant = %s AND portfolio = %s AND session BETWEEN %s AND %s AND session >= (
        SELECT first_session FROM {schema}.portfolios WHERE tenant = %s AND portfolio = %s
    ) AND {begins} > %s
    GROUP BY 1 ORDER BY 1 LIMIT %s
) AS period LEFT JOIN LATERAL (
    SELECT session, nav FROM {schema}.days
    WHERE tenant = %s AND portfolio = %s AND session < period.first AND session >= (
        SELECT first_session FROM {schema}.portfolios WHERE tenant = %s AND portfolio = %s
    )
    ORDER BY session DESC LIMIT 1
) AS before ON true
"""


class Period(msgspec.Struct, frozen=True):
    """A period as known now: its sessions, its NAVs and flows, and its time-weighted return.

    `start_session` is the session before it, null at the first; then `nav_start` is 0. `result` is
    nav_end - nav_start - flows, null where one is not known. The return is that up to the last
    complete NAV; null with a `return_reason` where there was none, or a day's is undefined.
    """

    first_session: date
    last_session: date
    sessions: int
    start_session: date | None
    nav_start: Decimal | None
    nav_end: Decimal | None
    flows: Decimal | None
    result: Decimal | None
    period_return: Decimal | None
    return_reason: str | None
    incomplete_sessions: int
    undefined_sessions: int


def periods_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    by: By,
    since: date | None = None,
    until: date | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[Period]:
    """List the periods of a range that have sessions, oldest first.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"periods {tenant} {portfolio} {by} {since} {until}"
    after = date.min if cursor is None else read_cursor(question, cursor, date)
    begins = "DATE '0001-01-02'" if by == _ALL else f"date_trunc('{by}', session)::date"
    owner = (tenant, portfolio)
    parameters = (
        *owner, since or date.min, until or date.max, *owner, after, limit + 1, *owner, *owner
    )  # fmt: skip
    statement = _PERIODS.replace("{begins}", begins)
    answered = ask(readable, NAME, statement, parameters, order="ORDER BY begins")
    begun = {row[1]: row[0] for row in answered.rows}
    rows = [_period(row[1:]) for row in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: begun[row.first_session])


def _period(row: tuple[Any, ...]) -> Period:
    first, last, sessions, nav_end, flows, returns, reasons, start_session, nav_before = row
    nav_start = ZERO if start_session is None else nav_before
    result = None
    if nav_start is not None and nav_end is not None and flows is not None:
        result = nav_end - nav_start - flows
    value, reason = _chained(returns, reasons)
    known = [each for each in reasons if each is not None]
    incomplete = known.count(ReturnReason.NAV_INCOMPLETE)
    return Period(
        first_session=first,
        last_session=last,
        sessions=sessions,
        start_session=start_session,
        nav_start=nav_start,
        nav_end=nav_end,
        flows=flows,
        result=result,
        period_return=value,
        return_reason=reason,
        incomplete_sessions=incomplete,
        undefined_sessions=len(known) - incomplete,
    )


def _chained(
    returns: list[Decimal | None], reasons: list[str | None]
) -> tuple[Decimal | None, str | None]:
    """Chain the days up to the last complete one; give the return, or the first reason against."""
    undefined = [each for each in reasons if each not in {None, ReturnReason.NAV_INCOMPLETE}]
    if undefined:
        return None, undefined[0]
    days = [(value, None) for value in returns if value is not None]
    if not days:
        return None, ReturnReason.NAV_INCOMPLETE.value
    (last,) = cumulative(days, behind=len(days) - 1)
    return last, ReturnReason.OUT_OF_RANGE.value if last is None else None
