"""The endpoints of controls: limits, trading states, overrides, breaches by prices, usage."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal, NamedTuple

import msgspec
from starlette.responses import Response

from gateway.access import Action
from gateway.decoding import Name
from gateway.interface import Call, Endpoint, not_found
from gateway.openapi import PathParameter, json_answer
from projections.asking import Readable
from projections.controls import queries
from projections.controls.tables import LimitStatus, OverrideRow, OverrideStatus
from read_api import control_shapes as shapes
from read_api.asking import Asking, PageAsked
from read_api.parameters import NAME
from read_api.shaping import ShapedPage, page_shaped, shaped

LIMIT = PathParameter("limit", NAME, "The limit's name.")

_texts = msgspec.json.Decoder(tuple[str, ...]).decode


class LimitsAsked(PageAsked, kw_only=True):
    """Which limits: those `in_force`, those `proposed`, or (by default) both."""

    status: Literal["in_force", "proposed"] | None = None


class StatesAsked(PageAsked, kw_only=True):
    """Which trading states: those that restrict now, or all that ever were assigned."""

    include_ended: bool = False


class OverridesAsked(PageAsked, kw_only=True):
    """Which overrides."""

    portfolio: Name | None = None
    status: OverrideStatus | None = None


class BreachesAsked(PageAsked, kw_only=True):
    """Which breaches."""

    portfolio: Name | None = None
    is_open: bool | None = None


class ControlQueries:
    """The endpoints' coroutines, over one way to ask; `clock` tells what has expired."""

    def __init__(self, asking: Asking, clock: Callable[[], datetime]) -> None:
        self._asking = asking
        self._clock = clock

    async def limits(self, call: Call) -> Response:
        """List limits in force and proposals."""
        asked: LimitsAsked = call.parameters
        status = None if asked.status is None else LimitStatus(asked.status)

        def query(readable: Readable) -> shapes.Limits:
            page = queries.limits_now(readable, status=status, **_paged(call, asked))
            return page_shaped(shapes.Limits, page, map(_limit, page.rows))

        return await self._shared(call, query)

    async def limit(self, call: Call) -> Response:
        """List every version of one limit."""
        asked: PageAsked = call.parameters
        name = call.named(LIMIT)

        def query(readable: Readable) -> shapes.LimitVersions:
            page = queries.versions_of(readable, name=name, **_paged(call, asked))
            if not page.rows and asked.cursor is None:
                raise not_found()
            return page_shaped(shapes.LimitVersions, page, map(_limit, page.rows))

        return await self._shared(call, query)

    async def usage(self, call: Call) -> Response:
        """Tell what is used of a shared limit, by trade date."""
        asked: PageAsked = call.parameters
        name = call.named(LIMIT)

        def query(readable: Readable) -> shapes.LimitUsage:
            one = readable._replace(partitions=readable.partitions[:1])
            tenant = call.principal.tenant
            if not queries.versions_of(one, tenant=tenant, name=name, limit=1).rows:
                raise not_found()
            page = queries.usage_of(readable, name=name, **_paged(call, asked))
            items = [shaped(shapes.Usage, row) for row in page.rows]
            return page_shaped(shapes.LimitUsage, page, items)

        return await self._asking.answer(call, "controls", query)

    async def trading_states(self, call: Call) -> Response:
        """List what restricts trading."""
        asked: StatesAsked = call.parameters

        def query(readable: Readable) -> shapes.TradingStates:
            page = queries.trading_states(
                readable, include_ended=asked.include_ended, **_paged(call, asked)
            )
            items = [shaped(shapes.TradingState, row, scope=_scope(row)) for row in page.rows]
            return page_shaped(shapes.TradingStates, page, items)

        return await self._shared(call, query)

    async def overrides(self, call: Call) -> Response:
        """List overrides."""
        asked: OverridesAsked = call.parameters
        now = self._clock()

        def query(readable: Readable) -> shapes.Overrides:
            page = queries.overrides_of(
                readable,
                now=now,
                portfolio=asked.portfolio,
                status=asked.status,
                **_paged(call, asked),
            )
            items = [_override(row, now) for row in page.rows]
            return page_shaped(shapes.Overrides, page, items)

        return await self._parted(call, query, asked.portfolio)

    async def breaches(self, call: Call) -> Response:
        """List breaches by prices."""
        asked: BreachesAsked = call.parameters

        def query(readable: Readable) -> shapes.Breaches:
            page = queries.breaches_of(
                readable, portfolio=asked.portfolio, is_open=asked.is_open, **_paged(call, asked)
            )
            items = [
                shaped(
                    shapes.Breach,
                    row,
                    limit=row.limit_name,
                    is_open=row.closed_position is None,
                )
                for row in page.rows
            ]
            return page_shaped(shapes.Breaches, page, items)

        return await self._parted(call, query, asked.portfolio)

    async def _shared(self, call: Call, query: Callable[[Readable], Any]) -> Response:
        """Ask one partition: every one of them holds what all portfolios share."""
        one = self._asking.any_partition
        return await self._asking.answer(call, "controls", query, one)

    async def _parted(
        self, call: Call, query: Callable[[Readable], Any], portfolio: str | None
    ) -> Response:
        tenant = call.principal.tenant
        home = None if portfolio is None else self._asking.home_of(tenant, portfolio)
        return await self._asking.answer(call, "controls", query, home)


class Query(NamedTuple):
    """One address, and the method of `ControlQueries` that answers it."""

    path: str
    name: str
    summary: str
    parameters: type[PageAsked]
    kind: type[ShapedPage]
    handle: Callable[[ControlQueries, Call], Awaitable[Response]]


QUERIES: Sequence[Query] = (
    Query(
        "/v1/limits",
        "list_limits",
        "Limits in force and proposals, by name",
        LimitsAsked,
        shapes.Limits,
        ControlQueries.limits,
    ),
    Query(
        "/v1/limits/{limit}",
        "get_limit",
        "Every version of a limit, newest first: who proposed it, who decided, and when",
        PageAsked,
        shapes.LimitVersions,
        ControlQueries.limit,
    ),
    Query(
        "/v1/limits/{limit}/usage",
        "list_limit_usage",
        "What is used of a limit that several portfolios share, by trade date",
        PageAsked,
        shapes.LimitUsage,
        ControlQueries.usage,
    ),
    Query(
        "/v1/trading-states",
        "list_trading_states",
        "What is halted or may only reduce, newest first",
        StatesAsked,
        shapes.TradingStates,
        ControlQueries.trading_states,
    ),
    Query(
        "/v1/overrides",
        "list_overrides",
        "Overrides of refused trades, newest first",
        OverridesAsked,
        shapes.Overrides,
        ControlQueries.overrides,
    ),
    Query(
        "/v1/breaches",
        "list_breaches",
        "Limits that portfolios went beyond without a trade, newest first",
        BreachesAsked,
        shapes.Breaches,
        ControlQueries.breaches,
    ),
)


def control_endpoints(controls: ControlQueries) -> Sequence[Endpoint]:
    """Give every address of controls."""
    return [
        Endpoint(
            "GET",
            each.path,
            each.name,
            each.summary,
            (Action.READ_CONTROLS,),
            partial(each.handle, controls),
            (json_answer(200, each.kind, "As of the position it says."),),
            parameters=each.parameters,
            parts=(LIMIT,) if "{limit}" in each.path else (),
            problems=("not_ready", "position_not_reached", "cursor_invalid"),
        )
        for each in QUERIES
    ]


def _paged(call: Call, asked: PageAsked) -> dict[str, Any]:
    return {"tenant": call.principal.tenant, "cursor": asked.cursor, "limit": asked.limit}


def _scope(row: Any) -> shapes.Scope:  # noqa: ANN401
    return shapes.Scope(
        portfolio=row.scope_portfolio, instrument=row.scope_instrument, sector=row.scope_sector
    )


def _limit(row: Any) -> shapes.Limit:  # noqa: ANN401
    scope = None if row.rule is None else _scope(row)
    return shaped(
        shapes.Limit,
        row,
        limit=row.limit_name,
        scope=scope,
        currencies=_texts(row.currencies),
    )


def _override(row: OverrideRow, now: datetime) -> shapes.Override:
    is_open = row.status in {OverrideStatus.PROPOSED, OverrideStatus.APPROVED}
    status = OverrideStatus.EXPIRED if is_open and row.expires_at < now else row.status
    return shaped(shapes.Override, row, status=str(status), rules=_texts(row.rules))
