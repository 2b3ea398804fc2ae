"""Golden samples of settlement by a custodian's word; see `golden_samples`."""

from decimal import Decimal
from typing import Any

from domain.event import Event
from domain.money import Money
from domain.portfolio.events import SettlementPolicy, TradeCashMoved
from domain.trade import (
    Exchanged,
    Settlement,
    SettlementStatus,
    TradeSettled,
    TradeSettlementFailed,
    TradeSettlementResumed,
)
from tests.schemas.trade_samples import DAY, TRADE, TRADED_AT

NAMED: dict[str, Any] = {
    "trade_id": TRADE,
    "portfolio": "growth",
    "source": "desk-1",
    "external_id": "fill/1#a",
}
STANDING = Settlement(
    SettlementStatus.FAILED, Decimal("40.5"), Decimal("-405.125"), reason="no_securities"
)

SETTLEMENT_SAMPLES: dict[str, tuple[Event, ...]] = {
    "portfolio.trade_cash_moved.v1": (
        TradeCashMoved(
            portfolio="growth",
            trade_id=TRADE,
            value_date=DAY,
            currency="USD",
            is_payment=True,
            awaited=Decimal("1000.5"),
            failing=Decimal(-600),
            settled=Decimal("-400.5"),
        ),
        TradeCashMoved(
            portfolio="growth", trade_id=TRADE, value_date=DAY, currency="USD", is_payment=False
        ),
    ),
    "trade.settled.v1": (
        TradeSettled(
            **NAMED,
            received_at=TRADED_AT,
            settlement=STANDING,
            settlement_id="SETT-1",
            settled_on=DAY,
            quantity=Decimal("40.5"),
            cash_change=Decimal("-405.125"),
            is_reversal=True,
        ),
        TradeSettled(**NAMED, settlement_id="SETT-2", settled_on=DAY),
    ),
    "trade.settlement_failed.v1": (
        TradeSettlementFailed(
            **NAMED,
            received_at=TRADED_AT,
            settlement=STANDING,
            failure_id="FAIL-1",
            failed_on=DAY,
            reason="no_securities",
        ),
        TradeSettlementFailed(**NAMED, failure_id="FAIL-1", failed_on=DAY, reason="no_cash"),
    ),
    "trade.settlement_resumed.v1": (
        TradeSettlementResumed(
            **NAMED,
            received_at=TRADED_AT,
            settlement=STANDING,
            failure_id="FAIL-1",
            resumed_on=DAY,
        ),
        TradeSettlementResumed(**NAMED, failure_id="FAIL-1", resumed_on=DAY),
    ),
}

EXCHANGED = Exchanged(
    sold=Money(Decimal(1085), "USD"),
    bought=Money(Decimal(1000), "EUR"),
    rate=Decimal("0.921658986175115207"),
    value_date=DAY,
    trade_date=DAY,
    is_pending=True,
)
FOLLOWING = {"awaited_on": DAY, "exchanged": EXCHANGED, "settlement": STANDING}
GROWN: dict[str, dict[str, Any]] = {
    "portfolio.opened.v1": {"settlement": SettlementPolicy.ACTUAL, "auto_exchange": True},
    "portfolio.cash_deposited.v1": {"is_pending": True},
    "portfolio.cash_withdrawn.v1": {"is_pending": True},
    "portfolio.fee_charged.v1": {"is_pending": True},
    "portfolio.interest_booked.v1": {"is_pending": True},
    "portfolio.cash_exchanged.v1": {
        "is_pending": True,
        "trade_id": TRADE,
        "trade_date": DAY,
        "is_undoing": True,
    },
    "portfolio.trade_booked.v1": {"is_awaited": True},
    "portfolio.trade_unbooked.v1": {"is_awaited": True},
    "trade.captured.v1": FOLLOWING,
    "trade.released.v1": FOLLOWING,
    "trade.amended.v1": FOLLOWING,
    "trade.busted.v1": {"settlement": STANDING},
}
"""Fields that events got after their first samples were written: a further sample has them."""
