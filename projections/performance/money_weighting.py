"""What the money in a portfolio earned: its values, its flows, and the rates of both."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from domain.money import ZERO, canonical
from domain.statistics.measured import Measured, Reason
from domain.statistics.money_weighted import Earned, annual_rate, modified_dietz, money_weighted
from projections.asking import Readable, ask
from projections.paging import Answer
from projections.performance.history import NAME

_EARNED = """
portfolios.base_currency, before.session, before.nav, ended.session, ended.nav, moved.sessions,
    moved.flows
FROM {schema}.portfolios
LEFT JOIN LATERAL (
    SELECT session, nav FROM {schema}.days
    WHERE days.tenant = portfolios.tenant AND days.portfolio = portfolios.portfolio
        AND session >= portfolios.first_session AND session < %s
    ORDER BY session DESC LIMIT 1
) AS before ON true
LEFT JOIN LATERAL (
    SELECT session, nav FROM {schema}.days
    WHERE days.tenant = portfolios.tenant AND days.portfolio = portfolios.portfolio
        AND session >= portfolios.first_session AND session BETWEEN %s AND %s
    ORDER BY session DESC LIMIT 1
) AS ended ON true
LEFT JOIN LATERAL (
    SELECT array_agg(session ORDER BY session) AS sessions,
        array_agg(flows ORDER BY session) AS flows
    FROM {schema}.days
    WHERE days.tenant = portfolios.tenant AND days.portfolio = portfolios.portfolio
        AND session >= portfolios.first_session AND session BETWEEN %s AND %s
        AND flows IS DISTINCT FROM 0
) AS moved ON true
WHERE portfolios.tenant = %s AND portfolios.portfolio = %s
"""


class SessionFlow(msgspec.Struct, frozen=True):
    """The net external flow of a session in the base currency, in positive; null without a rate."""

    session: date
    amount: Decimal | None


class MoneyWeighted(msgspec.Struct, frozen=True):
    """The rates over a range with all they are calculated from.

    From nothing, the time begins with the first flow and a value of 0. `earned` is what the
    functions of `domain.statistics.money_weighted` were fed with, null where something is missing.
    """

    portfolio: str
    currency: str
    start_session: date | None
    start_value: Decimal | None
    end_session: date | None
    end_value: Decimal | None
    flows: list[SessionFlow]
    days: int | None
    money_weighted: Measured
    annual_rate: Measured
    modified_dietz: Measured
    earned: Earned | None


def money_weighting_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    since: date | None = None,
    until: date | None = None,
) -> Answer[MoneyWeighted]:
    """Weight a range by money; no row when the tenant has no such portfolio."""
    first, last = since or date.min, until or date.max
    parameters = (first, first, last, first, last, tenant, portfolio)
    answered = ask(readable, NAME, _EARNED, parameters)
    row = _weighted(portfolio, answered.rows[0]) if answered.rows else None
    return Answer(row, answered.position, answered.market_position)


def _weighted(portfolio: str, row: tuple[Any, ...]) -> MoneyWeighted:
    currency, start, start_value, end, end_value, sessions, amounts = row
    flows = [
        SessionFlow(session, None if amount is None else canonical(amount))
        for session, amount in zip(sessions or (), amounts or (), strict=True)
    ]
    if start is None:
        start_value = ZERO
        start = flows[0].session if flows else None
    earned, reason = _earned(start, start_value, end, end_value, flows)
    if earned is None:
        period = dietz = Measured(None, len(flows), reason)
    else:
        period, dietz = money_weighted(earned), modified_dietz(earned)
    return MoneyWeighted(
        portfolio=portfolio,
        currency=currency,
        start_session=start,
        start_value=start_value,
        end_session=end,
        end_value=end_value,
        flows=flows,
        days=None if earned is None else earned.days,
        money_weighted=period,
        annual_rate=period if earned is None else annual_rate(period, earned.days),
        modified_dietz=dietz,
        earned=earned,
    )


def _earned(
    start: date | None,
    start_value: Decimal | None,
    end: date | None,
    end_value: Decimal | None,
    flows: list[SessionFlow],
) -> tuple[Earned | None, Reason | None]:
    if start is None or end is None:
        return None, Reason.NO_SESSION
    if start_value is None or end_value is None:
        return None, Reason.NAV_INCOMPLETE
    amounts = [flow.amount for flow in flows if flow.amount is not None]
    if len(amounts) < len(flows):
        return None, Reason.FLOW_WITHOUT_RATE
    return Earned(
        start_value=float(start_value),
        end_value=float(end_value),
        days=(end - start).days,
        flow_days=[(flow.session - start).days for flow in flows],
        flows=[float(each) for each in amounts],
    ), None
