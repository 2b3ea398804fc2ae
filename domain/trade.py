"""Trades: captured and booked, parked until their instrument appears, or refused with reasons.

`received_at` is when the system received the capture: what "from the future" was judged against.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.event import Event
from domain.lots import Side
from domain.money import ZERO
from domain.rejection import Breach


class Intent(StrEnum):
    """Asking ("may I?") or telling ("this was filled")."""

    PROPOSED = "proposed"
    EXECUTED = "executed"


class Capture(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A capture as its source gave it: the whole intent, nothing filled in.

    At least one of `trade_date` and `executed_at` is there. `consideration` is the source's amount
    in `currency`, positive; absent, it is quantity x price.
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


class TradeCaptured(Event, frozen=True):
    """A trade was accepted and booked, in one append with its `TradeBooked`.

    `breaches` are the warnings an executed trade carries; `market_position` is the log position of
    the market state it was judged against.
    """

    trade_id: UUID
    capture: Capture
    market_position: int
    breaches: tuple[Breach, ...] = ()
    received_at: datetime | None = None


class TradeParked(Event, frozen=True):
    """An executed trade waits, visibly, for its instrument to be registered."""

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


class TradeRefused(Event, frozen=True):
    """A trade was refused: its content and every breach. The name is not used up."""

    trade_id: UUID
    capture: Capture
    market_position: int
    breaches: tuple[Breach, ...]
    received_at: datetime | None = None


TradeEvent = TradeCaptured | TradeParked | TradeReleased | TradeRefused
