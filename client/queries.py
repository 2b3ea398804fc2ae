"""Typed queries: what can be asked, and what is answered. Amounts are exact decimals.

Every query takes `min_position`: an answer that holds at least what is at that log position, so
that one's own write is read. `wait_seconds` is how long one attempt may wait for it.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec

from client.answers import Breach
from client.command import named_in

ItemT = TypeVar("ItemT")


class Query(msgspec.Struct, Generic[ItemT], frozen=True, kw_only=True, omit_defaults=True):
    """Something to be asked at `address`; fields that it names in braces go there."""

    address: ClassVar[str]
    item: ClassVar[Any]
    is_whole: ClassVar[bool] = False
    """Whether the whole answer is what was asked for, not its `item`."""

    min_position: int | None = None
    wait_seconds: float | None = None

    def path(self, cursor: str | None = None) -> str:
        """Give the address with its names and parameters filled in."""
        asked: dict[str, Any] = msgspec.to_builtins(self)
        path = type(self).address
        for name in named_in(path):
            path = path.replace(f"{{{name}}}", quote(str(asked.pop(name)), safe=""))
        return with_parameters(path, asked | {"cursor": cursor})


class ListQuery(Query[ItemT], Generic[ItemT], frozen=True):
    """A query answered by pages of items."""


class Portfolio(msgspec.Struct, frozen=True):
    """A portfolio as it stands."""

    portfolio: str
    base_currency: str
    cost_basis: str
    state: str
    title: str | None = None


class Position(msgspec.Struct, frozen=True):
    """What a portfolio holds of an instrument; amounts in its currency, None without a price."""

    portfolio: str
    instrument: str
    currency: str
    quantity: Decimal
    cost: Decimal
    realised_gross: Decimal
    realised_net: Decimal
    price: Decimal | None
    price_source: str | None
    is_stale: bool
    market_value: Decimal | None
    unrealised_gross: Decimal | None


class Balance(msgspec.Struct, frozen=True):
    """A portfolio's cash in one currency."""

    currency: str
    balance: Decimal


class Trade(msgspec.Struct, frozen=True):
    """A capture and what became of it."""

    trade_id: UUID
    portfolio: str
    source: str
    external_id: str
    intent: str
    instrument: str
    side: str
    quantity: Decimal
    price: Decimal
    currency: str
    status: str
    trade_date: date | None
    executed_at: datetime | None
    revision: int
    position: int
    recorded_at: datetime
    breaches: tuple[Breach, ...] = ()


class PerformanceSummary(msgspec.Struct, frozen=True):
    """A portfolio's performance over its sessions; returns are fractions."""

    portfolio: str
    currency: str
    sessions: int
    nav_start: Decimal | None
    nav_end: Decimal | None
    flows: Decimal
    result: Decimal | None
    cumulative_return: Decimal | None


class Portfolios(ListQuery[Portfolio], frozen=True):
    """The tenant's portfolios."""

    address: ClassVar[str] = "/v1/portfolios"
    item: ClassVar[Any] = Portfolio


class Positions(ListQuery[Position], frozen=True):
    """A portfolio's positions; closed ones on request, as known or valid at another time."""

    address: ClassVar[str] = "/v1/portfolios/{portfolio}/positions"
    item: ClassVar[Any] = Position

    portfolio: str
    include_closed: bool = False
    known_at: int | None = None
    valid_at: date | None = None


class Cash(ListQuery[Balance], frozen=True):
    """A portfolio's cash by currency."""

    address: ClassVar[str] = "/v1/portfolios/{portfolio}/cash"
    item: ClassVar[Any] = Balance

    portfolio: str


class Trades(ListQuery[Trade], frozen=True):
    """A portfolio's blotter, newest first."""

    address: ClassVar[str] = "/v1/portfolios/{portfolio}/trades"
    item: ClassVar[Any] = Trade

    portfolio: str
    instrument: str | None = None
    status: str | None = None


class OneTrade(Query[Trade], frozen=True):
    """What became of one trade, by the id that its acceptance names."""

    address: ClassVar[str] = "/v1/trades/{trade_id}"
    item: ClassVar[Any] = Trade

    trade_id: UUID


class Summary(Query[PerformanceSummary], frozen=True):
    """A portfolio's performance, summed up."""

    address: ClassVar[str] = "/v1/portfolios/{portfolio}/performance/summary"
    item: ClassVar[Any] = PerformanceSummary

    portfolio: str


def with_parameters(path: str, asked: dict[str, Any]) -> str:
    """Add parameters to a path; what is None is left out, truth is `true` or `false`."""
    given = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in asked.items()
        if value is not None
    }
    return f"{path}?{urlencode(given)}" if given else path
