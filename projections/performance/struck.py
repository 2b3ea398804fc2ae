"""Questions about struck figures: what was told, what differs now, how often a VaR was exceeded.

What was told never changes. Beside it stands what is known now, of the same snapshot; the
difference is what was restated since, or what today's code makes of it otherwise (convention 6).
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from domain.figures import StruckFigure
from domain.statistics.backtest import Kupiec, kupiec
from projections.asking import PAGE_ROWS_MAX, Readable, ask
from projections.paging import Answer, Page, page_of, read_cursor
from projections.performance.figures import (
    FROM,
    HYPOTHETICAL,
    NAV,
    VALUES_AT_RISK,
    carried,
    value_at_risk_of,
)
from projections.performance.price_arrays import PriceHistory
from projections.performance.risk import Asked, Seen, seen

NAME = "performance"
_figures = msgspec.json.Decoder(tuple[StruckFigure, ...]).decode

_TOLD = """
figures.session, figures.currency, figures.closed_at, figures.position AS told_position,
    figures.figures, days.nav, days.struck_nav, days.restated_position, days.restated_reason
FROM {schema}.figures
LEFT JOIN {schema}.days ON days.tenant = figures.tenant AND days.portfolio = figures.portfolio
    AND days.session = figures.session
WHERE figures.tenant = %s AND figures.portfolio = %s AND figures.session BETWEEN %s AND %s
    AND figures.session > %s
ORDER BY figures.session LIMIT %s
"""
_ORDER = "ORDER BY session"
_OF_FIGURES = """
session, figures FROM {schema}.figures
WHERE tenant = %s AND portfolio = %s AND session BETWEEN %s AND %s
"""


class StruckSession(msgspec.Struct, frozen=True):
    """What was told of a session, at `told_position` for the closing at `closed_at`.

    `nav` is the one told, `nav_now` that of what is known now, `difference` now less told;
    each null where it is not known.
    """

    session: date
    currency: str
    closed_at: int
    told_position: int
    figures: tuple[StruckFigure, ...]
    nav: Decimal | None
    nav_now: Decimal | None
    difference: Decimal | None
    restated_position: int | None
    restated_reason: str | None


class Compared(msgspec.Struct, frozen=True):
    """A figure told, and what today's code makes of it.

    `again` is by the inputs of then (of a NAV only: they are kept), `now` by those known now.
    """

    struck: StruckFigure
    again: Decimal | None
    now: Decimal | None
    now_reason: str | None
    difference: Decimal | None


class ExplainedSession(msgspec.Struct, frozen=True):
    """Every figure told of a session, compared."""

    session: date
    currency: str
    closed_at: int
    told_position: int
    restated_position: int | None
    restated_reason: str | None
    figures: list[Compared]


class Exceeded(msgspec.Struct, frozen=True):
    """A session that lost more than the VaR told of the session before."""

    session: date
    pnl: Decimal
    value_at_risk: Decimal


class Backtest(msgspec.Struct, frozen=True):
    """The sessions of a range that could be judged, those that lost more, and Kupiec's test.

    `left_out` lack a P&L or a VaR of the session before; without any judged there is no test.
    """

    level: float
    days: int
    left_out: int
    exceptions: list[Exceeded]
    test: Kupiec | None


def struck_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    since: date | None = None,
    until: date | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[StruckSession]:
    """List what was told of a portfolio's sessions, oldest first.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"struck {tenant} {portfolio} {since} {until}"
    after = date.min if cursor is None else read_cursor(question, cursor, date)
    parameters = (tenant, portfolio, since or date.min, until or date.max, after, limit + 1)
    answered = ask(readable, NAME, _TOLD, parameters, order=_ORDER)
    rows = [_session(row) for row in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.session)


def explained_session(
    readable: Readable, *, tenant: str, portfolio: str, session: date
) -> Answer[ExplainedSession]:
    """Compare what was told of a session with what is known now; no row where nothing was."""

    def answer(one: Seen, _: PriceHistory) -> list[ExplainedSession]:
        parameters = (tenant, portfolio, session, session, date.min, 1)
        rows = ask(readable, NAME, _TOLD, parameters, order=_ORDER).rows
        return [_explained(row, one) for row in rows]

    asked = Asked(until=session)
    found = seen(readable, tenant=tenant, portfolio=portfolio, asked=asked, answer=answer)
    return Answer(found.row[0] if found.row else None, found.position, found.market_position)


def backtest_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    level: float,
    since: date | None = None,
    until: date | None = None,
) -> Answer[Backtest]:
    """Hold each session's hypothetical P&L against the VaR told of the session before."""
    parameters = (tenant, portfolio, date.min, until or date.max)
    answered = ask(readable, NAME, _OF_FIGURES, parameters, order=_ORDER)
    name = next(each.name for each in VALUES_AT_RISK if each.level == level)
    told = {session: {f.name: f for f in _figures(text)} for session, text in answered.rows}
    judged: list[Exceeded] = []
    left_out = 0
    for session, figures in told.items():
        if since is not None and session < since:
            continue
        pnl, value_at_risk = _judged(figures, told, name)
        if pnl is None or value_at_risk is None:
            left_out += 1
        else:
            judged.append(Exceeded(session, pnl, value_at_risk))
    exceptions = [each for each in judged if -each.pnl > each.value_at_risk]
    test = kupiec(len(judged), len(exceptions), level) if judged else None
    backtest = Backtest(level, len(judged), left_out, exceptions, test)
    return Answer(backtest, answered.position, answered.market_position)


def _judged(
    figures: dict[str, StruckFigure], told: dict[date, dict[str, StruckFigure]], name: str
) -> tuple[Decimal | None, Decimal | None]:
    gained = figures.get(HYPOTHETICAL)
    if gained is None or gained.value is None:
        return None, None
    before = next(each.value for each in gained.parameters if each.name == FROM)
    at_risk = told.get(date.fromisoformat(before), {}).get(name)
    return gained.value, None if at_risk is None else at_risk.value


def _session(row: Sequence[Any]) -> StruckSession:
    session, currency, closed_at, told_position, text, nav_now, _, *restated = row
    figures = _figures(text)
    nav = next((each.value for each in figures if each.name == NAV), None)
    now = None if nav_now is None else carried(nav_now)
    return StruckSession(
        session, currency, closed_at, told_position, figures, nav, now, _less(now, nav), *restated
    )


def _explained(row: Sequence[Any], one: Seen) -> ExplainedSession:
    session, currency, closed_at, told_position, text, nav_now, nav_again, since, why = row
    values, reason = value_at_risk_of(one)
    now: dict[str, tuple[Decimal | None, str | None]] = {
        each.name: (None if value is None else carried(Decimal(repr(value))), reason)
        for each, value in zip(VALUES_AT_RISK, values, strict=True)
    }
    now[NAV] = (None if nav_now is None else carried(nav_now), None)
    compared = []
    for each in _figures(text):
        again = carried(nav_again) if each.name == NAV and nav_again is not None else None
        value, lack = now.get(each.name, (None, None))
        compared.append(Compared(each, again, value, lack, _less(value, each.value)))
    return ExplainedSession(session, currency, closed_at, told_position, since, why, compared)


def _less(now: Decimal | None, told: Decimal | None) -> Decimal | None:
    return None if now is None or told is None else now - told
