"""Golden samples of the events of trades; see `golden_samples`."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from domain.event import Event
from domain.lots import Side
from domain.rejection import Breach
from domain.trade import (
    Capture,
    Intent,
    TradeAmended,
    TradeAmendHeld,
    TradeAmendSuperseded,
    TradeBusted,
    TradeBustHeld,
    TradeCaptured,
    TradeParked,
    TradeReassigned,
    TradeRefused,
    TradeReleased,
)

TRADE = UUID("0f0e0d0c-0b0a-5908-8706-050403020100")
DAY = date(2024, 3, 4)
TRADED_AT = datetime(2024, 3, 4, 15, 0, 0, 123_456, tzinfo=UTC)

BREACH = Breach("insufficient_cash", "1000 USD needed, 5 held.", limit="5", actual="1000")
PLAIN_BREACH = Breach("instrument_inactive", "Instrument AAPL is not active.")
BREACHES = (BREACH, PLAIN_BREACH)
FULL_CAPTURE = Capture(
    portfolio="growth",
    source="desk-1",
    external_id="fill/1#a",
    intent=Intent.EXECUTED,
    instrument="AAPL",
    side=Side.SELL,
    quantity=Decimal("100.5"),
    price=Decimal("170.25"),
    currency="USD",
    fee=Decimal("1.5"),
    trade_date=DAY,
    executed_at=TRADED_AT,
    source_sequence=7,
    consideration=Decimal("17110.13"),
)
LEAST_CAPTURE = Capture(
    portfolio="growth",
    source="desk-1",
    external_id="t-1",
    intent=Intent.PROPOSED,
    instrument="AAPL",
    side=Side.BUY,
    quantity=Decimal(100),
    price=Decimal(10),
    currency="USD",
    trade_date=DAY,
)
RECEIVED = datetime(2024, 1, 8, 15, 30, 1, 250_000, tzinfo=UTC)

TRADE_SAMPLES: dict[str, tuple[Event, ...]] = {
    "trade.captured.v1": (
        TradeCaptured(
            trade_id=TRADE,
            capture=FULL_CAPTURE,
            market_position=12,
            breaches=BREACHES,
            received_at=RECEIVED,
        ),
        TradeCaptured(trade_id=TRADE, capture=LEAST_CAPTURE, market_position=0),
    ),
    "trade.parked.v1": (
        TradeParked(trade_id=TRADE, capture=FULL_CAPTURE, market_position=12, received_at=RECEIVED),
        TradeParked(trade_id=TRADE, capture=LEAST_CAPTURE, market_position=0),
    ),
    "trade.released.v1": (
        TradeReleased(
            trade_id=TRADE,
            portfolio="growth",
            instrument="AAPL",
            market_position=12,
            breaches=BREACHES,
        ),
        TradeReleased(trade_id=TRADE, portfolio="growth", instrument="AAPL", market_position=0),
    ),
    "trade.refused.v1": (
        TradeRefused(
            trade_id=TRADE,
            capture=FULL_CAPTURE,
            market_position=12,
            breaches=BREACHES,
            received_at=RECEIVED,
        ),
        TradeRefused(
            trade_id=TRADE, capture=LEAST_CAPTURE, market_position=0, breaches=(PLAIN_BREACH,)
        ),
    ),
    "trade.amended.v1": (
        TradeAmended(
            trade_id=TRADE,
            revision=2,
            capture=FULL_CAPTURE,
            market_position=12,
            breaches=BREACHES,
            received_at=RECEIVED,
            reason="wrong_price",
        ),
        TradeAmended(trade_id=TRADE, revision=1, capture=LEAST_CAPTURE, market_position=0),
    ),
    "trade.amend_superseded.v1": (
        TradeAmendSuperseded(
            trade_id=TRADE,
            revision=2,
            capture=FULL_CAPTURE,
            by_revision=3,
            received_at=RECEIVED,
            reason="wrong_price",
        ),
        TradeAmendSuperseded(trade_id=TRADE, revision=1, capture=LEAST_CAPTURE),
    ),
    "trade.amend_held.v1": (
        TradeAmendHeld(
            trade_id=TRADE,
            revision=2,
            capture=FULL_CAPTURE,
            received_at=RECEIVED,
            reason="wrong_price",
        ),
        TradeAmendHeld(trade_id=TRADE, revision=1, capture=LEAST_CAPTURE),
    ),
    "trade.busted.v1": (
        TradeBusted(
            trade_id=TRADE,
            portfolio="growth",
            source="desk-1",
            external_id="t-1",
            reason="cancelled_by_venue",
            received_at=RECEIVED,
        ),
        TradeBusted(
            trade_id=TRADE,
            portfolio="growth",
            source="desk-1",
            external_id="t-1",
            reason="cancelled_by_venue",
        ),
    ),
    "trade.bust_held.v1": (
        TradeBustHeld(
            trade_id=TRADE,
            portfolio="growth",
            source="desk-1",
            external_id="t-1",
            reason="cancelled_by_venue",
            received_at=RECEIVED,
        ),
        TradeBustHeld(
            trade_id=TRADE,
            portfolio="growth",
            source="desk-1",
            external_id="t-1",
            reason="cancelled_by_venue",
        ),
    ),
    "trade.reassigned.v1": (
        TradeReassigned(trade_id=TRADE, portfolio="growth", to_portfolio="income"),
    ),
}
