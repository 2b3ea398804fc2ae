"""Trades: captured, parked until their instrument appears, or refused; amended and busted later.

`received_at` is when the system received what the event tells: what "from the future" was judged
against. A correction (an amend or a bust) may come before its trade, whose stream then begins so.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.event import Event
from domain.lots import Side
from domain.money import ZERO, Money
from domain.rejection import Breach

LOTS_NAMED_MAX = 100
"""Most lots one trade names to close."""


class Intent(StrEnum):
    """Asking ("may I?") or telling ("this was filled")."""

    PROPOSED = "proposed"
    EXECUTED = "executed"


class Capture(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A capture as its source gave it: the whole intent, nothing filled in.

    At least one of `trade_date` and `executed_at` is there. `consideration` is the source's amount
    in `currency`, positive; absent, it is quantity x price. `closes` names, in a portfolio of cost
    basis SPECIFIC, the trades whose lots it closes first. `block` is the external id of the block
    whose allotment it is.
    """

    portfolio: str
    source: str
    external_id: str
    intent: Intent
    instrument: str
    side: Side
    quantity: Decimal
    price: Decimal
    currency: str
    fee: Decimal = ZERO
    trade_date: date | None = None
    executed_at: datetime | None = None
    source_sequence: int | None = None
    consideration: Decimal | None = None
    closes: tuple[UUID, ...] = ()
    block: str | None = None


class Exchanged(msgspec.Struct, frozen=True, gc=False):
    """What was exchanged beside a trade: the cash it needed bought, or its proceeds sold."""

    sold: Money
    bought: Money
    rate: Decimal
    value_date: date
    trade_date: date
    is_pending: bool


class SettlementStatus(StrEnum):
    """How far a trade is settled, as its quantity says; it has failed while a fail stands."""

    SETTLED = "settled"
    PARTIALLY_SETTLED = "partially_settled"
    FAILED = "failed"
    UNSETTLED = "unsettled"


class Settlement(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How the settlement of a trade's content stands, by all that custodians told of it.

    `cash` is what was settled of it in the trade's currency, as the portfolio sees it; `reason` is
    that of the fail that stands.
    """

    status: SettlementStatus
    quantity: Decimal
    cash: Decimal
    reason: str | None = None


class TradeCaptured(Event, frozen=True):
    """A trade was accepted and booked, in one append with its `TradeBooked`.

    Where a correction had come before it, that one follows in the append, and only what then holds
    is booked.

    `breaches` are the warnings an executed trade carries; `market_position` is the log position of
    the market state it was judged against. Its cash is awaited on the date `awaited_on`, where its
    portfolio waits for a custodian's word; `settlement` is how that stands where it came before.
    """

    trade_id: UUID
    capture: Capture
    market_position: int
    breaches: tuple[Breach, ...] = ()
    received_at: datetime | None = None
    awaited_on: date | None = None
    exchanged: Exchanged | None = None
    settlement: Settlement | None = None


class TradeParked(Event, frozen=True):
    """An executed trade waits, visibly, for its instrument to be registered.

    Behind a `TradeAmended` it is the amended content that waits.
    """

    trade_id: UUID
    capture: Capture
    market_position: int
    received_at: datetime | None = None


class TradeReleased(Event, frozen=True):
    """A parked trade's instrument appeared; booked in one append with its `TradeBooked`."""

    trade_id: UUID
    portfolio: str
    instrument: str
    market_position: int
    breaches: tuple[Breach, ...] = ()
    awaited_on: date | None = None
    exchanged: Exchanged | None = None
    settlement: Settlement | None = None


class TradeRefused(Event, frozen=True):
    """A trade was refused: its content and every breach. The name is not used up."""

    trade_id: UUID
    capture: Capture
    market_position: int
    breaches: tuple[Breach, ...]
    received_at: datetime | None = None


class TradeAmended(Event, frozen=True):
    """The source's revision of a trade replaced its whole content.

    In one append with what it does: `TradeUnbooked` of what was booked, and the `TradeBooked` of
    `capture`, or a `TradeParked` where its instrument is not known. `breaches` are warnings;
    `reason` is a short code.
    """

    trade_id: UUID
    revision: int
    capture: Capture
    market_position: int
    breaches: tuple[Breach, ...] = ()
    received_at: datetime | None = None
    reason: str | None = None
    awaited_on: date | None = None
    exchanged: Exchanged | None = None
    settlement: Settlement | None = None


class TradeAmendSuperseded(Event, frozen=True):
    """An amend came after a higher revision, or after the bust: recorded, it changes nothing.

    `by_revision` is absent where the trade is busted.
    """

    trade_id: UUID
    revision: int
    capture: Capture
    by_revision: int | None = None
    received_at: datetime | None = None
    reason: str | None = None


class TradeAmendHeld(Event, frozen=True):
    """An amend came before its trade: it waits, visibly, until the trade is captured."""

    trade_id: UUID
    revision: int
    capture: Capture
    received_at: datetime | None = None
    reason: str | None = None


class TradeBusted(Event, frozen=True):
    """A trade was cancelled by its source, finally: over any revision, earlier or later.

    In one append with the `TradeUnbooked` of what was booked. `reason` is a short code;
    `settlement` is how that of its first content stands, where a custodian told of it.
    """

    trade_id: UUID
    portfolio: str
    source: str
    external_id: str
    reason: str
    received_at: datetime | None = None
    settlement: Settlement | None = None


class TradeBustHeld(Event, frozen=True):
    """A bust came before its trade: it waits, visibly, until the trade is captured.

    `portfolio` is where the source says that the trade belongs; the bust is listed there.
    """

    trade_id: UUID
    portfolio: str
    source: str
    external_id: str
    reason: str
    received_at: datetime | None = None


class TradeReassigned(Event, frozen=True):
    """A correction took a trade to another portfolio: in `portfolio` it is not any more.

    Whatever was captured, parked or held of it there is ended; a booking was taken out by its
    `TradeUnbooked` in the same append.
    """

    trade_id: UUID
    portfolio: str
    to_portfolio: str


class SettlementTold(Event, frozen=True):
    """What every word of a custodian says: of which trade, and when the system received it.

    `portfolio` is where its sender says that the trade belongs. `settlement` is how that of the
    trade's content stands then; absent, it `is_held`: nobody captured the trade yet.
    """

    trade_id: UUID
    portfolio: str
    source: str
    external_id: str
    received_at: datetime | None = None
    settlement: Settlement | None = None

    @property
    def is_held(self) -> bool:
        """Whether it came before its trade."""
        return self.settlement is None


class TradeSettled(SettlementTold, frozen=True, kw_only=True):
    """A custodian settled a trade, or a part of it; `settlement_id` is its own name for that.

    `quantity` is positive; without it and without `cash_change` the whole trade was settled.
    `cash_change` is the cash that moved, as the portfolio sees it; absent, it is the trade's, pro
    rata. `is_reversal`: what was settled was taken back, so `quantity` counts against it.
    """

    settlement_id: str
    settled_on: date
    quantity: Decimal | None = None
    cash_change: Decimal | None = None
    is_reversal: bool = False


class TradeSettlementFailed(SettlementTold, frozen=True, kw_only=True):
    """What is not settled of a trade fails; `failure_id` is the custodian's name for that fail."""

    failure_id: str
    failed_on: date
    reason: str


class TradeSettlementResumed(SettlementTold, frozen=True, kw_only=True):
    """A fail stands no longer: the settlement was instructed anew, and is awaited again."""

    failure_id: str
    resumed_on: date


SettlementWord = TradeSettled | TradeSettlementFailed | TradeSettlementResumed
TradeEvent = (
    TradeCaptured
    | TradeParked
    | TradeReleased
    | TradeRefused
    | TradeAmended
    | TradeAmendSuperseded
    | TradeAmendHeld
    | TradeBusted
    | TradeBustHeld
    | TradeReassigned
    | SettlementWord
)
