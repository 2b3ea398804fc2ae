"""The HTTP interface of the query side: every address, who may ask it, and what it may answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from fastapi import FastAPI

from gateway.access import Action
from gateway.interface import Endpoint, Handle, Interface, Surroundings
from gateway.openapi import PathParameter, json_answer
from projections.announcing import Announcement
from projections.reading import Reading
from read_api import shaping, trade_shapes
from read_api.asking import Asked, Asking, PageAsked
from read_api.held import Held, HeldAsked
from read_api.ladders import Ladders
from read_api.parameters import (
    INSTRUMENT,
    PORTFOLIO,
    TRADE,
    ClosesAsked,
    ListedAsked,
    LotsAsked,
    MovementsAsked,
    PerformanceAsked,
    PortfolioTradesAsked,
    PositionsAsked,
    RangeAsked,
    TimeAsked,
    TradesAsked,
)
from read_api.resources import Resources
from read_api.results import OneBridge, RealisedFills

TITLE = "PMS queries"
DESCRIPTION = """Queries of the portfolio management system. Every answer says which log position \
it is of, and `min_position` waits for one: give it a write's `position` to read that write. \
Numbers are strings, times ISO 8601 in UTC; errors are `application/problem+json` with a stable \
`code`. What is another tenant's is not found, exactly like what is not there."""

Listen = Callable[[Callable[[Announcement], None]], Awaitable[None]]


def create_app(
    reading: Reading, surroundings: Surroundings, *, listen: Listen | None = None
) -> FastAPI:
    """Build the application over an open `reading`.

    `listen` hears announced checkpoints until cancelled (`projections.listening.listen` with an
    address); without it, waiting for a position takes up to 250 ms longer.
    """
    asking = Asking(reading)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks: list[asyncio.Future[None]] = []
        if listen is not None:
            heard = listen(lambda told: asking.watch.heard(told.model, told.position))
            tasks.append(asyncio.ensure_future(heard))
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        asking.close()

    interface = Interface(surroundings, title=TITLE, description=DESCRIPTION, lifespan=lifespan)
    resources = Resources(asking)
    for endpoint in (
        *_portfolios(resources),
        *_cash(resources),
        *_trades(resources, asking),
        *_performance(resources),
        _instruments(resources),
    ):
        interface.add(endpoint)
    return interface.application


def _portfolios(resources: Resources) -> Sequence[Endpoint]:
    own = "/v1/portfolios/{portfolio}"
    return (
        _query(
            "/v1/portfolios",
            "list_portfolios",
            "The tenant's portfolios",
            Action.READ_PORTFOLIOS,
            PageAsked,
            shaping.Portfolios,
            resources.portfolios,
        ),
        _query(
            own,
            "get_portfolio",
            "One portfolio",
            Action.READ_PORTFOLIOS,
            Asked,
            shaping.OnePortfolio,
            resources.portfolio,
            PORTFOLIO,
        ),
        _query(
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
        _query(
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
        _query(
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
        _query(
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
        _query(
            "/v1/portfolios/{portfolio}/cash/ladder",
            "list_cash_ladders",
            "Settled and pending cash, by currency and value date",
            Action.READ_CASH,
            Asked,
            Ladders,
            resources.cash_ladder,
            PORTFOLIO,
        ),
        _query(
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
        _query(
            "/v1/portfolios/{portfolio}/trades",
            "list_portfolio_trades",
            "A portfolio's blotter, newest first",
            Action.READ_TRADES,
            PortfolioTradesAsked,
            trade_shapes.Trades,
            resources.portfolio_trades,
            PORTFOLIO,
        ),
        _query(
            "/v1/trades",
            "list_trades",
            "The tenant's blotter, newest first",
            Action.READ_TRADES,
            TradesAsked,
            trade_shapes.Trades,
            resources.trades,
        ),
        _query(
            "/v1/trades/held",
            "list_held_corrections",
            "Amends and busts that came before their trade, newest first",
            Action.READ_EXCEPTIONS,
            HeldAsked,
            trade_shapes.HeldCorrections,
            Held(asking).listed,
        ),
        _query(
            "/v1/trades/{trade_id}",
            "get_trade",
            "What became of one trade",
            Action.READ_TRADES,
            Asked,
            trade_shapes.OneTrade,
            resources.trade,
            TRADE,
        ),
        _query(
            "/v1/refusals",
            "list_refusals",
            "Refused captures with every breach, newest first",
            Action.READ_REFUSALS,
            ListedAsked,
            trade_shapes.Trades,
            resources.refusals,
        ),
        _query(
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
        _query(
            "/v1/portfolios/{portfolio}/performance",
            "list_performance",
            "Daily NAV and time-weighted return, struck and current",
            Action.READ_PERFORMANCE,
            PerformanceAsked,
            shaping.PerformanceDays,
            resources.performance,
            PORTFOLIO,
        ),
        _query(
            "/v1/portfolios/{portfolio}/performance/summary",
            "get_performance_summary",
            "A portfolio over a range of sessions",
            Action.READ_PERFORMANCE,
            RangeAsked,
            shaping.OneSummary,
            resources.summary,
            PORTFOLIO,
        ),
        _query(
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
        _query(
            "/v1/portfolios/{portfolio}/realised",
            "list_realised",
            "What each fill realised, gross and net, by price and by currency",
            Action.READ_PERFORMANCE,
            PerformanceAsked,
            RealisedFills,
            resources.realised,
            PORTFOLIO,
            problems=("history_too_long",),
        ),
        _query(
            "/v1/closes",
            "list_closes",
            "Closes by what is thought of them, for every tenant",
            Action.READ_CLOSES,
            ClosesAsked,
            shaping.JudgedCloses,
            resources.closes,
        ),
    )


def _instruments(resources: Resources) -> Endpoint:
    return _query(
        "/v1/instruments",
        "list_instruments",
        "All instruments with what is in force, for every tenant",
        Action.READ_INSTRUMENTS,
        PageAsked,
        shaping.Instruments,
        resources.instruments,
    )


def _query(
    path: str,
    name: str,
    summary: str,
    action: Action,
    parameters: type[Asked],
    kind: Any,  # noqa: ANN401 - any struct that is answered
    handle: Handle,
    *parts: PathParameter,
    problems: tuple[str, ...] = (),
) -> Endpoint:
    paged = ("cursor_invalid",) if issubclass(parameters, PageAsked) else ()
    return Endpoint(
        "GET",
        path,
        name,
        summary,
        (action,),
        handle,
        (json_answer(200, kind, "As of the position it says."),),
        parameters=parameters,
        parts=parts,
        problems=("not_ready", "position_not_reached", *paged, *problems),
    )
