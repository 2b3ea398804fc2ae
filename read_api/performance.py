"""The endpoints of what a portfolio's own returns say: by period, ex post, money-weighted."""

from collections.abc import Callable, Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from gateway.access import Action
from gateway.decoding import Name
from gateway.interface import Call, Endpoint, not_found
from projections.asking import Readable
from projections.performance import ex_post
from projections.performance.explaining import explained_day
from projections.performance.money_weighting import money_weighting_of
from projections.performance.periods import By, periods_of
from read_api import explanations
from read_api import performance_shapes as shapes
from read_api.asking import Asking, require_portfolio
from read_api.declaring import query
from read_api.parameters import PORTFOLIO, PerformanceAsked, RangeAsked
from read_api.shaping import shaped

Benchmark = Annotated[
    Name,
    msgspec.Meta(
        description="What to compare with: a benchmark, or an instrument for its total return; "
        "by default the benchmarks assigned to the portfolio, each from its date on."
    ),
]
RiskFree = Annotated[
    float,
    msgspec.Meta(gt=-1, le=10, description="The risk-free rate of a year, a fraction."),
]


class PeriodsAsked(PerformanceAsked, kw_only=True):
    """Which periods of which sessions; `all` is the range as one."""

    by: By = "month"


class StatisticsAsked(RangeAsked, kw_only=True):
    """Statistics of which sessions, against what."""

    benchmark: Benchmark | None = None
    risk_free: RiskFree = 0.0


_OF_A_DAY = ("nav", "daily_return")
_OF_MONEY = ("money_weighted", "annual_rate", "modified_dietz")


class ExplainedFigure(StrEnum):
    """Every figure that can be explained."""

    NAV = "nav"
    DAILY_RETURN = "daily_return"
    TIME_WEIGHTED_RETURN = "time_weighted_return"
    MONEY_WEIGHTED = "money_weighted"
    ANNUAL_RATE = "annual_rate"
    MODIFIED_DIETZ = "modified_dietz"
    CUMULATIVE_RETURN = "cumulative_return"
    ANNUALISED_RETURN = "annualised_return"
    VOLATILITY = "volatility"
    DOWNSIDE_DEVIATION = "downside_deviation"
    SHARPE = "sharpe"
    SORTINO = "sortino"
    MAXIMUM_DRAWDOWN = "maximum_drawdown"
    CALMAR = "calmar"
    BETA = "beta"
    ALPHA = "alpha"
    TRACKING_ERROR = "tracking_error"
    INFORMATION_RATIO = "information_ratio"


class ExplainAsked(StatisticsAsked, kw_only=True):
    """Which figure: of a session (`nav` and `daily_return`, by default the last), or a range."""

    figure: ExplainedFigure
    session: (
        Annotated[date, msgspec.Meta(description="The session of a figure of a day.")] | None
    ) = None


class DrawdownsAsked(RangeAsked, kw_only=True):
    """How many drawdowns of which sessions."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="The most to be listed.")] = 10


def performance_endpoints(asking: Asking) -> Sequence[Endpoint]:
    """Give the addresses of performance beyond its days."""
    own = "/v1/portfolios/{portfolio}/performance"
    queries = PerformanceQueries(asking)
    return (
        query(
            f"{own}/periods",
            "list_performance_periods",
            "Result and time-weighted return by day, week, month, quarter, year or in all",
            Action.READ_PERFORMANCE,
            PeriodsAsked,
            shapes.Periods,
            queries.periods,
            PORTFOLIO,
        ),
        query(
            f"{own}/statistics",
            "get_performance_statistics",
            "Volatility, ratios and comparison with a benchmark, of past returns",
            Action.READ_PERFORMANCE,
            StatisticsAsked,
            shapes.OneStatistics,
            queries.statistics,
            PORTFOLIO,
        ),
        query(
            f"{own}/drawdowns",
            "list_drawdowns",
            "The deepest drawdowns with peak, trough and recovery",
            Action.READ_PERFORMANCE,
            DrawdownsAsked,
            shapes.OneDrawdowns,
            queries.drawdowns,
            PORTFOLIO,
        ),
        query(
            f"{own}/money-weighted",
            "get_money_weighted_return",
            "The internal rate of return and the Modified Dietz rate, with their flows",
            Action.READ_PERFORMANCE,
            RangeAsked,
            shapes.OneMoneyWeighted,
            queries.money_weighted,
            PORTFOLIO,
        ),
        query(
            f"{own}/explain",
            "explain_performance",
            "What a NAV, a return or a statistic is made of",
            Action.READ_PERFORMANCE,
            ExplainAsked,
            explanations.OneExplanation,
            queries.explain,
            PORTFOLIO,
            problems=("history_too_long",),
        ),
    )


class PerformanceQueries:
    """The endpoints' coroutines, over one way to ask."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def periods(self, call: Call) -> Response:
        """List returns by period."""
        asked: PeriodsAsked = call.parameters

        owner = {"tenant": call.principal.tenant, "portfolio": call.named(PORTFOLIO)}

        def ask(readable: Readable) -> shapes.Periods:
            require_portfolio(readable, **owner)
            page = periods_of(
                readable,
                **owner,
                by=asked.by,
                since=asked.since,
                until=asked.until,
                cursor=asked.cursor,
                limit=asked.limit,
            )
            items = tuple(shaped(shapes.Period, row) for row in page.rows)
            return shaped(shapes.Periods, page, items=items, calculation=ex_post.CALCULATION)

        return await self._of_portfolio(call, ask)

    async def statistics(self, call: Call) -> Response:
        """Measure past returns."""
        asked: StatisticsAsked = call.parameters

        def ask(readable: Readable) -> shapes.OneStatistics:
            found = ex_post.statistics_of(
                readable,
                tenant=call.principal.tenant,
                portfolio=call.named(PORTFOLIO),
                asked=_compared(asked),
            )
            return shapes.statistics_shaped(_present(found))

        return await self._of_portfolio(call, ask)

    async def drawdowns(self, call: Call) -> Response:
        """List the deepest drawdowns."""
        asked: DrawdownsAsked = call.parameters

        def ask(readable: Readable) -> shapes.OneDrawdowns:
            found = ex_post.drawdowns_of(
                readable,
                tenant=call.principal.tenant,
                portfolio=call.named(PORTFOLIO),
                asked=ex_post.Asked(asked.since, asked.until),
                count=asked.limit,
            )
            return shapes.drawdowns_shaped(_present(found))

        return await self._of_portfolio(call, ask)

    async def money_weighted(self, call: Call) -> Response:
        """Weight returns by money."""
        asked: RangeAsked = call.parameters

        def ask(readable: Readable) -> shapes.OneMoneyWeighted:
            found = money_weighting_of(
                readable,
                tenant=call.principal.tenant,
                portfolio=call.named(PORTFOLIO),
                since=asked.since,
                until=asked.until,
            )
            return shapes.money_weighted_shaped(_present(found))

        return await self._of_portfolio(call, ask)

    async def explain(self, call: Call) -> Response:
        """Say what a figure is made of."""
        asked: ExplainAsked = call.parameters

        def ask(readable: Readable) -> explanations.OneExplanation:
            owner = {"tenant": call.principal.tenant, "portfolio": call.named(PORTFOLIO)}
            figure, since, until = asked.figure.value, asked.since, asked.until
            if figure in _OF_A_DAY:
                day = explained_day(readable, **owner, session=asked.session)
                return explanations.day_shaped(_present(day))
            if figure in _OF_MONEY:
                money = money_weighting_of(readable, **owner, since=since, until=until)
                return explanations.money_shaped(_present(money), figure)
            of = _compared(asked)
            if figure in ex_post.FIGURES:
                fed = ex_post.fed(readable, **owner, asked=of, figure=figure)
                return explanations.statistic_shaped(_present(fed))
            chain = ex_post.chained(readable, **owner, asked=of)
            return explanations.chain_shaped(_present(chain))

        return await self._of_portfolio(call, ask)

    async def _of_portfolio(self, call: Call, ask: Callable[[Readable], Any]) -> Response:
        home = self._asking.home_of(call.principal.tenant, call.named(PORTFOLIO))
        return await self._asking.answer(call, "performance", ask, home)


def _compared(asked: StatisticsAsked) -> ex_post.Asked:
    """Compare with the benchmark named, else with those assigned, each from its date on."""
    return ex_post.Asked(asked.since, asked.until, asked.benchmark, asked.risk_free)


def _present(found: Any) -> Any:  # noqa: ANN401
    if found.row is None:
        raise not_found()
    return found
