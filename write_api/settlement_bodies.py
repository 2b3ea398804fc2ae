"""What custodians send of the settlement of a trade, and the commands it becomes.

The trade is named by the path: its source and the source's own id.
"""

from datetime import date
from typing import Annotated

import msgspec

from commands.settlement_commands import FailSettlement, ResumeSettlement, SettleTrade
from gateway.decoding import ExternalId, Name, Number, exact, plausible_day, positive
from write_api.bodies import Body, Reason

WordName = Annotated[
    ExternalId,
    msgspec.Meta(description="The custodian's own name for it, told once of a trade."),
]


class WordBody(Body, frozen=True):
    """A custodian's word of a trade: listed in `portfolio` if it comes before the trade.

    `trade_date` is needed where the source names its trades per date.
    """

    portfolio: Name
    trade_date: date | None = None


class SettlementBody(WordBody, frozen=True, kw_only=True):
    """A trade that was settled: the whole, or the `quantity` told, above zero.

    `cash_change` is the cash that moved, negative where it was paid; left out, it is the trade's,
    pro rata; alone, cash moved without a quantity. `is_reversal`: what was settled was taken back.
    """

    settlement_id: WordName
    settled_on: date
    quantity: Number | None = None
    cash_change: Number | None = None
    is_reversal: bool = False


class FailureBody(WordBody, frozen=True, kw_only=True):
    """What is not settled of a trade fails."""

    failure_id: WordName
    failed_on: date
    reason: Reason


class SettlementResumptionBody(WordBody, frozen=True, kw_only=True):
    """A fail that stands no longer: its settlement was instructed anew."""

    failure_id: WordName
    resumed_on: date


def settle_command(body: SettlementBody, source: str, external_id: str) -> SettleTrade:
    """Build a settlement.

    Raises:
        BodyFaulty: a value is out of range.
    """
    return SettleTrade(
        source=source,
        external_id=external_id,
        portfolio=body.portfolio,
        trade_date=_day(body.trade_date),
        settlement_id=body.settlement_id,
        settled_on=plausible_day("settled_on", body.settled_on),
        quantity=None if body.quantity is None else positive("quantity", body.quantity),
        cash_change=None if body.cash_change is None else exact("cash_change", body.cash_change),
        is_reversal=body.is_reversal,
    )


def fail_command(body: FailureBody, source: str, external_id: str) -> FailSettlement:
    """Build a fail.

    Raises:
        BodyFaulty: a date is out of range.
    """
    return FailSettlement(
        source=source,
        external_id=external_id,
        portfolio=body.portfolio,
        trade_date=_day(body.trade_date),
        failure_id=body.failure_id,
        failed_on=plausible_day("failed_on", body.failed_on),
        reason=body.reason,
    )


def resume_command(
    body: SettlementResumptionBody, source: str, external_id: str
) -> ResumeSettlement:
    """Build the end of a fail.

    Raises:
        BodyFaulty: a date is out of range.
    """
    return ResumeSettlement(
        source=source,
        external_id=external_id,
        portfolio=body.portfolio,
        trade_date=_day(body.trade_date),
        failure_id=body.failure_id,
        resumed_on=plausible_day("resumed_on", body.resumed_on),
    )


def _day(day: date | None) -> date | None:
    return None if day is None else plausible_day("trade_date", day)
