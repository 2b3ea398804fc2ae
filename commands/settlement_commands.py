"""What a custodian tells of the settlement of trades, each fact under its own name for it."""

from datetime import date
from decimal import Decimal

from commands.command import TradeNamed


class SettleTrade(TradeNamed, frozen=True, kw_only=True, tag="settle_trade"):
    """Tell that a trade was settled, or a part of it; see `TradeSettled` for what is left out."""

    settlement_id: str
    settled_on: date
    quantity: Decimal | None = None
    cash_change: Decimal | None = None
    is_reversal: bool = False


class FailSettlement(TradeNamed, frozen=True, kw_only=True, tag="fail_settlement"):
    """Tell that what is not settled of a trade fails; `reason` is a short code."""

    failure_id: str
    failed_on: date
    reason: str


class ResumeSettlement(TradeNamed, frozen=True, kw_only=True, tag="resume_settlement"):
    """Tell that a fail stands no longer: its settlement was instructed anew."""

    failure_id: str
    resumed_on: date
