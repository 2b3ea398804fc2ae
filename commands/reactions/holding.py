"""Reading what portfolios hold from the log's bytes: of a booking only what holding needs."""

from decimal import Decimal

import msgspec

from domain.holding import HOLDING_EVENTS, Held, Quantity
from domain.lots import Fill
from domain.portfolio.events import TradeBooked, TradeUnbooked
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode

_BOOKED = EVENT_NAMES[TradeBooked]
BOOKINGS = frozenset({_BOOKED, EVENT_NAMES[TradeUnbooked]})
HOLDING = frozenset(EVENT_NAMES[kind] for kind in HOLDING_EVENTS)
"""Types of events that change what a portfolio holds, or its open breaches."""


class _Booking(msgspec.Struct, gc=False):
    """What holding needs of a booking, or of its undoing; the rest is skipped, not made."""

    instrument: str
    currency: str
    fill: Fill
    totals: Quantity
    cash_after: Decimal
    last_fill: Fill | None = None


_read_booking = msgspec.json.Decoder(_Booking).decode


def fold_holding(held: Held, event_type: str, data: bytes) -> str | None:
    """Fold one event of `HOLDING`; name the instrument it concerns, if it does one."""
    if event_type not in BOOKINGS:
        return held.fold(decode(event_type, data))
    booking = _read_booking(data)
    if event_type == _BOOKED:
        return held.book(booking)
    return held.unbook(booking, booking.last_fill)
