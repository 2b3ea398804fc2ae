"""The lines of a source's drop copy: what each event tells its trading system, as JSON.

Every figure is the event's own. Signs: quantities and considerations are positive, `side` says
which way; `cash_change` and realised parts are signed as the portfolio sees them. Absent is what
does not apply.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec
from msgspec.structs import astuple

from domain.block import Allotment, BlockAllocated, BlockBusted, BlockRefused
from domain.portfolio.events import LotsRestated, RealisedChange, TradeBooked, TradeUnbooked
from domain.rejection import Breach
from domain.trade import (
    Capture,
    Exchanged,
    Settlement,
    SettlementWord,
    TradeAmended,
    TradeAmendHeld,
    TradeAmendSuperseded,
    TradeBusted,
    TradeBustHeld,
    TradeCaptured,
    TradeParked,
    TradeRefused,
    TradeReleased,
    TradeSettled,
    TradeSettlementFailed,
)
from projections.read_model import Decoded


class Kind(StrEnum):
    """What an outcome is.

    `unbooked`: an amend or a bust took a booking out, and this is what that changed. `restated`:
    the trade was late, or taken out, and what other trades of its book realised changed.
    """

    CAPTURED = "captured"
    PARKED = "parked"
    RELEASED = "released"
    REFUSED = "refused"
    AMENDED = "amended"
    AMEND_HELD = "amend_held"
    AMEND_SUPERSEDED = "amend_superseded"
    BUSTED = "busted"
    BUST_HELD = "bust_held"
    UNBOOKED = "unbooked"
    RESTATED = "restated"
    SETTLED = "settled"
    SETTLEMENT_FAILED = "settlement_failed"
    SETTLEMENT_RESUMED = "settlement_resumed"
    BLOCK_ALLOCATED = "block_allocated"
    BLOCK_REFUSED = "block_refused"
    BLOCK_BUSTED = "block_busted"


OF_EVERY_PARTITION = frozenset({Kind.BLOCK_ALLOCATED, Kind.BLOCK_REFUSED, Kind.BLOCK_BUSTED})
"""Outcomes without a portfolio: each partition has all of them."""


class Totals(msgspec.Struct, frozen=True, gc=False):
    """A book after an outcome, as `BookTotals`; what is nothing is written, too.

    A field left out for being its default depends on where an event was read, and a line may not.
    """

    quantity: Decimal
    cost: Decimal
    fees: Decimal
    realised_gross: Decimal
    realised_net: Decimal


class Outcome(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One outcome of a source, at the log position of the event that tells it.

    `command_id` names the command that led to it, as its answer did. A trade's own results
    (`cash_change`, what it realised, `value_date`) stand with its acceptance, release or amend; one
    without them is not booked: it is parked, or an amend or bust that had come before it holds
    (the next line). `is_parked`: an amend whose instrument is not registered yet; `is_held`: a
    custodian's word that came before its trade. `settlement` is how far the trade is settled then.
    A restatement comes in `pages` from 1, each with the changes of what was realised on dates by
    other trades, and `totals` of the whole book afterwards.
    """

    position: int
    kind: Kind
    recorded_at: datetime
    command_id: UUID
    trade_id: UUID | None = None
    external_id: str | None = None
    portfolio: str | None = None
    instrument: str | None = None
    source_sequence: int | None = None
    intent: str | None = None
    side: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    currency: str | None = None
    fee: Decimal | None = None
    consideration: Decimal | None = None
    trade_date: date | None = None
    executed_at: datetime | None = None
    value_date: date | None = None
    block: str | None = None
    block_id: UUID | None = None
    revision: int | None = None
    by_revision: int | None = None
    reason: str | None = None
    market_position: int | None = None
    warnings: tuple[Breach, ...] = ()
    breaches: tuple[Breach, ...] = ()
    cash_change: Decimal | None = None
    realised_gross: Decimal | None = None
    realised_net: Decimal | None = None
    is_late: bool = False
    is_parked: bool = False
    is_held: bool = False
    exchanged: Exchanged | None = None
    settlement: Settlement | None = None
    settlement_id: str | None = None
    failure_id: str | None = None
    settled_on: date | None = None
    failed_on: date | None = None
    resumed_on: date | None = None
    is_reversal: bool = False
    allotments: tuple[Allotment, ...] = ()
    trade_ids: tuple[UUID, ...] = ()
    from_date: date | None = None
    page: int | None = None
    pages: int | None = None
    totals: Totals | None = None
    changes: tuple[RealisedChange, ...] = ()

    def book(self, booked: TradeBooked) -> None:
        """Take the results of its booking, which follows it in the same append."""
        fill = booked.fill
        self.external_id = fill.external_id
        self.source_sequence = fill.source_sequence
        self.side, self.quantity, self.price = fill.side, fill.quantity, fill.price
        self.currency, self.fee, self.consideration = booked.currency, fill.fee, fill.consideration
        self.trade_date, self.executed_at = fill.trade_date, fill.executed_at
        self.value_date = fill.value_date
        self.cash_change = booked.cash_change
        self.realised_gross, self.realised_net = booked.realised_gross, booked.realised_net
        self.is_late = booked.is_late


Content: TypeAlias = (
    TradeCaptured
    | TradeParked
    | TradeRefused
    | TradeAmended
    | TradeAmendHeld
    | TradeAmendSuperseded
)
"""What tells the content of a trade as its source gave it."""

BlockEvent: TypeAlias = BlockAllocated | BlockRefused | BlockBusted

_KINDS: dict[type, Kind] = {
    TradeCaptured: Kind.CAPTURED,
    TradeParked: Kind.PARKED,
    TradeRefused: Kind.REFUSED,
    TradeAmended: Kind.AMENDED,
    TradeAmendHeld: Kind.AMEND_HELD,
    TradeAmendSuperseded: Kind.AMEND_SUPERSEDED,
}


def content_line(decoded: Decoded, event: Content) -> Outcome:
    """Write down a capture or amend with its content; what it is booked as comes behind it."""
    capture: Capture = event.capture
    line = Outcome(
        position=decoded.position,
        kind=_KINDS[type(event)],
        recorded_at=decoded.recorded_at,
        command_id=decoded.command_id,
        trade_id=event.trade_id,
        external_id=capture.external_id,
        portfolio=capture.portfolio,
        instrument=capture.instrument,
        source_sequence=capture.source_sequence,
        intent=capture.intent,
        side=capture.side,
        quantity=capture.quantity,
        price=capture.price,
        currency=capture.currency,
        fee=capture.fee,
        consideration=capture.consideration,
        trade_date=capture.trade_date,
        executed_at=capture.executed_at,
        block=capture.block,
    )
    match event:
        case TradeCaptured():
            _accept(line, event)
        case TradeAmended():
            line.revision, line.reason = event.revision, event.reason
            _accept(line, event)
        case TradeAmendHeld():
            line.revision, line.reason = event.revision, event.reason
        case TradeAmendSuperseded():
            line.revision, line.reason = event.revision, event.reason
            line.by_revision = event.by_revision
        case TradeRefused():
            line.market_position, line.breaches = event.market_position, event.breaches
        case TradeParked():
            pass
        case _:
            assert_never(event)
    return line


def _accept(line: Outcome, event: TradeCaptured | TradeAmended) -> None:
    line.market_position, line.warnings = event.market_position, event.breaches
    line.exchanged, line.settlement = event.exchanged, event.settlement


def released_line(decoded: Decoded, event: TradeReleased) -> Outcome:
    """Write down the release of a parked trade; its content comes with its booking."""
    return Outcome(
        position=decoded.position,
        kind=Kind.RELEASED,
        recorded_at=decoded.recorded_at,
        command_id=decoded.command_id,
        trade_id=event.trade_id,
        portfolio=event.portfolio,
        instrument=event.instrument,
        market_position=event.market_position,
        warnings=event.breaches,
        exchanged=event.exchanged,
        settlement=event.settlement,
    )


def bust_line(decoded: Decoded, event: TradeBusted | TradeBustHeld) -> Outcome:
    """Write down a bust."""
    return Outcome(
        position=decoded.position,
        kind=Kind.BUSTED if isinstance(event, TradeBusted) else Kind.BUST_HELD,
        recorded_at=decoded.recorded_at,
        command_id=decoded.command_id,
        trade_id=event.trade_id,
        external_id=event.external_id,
        portfolio=event.portfolio,
        reason=event.reason,
        settlement=event.settlement if isinstance(event, TradeBusted) else None,
    )


def unbooked_line(decoded: Decoded, event: TradeUnbooked) -> Outcome:
    """Write down what taking a booking out changed: amounts are changes, as the event's."""
    fill = event.fill
    return Outcome(
        position=decoded.position,
        kind=Kind.UNBOOKED,
        recorded_at=decoded.recorded_at,
        command_id=decoded.command_id,
        trade_id=fill.trade_id,
        external_id=fill.external_id,
        portfolio=event.portfolio,
        instrument=event.instrument,
        reason=event.reason,
        side=fill.side,
        quantity=fill.quantity,
        price=fill.price,
        currency=event.currency,
        fee=fill.fee,
        consideration=fill.consideration,
        trade_date=fill.trade_date,
        value_date=fill.value_date,
        cash_change=event.cash_change,
        realised_gross=event.realised_gross,
        realised_net=event.realised_net,
    )


def restated_line(decoded: Decoded, event: LotsRestated, external_id: str) -> Outcome:
    """Write down a page of what a source's late, amended or busted trade restated."""
    return Outcome(
        position=decoded.position,
        kind=Kind.RESTATED,
        recorded_at=decoded.recorded_at,
        command_id=decoded.command_id,
        trade_id=event.from_trade_id,
        external_id=external_id,
        portfolio=event.portfolio,
        instrument=event.instrument,
        currency=event.currency,
        from_date=event.from_date,
        page=event.page,
        pages=event.pages,
        totals=Totals(*astuple(event.totals)),
        changes=event.changes,
    )


def word_line(decoded: Decoded, event: SettlementWord) -> Outcome:
    """Write down a custodian's word."""
    line = Outcome(
        position=decoded.position,
        kind=Kind.SETTLED,
        recorded_at=decoded.recorded_at,
        command_id=decoded.command_id,
        trade_id=event.trade_id,
        external_id=event.external_id,
        portfolio=event.portfolio,
        is_held=event.is_held,
        settlement=event.settlement,
    )
    if isinstance(event, TradeSettled):
        line.settlement_id, line.settled_on = event.settlement_id, event.settled_on
        line.quantity, line.cash_change = event.quantity, event.cash_change
        line.is_reversal = event.is_reversal
    elif isinstance(event, TradeSettlementFailed):
        line.kind = Kind.SETTLEMENT_FAILED
        line.failure_id, line.failed_on, line.reason = (
            event.failure_id,
            event.failed_on,
            event.reason,
        )
    else:
        line.kind = Kind.SETTLEMENT_RESUMED
        line.failure_id, line.resumed_on = event.failure_id, event.resumed_on
    return line


def block_line(decoded: Decoded, event: BlockEvent) -> Outcome:
    """Write down what became of a block; its trades have lines of their own."""
    line = Outcome(
        position=decoded.position,
        kind=Kind.BLOCK_BUSTED,
        recorded_at=decoded.recorded_at,
        command_id=decoded.command_id,
        block_id=event.block_id,
    )
    if isinstance(event, BlockBusted):
        line.external_id, line.reason = event.external_id, event.reason
        line.trade_ids = event.trade_ids
        return line
    block = event.block
    line.external_id, line.instrument = block.external_id, block.instrument
    line.source_sequence, line.intent = block.source_sequence, block.intent
    line.side, line.currency = block.side, block.currency
    line.trade_date, line.executed_at = block.trade_date, block.executed_at
    if isinstance(event, BlockAllocated):
        line.kind, line.allotments = Kind.BLOCK_ALLOCATED, event.allotments
    else:
        line.kind, line.breaches = Kind.BLOCK_REFUSED, event.breaches
        line.market_position = event.market_position
    return line
