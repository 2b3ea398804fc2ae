"""Closing the books of a portfolio up to a date, and opening them again."""

from datetime import date, datetime

from domain.calendars import local_date
from domain.portfolio.cash import require_open, require_portfolio
from domain.portfolio.life import PeriodClosed, PeriodReopened
from domain.portfolio.standing import Said, unless_it_stands
from domain.portfolio.state import Portfolio
from domain.rejection import Breach, Rejection


def close_period(
    portfolio: Portfolio | None, *, name: str, until: date, now: datetime
) -> PeriodClosed | Said:
    """Decide that the books are closed up to and including a date.

    Where that is how far they are closed already, give where that was said.

    Raises:
        Rejection: `portfolio_unknown`, `period_already_closed` when they are closed further, or
            `period_not_over` while the date lies ahead.
    """
    opened = require_open(portfolio, name)
    standing = require_portfolio(portfolio, name).standing
    wanted = unless_it_stands(PeriodClosed(portfolio=name, until=until), standing.period)
    if isinstance(wanted, Said):
        return wanted
    closed_until, today = standing.closed_until, local_date(opened.calendar, now)
    if closed_until is not None and until <= closed_until:
        raise _refused("period_already_closed", "The books are closed until", until, closed_until)
    if until > today:
        raise _refused("period_not_over", "Today is only", until, today)
    return wanted


def reopen_period(
    portfolio: Portfolio | None, *, name: str, from_date: date, reason: str
) -> PeriodReopened:
    """Decide that the books are open again from a date on.

    Raises:
        Rejection: `portfolio_unknown`, or `period_not_closed` when they are open from there on.
    """
    closed_until = require_portfolio(portfolio, name).standing.closed_until
    if closed_until is None or from_date > closed_until:
        message = f"Nothing is closed from {from_date.isoformat()} on."
        raise Rejection("period_not_closed", message)
    return PeriodReopened(portfolio=name, from_date=from_date, reason=reason)


def _refused(code: str, message: str, actual: date, limit: date) -> Rejection:
    told, asked = limit.isoformat(), actual.isoformat()
    breach = Breach(code, f"{message} {told}.", limit=told, actual=asked)
    return Rejection(code, breach.message, breaches=(breach,))
