"""The endpoint that opens what a fill realised: the parts of lots that it closed."""

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec
from starlette.responses import Response

from domain.money import ZERO, canonical
from gateway.access import Action
from gateway.interface import Call, Endpoint, not_found
from projections.asking import Readable
from projections.performance.realised import RealisedFill as RealisedRow
from projections.performance.realised import realised_by
from read_api.asking import Asked, Asking
from read_api.declaring import query
from read_api.parameters import PORTFOLIO
from read_api.results import RealisedFill
from read_api.shaping import Amount, Shaped, shaped


class RealisedLotsAsked(Asked, kw_only=True):
    """Of which fill; of a corporate action, of which entry."""

    trade_id: Annotated[UUID, msgspec.Meta(description="As `/realised` names what closed lots.")]


class ClosedLot(Shaped, frozen=True):
    """The part of a lot that was closed; quantity and cost are signed as the lot's.

    realised_gross = proceeds - cost. `trade_id` and `trade_date` are those of the opening trade.
    """

    trade_id: UUID
    trade_date: date
    quantity: Amount
    cost: Amount
    proceeds: Amount
    realised_gross: Amount
    opening_fee: Amount


class OpenedRealised(Shaped, frozen=True):
    """What was realised, in the instrument's currency, and by closing what.

    The lots' results add up to `realised_gross`; less their opening fees and `closing_fee` that is
    `realised_net`.
    """

    realised: RealisedFill
    closing_fee: Amount
    lots: tuple[ClosedLot, ...]


class RealisedLots(Shaped, frozen=True):
    """What one fill realised; one entry of a corporate action may have closed twice."""

    items: tuple[OpenedRealised, ...]
    position: int
    market_position: int


def realised_lots_endpoint(asking: Asking) -> Endpoint:
    """Give the address."""

    async def handle(call: Call) -> Response:
        asked: RealisedLotsAsked = call.parameters
        tenant, portfolio = call.principal.tenant, call.named(PORTFOLIO)

        def ask(readable: Readable) -> RealisedLots:
            found = realised_by(
                readable, tenant=tenant, portfolio=portfolio, trade_id=asked.trade_id
            )
            if not found.row:
                raise not_found()
            return shaped(RealisedLots, found, items=tuple(map(_opened, found.row)))

        home = asking.home_of(tenant, portfolio)
        return await asking.answer(call, "performance", ask, home)

    return query(
        "/v1/portfolios/{portfolio}/realised/explain",
        "explain_realised",
        "The lots that a fill closed, with what each of them realised",
        Action.READ_PERFORMANCE,
        RealisedLotsAsked,
        RealisedLots,
        handle,
        PORTFOLIO,
        problems=("history_too_long",),
    )


def _opened(row: RealisedRow) -> OpenedRealised:
    opening_fees = sum((lot.opening_fee for lot in row.lots), ZERO)
    return OpenedRealised(
        realised=shaped(RealisedFill, row),
        closing_fee=_exact(row.realised_gross - row.realised_net - opening_fees),
        lots=tuple(
            ClosedLot(
                trade_id=lot.trade_id,
                trade_date=lot.trade_date,
                quantity=_exact(lot.quantity),
                cost=_exact(lot.cost),
                proceeds=_exact(lot.cost + lot.realised_gross),
                realised_gross=_exact(lot.realised_gross),
                opening_fee=_exact(lot.opening_fee),
            )
            for lot in row.lots
        ),
    )


def _exact(amount: Decimal) -> str:
    return format(canonical(amount), "f")
