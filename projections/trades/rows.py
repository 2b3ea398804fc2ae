"""Rows of the read model `trades`: captures with their outcome, and corrections that wait."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, assert_never
from uuid import UUID

import msgspec

from domain.portfolio.events import TradeBooked
from domain.rejection import Breach
from domain.trade import (
    Capture,
    Settlement,
    SettlementWord,
    TradeAmended,
    TradeAmendHeld,
    TradeBustHeld,
    TradeCaptured,
    TradeParked,
    TradeRefused,
    TradeReleased,
    TradeSettled,
    TradeSettlementResumed,
)

_read_breaches = msgspec.json.Decoder(tuple[Breach, ...]).decode


class Status(StrEnum):
    """What became of a trade in a portfolio.

    `amended` is booked as its last revision says; `reassigned` was taken to another portfolio.
    """

    BOOKED = "booked"
    PARKED = "parked"
    REFUSED = "refused"
    AMENDED = "amended"
    BUSTED = "busted"
    REASSIGNED = "reassigned"


class TradeRow(msgspec.Struct, gc=False):
    """A capture and its outcome, its content as last amended.

    Results are those of the booking, absent where there is none any more: `cash_change` includes
    the fee, realised parts are what the trade realised when it was booked. `judged_position` is the
    market position it was judged against, `released_position` is there when it had been parked;
    `breaches` is a JSON array. `revision` and `reason` are those of the correction in force.
    `block` is the external id of the block whose allotment it is.
    `settlement` is how far a custodian settled it, absent where none told; `failure` is the reason
    of a fail that stands.
    """

    tenant: str
    position: int
    trade_id: UUID
    status: str
    portfolio: str
    instrument: str
    source: str
    external_id: str
    intent: str
    side: str
    quantity: Decimal
    price: Decimal
    currency: str
    fee: Decimal
    trade_date: date | None
    executed_at: datetime | None
    consideration: Decimal | None
    cash_change: Decimal | None
    realised_gross: Decimal | None
    realised_net: Decimal | None
    is_late: bool | None
    breaches: str | None
    judged_position: int
    released_position: int | None
    booked_position: int | None
    recorded_at: datetime
    changed_position: int
    revision: int | None
    reason: str | None
    to_portfolio: str | None
    block: str | None
    settlement: str | None = None
    settled_quantity: Decimal | None = None
    settled_cash: Decimal | None = None
    failure: str | None = None

    @property
    def every_breach(self) -> tuple[Breach, ...]:
        """The rules it breaks, as structs."""
        return () if self.breaches is None else _read_breaches(self.breaches)

    def amend(self, amended: TradeAmended, position: int) -> None:
        """Take a revision's content; it is booked, or parked, behind this."""
        capture = amended.capture
        self.status = Status.AMENDED
        self.instrument = capture.instrument
        self.side = capture.side
        self.quantity = capture.quantity
        self.price = capture.price
        self.currency = capture.currency
        self.fee = capture.fee
        self.trade_date = capture.trade_date
        self.executed_at = capture.executed_at
        self.consideration = capture.consideration
        self.judged_position = amended.market_position
        self.breaches = breaches_text(amended.breaches)
        self.revision = amended.revision
        self.reason = amended.reason
        self.to_portfolio = None
        self.clear(position)
        self.settle(amended.settlement, position)

    def end(
        self,
        status: Status,
        position: int,
        *,
        reason: str | None = None,
        to_portfolio: str | None = None,
    ) -> None:
        """Let nothing of it be booked here any more."""
        self.status = status
        self.reason = reason
        self.to_portfolio = to_portfolio
        self.clear(position)
        if status is Status.REASSIGNED:
            self.settle(None, position)

    def clear(self, position: int) -> None:
        """Take the results of a booking away."""
        self.cash_change = self.realised_gross = self.realised_net = None
        self.is_late = self.booked_position = None
        self.changed_position = position

    def settle(self, settlement: Settlement | None, position: int) -> None:
        """Take how its settlement stands; None where no custodian told anything."""
        self.settlement = None if settlement is None else settlement.status
        self.settled_quantity = None if settlement is None else settlement.quantity
        self.settled_cash = None if settlement is None else settlement.cash
        self.failure = None if settlement is None else settlement.reason
        self.changed_position = position

    def release(self, released: TradeReleased, position: int) -> None:
        """Let a parked trade be booked behind this."""
        self.status = Status.BOOKED if self.revision is None else Status.AMENDED
        self.released_position = position
        self.judged_position = released.market_position
        self.breaches = breaches_text(released.breaches)
        if released.settlement is not None:
            self.settle(released.settlement, position)
        self.changed_position = position

    def book(self, booked: TradeBooked, position: int) -> None:
        """Take the results of its booking."""
        self.trade_date = booked.fill.trade_date
        self.consideration = booked.fill.consideration
        self.cash_change = booked.cash_change
        self.realised_gross = booked.realised_gross
        self.realised_net = booked.realised_net
        self.is_late = booked.is_late
        self.booked_position = position
        self.changed_position = position


class Told(StrEnum):
    """What was told of a trade before it was captured."""

    CORRECTION = "correction"
    SETTLEMENT = "settlement"


class HeldRow(msgspec.Struct, gc=False):
    """What came before its trade: the correction that would hold, or a custodian's last word.

    `revision` is absent for all but an amend, and so is the content that an amend tells.
    """

    tenant: str
    portfolio: str
    trade_id: UUID
    told: str
    position: int
    source: str
    external_id: str
    revision: int | None
    reason: str | None
    instrument: str | None
    side: str | None
    quantity: Decimal | None
    price: Decimal | None
    currency: str | None
    trade_date: date | None
    received_at: datetime | None
    recorded_at: datetime


def trade_row(values: Sequence[Any]) -> TradeRow:
    """Make a row of what the table gives."""
    row = TradeRow(*values)
    row.status = Status(row.status)
    return row


def new_row(
    position: int,
    tenant: str,
    recorded_at: datetime,
    event: TradeCaptured | TradeParked | TradeRefused | TradeAmended,
) -> TradeRow:
    """Make the row of a trade that begins in a portfolio; nothing is booked yet."""
    capture: Capture = event.capture
    breaches: tuple[Breach, ...] = ()
    settlement = revision = reason = None
    match event:
        case TradeCaptured():
            breaches, settlement = event.breaches, event.settlement
        case TradeAmended():
            breaches, settlement = event.breaches, event.settlement
            revision, reason = event.revision, event.reason
        case TradeRefused():
            breaches = event.breaches
        case TradeParked():
            pass
        case _:
            assert_never(event)
    row = TradeRow(
        tenant,
        position,
        event.trade_id,
        _STATUSES[type(event)],
        capture.portfolio,
        capture.instrument,
        capture.source,
        capture.external_id,
        capture.intent,
        capture.side,
        capture.quantity,
        capture.price,
        capture.currency,
        capture.fee,
        capture.trade_date,
        capture.executed_at,
        capture.consideration,
        None,
        None,
        None,
        None,
        breaches_text(breaches),
        event.market_position,
        None,
        None,
        recorded_at,
        position,
        revision,
        reason,
        None,
        capture.block,
    )
    if settlement is not None:
        row.settle(settlement, position)
    return row


_STATUSES: dict[type, Status] = {
    TradeCaptured: Status.BOOKED,
    TradeParked: Status.PARKED,
    TradeRefused: Status.REFUSED,
    TradeAmended: Status.AMENDED,
}


def held_row(
    position: int,
    tenant: str,
    recorded_at: datetime,
    event: TradeAmendHeld | TradeBustHeld | SettlementWord,
) -> HeldRow:
    """Make the row of what waits for its trade."""
    capture = event.capture if isinstance(event, TradeAmendHeld) else None
    named = event.capture if isinstance(event, TradeAmendHeld) else event
    is_correction = isinstance(event, TradeAmendHeld | TradeBustHeld)
    return HeldRow(
        tenant,
        named.portfolio,
        event.trade_id,
        Told.CORRECTION if is_correction else Told.SETTLEMENT,
        position,
        named.source,
        named.external_id,
        event.revision if isinstance(event, TradeAmendHeld) else None,
        None if isinstance(event, TradeSettled | TradeSettlementResumed) else event.reason,
        None if capture is None else capture.instrument,
        None if capture is None else capture.side,
        None if capture is None else capture.quantity,
        None if capture is None else capture.price,
        None if capture is None else capture.currency,
        None if capture is None else capture.trade_date,
        event.received_at,
        recorded_at,
    )


def breaches_text(breaches: tuple[Breach, ...]) -> str | None:
    """Write breaches as a JSON array; None where there are none."""
    return msgspec.json.encode(breaches).decode() if breaches else None
