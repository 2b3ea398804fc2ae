"""The endpoints that read: each asks one read model and shapes its answer."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
from starlette.responses import Response

from gateway.decoding import CurrencyCode, Name
from gateway.interface import Call, json_response, not_found
from gateway.openapi import PathParameter
from projections.cash.queries import balances_of, movements_of
from projections.performance.closes import CloseStatus, judged_closes
from projections.performance.queries import daily_performance, performance_summary
from projections.positions.queries import (
    lots_of,
    portfolio_of,
    portfolios_of,
    position_of,
    positions_of,
)
from projections.trades.model import Status, TradeRow
from projections.trades.queries import blotter, trade_of
from read_api import shaping
from read_api.asking import Asked, Asking, PageAsked, require_portfolio
from read_api.shaping import page_shaped, shaped

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}\Z"
_UUID = r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z"
PORTFOLIO = PathParameter("portfolio", _NAME, "The portfolio's name.")
INSTRUMENT = PathParameter("instrument", _NAME, "The instrument's name.")
TRADE = PathParameter("trade_id", _UUID, "The trade's id, as its acceptance told.")


class PositionsAsked(PageAsked, kw_only=True):
    """Which positions; closed ones on request."""

    include_closed: bool = False


class LotsAsked(PageAsked, kw_only=True):
    """Which lots."""

    instrument: Name | None = None


class MovementsAsked(PageAsked, kw_only=True):
    """Which movements."""

    currency: CurrencyCode | None = None


class PortfolioTradesAsked(PageAsked, kw_only=True):
    """Which captures of one portfolio."""

    instrument: Name | None = None
    status: Status | None = None


class TradesAsked(PortfolioTradesAsked, kw_only=True):
    """Which captures of the tenant."""

    portfolio: Name | None = None


class ListedAsked(PageAsked, kw_only=True):
    """Which refusals or exceptions."""

    portfolio: Name | None = None
    instrument: Name | None = None


Since = Annotated[date, msgspec.Meta(description="The first session asked for.")]
Until = Annotated[date, msgspec.Meta(description="The last session asked for.")]


class RangeAsked(Asked, kw_only=True):
    """Which sessions."""

    since: Since | None = None
    until: Until | None = None


class PerformanceAsked(PageAsked, kw_only=True):
    """Which sessions, page by page."""

    since: Since | None = None
    until: Until | None = None


class ClosesAsked(PageAsked, kw_only=True):
    """Which closes."""

    status: CloseStatus = CloseStatus.SUSPECT
    instrument: Name | None = None


class Resources:
    """The endpoints' coroutines, over one way to ask."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def portfolios(self, call: Call) -> Response:
        """List the tenant's portfolios."""
        asked: PageAsked = call.parameters

        def query(connection: Any) -> shaping.Portfolios:  # noqa: ANN401
            page = portfolios_of(connection, **_paged(call, asked))
            items = [shaped(shaping.Portfolio, row) for row in page.rows]
            return page_shaped(shaping.Portfolios, page, items)

        return json_response(await self._asking.answer(call, "positions", query))

    async def portfolio(self, call: Call) -> Response:
        """Tell how one portfolio was opened."""
        portfolio = call.named(PORTFOLIO)

        def query(connection: Any) -> shaping.OnePortfolio:  # noqa: ANN401
            found = portfolio_of(connection, tenant=call.principal.tenant, portfolio=portfolio)
            item = shaped(shaping.Portfolio, _present(found.row))
            return shaped(shaping.OnePortfolio, found, item=item)

        return json_response(await self._asking.answer(call, "positions", query))

    async def positions(self, call: Call) -> Response:
        """List a portfolio's positions with their values."""
        asked: PositionsAsked = call.parameters

        def query(connection: Any, portfolio: str) -> shaping.Positions:  # noqa: ANN401
            page = positions_of(
                connection,
                portfolio=portfolio,
                include_closed=asked.include_closed,
                **_paged(call, asked),
            )
            items = [shaped(shaping.Position, row) for row in page.rows]
            return page_shaped(shaping.Positions, page, items)

        return await self._of_portfolio(call, "positions", query)

    async def position(self, call: Call) -> Response:
        """Tell one position, also when it is closed."""
        instrument = call.named(INSTRUMENT)

        def query(connection: Any, portfolio: str) -> shaping.OnePosition:  # noqa: ANN401
            found = position_of(
                connection,
                tenant=call.principal.tenant,
                portfolio=portfolio,
                instrument=instrument,
            )
            item = shaped(shaping.Position, _present(found.row))
            return shaped(shaping.OnePosition, found, item=item)

        return await self._of_portfolio(call, "positions", query)

    async def lots(self, call: Call) -> Response:
        """List a portfolio's open lots."""
        asked: LotsAsked = call.parameters

        def query(connection: Any, portfolio: str) -> shaping.Lots:  # noqa: ANN401
            page = lots_of(
                connection,
                portfolio=portfolio,
                instrument=asked.instrument,
                **_paged(call, asked),
            )
            items = [shaped(shaping.Lot, row) for row in page.rows]
            return page_shaped(shaping.Lots, page, items)

        return await self._of_portfolio(call, "positions", query)

    async def cash(self, call: Call) -> Response:
        """Tell a portfolio's cash by currency."""

        def query(connection: Any, portfolio: str) -> shaping.Balances:  # noqa: ANN401
            page = balances_of(connection, tenant=call.principal.tenant, portfolio=portfolio)
            items = [shaped(shaping.Balance, row) for row in page.rows]
            return page_shaped(shaping.Balances, page, items)

        return await self._of_portfolio(call, "cash", query)

    async def movements(self, call: Call) -> Response:
        """List what moved a portfolio's cash."""
        asked: MovementsAsked = call.parameters

        def query(connection: Any, portfolio: str) -> shaping.Movements:  # noqa: ANN401
            page = movements_of(
                connection, portfolio=portfolio, currency=asked.currency, **_paged(call, asked)
            )
            items = [shaped(shaping.Movement, row) for row in page.rows]
            return page_shaped(shaping.Movements, page, items)

        return await self._of_portfolio(call, "cash", query)

    async def portfolio_trades(self, call: Call) -> Response:
        """List a portfolio's captures."""
        asked: PortfolioTradesAsked = call.parameters

        def query(connection: Any, portfolio: str) -> shaping.Trades:  # noqa: ANN401
            return _blotter(connection, call, portfolio, asked.instrument, asked.status)

        return await self._of_portfolio(call, "trades", query)

    async def trades(self, call: Call) -> Response:
        """List the tenant's captures."""
        asked: TradesAsked = call.parameters
        return await self._listed(call, asked.portfolio, asked.instrument, asked.status)

    async def refusals(self, call: Call) -> Response:
        """List the tenant's refused captures."""
        asked: ListedAsked = call.parameters
        return await self._listed(call, asked.portfolio, asked.instrument, Status.REFUSED)

    async def exceptions(self, call: Call) -> Response:
        """List the tenant's captures that wait for their instrument."""
        asked: ListedAsked = call.parameters
        return await self._listed(call, asked.portfolio, asked.instrument, Status.PARKED)

    async def trade(self, call: Call) -> Response:
        """Tell what became of one trade."""
        trade_id = UUID(call.named(TRADE))

        def query(connection: Any) -> shaping.OneTrade:  # noqa: ANN401
            found = trade_of(connection, tenant=call.principal.tenant, trade_id=trade_id)
            return shaped(shaping.OneTrade, found, item=_trade(_present(found.row)))

        return json_response(await self._asking.answer(call, "trades", query))

    async def performance(self, call: Call) -> Response:
        """List a portfolio's sessions, struck and current."""
        asked: PerformanceAsked = call.parameters

        def query(connection: Any, portfolio: str) -> shaping.PerformanceDays:  # noqa: ANN401
            page = daily_performance(
                connection,
                portfolio=portfolio,
                since=asked.since,
                until=asked.until,
                **_paged(call, asked),
            )
            return page_shaped(shaping.PerformanceDays, page, map(_day, page.rows))

        return await self._of_portfolio(call, "performance", query)

    async def summary(self, call: Call) -> Response:
        """Sum a portfolio up over a range of sessions."""
        asked: RangeAsked = call.parameters

        def query(connection: Any, portfolio: str) -> shaping.OneSummary:  # noqa: ANN401
            found = performance_summary(
                connection,
                tenant=call.principal.tenant,
                portfolio=portfolio,
                since=asked.since,
                until=asked.until,
            )
            item = shaped(shaping.PerformanceSummary, _present(found.row))
            return shaped(shaping.OneSummary, found, item=item)

        return await self._of_portfolio(call, "performance", query)

    async def closes(self, call: Call) -> Response:
        """List closes of one status; they are shared by all tenants."""
        asked: ClosesAsked = call.parameters

        def query(connection: Any) -> shaping.JudgedCloses:  # noqa: ANN401
            page = judged_closes(
                connection,
                status=asked.status,
                instrument=asked.instrument,
                cursor=asked.cursor,
                limit=asked.limit,
            )
            items = [shaped(shaping.JudgedClose, row) for row in page.rows]
            return page_shaped(shaping.JudgedCloses, page, items)

        return json_response(await self._asking.answer(call, "performance", query))

    async def _of_portfolio(
        self, call: Call, model: str, query: Callable[[Any, str], Any]
    ) -> Response:
        """Ask about a portfolio that the tenant has; any other is not found."""
        portfolio = call.named(PORTFOLIO)

        def asked(connection: Any) -> Any:  # noqa: ANN401
            require_portfolio(connection, tenant=call.principal.tenant, portfolio=portfolio)
            return query(connection, portfolio)

        return json_response(await self._asking.answer(call, model, asked))

    async def _listed(
        self, call: Call, portfolio: str | None, instrument: str | None, status: Status | None
    ) -> Response:
        def query(connection: Any) -> shaping.Trades:  # noqa: ANN401
            return _blotter(connection, call, portfolio, instrument, status)

        return json_response(await self._asking.answer(call, "trades", query))


def _paged(call: Call, asked: PageAsked) -> dict[str, Any]:
    return {"tenant": call.principal.tenant, "cursor": asked.cursor, "limit": asked.limit}


def _present(found: Any) -> Any:  # noqa: ANN401
    if found is None:
        raise not_found()
    return found


def _blotter(
    connection: Any,  # noqa: ANN401
    call: Call,
    portfolio: str | None,
    instrument: str | None,
    status: Status | None,
) -> shaping.Trades:
    page = blotter(
        connection,
        portfolio=portfolio,
        instrument=instrument,
        status=status,
        **_paged(call, call.parameters),
    )
    return page_shaped(shaping.Trades, page, map(_trade, page.rows))


def _trade(row: TradeRow) -> shaping.Trade:
    return shaped(shaping.Trade, row, breaches=row.every_breach)


def _day(row: Any) -> shaping.PerformanceDay:  # noqa: ANN401
    struck = None if row.struck is None else shaped(shaping.Valuation, row.struck)
    current = shaped(shaping.Valuation, row.current)
    return shaped(shaping.PerformanceDay, row, struck=struck, current=current)
