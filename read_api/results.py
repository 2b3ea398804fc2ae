"""What readers are told of results: the bridge of a NAV, and what fills realised."""

from datetime import date, datetime
from uuid import UUID

from domain import bridge
from projections.paging import Answer, Page
from projections.performance.bridging import BridgeView
from projections.performance.realised import RealisedFill as RealisedRow
from read_api.shaping import Amount, Quotient, Shaped, plain, shaped


class Bridge(Shaped, frozen=True):
    """What changed the NAV from the end of one session, or from nothing, to the end of another.

    The parts are in `currency`, signed as they change the NAV, and add up exactly; `realised_net`
    stands beside them. All are null where there is a `reason`: `no_session` in the range,
    `nav_incomplete` at an end, `rate_missing` of a fact or of what is held at an end,
    `being_restated` while a corporate action is still to be told of this holder.
    """

    portfolio: str
    currency: str
    start_session: date | None
    end_session: date | None
    reason: str | None
    nav_start: Amount | None
    external_flows: Amount | None
    realised_price: Amount | None
    unrealised_price: Amount | None
    fx_on_positions: Amount | None
    fx_on_cash: Amount | None
    dividends: Amount | None
    interest: Amount | None
    trading_fees: Amount | None
    taxes: Amount | None
    management_fees: Amount | None
    cash_in_lieu: Amount | None
    write_downs: Amount | None
    unrealised_transferred: Amount | None
    nav_end: Amount | None
    realised_net: Amount | None


class OneBridge(Shaped, frozen=True):
    """One portfolio's bridge over a range of sessions."""

    item: Bridge
    position: int
    market_position: int


class RealisedFill(Shaped, frozen=True):
    """What a fill that closed something realised; `closed` is signed as the lots were.

    `realised_gross` and `realised_net` are in `currency`, the rest in `base_currency`: gross is the
    sum of the price and the FX part, net is gross less fees. Null: a rate is not known. `action`
    names the corporate action that closed it instead of a fill: a fraction paid for in cash, or a
    position against which a spin-off delivered; `trade_id` is then its entry in the books.
    """

    trade_id: UUID
    trade_date: date
    executed_at: datetime | None
    instrument: str
    closed: Amount
    currency: str
    realised_gross: Amount
    realised_net: Amount
    base_currency: str
    rate_to_base: Quotient | None
    price_part: Quotient | None
    fx_part: Quotient | None
    base_gross: Quotient | None
    base_fees: Quotient | None
    base_net: Quotient | None
    action: str | None = None


class RealisedFills(Shaped, frozen=True):
    """A page of fills that closed something, in book order."""

    items: tuple[RealisedFill, ...]
    position: int
    market_position: int
    next_cursor: str | None


def bridge_shaped(found: Answer[BridgeView], row: BridgeView) -> OneBridge:
    """Tell a bridge, or why there is none."""
    amounts = {
        name: plain(getattr(row.bridge, name, None)) for name in bridge.Bridge.__struct_fields__
    }
    return shaped(OneBridge, found, item=shaped(Bridge, row, **amounts))


def realised_shaped(page: Page[RealisedRow]) -> RealisedFills:
    """Tell what the fills of a page realised."""
    items = tuple(shaped(RealisedFill, row) for row in page.rows)
    return shaped(RealisedFills, page, items=items)
