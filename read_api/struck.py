"""The endpoints of struck figures: what was told when a session closed, and how it held."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response

from gateway.access import Action
from gateway.interface import Call, Endpoint, not_found
from projections.asking import Readable
from projections.performance import struck
from projections.performance.risk import CALCULATION
from read_api.asking import Asked, Asking, require_portfolio
from read_api.declaring import query
from read_api.parameters import PORTFOLIO, PerformanceAsked, RangeAsked
from read_api.shaping import Amount, Shaped, ShapedOne, ShapedPage, page_shaped, shaped

Percent = Annotated[
    Literal[95, 99], msgspec.Meta(description="The level of the VaR, 95 or 99 percent.")
]


class ExplainStruckAsked(Asked, kw_only=True):
    """Which session."""

    session: Annotated[date, msgspec.Meta(description="The session whose figures were struck.")]


class BacktestAsked(RangeAsked, kw_only=True):
    """Which VaR, over which sessions."""

    level: Percent = 99


class Parameter(Shaped, frozen=True):
    """What a method was told."""

    name: str
    value: str


class StruckFigure(Shaped, frozen=True):
    """A figure as it was told, of inputs up to its `position`; null with its `reason`."""

    name: str
    value: Amount | None
    reason: str | None
    method: str
    calculation: str
    position: int
    market_position: int
    parameters: tuple[Parameter, ...]


class StruckSession(Shaped, frozen=True):
    """What was told of a session: `nav` + `difference` = `nav_now`; restated since, and why."""

    session: date
    currency: str
    closed_at: int
    told_position: int
    figures: tuple[StruckFigure, ...]
    nav: Amount | None
    nav_now: Amount | None
    difference: Amount | None
    restated_position: int | None
    restated_reason: str | None


class StruckSessions(ShapedPage, frozen=True):
    """A page of sessions, oldest first."""

    items: tuple[StruckSession, ...]


class Compared(Shaped, frozen=True):
    """A figure as told, as today's code makes it of the inputs of then, and of those known now.

    `again` is there for a NAV only, whose inputs of then are kept; `difference` is now less told.
    """

    struck: StruckFigure
    again: Amount | None
    now: Amount | None
    now_reason: str | None
    difference: Amount | None


class ExplainedSession(Shaped, frozen=True):
    """Every figure told of a session, compared."""

    session: date
    currency: str
    closed_at: int
    told_position: int
    restated_position: int | None
    restated_reason: str | None
    figures: tuple[Compared, ...]


class OneExplainedSession(ShapedOne, frozen=True):
    """One session."""

    item: ExplainedSession


class Exceeded(Shaped, frozen=True):
    """A session that lost more than the VaR told of the session before."""

    session: date
    pnl: Amount
    value_at_risk: Amount


class Kupiec(Shaped, frozen=True):
    """Kupiec's test of the proportion of failures: `statistic` is chi-square, one degree."""

    days: int
    exceptions: int
    expected: float
    statistic: float
    p_value: float


class Backtest(Shaped, frozen=True):
    """Judged `days`, those left out for want of a figure, the exceptions, and the test of them."""

    level: float
    days: int
    left_out: int
    exceptions: tuple[Exceeded, ...]
    test: Kupiec | None


class OneBacktest(ShapedOne, frozen=True):
    """One backtest."""

    item: Backtest
    calculation: str


def struck_endpoints(asking: Asking) -> Sequence[Endpoint]:
    """Give the addresses of struck figures."""
    own = "/v1/portfolios/{portfolio}"
    queries = StruckQueries(asking)
    return (
        query(
            f"{own}/struck",
            "list_struck_figures",
            "NAV and VaR as they were told when sessions closed, and what differs now",
            Action.READ_PERFORMANCE,
            PerformanceAsked,
            StruckSessions,
            queries.sessions,
            PORTFOLIO,
        ),
        query(
            f"{own}/struck/explain",
            "explain_struck_figures",
            "The struck figures of a session beside what today's code makes of it",
            Action.READ_PERFORMANCE,
            ExplainStruckAsked,
            OneExplainedSession,
            queries.explain,
            PORTFOLIO,
            problems=("history_too_long",),
        ),
        query(
            f"{own}/risk/backtest",
            "get_risk_backtest",
            "Hypothetical P&L against the VaR struck the session before, with Kupiec's test",
            Action.READ_PERFORMANCE,
            BacktestAsked,
            OneBacktest,
            queries.backtest,
            PORTFOLIO,
        ),
    )


class StruckQueries:
    """The endpoints' coroutines, over one way to ask."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def sessions(self, call: Call) -> Response:
        """List what was told."""
        asked: PerformanceAsked = call.parameters

        def ask(readable: Readable, owner: dict[str, str]) -> StruckSessions:
            page = struck.struck_of(
                readable,
                **owner,
                since=asked.since,
                until=asked.until,
                cursor=asked.cursor,
                limit=asked.limit,
            )
            items = [
                shaped(StruckSession, row, figures=tuple(map(_figure, row.figures)))
                for row in page.rows
            ]
            return page_shaped(StruckSessions, page, items)

        return await self._of_portfolio(call, ask)

    async def explain(self, call: Call) -> Response:
        """Compare what was told of a session."""
        asked: ExplainStruckAsked = call.parameters

        def ask(readable: Readable, owner: dict[str, str]) -> OneExplainedSession:
            found = struck.explained_session(readable, **owner, session=asked.session)
            if found.row is None:
                raise not_found()
            figures = tuple(
                shaped(Compared, each, struck=_figure(each.struck)) for each in found.row.figures
            )
            item = shaped(ExplainedSession, found.row, figures=figures)
            return shaped(OneExplainedSession, found, item=item)

        return await self._of_portfolio(call, ask)

    async def backtest(self, call: Call) -> Response:
        """Judge the VaR."""
        asked: BacktestAsked = call.parameters

        def ask(readable: Readable, owner: dict[str, str]) -> OneBacktest:
            found = struck.backtest_of(
                readable, **owner, level=asked.level / 100, since=asked.since, until=asked.until
            )
            row = found.row
            assert row is not None, "a backtest may be of no days, and is there"
            item = shaped(
                Backtest,
                row,
                exceptions=tuple(shaped(Exceeded, each) for each in row.exceptions),
                test=None if row.test is None else shaped(Kupiec, row.test),
            )
            return shaped(OneBacktest, found, item=item, calculation=CALCULATION)

        return await self._of_portfolio(call, ask)

    async def _of_portfolio(
        self, call: Call, ask: Callable[[Readable, dict[str, str]], Any]
    ) -> Response:
        owner = {"tenant": call.principal.tenant, "portfolio": call.named(PORTFOLIO)}

        def asked(readable: Readable) -> Any:  # noqa: ANN401
            require_portfolio(readable, **owner)
            return ask(readable, owner)

        home = self._asking.home_of(**owner)
        return await self._asking.answer(call, "performance", asked, home)


def _figure(figure: Any) -> StruckFigure:  # noqa: ANN401
    parameters = tuple(shaped(Parameter, each) for each in figure.parameters)
    return shaped(StruckFigure, figure, parameters=parameters)
