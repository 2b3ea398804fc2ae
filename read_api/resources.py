"""The endpoints that read: each asks one read model and shapes its answer."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from starlette.responses import Response

from gateway.interface import Call, not_found
from projections.asking import Readable
from projections.cash.queries import balances_of, movements_of
from projections.performance.bridging import bridge_of
from projections.performance.queries import daily_performance, performance_summary
from projections.performance.realised import realised_of
from projections.positions.in_force import instruments_in_force
from projections.positions.queries import (
    lots_of,
    portfolio_of,
    portfolios_of,
    position_of,
    positions_of,
)
from projections.trades.queries import blotter, trade_of
from projections.trades.rows import Status, TradeRow
from read_api import shaping, trade_shapes
from read_api.as_of import (
    balances_then,
    is_of_another_time,
    positions_then,
)
from read_api.asking import Asking, PageAsked, require_portfolio
from read_api.ladders import ladders_told
from read_api.parameters import (
    INSTRUMENT,
    PORTFOLIO,
    TRADE,
    CapturesAsked,
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
from read_api.results import OneBridge, RealisedFills, bridge_shaped, realised_shaped
from read_api.shaping import page_shaped, shaped


class Resources:
    """The endpoints' coroutines, over one way to ask."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def portfolios(self, call: Call) -> Response:
        """List the tenant's portfolios."""
        asked: PortfoliosAsked = call.parameters

        def query(readable: Readable) -> shaping.Portfolios:
            page = portfolios_of(
                readable,
                state=asked.state,
                base_currency=asked.base_currency,
                owner=asked.owner,
                **_paged(call, asked),
            )
            items = [shaped(shaping.Portfolio, row) for row in page.rows]
            return page_shaped(shaping.Portfolios, page, items)

        return await self._asking.answer(call, "positions", query)

    async def portfolio(self, call: Call) -> Response:
        """Tell how one portfolio was opened."""
        portfolio = call.named(PORTFOLIO)

        def query(readable: Readable) -> shaping.OnePortfolio:
            found = portfolio_of(readable, tenant=call.principal.tenant, portfolio=portfolio)
            item = shaped(shaping.Portfolio, _present(found.row))
            return shaped(shaping.OnePortfolio, found, item=item)

        home = self._asking.home_of(call.principal.tenant, portfolio)
        return await self._asking.answer(call, "positions", query, home)

    async def positions(self, call: Call) -> Response:
        """List a portfolio's positions with their values."""
        asked: PositionsAsked = call.parameters
        is_then = is_of_another_time(asked)

        def query(readable: Readable, portfolio: str) -> shaping.Positions:
            if is_then:
                return positions_then(readable, call, portfolio)
            page = positions_of(
                readable,
                portfolio=portfolio,
                include_closed=asked.include_closed,
                sort=asked.sort,
                **_paged(call, asked),
            )
            items = [shaped(shaping.Position, row) for row in page.rows]
            return page_shaped(shaping.Positions, page, items)

        return await self._of_portfolio(call, "positions", query)

    async def position(self, call: Call) -> Response:
        """Tell one position, also when it is closed."""
        instrument = call.named(INSTRUMENT)

        def query(readable: Readable, portfolio: str) -> shaping.OnePosition:
            found = position_of(
                readable,
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

        def query(readable: Readable, portfolio: str) -> shaping.Lots:
            page = lots_of(
                readable,
                portfolio=portfolio,
                instrument=asked.instrument,
                **_paged(call, asked),
            )
            items = [shaped(shaping.Lot, row) for row in page.rows]
            return page_shaped(shaping.Lots, page, items)

        return await self._of_portfolio(call, "positions", query)

    async def cash(self, call: Call) -> Response:
        """Tell a portfolio's cash by currency."""
        asked: TimeAsked = call.parameters
        is_then = is_of_another_time(asked)

        def query(readable: Readable, portfolio: str) -> shaping.Balances:
            if is_then:
                return balances_then(readable, call, portfolio)
            page = balances_of(readable, tenant=call.principal.tenant, portfolio=portfolio)
            items = [shaped(shaping.Balance, row) for row in page.rows]
            return page_shaped(shaping.Balances, page, items)

        return await self._of_portfolio(call, "cash", query)

    async def cash_ladder(self, call: Call) -> Response:
        """Tell what is settled and pending, by currency and value date."""
        query = partial(ladders_told, tenant=call.principal.tenant)
        return await self._of_portfolio(call, "cash", query)

    async def movements(self, call: Call) -> Response:
        """List what moved a portfolio's cash."""
        asked: MovementsAsked = call.parameters

        def query(readable: Readable, portfolio: str) -> shaping.Movements:
            page = movements_of(
                readable, portfolio=portfolio, currency=asked.currency, **_paged(call, asked)
            )
            items = [shaped(shaping.Movement, row) for row in page.rows]
            return page_shaped(shaping.Movements, page, items)

        return await self._of_portfolio(call, "cash", query)

    async def portfolio_trades(self, call: Call) -> Response:
        """List a portfolio's captures."""
        asked: PortfolioTradesAsked = call.parameters

        def query(readable: Readable, portfolio: str) -> trade_shapes.Trades:
            return _blotter(readable, call, portfolio=portfolio, status=asked.status)

        return await self._of_portfolio(call, "trades", query)

    async def trades(self, call: Call) -> Response:
        """List the tenant's captures."""
        asked: TradesAsked = call.parameters
        return await self._listed(call, asked.portfolio, asked.status, block=asked.block)

    async def refusals(self, call: Call) -> Response:
        """List the tenant's refused captures."""
        asked: ListedAsked = call.parameters
        return await self._listed(call, asked.portfolio, Status.REFUSED)

    async def exceptions(self, call: Call) -> Response:
        """List the tenant's captures that wait for their instrument."""
        asked: ListedAsked = call.parameters
        return await self._listed(call, asked.portfolio, Status.PARKED)

    async def trade(self, call: Call) -> Response:
        """Tell what became of one trade."""
        trade_id = UUID(call.named(TRADE))

        def query(readable: Readable) -> trade_shapes.OneTrade:
            found = trade_of(readable, tenant=call.principal.tenant, trade_id=trade_id)
            return shaped(trade_shapes.OneTrade, found, item=trade_shaped(_present(found.row)))

        return await self._asking.answer(call, "trades", query)

    async def performance(self, call: Call) -> Response:
        """List a portfolio's sessions, struck and current."""
        asked: PerformanceAsked = call.parameters

        def query(readable: Readable, portfolio: str) -> shaping.PerformanceDays:
            page = daily_performance(
                readable,
                portfolio=portfolio,
                since=asked.since,
                until=asked.until,
                **_paged(call, asked),
            )
            return page_shaped(shaping.PerformanceDays, page, map(day_shaped, page.rows))

        return await self._of_portfolio(call, "performance", query)

    async def summary(self, call: Call) -> Response:
        """Sum a portfolio up over a range of sessions."""
        asked: RangeAsked = call.parameters

        def query(readable: Readable, portfolio: str) -> shaping.OneSummary:
            found = performance_summary(
                readable,
                tenant=call.principal.tenant,
                portfolio=portfolio,
                since=asked.since,
                until=asked.until,
            )
            item = shaped(shaping.PerformanceSummary, _present(found.row))
            return shaped(shaping.OneSummary, found, item=item)

        return await self._of_portfolio(call, "performance", query)

    async def bridge(self, call: Call) -> Response:
        """Explain a portfolio's change of NAV over a range of sessions."""
        asked: RangeAsked = call.parameters

        def query(readable: Readable, portfolio: str) -> OneBridge:
            found = bridge_of(
                readable,
                tenant=call.principal.tenant,
                portfolio=portfolio,
                since=asked.since,
                until=asked.until,
            )
            return bridge_shaped(found, _present(found.row))

        return await self._of_portfolio(call, "performance", query)

    async def realised(self, call: Call) -> Response:
        """List what each fill of a portfolio realised."""
        asked: RealisedAsked = call.parameters

        def query(readable: Readable, portfolio: str) -> RealisedFills:
            page = realised_of(
                readable,
                portfolio=portfolio,
                since=asked.since,
                until=asked.until,
                instrument=asked.instrument,
                sort=asked.sort,
                **_paged(call, asked),
            )
            return realised_shaped(page)

        return await self._of_portfolio(call, "performance", query)

    async def instruments(self, call: Call) -> Response:
        """List all instruments with what is in force; they are shared by all tenants."""
        asked: InstrumentsAsked = call.parameters

        def query(readable: Readable) -> shaping.Instruments:
            page = instruments_in_force(
                readable,
                asset_class=asked.asset_class,
                currency=asked.currency,
                sector=asked.sector,
                cursor=asked.cursor,
                limit=asked.limit,
            )
            items = [shaped(shaping.Instrument, row) for row in page.rows]
            return page_shaped(shaping.Instruments, page, items)

        one = self._asking.any_partition
        return await self._asking.answer(call, "positions", query, one)

    async def _of_portfolio(
        self, call: Call, model: str, query: Callable[[Readable, str], Any]
    ) -> Response:
        """Ask about a portfolio that the tenant has; any other is not found."""
        portfolio = call.named(PORTFOLIO)

        def asked(readable: Readable) -> Any:  # noqa: ANN401
            require_portfolio(readable, tenant=call.principal.tenant, portfolio=portfolio)
            return query(readable, portfolio)

        home = self._asking.home_of(call.principal.tenant, portfolio)
        return await self._asking.answer(call, model, asked, home)

    async def _listed(
        self, call: Call, portfolio: str | None, status: Status | None, block: str | None = None
    ) -> Response:
        def query(readable: Readable) -> trade_shapes.Trades:
            return _blotter(readable, call, portfolio=portfolio, status=status, block=block)

        tenant = call.principal.tenant
        home = None if portfolio is None else self._asking.home_of(tenant, portfolio)
        return await self._asking.answer(call, "trades", query, home)


def _paged(call: Call, asked: PageAsked) -> dict[str, Any]:
    return {"tenant": call.principal.tenant, "cursor": asked.cursor, "limit": asked.limit}


def _present(found: Any) -> Any:  # noqa: ANN401
    if found is None:
        raise not_found()
    return found


def _blotter(
    readable: Readable,
    call: Call,
    *,
    portfolio: str | None,
    status: Status | None,
    block: str | None = None,
) -> trade_shapes.Trades:
    asked: CapturesAsked = call.parameters
    page = blotter(
        readable,
        instrument=asked.instrument,
        source=asked.source,
        side=asked.side,
        intent=asked.intent,
        external_id=asked.external_id,
        from_date=asked.from_date,
        to_date=asked.to_date,
        text=asked.q,
        portfolio=portfolio,
        status=status,
        block=block,
        sort=asked.sort,
        **_paged(call, asked),
    )
    return page_shaped(trade_shapes.Trades, page, map(trade_shaped, page.rows))


def trade_shaped(row: TradeRow) -> trade_shapes.Trade:
    """Make what callers are told of a capture."""
    return shaped(trade_shapes.Trade, row, breaches=row.every_breach)


def day_shaped(row: Any) -> shaping.PerformanceDay:  # noqa: ANN401
    """Make what readers are told of a session."""
    struck = None if row.struck is None else shaped(shaping.Valuation, row.struck)
    current = shaped(shaping.Valuation, row.current)
    return shaped(shaping.PerformanceDay, row, struck=struck, current=current)
