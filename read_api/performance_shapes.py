"""What readers are told of performance: returns by period, statistics, drawdowns, money-weighting.

Amounts and time-weighted returns are exact decimals as strings. Statistics are floats, JSON
numbers; a null one says why in its `reason`, and each says of how many observations it is.
"""

from datetime import date
from typing import Annotated, Any

import msgspec

from projections.performance.ex_post import CALCULATION, FIGURES
from read_api.shaping import Amount, Shaped, ShapedOne, ShapedPage, shaped

Statistic = Annotated[float, msgspec.Meta(description="A statistic; fractions, never percent.")]


class Measured(Shaped, frozen=True):
    """A statistic of `n` observations, or the reason why there is none."""

    value: Statistic | None
    reason: str | None
    n: int


class Figure(Measured, frozen=True):
    """A statistic with its method."""

    method: str


class Period(Shaped, frozen=True):
    """A period: result = nav_end - nav_start - flows, and the time-weighted return of it.

    `start_session` is the last one before it, null at the first, where `nav_start` is 0. A null
    return says why; it is that up to the last complete NAV, never annualised.
    """

    first_session: date
    last_session: date
    sessions: int
    start_session: date | None
    nav_start: Amount | None
    nav_end: Amount | None
    flows: Amount | None
    result: Amount | None
    period_return: Amount | None
    return_reason: str | None
    incomplete_sessions: int
    undefined_sessions: int


class Periods(ShapedPage, frozen=True):
    """A page of periods, oldest first."""

    items: tuple[Period, ...]
    calculation: str


class Statistics(Shaped, frozen=True):
    """Ex-post figures of the daily returns from `chain_from` on: behind the last undefined day.

    A gap of incomplete days is one return. `figures` are by name; those against the `benchmark` are
    over the sessions that both know, and null without one (`no_benchmark`). `risk_free` is a rate
    of a year; a year has 252 returns.
    """

    portfolio: str
    currency: str
    chain_from: date | None
    last_session: date | None
    sessions: int
    incomplete_sessions: int
    undefined_sessions: int
    benchmark: str | None
    benchmark_return: Measured | None
    risk_free: float
    figures: dict[str, Figure]


class OneStatistics(ShapedOne, frozen=True):
    """One portfolio's statistics."""

    item: Statistics
    calculation: str


class Drawdown(Shaped, frozen=True):
    """A fall from a peak; `depth` is negative. `peak` is null where the portfolio began with it.

    `days` are calendar days from peak to recovery, to the last session while it lasts.
    """

    peak: date | None
    trough: date
    recovery: date | None
    depth: Statistic
    days: int | None
    sessions_to_trough: int
    sessions_to_recovery: int | None


class Drawdowns(Shaped, frozen=True):
    """The deepest drawdowns, deepest first, of `count` in all."""

    portfolio: str
    currency: str
    chain_from: date | None
    last_session: date | None
    sessions: int
    incomplete_sessions: int
    undefined_sessions: int
    maximum_drawdown: Measured
    count: int
    drawdowns: tuple[Drawdown, ...]


class OneDrawdowns(ShapedOne, frozen=True):
    """One portfolio's drawdowns."""

    item: Drawdowns
    calculation: str


class SessionFlow(Shaped, frozen=True):
    """The net external flow of a session, in positive; null where it had no rate."""

    session: date
    amount: Amount | None


class MoneyWeighted(Shaped, frozen=True):
    """The internal rate and the Modified Dietz rate from a start to an end, with their flows.

    `money_weighted` and `modified_dietz` are returns of the whole time, `annual_rate` the internal
    rate of a year (ACT/365), null under 365 days. From nothing, the time begins with the first
    flow; a flow counts from the end of its session on.
    """

    portfolio: str
    currency: str
    start_session: date | None
    start_value: Amount | None
    end_session: date | None
    end_value: Amount | None
    flows: tuple[SessionFlow, ...]
    days: int | None
    money_weighted: Measured
    annual_rate: Measured
    modified_dietz: Measured


class OneMoneyWeighted(ShapedOne, frozen=True):
    """One portfolio's money-weighted rates."""

    item: MoneyWeighted
    calculation: str


def statistics_shaped(found: Any) -> OneStatistics:  # noqa: ANN401
    """Tell the statistics of an answer."""
    row = found.row
    figures = {
        name: shaped(Figure, measured, method=FIGURES[name].method)
        for name, measured in row.figures.items()
    }
    benchmark = row.benchmark_return and shaped(Measured, row.benchmark_return)
    item = shaped(Statistics, row, figures=figures, benchmark_return=benchmark)
    return shaped(OneStatistics, found, item=item, calculation=CALCULATION)


def drawdowns_shaped(found: Any) -> OneDrawdowns:  # noqa: ANN401
    """Tell the drawdowns of an answer."""
    row = found.row
    item = shaped(
        Drawdowns,
        row,
        maximum_drawdown=shaped(Measured, row.maximum_drawdown),
        drawdowns=tuple(shaped(Drawdown, each) for each in row.drawdowns),
    )
    return shaped(OneDrawdowns, found, item=item, calculation=CALCULATION)


def money_weighted_shaped(found: Any) -> OneMoneyWeighted:  # noqa: ANN401
    """Tell the money-weighted rates of an answer."""
    row = found.row
    item = shaped(
        MoneyWeighted,
        row,
        flows=tuple(shaped(SessionFlow, each) for each in row.flows),
        money_weighted=shaped(Measured, row.money_weighted),
        annual_rate=shaped(Measured, row.annual_rate),
        modified_dietz=shaped(Measured, row.modified_dietz),
    )
    return shaped(OneMoneyWeighted, found, item=item, calculation=CALCULATION)
