"""What is asked of `positions`: portfolios, positions with their value, lots.

Positions and prices meet here, both at the checkpoint's position. A price is the mark in force,
else the position's own last executed price in book order (convention 5). One from before a split
that the position has seen is divided by its ratio, the value last (convention 7). A child that was
spun off has no price until it is marked or traded.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from domain.calendars import local_date
from domain.corporate_actions import Scale, scaled_price, value_at_mark
from domain.lots import CostBasis
from domain.marks import is_stale
from domain.money import ONE, ZERO, average, canonical, share
from projections.asking import PAGE_ROWS_MAX, Answered, Readable, ask
from projections.paging import Answer, Page, page_of, read_cursor
from projections.positions.in_force import TODAY, in_force
from projections.positions.tables import PortfolioRow, PortfolioState
from projections.positions.units import SPLITS, UNSCALED, scale_since, splits_read
from projections.sorting import (
    SORTED_ROWS_MAX,
    Field,
    SortTooLong,
    sort_of,
    sorted_in_memory,
)

_LISTED = """
* FROM {schema}.portfolios
WHERE tenant = %(tenant)s AND portfolio > %(after)s
    AND (%(state)s::text IS NULL OR state = %(state)s)
    AND (%(base_currency)s::text IS NULL OR base_currency = %(base_currency)s)
    AND (%(owner)s::text IS NULL OR owner = %(owner)s)
ORDER BY portfolio LIMIT %(limit)s
"""
_PORTFOLIO = "* FROM {schema}.portfolios WHERE tenant = %s AND portfolio = %s"
BASIS = "coalesce(positions.cost_basis, portfolios.cost_basis)"
VALUED = (
    """
positions.portfolio, positions.instrument, {symbol}, {sector},
    instruments.asset_class, {basis}, positions.currency, positions.quantity,
    positions.cost, positions.fees, positions.realised_gross, positions.realised_net,
    prices.price, prices.at, prices.source, calendars.starts_at, positions.traded_price,
    positions.traded_at, positions.traded_date, instruments.suspended_at IS NOT NULL,
    coalesce(instruments.delisted_on <= {today}, false), positions.changed_position,
    instruments.calendar, positions.first_date, {splits} AS splits, prices.position
FROM {schema}.positions
JOIN {schema}.portfolios USING (tenant, portfolio)
LEFT JOIN {schema}.instruments USING (instrument)
LEFT JOIN {schema}.calendars ON calendars.calendar = instruments.calendar
LEFT JOIN {schema}.prices USING (instrument)
""".replace("{symbol}", in_force("symbol"))
    .replace("{sector}", in_force("sector"))
    .replace("{today}", TODAY)
    .replace("{splits}", SPLITS)
    .replace("{basis}", BASIS)
)
"""The columns of a `PositionView`, and the tables they are of."""

_POSITIONS = (
    VALUED
    + """
WHERE tenant = %s AND portfolio = %s AND instrument > %s
    AND (%s::text IS NULL OR instrument = %s) AND (%s OR quantity <> 0)
ORDER BY instrument LIMIT %s
"""
)
_LOTS = """
lots.instrument, lots.trade_id, lots.trade_date, lots.quantity, lots.cost, lots.fee,
    positions.currency, {basis} AS cost_basis, positions.quantity AS held, positions.cost AS pool,
    positions.fees AS pool_fees, lots.order_position, lots.order_index
FROM {schema}.lots
JOIN {schema}.positions USING (tenant, portfolio, instrument)
JOIN {schema}.portfolios USING (tenant, portfolio)
WHERE tenant = %s AND portfolio = %s
    AND (instrument, order_position, order_index) > (%s, %s, %s)
    AND (%s::text IS NULL OR instrument = %s)
ORDER BY instrument, order_position, order_index LIMIT %s
""".replace("{basis}", BASIS)


class PriceSource(StrEnum):
    """Where a position's price comes from."""

    MARK = "mark"
    WRITE_DOWN = "write_down"
    TRADE = "trade"
    NONE = "none"


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """A position with its value; amounts in `currency`, signed, negative for shorts.

    `price_at` is absent where the price is that of a trade without a time of day; `price_date` is
    that trade's date. `market_value` and `unrealised_gross` are absent where there is no price.
    `told_price` is as it was told, before the `scale` of splits since; `mark_position` is that of
    the event that told a mark or a write-down.
    """

    portfolio: str
    instrument: str
    symbol: str | None
    sector: str | None
    asset_class: str | None
    cost_basis: CostBasis
    currency: str
    quantity: Decimal
    cost: Decimal
    average_cost: Decimal | None
    fees: Decimal
    realised_gross: Decimal
    realised_net: Decimal
    price: Decimal | None
    price_source: PriceSource
    price_at: datetime | None
    price_date: date | None
    is_stale: bool
    is_suspended: bool
    is_delisted: bool
    market_value: Decimal | None
    unrealised_gross: Decimal | None
    changed_position: int
    told_price: Decimal | None
    scale: Scale
    mark_position: int | None


class LotView(msgspec.Struct, frozen=True, kw_only=True):
    """An open lot; under AVERAGE its cost and fee are its part of the pool's."""

    instrument: str
    trade_id: UUID
    trade_date: date
    currency: str
    quantity: Decimal
    cost: Decimal
    unit_cost: Decimal
    fee: Decimal


def portfolios_of(
    readable: Readable,
    *,
    tenant: str,
    state: PortfolioState | None = None,
    base_currency: str | None = None,
    owner: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[PortfolioRow]:
    """List a tenant's portfolios by name, or those that are so.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"portfolios {tenant} {state} {base_currency} {owner}"
    asked = {
        "tenant": tenant,
        "state": state,
        "base_currency": base_currency,
        "owner": owner,
        "after": "" if cursor is None else read_cursor(question, cursor, str),
        "limit": limit + 1,
    }
    answered = ask(
        readable,
        "positions",
        _LISTED,
        asked,
        order="ORDER BY portfolio",
        merge=lambda row: row[1],
    )
    rows = [PortfolioRow(*values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.portfolio)


def portfolio_of(readable: Readable, *, tenant: str, portfolio: str) -> Answer[PortfolioRow]:
    """Find one portfolio; another tenant's is not there."""
    answered = ask(readable, "positions", _PORTFOLIO, (tenant, portfolio))
    row = PortfolioRow(*answered.rows[0]) if answered.rows else None
    return Answer(row, answered.position, answered.market_position)


POSITIONS_SORT = "instrument"
POSITION_SORTS: Mapping[str, Field] = {
    "instrument": Field(str, is_indexed=True),
    "symbol": Field(str, is_nullable=True),
    "sector": Field(str, is_nullable=True),
    "currency": Field(str),
    "quantity": Field(Decimal),
    "cost": Field(Decimal),
    "price": Field(Decimal, is_nullable=True),
    "market_value": Field(Decimal, is_nullable=True),
    "unrealised_gross": Field(Decimal, is_nullable=True),
    "realised_gross": Field(Decimal),
    "realised_net": Field(Decimal),
    "changed_position": Field(int),
}


def positions_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    include_closed: bool = False,
    sort: str = POSITIONS_SORT,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[PositionView]:
    """List a portfolio's positions, closed ones on request.

    Values are known only once all of them are there, so any order but the instruments' is made of
    the whole portfolio.

    Raises:
        CursorInvalid: the cursor is not of this question.
        SortTooLong: there are more than are sorted.
        SortUnknown: there is no such field.
    """
    question = f"positions {tenant} {portfolio}"
    if sort != POSITIONS_SORT:
        order = sort_of(sort, POSITION_SORTS, {"instrument": str})
        answered, rows = positions_behind(
            readable,
            tenant=tenant,
            portfolio=portfolio,
            after="",
            include_closed=include_closed,
            limit=SORTED_ROWS_MAX + 1,
        )
        if len(rows) > SORTED_ROWS_MAX:
            raise SortTooLong((POSITIONS_SORT,))
        question += f" {include_closed}"
        return sorted_in_memory(
            answered, rows, question=question, order=order, cursor=cursor, limit=limit
        )
    after = "" if cursor is None else read_cursor(question, cursor, str)
    answered, rows = positions_behind(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        after=after,
        include_closed=include_closed,
        limit=limit + 1,
    )
    return page_of(question, answered, rows, limit=limit, key=lambda row: row.instrument)


def positions_behind(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    after: str,
    include_closed: bool,
    limit: int,
    instrument: str | None = None,
) -> tuple[Answered, list[PositionView]]:
    """List the first positions behind a name, or the one of an instrument."""
    parameters = (tenant, portfolio, after, instrument, instrument, include_closed, limit)
    answered = ask(readable, "positions", _POSITIONS, parameters, order="ORDER BY instrument")
    return answered, [position_view(values) for values in answered.rows]


def position_of(
    readable: Readable, *, tenant: str, portfolio: str, instrument: str
) -> Answer[PositionView]:
    """Find one position, also when it is closed."""
    parameters = (tenant, portfolio, "", instrument, instrument, True, 1)
    answered = ask(readable, "positions", _POSITIONS, parameters)
    row = position_view(answered.rows[0]) if answered.rows else None
    return Answer(row, answered.position, answered.market_position)


def lots_of(
    readable: Readable,
    *,
    tenant: str,
    portfolio: str,
    instrument: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[LotView]:
    """List open lots by instrument, oldest first in book order.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    question = f"lots {tenant} {portfolio} {instrument}"
    start = ("", 0, 0)
    after = start if cursor is None else read_cursor(question, cursor, tuple[str, int, int])
    parameters = (tenant, portfolio, *after, instrument, instrument, limit + 1)
    order = "ORDER BY instrument, order_position, order_index"
    answered = ask(readable, "positions", _LOTS, parameters, order=order)
    places = {values[1]: (values[0], *values[-2:]) for values in answered.rows}
    rows = [_lot(values) for values in answered.rows]
    return page_of(question, answered, rows, limit=limit, key=lambda lot: places[lot.trade_id])


def position_view(values: Sequence[Any]) -> PositionView:
    """Value a row of `VALUED`."""
    (
        portfolio, instrument, symbol, sector, asset_class, cost_basis, currency,
        quantity, cost, fees, realised_gross, realised_net,
        marked_price, marked_at, marked_by, fresh_from, traded_price, traded_at, traded_date,
        is_suspended, is_delisted, changed_position, calendar, first_date, splits, mark_position,
    ) = values  # fmt: skip
    price, source, price_at, price_date = traded_price, PriceSource.TRADE, traded_at, traded_date
    if marked_price is not None:
        price, source, price_at, price_date = marked_price, PriceSource(marked_by), marked_at, None
    elif traded_price is None:
        source = PriceSource.NONE
    value = None if price is None else canonical(quantity * price)
    told_price, scale = price, UNSCALED
    if price is not None and splits is not None:
        scale = scale_since(
            splits_read(splits),
            priced_on=price_date or local_date(calendar, price_at),
            first_date=first_date,
            is_mark=source is PriceSource.MARK,
        )
        if scale != UNSCALED:
            value, price = value_at_mark(quantity, price, scale), scaled_price(price, scale)
    if not quantity:
        value = ZERO
    return PositionView(
        portfolio=portfolio,
        instrument=instrument,
        symbol=symbol,
        sector=sector,
        asset_class=asset_class,
        cost_basis=CostBasis(cost_basis),
        currency=currency,
        quantity=quantity,
        cost=cost,
        average_cost=average(cost, quantity),
        fees=fees,
        realised_gross=realised_gross,
        realised_net=realised_net,
        price=price,
        price_source=source,
        price_at=price_at,
        price_date=price_date,
        is_stale=price is None
        or is_stale(
            price_at or _end_of(price_date),
            fresh_from=fresh_from,
            is_written_down=source is PriceSource.WRITE_DOWN,
            is_inactive=is_suspended or is_delisted,
        ),
        is_suspended=is_suspended,
        is_delisted=is_delisted,
        market_value=value,
        unrealised_gross=None if value is None else canonical(value - cost),
        changed_position=changed_position,
        told_price=told_price,
        scale=scale,
        mark_position=None if marked_price is None else mark_position,
    )


def _end_of(traded: date) -> datetime:
    """Give the moment from which a price without a time of day counts as old."""
    return datetime.combine(traded, time.max, UTC)


def _lot(values: Sequence[Any]) -> LotView:
    (
        instrument, trade_id, trade_date, quantity, cost, fee,
        currency, cost_basis, held, pool_cost, pool_fees, _, _,
    ) = values  # fmt: skip
    if cost_basis == CostBasis.AVERAGE and held:
        cost, fee = share(pool_cost, quantity, held), share(pool_fees, quantity, held)
    return LotView(
        instrument=instrument,
        trade_id=trade_id,
        trade_date=trade_date,
        currency=currency,
        quantity=quantity,
        cost=cost,
        unit_cost=share(cost, ONE, quantity),
        fee=fee,
    )
