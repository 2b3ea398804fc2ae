"""The endpoint of positions under every cost basis, side by side."""

from datetime import date, datetime

from starlette.responses import Response

from gateway.access import Action
from gateway.decoding import Name
from gateway.interface import Call, Endpoint
from projections.asking import Readable
from projections.bases import SideBySide, bases_of
from read_api.asking import Asking, PageAsked, require_portfolio
from read_api.declaring import query
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


def bases_endpoint(asking: Asking) -> Endpoint:
    """Give the address."""

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

    return query(
        "/v1/portfolios/{portfolio}/positions/bases",
        "list_position_bases",
        "Positions under every cost basis side by side: as booked, and as they would be",
        Action.READ_POSITIONS,
        SideBySideAsked,
        PositionsBases,
        handle,
        PORTFOLIO,
        problems=("history_too_long",),
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
