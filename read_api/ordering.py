"""Any list in the order asked for: where a read model has no order of its own to give.

All rows that match are gathered, page by page of one snapshot, and sorted by the values that are
told, exact numbers as numbers; so they may be only so many (`SORTED_ROWS_MAX`). Trades, positions
and realised results are sorted by their read models instead, since an index or one fold gives it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.interface import Call, Endpoint, json_response
from projections.asking import Answered
from projections.sorting import (
    SORTED_ROWS_MAX,
    Field,
    Sort,
    SortTooLong,
    sort_of,
    sorted_in_memory,
)
from read_api.asking import SITTING, Asking, PageAsked
from read_api.exported import Column, Form, columns_of, value_of
from read_api.shaping import Shaped

IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "count_alerts": ("level", "kind"),
    "get_alert_rule": ("version",),
    "get_limit": ("version",),
    "list_alert_deliveries": ("channel", "position"),
    "list_alert_rules": ("alert_rule",),
    "list_alerts": ("position", "alert"),
    "list_applied_actions": ("instrument", "declared_on", "action"),
    "list_balances": ("currency",),
    "list_benchmark_returns": ("session",),
    "list_benchmarks": ("benchmark", "version"),
    "list_breaches": ("position",),
    "list_cash_ladders": ("currency",),
    "list_closes": ("instrument", "ends_at", "calendar"),
    "list_contests": ("contest",),
    "list_declared_actions": ("instrument", "action"),
    "list_held_corrections": ("position",),
    "list_instruments": ("instrument",),
    "list_last_marks": ("name",),
    "list_limit_usage": ("trade_date",),
    "list_limits": ("limit", "version"),
    "list_lots": ("instrument", "trade_id"),
    "list_marks": ("at", "told"),
    "list_movements": ("position", "leg"),
    "list_overrides": ("position",),
    "list_past_ranks": ("session", "edition"),
    "list_performance": ("session",),
    "list_performance_periods": ("first_session",),
    "list_portfolios": ("portfolio",),
    "list_position_bases": ("instrument",),
    "list_receivables": ("instrument", "action"),
    "list_strikes": ("session", "edition"),
    "list_struck_figures": ("session",),
    "list_struck_ranks": ("participant",),
    "list_trading_states": ("position",),
}
"""What tells the rows of a list apart: ties are in its order. Lines of an explanation are steps of
one sum, and what a rule would have raised is a course of time: those have one order."""

GATHERINGS_MAX = 2
"""Lists of many pages gathered at a time: each holds a connection from its first to its last."""

_UNSORTABLE = frozenset({Form.DOCUMENT, Form.TEXTS})
_KINDS: Mapping[Form, type] = {
    Form.AMOUNT: Decimal,
    Form.DAY: date,
    Form.FLAG: bool,
    Form.INSTANT: datetime,
    Form.INTEGER: int,
    Form.QUOTIENT: Decimal,
    Form.STATISTIC: float,
    Form.TEXT: str,
}


class Ordering:
    """Gives the rows of one list in any order, over the endpoint that lists them in its own."""

    def __init__(self, endpoint: Endpoint, kind: Any, row: type[Shaped], asking: Asking) -> None:  # noqa: ANN401
        self._endpoint = endpoint
        self._decoder = msgspec.json.Decoder(kind)
        self._asking = asking
        self._columns = {
            column.name: column for column in columns_of(row) if column.form not in _UNSORTABLE
        }
        self.fields = {
            name: Field(_KINDS[column.form], is_nullable=True)
            for name, column in self._columns.items()
        }
        names = IDENTITIES[endpoint.name]
        self._identity = {name: self.fields[name].kind for name in names}
        self._gatherings = asyncio.Semaphore(GATHERINGS_MAX)

    async def answer(self, call: Call) -> Response:
        """Answer a page, or all where the list has no pages, in the order asked for.

        Raises:
            Problem: `parameter_invalid` (its sort), `sort_too_long`, `cursor_invalid`, or what the
                list itself says.
        """
        sort = await self._asking.judged(partial(self._sort, call))
        told, rows = await self._gathered(call)
        return await self._asking.judged(partial(self._page, call, sort, told, rows))

    async def whole(self, call: Call) -> tuple[Any, list[Shaped]]:
        """Give a page, for what it says beside its items, and all rows in the order asked for.

        Raises:
            Problem: as `answer` says.
        """
        sort = await self._asking.judged(partial(self._sort, call))
        told, rows = await self._gathered(call)
        return told, await self._asking.in_thread(partial(self._sorted, sort, rows))

    def _sort(self, call: Call) -> Sort:
        return sort_of(call.parameters.sort, self.fields, self._identity)

    async def _gathered(self, call: Call) -> tuple[Any, list[Shaped]]:
        """Ask for all pages: one alone needs no snapshot that is held for it."""
        sitting = SITTING.get()
        assert sitting is not None, "delivery has sat down for every question"
        first = await self._next(call, None)
        if getattr(first, "next_cursor", None) is None:
            return first, list(first.items)
        if sitting.connection is not None:
            return await self._all(call)
        async with self._gatherings, self._asking.one_snapshot():
            return await self._all(call)

    async def _all(self, call: Call) -> tuple[Any, list[Shaped]]:
        rows: list[Shaped] = []
        cursor: str | None = None
        while True:
            page = await self._next(call, cursor)
            rows += page.items
            if len(rows) > SORTED_ROWS_MAX:
                await self._asking.judged(_refuse_so_many)
            cursor = page.next_cursor
            if cursor is None:
                return page, rows

    async def _next(self, call: Call, cursor: str | None) -> Any:  # noqa: ANN401
        return await self._asking.page(self._endpoint, call, cursor, self._decoder)

    def _page(self, call: Call, sort: Sort, told: Any, rows: Sequence[Shaped]) -> Response:  # noqa: ANN401
        if not isinstance(call.parameters, PageAsked):
            items = tuple(self._sorted(sort, rows))
            return json_response(msgspec.structs.replace(told, items=items))
        page = sorted_in_memory(
            Answered(told.position, told.market_position, []),
            rows,
            question=self._question(call),
            order=sort,
            cursor=call.parameters.cursor,
            limit=call.parameters.limit,
            value=self._value,
        )
        items = tuple(page.rows)
        return json_response(
            msgspec.structs.replace(told, items=items, next_cursor=page.next_cursor)
        )

    def _sorted(self, sort: Sort, rows: Sequence[Shaped]) -> list[Shaped]:
        def key(row: Shaped) -> tuple[Any, ...]:
            return sort.key(sort.place(partial(self._value, row)))

        return sorted(rows, key=key, reverse=sort.is_descending)

    def _value(self, row: Shaped, name: str) -> Any:  # noqa: ANN401
        column: Column = self._columns[name]
        value = value_of(row, column)
        return Decimal(value) if value is not None and _KINDS[column.form] is Decimal else value

    def _question(self, call: Call) -> str:
        """Write down what is asked, but for the order and how it is delivered."""
        beside = {"cursor", "limit", "sort", "fields", "format", "min_position", "wait_seconds"}
        asked = msgspec.structs.asdict(call.parameters).items()
        filters = sorted((name, str(value)) for name, value in asked if name not in beside)
        return f"{self._endpoint.name} {call.principal.tenant} {call.request.url.path} {filters}"


def _refuse_so_many() -> None:
    raise SortTooLong(())
