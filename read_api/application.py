"""The HTTP interface of the query side: every address, who may ask it, and what it may answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from fastapi import FastAPI

from gateway.access import Action
from gateway.interface import Endpoint, Interface, Surroundings
from projections.announcing import Announcement
from projections.leaderboard.reading import Reader
from projections.reading import Reading
from read_api import shaping, trade_shapes
from read_api.alert_trials import trial_endpoint
from read_api.alerts import alert_endpoints
from read_api.asking import Asked, Asking, PageAsked
from read_api.bases import bases_endpoints
from read_api.benchmarks import benchmark_endpoints
from read_api.bridge_lines import bridge_lines_endpoint
from read_api.contests import contest_endpoints
from read_api.contributions import contribution_endpoints
from read_api.controls import ControlQueries, control_endpoints
from read_api.corporate_actions import (
    AppliedActions,
    AppliedAsked,
    CorporateActions,
    DeclaredActions,
    Receivables,
    ReceivablesAsked,
)
from read_api.declaring import query
from read_api.delivery import Delivery
from read_api.explained_lines import explained_line_endpoints
from read_api.held import Held, HeldAsked
from read_api.histories import history_endpoints
from read_api.ladders import Ladders
from read_api.live.live import Live
from read_api.market import market_endpoints
from read_api.parameters import (
    INSTRUMENT,
    PORTFOLIO,
    TRADE,
    InstrumentsAsked,
    ListedAsked,
    LotsAsked,
    MovementsAsked,
    PerformanceAsked,
    PortfoliosAsked,
    PortfolioTradesAsked,
    PositionsAsked,
    RangeAsked,
    RealisedAsked,
    TimeAsked,
    TradesAsked,
)
from read_api.performance import performance_endpoints
from read_api.realised_lots import realised_lots_endpoint
from read_api.rebuilds import rebuilds_endpoint
from read_api.resources import Resources
from read_api.results import OneBridge, RealisedFills
from read_api.risk import risk_endpoints
from read_api.sources import source_endpoints
from read_api.struck import struck_endpoints
from read_api.tenant_sectors import tenant_sectors_endpoint

TITLE = "PMS queries"
DESCRIPTION = """Queries of the portfolio management system. Every answer says which log position \
it is of, and `min_position` waits for one: give it a write's `position` to read that write. \
Exact numbers are strings, statistics are floats, times ISO 8601 in UTC; errors are \
`application/problem+json` with a stable `code`. What is another tenant's is not found, exactly \
like what is not there."""

Listen = Callable[[Callable[[Announcement], None]], Awaitable[None]]


def create_app(
    reading: Reading,
    surroundings: Surroundings,
    *,
    listen: Listen | None = None,
    live: Live | None = None,
    board: Reader | None = None,
) -> FastAPI:
    """Build the application over an open `reading`, with a WebSocket at `/v1/live` if it is given.

    `listen` hears announced checkpoints until cancelled (`projections.listening.listen` with an
    address), else waiting for a position takes up to 250 ms longer; without `board`, no ranks.
    """
    asking = Asking(reading)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with _listening(asking, listen, live):
            yield
        asking.close()

    interface = Interface(surroundings, title=TITLE, description=DESCRIPTION, lifespan=lifespan)
    resources = Resources(asking)
    delivery = Delivery(asking)
    for endpoint in (
        *bases_endpoints(asking),  # Before the addresses that take any name in their place.
        *_portfolios(resources),
        *_cash(resources),
        *explained_line_endpoints(asking),
        *_trades(resources, asking),
        *_performance(resources),
        *performance_endpoints(asking),
        bridge_lines_endpoint(asking),
        realised_lots_endpoint(asking),
        *risk_endpoints(asking),
        *struck_endpoints(asking),
        _instruments(resources),
        *_corporate_actions(CorporateActions(asking)),
        *control_endpoints(ControlQueries(asking, surroundings.clock)),
        *source_endpoints(asking),
        *history_endpoints(asking),
        *benchmark_endpoints(asking),
        *contribution_endpoints(asking),
        *contest_endpoints(asking, board),
        tenant_sectors_endpoint(asking),
        *market_endpoints(asking),
        *alert_endpoints(asking),
        rebuilds_endpoint(asking),
        trial_endpoint(asking),
    ):
        interface.add(delivery.delivered(endpoint))
    if live is not None:
        interface.application.add_socket("/v1/live", live.serve)
    return interface.application


@contextlib.asynccontextmanager
async def _listening(
    asking: Asking, listen: Listen | None, live: Live | None
) -> AsyncIterator[None]:
    """Hear what projectors announce, and look after live, while this is open."""

    def heard(told: Announcement) -> None:
        asking.watch.heard(told.model, told.position)
        if live is not None:
            live.audience.heard(told.model, told.position)

    tasks: list[asyncio.Future[None]] = []
    if listen is not None:
        tasks.append(asyncio.ensure_future(listen(heard)))
    if live is not None:
        tasks += map(asyncio.ensure_future, (live.audience.run(), live.sweep()))
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _portfolios(resources: Resources) -> Sequence[Endpoint]:
    own = "/v1/portfolios/{portfolio}"
    return (
        query(
            "/v1/portfolios",
            "list_portfolios",
            "The tenant's portfolios",
            Action.READ_PORTFOLIOS,
            PortfoliosAsked,
            shaping.Portfolios,
            resources.portfolios,
        ),
        query(
            own,
            "get_portfolio",
            "One portfolio",
            Action.READ_PORTFOLIOS,
            Asked,
            shaping.OnePortfolio,
            resources.portfolio,
            PORTFOLIO,
        ),
        query(
            f"{own}/positions",
            "list_positions",
            "A portfolio's positions and their values",
            Action.READ_POSITIONS,
            PositionsAsked,
            shaping.Positions,
            resources.positions,
            PORTFOLIO,
            problems=("history_too_long",),
        ),
        query(
            f"{own}/positions/{{instrument}}",
            "get_position",
            "One position, also when it is closed",
            Action.READ_POSITIONS,
            Asked,
            shaping.OnePosition,
            resources.position,
            PORTFOLIO,
            INSTRUMENT,
        ),
        query(
            f"{own}/lots",
            "list_lots",
            "A portfolio's open lots",
            Action.READ_POSITIONS,
            LotsAsked,
            shaping.Lots,
            resources.lots,
            PORTFOLIO,
        ),
    )


def _cash(resources: Resources) -> Sequence[Endpoint]:
    return (
        query(
            "/v1/portfolios/{portfolio}/cash",
            "list_balances",
            "A portfolio's cash by currency",
            Action.READ_CASH,
            TimeAsked,
            shaping.Balances,
            resources.cash,
            PORTFOLIO,
            problems=("history_too_long",),
        ),
        query(
            "/v1/portfolios/{portfolio}/cash/ladder",
            "list_cash_ladders",
            "Settled and pending cash, by currency and value date",
            Action.READ_CASH,
            Asked,
            Ladders,
            resources.cash_ladder,
            PORTFOLIO,
        ),
        query(
            "/v1/portfolios/{portfolio}/cash/movements",
            "list_movements",
            "What moved a portfolio's cash, newest first",
            Action.READ_CASH,
            MovementsAsked,
            shaping.Movements,
            resources.movements,
            PORTFOLIO,
        ),
    )


def _trades(resources: Resources, asking: Asking) -> Sequence[Endpoint]:
    return (
        query(
            "/v1/portfolios/{portfolio}/trades",
            "list_portfolio_trades",
            "A portfolio's blotter, newest first",
            Action.READ_TRADES,
            PortfolioTradesAsked,
            trade_shapes.Trades,
            resources.portfolio_trades,
            PORTFOLIO,
        ),
        query(
            "/v1/trades",
            "list_trades",
            "The tenant's blotter, newest first",
            Action.READ_TRADES,
            TradesAsked,
            trade_shapes.Trades,
            resources.trades,
        ),
        query(
            "/v1/trades/held",
            "list_held_corrections",
            "Amends and busts that came before their trade, newest first",
            Action.READ_EXCEPTIONS,
            HeldAsked,
            trade_shapes.HeldCorrections,
            Held(asking).listed,
        ),
        query(
            "/v1/trades/{trade_id}",
            "get_trade",
            "What became of one trade",
            Action.READ_TRADES,
            Asked,
            trade_shapes.OneTrade,
            resources.trade,
            TRADE,
        ),
        query(
            "/v1/refusals",
            "list_refusals",
            "Refused captures with every breach, newest first",
            Action.READ_REFUSALS,
            ListedAsked,
            trade_shapes.Trades,
            resources.refusals,
        ),
        query(
            "/v1/exceptions",
            "list_exceptions",
            "Captures that wait for their instrument, newest first",
            Action.READ_EXCEPTIONS,
            ListedAsked,
            trade_shapes.Trades,
            resources.exceptions,
        ),
    )


def _performance(resources: Resources) -> Sequence[Endpoint]:
    return (
        query(
            "/v1/portfolios/{portfolio}/performance",
            "list_performance",
            "Daily NAV and time-weighted return, struck and current",
            Action.READ_PERFORMANCE,
            PerformanceAsked,
            shaping.PerformanceDays,
            resources.performance,
            PORTFOLIO,
        ),
        query(
            "/v1/portfolios/{portfolio}/performance/summary",
            "get_performance_summary",
            "A portfolio over a range of sessions",
            Action.READ_PERFORMANCE,
            RangeAsked,
            shaping.OneSummary,
            resources.summary,
            PORTFOLIO,
        ),
        query(
            "/v1/portfolios/{portfolio}/bridge",
            "get_bridge",
            "What changed the NAV over a range of sessions, part by part",
            Action.READ_PERFORMANCE,
            RangeAsked,
            OneBridge,
            resources.bridge,
            PORTFOLIO,
            problems=("history_too_long",),
        ),
        query(
            "/v1/portfolios/{portfolio}/realised",
            "list_realised",
            "What each fill realised, gross and net, by price and by currency",
            Action.READ_PERFORMANCE,
            RealisedAsked,
            RealisedFills,
            resources.realised,
            PORTFOLIO,
            problems=("history_too_long",),
        ),
    )


def _instruments(resources: Resources) -> Endpoint:
    return query(
        "/v1/instruments",
        "list_instruments",
        "All instruments with what is in force, for every tenant",
        Action.READ_INSTRUMENTS,
        InstrumentsAsked,
        shaping.Instruments,
        resources.instruments,
    )


def _corporate_actions(actions: CorporateActions) -> Sequence[Endpoint]:
    return (
        query(
            "/v1/instruments/{instrument}/actions",
            "list_declared_actions",
            "An instrument's corporate actions, latest ex-date first, for every tenant",
            Action.READ_INSTRUMENTS,
            PageAsked,
            DeclaredActions,
            actions.declared,
            INSTRUMENT,
        ),
        query(
            "/v1/portfolios/{portfolio}/actions",
            "list_applied_actions",
            "What corporate actions did to a portfolio, latest ex-date first",
            Action.READ_POSITIONS,
            AppliedAsked,
            AppliedActions,
            actions.applied,
            PORTFOLIO,
        ),
        query(
            "/v1/portfolios/{portfolio}/receivables",
            "list_receivables",
            "Dividends due and not yet paid, by pay date",
            Action.READ_CASH,
            ReceivablesAsked,
            Receivables,
            actions.receivables,
            PORTFOLIO,
        ),
    )
