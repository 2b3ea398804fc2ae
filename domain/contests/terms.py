"""What a contest is about: its window, its metric, and who may be ranked.

Days are business dates of the contest's calendar, both ends included.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

import msgspec

UNIVERSE_MAX = 1_000
WINDOW_DAYS_MAX = 3_700
RATIO_SESSIONS_MIN = 20


class Window(StrEnum):
    """How long it lasts: a period of the calendar as it begins and ends there, or any days."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    CONTEST = "contest"


class Metric(StrEnum):
    """By what they are ranked; the higher value is always the better one."""

    RETURN = "return"
    DRAWDOWN = "drawdown"
    SHARPE = "sharpe"
    SORTINO = "sortino"
    CALMAR = "calmar"
    PNL = "pnl"


RATIOS = frozenset({Metric.SHARPE, Metric.SORTINO, Metric.CALMAR})
SHORT_WINDOWS = frozenset({Window.DAY, Window.WEEK})
SHORT_METRICS = frozenset({Metric.RETURN, Metric.DRAWDOWN})


class ContestTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The rules as announced; they never change.

    Ranked is who has so many days with a return and so many trades in the window. `universe` names
    the instruments that may be traded, empty for all. `capital`: all begin with exactly so much, in
    the contest's currency, and nothing comes or goes.
    """

    window: Window
    first_day: date
    last_day: date
    calendar: str
    currency: str
    metric: Metric
    minimum_days: int = 1
    minimum_trades: int = 0
    universe: tuple[str, ...] = ()
    capital: Decimal | None = None


def last_day_of(window: Window, first_day: date) -> date | None:
    """Give the last day of the period that begins with a day; None where none of its kind does.

    A week is an ISO week. A `contest` ends when it says.
    """
    match window:
        case Window.DAY:
            return first_day
        case Window.WEEK:
            is_first, length = first_day.isoweekday() == 1, 0
        case Window.MONTH:
            is_first, length = first_day.day == 1, 1
        case Window.QUARTER:
            is_first, length = first_day.day == 1 and first_day.month % 3 == 1, 3
        case Window.YEAR:
            is_first, length = (first_day.month, first_day.day) == (1, 1), 12
        case Window.CONTEST:
            return None
    if not is_first:
        return None
    if window is Window.WEEK:
        return first_day + timedelta(days=6)
    months = first_day.month - 1 + length
    following = date(first_day.year + months // 12, months % 12 + 1, 1)
    return following - timedelta(days=1)


def days_of(terms: ContestTerms) -> Iterator[date]:
    """List the days of the window."""
    for number in range((terms.last_day - terms.first_day).days + 1):
        yield terms.first_day + timedelta(days=number)
