"""The endpoints of positions under every cost basis, side by side, and of what one is made of."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from starlette.responses import Response

from domain.lots import CostBasis
from gateway.access import Action
from gateway.decoding import Name
from gateway.interface import Call, Endpoint, not_found
from projections.asking import Readable
from projections.bases import SideBySide, bases_of
from projections.basis_lines import explained_basis
from read_api.asking import Asking, PageAsked, require_portfolio
from read_api.declaring import query
from read_api.explained_lines import (
    BookLine,
    ExplainedValue,
    PositionFigures,
    closed_shaped,
    value_shaped,
)
from read_api.parameters import PORTFOLIO, ValidAt
from read_api.shaping import Amount, Quotient, Shaped, ShapedPage, page_shaped, shaped


class SideBySideAsked(PageAsked, kw_only=True):
    """Which positions, as of now or the end of a date; closed ones on request, or by name."""

    instrument: Name | None = None
    valid_at: ValidAt | None = None
    include_closed: bool = False


class BasisFigures(Shaped, frozen=True):
    """A position under one cost basis from its beginning; only the `booked` one is in the books.

    Quantities are the same under all. `moved_cost` is what came with lots, or left with them
    (negative), by transfers and spin-offs: `realised_gross` + `unrealised_gross` + `moved_cost` is
    the same under all. `unrealised_gross` is null where the position has no value.
    """

    cost_basis: str
    booking: str
    quantity: Amount
    cost: Amount
    average_cost: Amount | None
    fees: Amount
    realised_gross: Amount
    realised_net: Amount
    unrealised_gross: Amount | None
    moved_cost: Amount


class PositionBases(Shaped, frozen=True):
    """A position's value in `currency`, and what it cost and realised, the booked basis first.

    Where it `is_rebased`, the booked one is the basis in force, after others before it. As of a
    date nothing is valued.
    """

    instrument: str
    symbol: str | None
    currency: str
    price: Quotient | None
    price_source: str
    price_at: datetime | None
    price_date: date | None
    is_stale: bool | None
    market_value: Amount | None
    is_rebased: bool
    bases: tuple[BasisFigures, ...]


class PositionsBases(ShapedPage, frozen=True):
    """A page of positions, by instrument; it may be short of its limit where histories are long."""

    items: tuple[PositionBases, ...]


class BasisLinesAsked(PageAsked, kw_only=True):
    """Which position, under which of its cost bases; as of now or the end of a date."""

    instrument: Name
    cost_basis: (
        Annotated[
            CostBasis,
            msgspec.Meta(description="From the beginning; by default as it is booked."),
        ]
        | None
    ) = None
    valid_at: ValidAt | None = None


class BasisTotals(PositionFigures, frozen=True):
    """The additive figures of a position under a cost basis."""

    moved_cost: Amount


class BasisBookLine(BookLine, frozen=True):
    """What one entry of the book changes under this basis, and the figures behind it.

    `closed` are the parts of lots that it closes under this basis.
    """

    change: BasisTotals
    after: BasisTotals


class OpenLot(Shaped, frozen=True):
    """A lot that is open under this basis, named by the trade that opened it."""

    trade_id: UUID
    trade_date: date
    quantity: Amount
    cost: Amount
    fee: Amount


class BasisLines(ShapedPage, frozen=True):
    """A page of lines in book order; the changes of all add up to `total`, as `/bases` tells it.

    `lots`, oldest first, add up to its quantity, cost and fees (under AVERAGE at the pool's unit
    cost); of more than 1,000 the first are listed. `unrealised_gross` = the `market_value` of
    `value` - cost. Further pages are of the first one's position, which alone is valued; so is no
    past date.
    """

    instrument: str
    currency: str
    total: BasisFigures
    value: ExplainedValue | None
    lots_count: int
    lots: tuple[OpenLot, ...]
    items: tuple[BasisBookLine, ...]


def bases_endpoints(asking: Asking) -> Sequence[Endpoint]:
    """Give the addresses."""
    own = "/v1/portfolios/{portfolio}/positions/bases"

    async def explain(call: Call) -> Response:
        def ask(readable: Readable) -> BasisLines:
            return _explained(readable, call)

        home = asking.home_of(call.principal.tenant, call.named(PORTFOLIO))
        return await asking.answer(call, "positions", ask, home)

    async def handle(call: Call) -> Response:
        asked: SideBySideAsked = call.parameters
        tenant, portfolio = call.principal.tenant, call.named(PORTFOLIO)

        def ask(readable: Readable) -> PositionsBases:
            require_portfolio(readable, tenant=tenant, portfolio=portfolio)
            page = bases_of(
                readable,
                tenant=tenant,
                portfolio=portfolio,
                instrument=asked.instrument,
                valid_at=asked.valid_at,
                include_closed=asked.include_closed,
                cursor=asked.cursor,
                limit=asked.limit,
            )
            items = [_told(view, is_valued=asked.valid_at is None) for view in page.rows]
            return page_shaped(PositionsBases, page, items)

        home = asking.home_of(tenant, portfolio)
        return await asking.answer(call, "positions", ask, home)

    return (
        query(
            own,
            "list_position_bases",
            "Positions under every cost basis side by side: as booked, and as they would be",
            Action.READ_POSITIONS,
            SideBySideAsked,
            PositionsBases,
            handle,
            PORTFOLIO,
            problems=("history_too_long",),
        ),
        query(
            f"{own}/explain",
            "explain_position_basis",
            "What a position under a cost basis is made of: lines that add up, and its open lots",
            Action.READ_POSITIONS,
            BasisLinesAsked,
            BasisLines,
            explain,
            PORTFOLIO,
            problems=("history_too_long",),
        ),
    )


_NOT_VALUED = {
    **dict.fromkeys(("price", "price_at", "price_date", "is_stale", "market_value")),
    "price_source": "none",
}


def _told(view: SideBySide, *, is_valued: bool) -> PositionBases:
    figures = tuple(shaped(BasisFigures, line) for line in view.lines)
    further = {} if is_valued else _NOT_VALUED
    return shaped(
        PositionBases, view.position, is_rebased=view.is_rebased, bases=figures, **further
    )


def _explained(readable: Readable, call: Call) -> BasisLines:
    tenant, portfolio = call.principal.tenant, call.named(PORTFOLIO)
    asked: BasisLinesAsked = call.parameters
    require_portfolio(readable, tenant=tenant, portfolio=portfolio)
    found, page = explained_basis(
        readable,
        tenant=tenant,
        portfolio=portfolio,
        instrument=asked.instrument,
        cost_basis=asked.cost_basis,
        valid_at=asked.valid_at,
        cursor=asked.cursor,
        limit=asked.limit,
    )
    if found is None:
        raise not_found()
    return shaped(
        BasisLines,
        page,
        instrument=found.instrument,
        currency=found.currency,
        total=shaped(BasisFigures, found.total),
        value=None if found.row is None else value_shaped(found.row, found.price_event),
        lots_count=found.lots_count,
        lots=tuple(shaped(OpenLot, lot) for lot in found.lots),
        items=tuple(
            shaped(
                BasisBookLine,
                line,
                change=shaped(BasisTotals, line.change),
                after=shaped(BasisTotals, line.after),
                closed=closed_shaped(line.closed),
            )
            for line in page.rows
        ),
    )
