"""What callers are told of trades: captures with their outcome, and corrections that wait."""

from datetime import date, datetime
from uuid import UUID

from domain.rejection import Breach
from read_api.shaping import Amount, Shaped, ShapedOne, ShapedPage


class Trade(Shaped, frozen=True):
    """A capture and what became of it: `booked`, `parked` or `refused`; later perhaps `amended`.

    `amended` is booked as the last revision says, `busted` is taken out for ever, and `reassigned`
    was taken to `to_portfolio` by an amend. `revision` and `reason` are those of the correction.
    The results are the booking's; `breaches` are the rules it breaks: reasons of a refusal,
    warnings of an executed trade. `released_position` is there when it had been parked before.
    `block` is the external id of the block whose allotment it is.
    `settlement` is what custodians told: `settled`, `partially_settled`, `failed` (why: `failure`)
    or `unsettled`; absent where none told anything. `settled_cash` is signed as `cash_change` is.
    """

    position: int
    trade_id: UUID
    status: str
    portfolio: str
    instrument: str
    source: str
    external_id: str
    intent: str
    side: str
    quantity: Amount
    price: Amount
    currency: str
    fee: Amount
    trade_date: date | None
    executed_at: datetime | None
    consideration: Amount | None
    cash_change: Amount | None
    realised_gross: Amount | None
    realised_net: Amount | None
    is_late: bool | None
    breaches: tuple[Breach, ...]
    judged_position: int
    released_position: int | None
    booked_position: int | None
    recorded_at: datetime
    changed_position: int
    revision: int | None
    reason: str | None
    to_portfolio: str | None
    block: str | None
    settlement: str | None
    settled_quantity: Amount | None
    settled_cash: Amount | None
    failure: str | None


class HeldCorrection(Shaped, frozen=True):
    """What was told of a trade that was not captured yet.

    `told` is `correction`: an amend, or a bust (without `revision` and content); or `settlement`:
    the last that a custodian told.
    """

    position: int
    trade_id: UUID
    told: str
    portfolio: str
    source: str
    external_id: str
    revision: int | None
    reason: str | None
    instrument: str | None
    side: str | None
    quantity: Amount | None
    price: Amount | None
    currency: str | None
    trade_date: date | None
    received_at: datetime | None
    recorded_at: datetime


class Trades(ShapedPage, frozen=True):
    """A page of captures, newest first."""

    items: tuple[Trade, ...]


class HeldCorrections(ShapedPage, frozen=True):
    """A page of corrections that wait for their trade, newest first."""

    items: tuple[HeldCorrection, ...]


class OneTrade(ShapedOne, frozen=True):
    """One trade: booked or waiting, else its last refusal."""

    item: Trade
