"""What a portfolio's own daily returns say: ratios, drawdowns, money-weighted rates (ex post).

Each question is one snapshot. A figure is a published function of `domain/statistics` on the
arrays of `series`; `FIGURES` says which. `explained` lists what it was fed with.
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from domain.returns import cumulative
from domain.statistics import compounding, drawdowns, ratios, regression
from domain.statistics.measured import Floats, Measured, Reason
from projections.asking import Readable
from projections.paging import Answer
from projections.performance.assigned import benchmarks_in_force
from projections.performance.history import History, of_portfolio
from projections.performance.series import (
    ChainedDay,
    Compared,
    Series,
    chained_days,
    compared,
    dates_of,
    day_of,
    levels_in_force,
    series_of,
)

CALCULATION = "performance 4"
"""What figures say they were calculated by; changed whenever one would come out otherwise."""


class Figure(NamedTuple):
    """A figure: its function, whether of the benchmark too, whether of a risk-free rate."""

    function: Callable[..., Measured]
    method: str
    is_compared: bool = False
    takes_risk_free: bool = False

    @property
    def name(self) -> str:
        """Where the function is found."""
        return f"{self.function.__module__}.{self.function.__name__}"

    def of(self, returns: Floats, benchmark: Floats | None, risk_free: float) -> Measured:
        """Measure it."""
        further = {"risk_free": risk_free} if self.takes_risk_free else {}
        if not self.is_compared:
            return self.function(returns, **further)
        if benchmark is None:
            return Measured(None, 0, Reason.NO_BENCHMARK)
        return self.function(returns, benchmark, **further)


FIGURES = {
    "cumulative_return": Figure(
        compounding.cumulative_return, "time-weighted: product of 1 + daily return, less 1"
    ),
    "annualised_return": Figure(
        compounding.annualised_return, "(1 + R)^(252 / n) - 1, not under 252 returns"
    ),
    "volatility": Figure(ratios.volatility, "std(r) x sqrt(252), ddof 1"),
    "downside_deviation": Figure(
        ratios.downside_deviation,
        "sqrt(sum(min(r - f, 0)^2) / (n - 1)) x sqrt(252)",
        takes_risk_free=True,
    ),
    "sharpe": Figure(
        ratios.sharpe, "mean(r - f) / std(r - f) x sqrt(252), ddof 1", takes_risk_free=True
    ),
    "sortino": Figure(
        ratios.sortino, "mean(r - f) x 252 / downside deviation, ddof 1", takes_risk_free=True
    ),
    "maximum_drawdown": Figure(drawdowns.maximum_drawdown, "min(wealth / highest so far) - 1"),
    "calmar": Figure(
        ratios.calmar, "return of a year, or of the time if less, / -maximum drawdown"
    ),
    "beta": Figure(regression.beta, "cov(r, b) / var(b)", is_compared=True),
    "alpha": Figure(
        regression.alpha,
        "Jensen: (mean(r - f) - beta x mean(b - f)) x min(n, 252)",
        is_compared=True,
        takes_risk_free=True,
    ),
    "tracking_error": Figure(
        ratios.tracking_error, "std(r - b) x sqrt(252), ddof 1", is_compared=True
    ),
    "information_ratio": Figure(
        ratios.information_ratio, "mean(r - b) / std(r - b) x sqrt(252), ddof 1", is_compared=True
    ),
}


class Asked(NamedTuple):
    """Of which sessions, against which benchmark and which risk-free rate of a year.

    Without a benchmark, against those assigned to the portfolio, each from its date on.
    """

    since: date | None = None
    until: date | None = None
    benchmark: str | None = None
    risk_free: float = 0.0


class Statistics(msgspec.Struct, frozen=True):
    """The figures of a range, and what range that is.

    `chain_from` is the first session that counts: the chain of returns restarts behind an undefined
    one. `benchmark_return` chains the benchmark over the sessions that both know; `benchmark` is
    the one in force at the last of them.
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
    figures: dict[str, Measured]


class Fed(msgspec.Struct, frozen=True):
    """A figure with what its function was fed with; `function(**inputs)` gives it.

    `sessions` are those at whose ends the returns of the same places end.
    """

    figure: str
    function: str
    method: str
    value: Measured
    parameters: dict[str, float]
    benchmark: str | None
    sessions: list[date]
    returns: list[float]
    benchmark_returns: list[float] | None


class DatedDrawdown(msgspec.Struct, frozen=True):
    """A drawdown by sessions; `depth` is negative. `peak` is null where the portfolio began.

    `days` are calendar days from the peak to the recovery, or to the last session while it lasts.
    """

    peak: date | None
    trough: date
    recovery: date | None
    depth: float
    days: int | None
    sessions_to_trough: int
    sessions_to_recovery: int | None


class Drawdowns(msgspec.Struct, frozen=True):
    """The deepest drawdowns of a range, deepest first, of `count` in all."""

    portfolio: str
    currency: str
    chain_from: date | None
    last_session: date | None
    sessions: int
    incomplete_sessions: int
    undefined_sessions: int
    maximum_drawdown: Measured
    count: int
    drawdowns: list[DatedDrawdown]


class _Read(NamedTuple):
    """A series, and where there is a benchmark what is compared with it."""

    series: Series
    benchmark: str | None
    compared: Compared | None


def statistics_of(
    readable: Readable, *, tenant: str, portfolio: str, asked: Asked
) -> Answer[Statistics]:
    """Measure every figure; no row when the tenant has no such portfolio."""

    def answer(history: History) -> Statistics:
        read = _read(history, asked)
        return Statistics(
            **_range(history, read.series),
            benchmark=read.benchmark,
            benchmark_return=read.compared
            and compounding.cumulative_return(read.compared.benchmark),
            risk_free=asked.risk_free,
            figures={name: _measured(each, read, asked) for name, each in FIGURES.items()},
        )

    row, answered = of_portfolio(readable, tenant=tenant, portfolio=portfolio, answer=answer)
    return Answer(row, answered.position, answered.market_position)


def fed(
    readable: Readable, *, tenant: str, portfolio: str, asked: Asked, figure: str
) -> Answer[Fed]:
    """Give one of `FIGURES` with its inputs; no row when the tenant has no such portfolio."""
    known = FIGURES[figure]

    def answer(history: History) -> Fed:
        read = _read(history, asked)
        sessions, returns, benchmark = read.series.sessions, read.series.returns, None
        if known.is_compared and read.compared is not None:
            sessions, returns, benchmark = read.compared
        return Fed(
            figure=figure,
            function=known.name,
            method=known.method,
            value=_measured(known, read, asked),
            parameters={"risk_free": asked.risk_free} if known.takes_risk_free else {},
            benchmark=read.benchmark if known.is_compared else None,
            sessions=dates_of(sessions),
            returns=returns.tolist(),
            benchmark_returns=None if benchmark is None else benchmark.tolist(),
        )

    row, answered = of_portfolio(readable, tenant=tenant, portfolio=portfolio, answer=answer)
    return Answer(row, answered.position, answered.market_position)


class Chained(msgspec.Struct, frozen=True):
    """The exact time-weighted return of a range: what `domain.returns.cumulative` makes of days."""

    value: Decimal | None
    days: list[ChainedDay]


def chained(readable: Readable, *, tenant: str, portfolio: str, asked: Asked) -> Answer[Chained]:
    """Give a range's return with the days it chains; no row when there is no such portfolio."""

    def answer(history: History) -> Chained:
        days = chained_days(history, asked.since or date.min, asked.until or date.max)
        chain = ((day.daily_return, day.return_reason) for day in days)
        values = list(cumulative(chain, behind=len(days) - 1))
        return Chained(values[-1] if values else None, days)

    row, answered = of_portfolio(readable, tenant=tenant, portfolio=portfolio, answer=answer)
    return Answer(row, answered.position, answered.market_position)


def drawdowns_of(
    readable: Readable, *, tenant: str, portfolio: str, asked: Asked, count: int
) -> Answer[Drawdowns]:
    """List the deepest drawdowns; no row when the tenant has no such portfolio."""

    def answer(history: History) -> Drawdowns:
        series = series_of(history, asked.since or date.min, asked.until or date.max)
        found = drawdowns.drawdowns(series.returns)
        return Drawdowns(
            **_range(history, series),
            maximum_drawdown=drawdowns.maximum_drawdown(series.returns),
            count=len(found),
            drawdowns=[_dated(series, each) for each in drawdowns.deepest(found, count)],
        )

    row, answered = of_portfolio(readable, tenant=tenant, portfolio=portfolio, answer=answer)
    return Answer(row, answered.position, answered.market_position)


def _read(history: History, asked: Asked) -> _Read:
    series = series_of(history, asked.since or date.min, asked.until or date.max)
    if not len(series.sessions):
        return _Read(series, asked.benchmark, None)
    first, last = (day_of(int(series.sessions[place])) for place in (0, -1))
    in_force = benchmarks_in_force(history, asked.benchmark, first, last)
    if not in_force:
        return _Read(series, None, None)
    levels = levels_in_force(history.readable, in_force, history.calendar, history.base_currency)
    both = compared(series, levels) if len(levels.sessions) else None
    return _Read(series, in_force[-1].benchmark, both)


def _measured(figure: Figure, read: _Read, asked: Asked) -> Measured:
    if figure.is_compared and read.compared is not None:
        return figure.of(read.compared.returns, read.compared.benchmark, asked.risk_free)
    return figure.of(read.series.returns, None, asked.risk_free)


def _range(history: History, series: Series) -> dict[str, Any]:
    sessions = series.sessions
    return {
        "portfolio": history.owner[1],
        "currency": history.base_currency,
        "chain_from": day_of(int(sessions[0])) if len(sessions) else None,
        "last_session": day_of(int(sessions[-1])) if len(sessions) else None,
        "sessions": series.asked,
        "incomplete_sessions": series.incomplete,
        "undefined_sessions": series.undefined,
    }


def _dated(series: Series, found: drawdowns.Drawdown) -> DatedDrawdown:
    places = series.places
    end = len(places) - 1 if found.recovery is None else found.recovery
    has_peak = found.peak > 0 or series.start is not None
    return DatedDrawdown(
        peak=day_of(int(places[found.peak])) if has_peak else None,
        trough=day_of(int(places[found.trough])),
        recovery=None if found.recovery is None else day_of(int(places[found.recovery])),
        depth=found.depth,
        days=int(places[end] - places[found.peak]) if has_peak else None,
        sessions_to_trough=found.trough - found.peak,
        sessions_to_recovery=None if found.recovery is None else found.recovery - found.trough,
    )
