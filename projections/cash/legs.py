"""The legs of the read model `cash`: an event taken apart into what it moved.

Amounts are signed as the portfolio sees them. Beside a trade, an exchange has the trade's date.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import assert_never
from uuid import UUID

import msgspec

from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    DividendPaid,
    LotsSpunOff,
)
from domain.portfolio.events import CashDeposited, CashWithdrawn, TradeBooked, TradeUnbooked
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked
from projections.read_model import Decoded

ActionMove = CorporateActionApplied | CorporateActionUnapplied | LotsSpunOff | DividendPaid
CashMove = CashDeposited | CashWithdrawn | FeeCharged | InterestBooked | CashExchanged


class MovementKind(StrEnum):
    """Why cash moved; `fee` is that of a trade or an exchange, the other fees stand alone."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    PRINCIPAL = "principal"
    FEE = "fee"
    MANAGEMENT_FEE = "management_fee"
    CUSTODY_FEE = "custody_fee"
    PERFORMANCE_FEE = "performance_fee"
    OTHER_FEE = "other_fee"
    INTEREST = "interest"
    EXCHANGE = "exchange"
    CASH_IN_LIEU = "cash_in_lieu"
    DIVIDEND = "dividend"
    WITHHOLDING_TAX = "withholding_tax"


# Python 3.11 looks a member up ten times slower than a name.
_PRINCIPAL, _FEE = MovementKind.PRINCIPAL, MovementKind.FEE


class MovementRow(msgspec.Struct, frozen=True, gc=False):
    """One leg of one event; `balance_after` is the balance behind the whole event.

    `action` names the corporate action that moved it, among those of its instrument or, for a child
    that was spun off, of the parent. `reversal` says why a leg is taken back here: its trade was
    `busted` or `amended`, or its action `reversed`.
    """

    tenant: str
    portfolio: str
    position: int
    leg: int
    kind: MovementKind
    currency: str
    amount: Decimal
    balance_after: Decimal
    value_date: date
    at: datetime | None
    trade_id: UUID | None
    instrument: str | None
    action: str | None
    reversal: str | None
    recorded_at: datetime


def legs(decoded: Decoded) -> list[MovementRow]:
    """Take an event apart into the legs that moved cash."""
    position, tenant, recorded_at, event, _ = decoded
    if isinstance(event, TradeBooked) or isinstance(event, TradeUnbooked):  # noqa: SIM101
        return _trade_legs(position, tenant, recorded_at, event)
    if isinstance(event, ActionMove):
        return _action_legs(position, tenant, recorded_at, event)
    assert isinstance(event, CashMove), "cash folds nothing else"
    exchanged = event if isinstance(event, CashExchanged) else None
    return [
        MovementRow(
            tenant,
            event.portfolio,
            position,
            leg,
            kind,
            currency,
            amount,
            balance,
            event.value_date if exchanged is None else exchanged.counts_from,
            event.at,
            None if exchanged is None else exchanged.trade_id,
            None,
            None,
            None,
            recorded_at,
        )
        for leg, (kind, currency, amount, balance) in enumerate(_moved(event))
    ]


def _moved(event: CashMove) -> list[tuple[MovementKind, str, Decimal, Decimal]]:
    """Give kind, currency, signed amount and balance of what moved cash apart from trades."""
    match event:
        case CashExchanged():
            return _exchanged(event)
        case CashDeposited():
            kind, sign = MovementKind.DEPOSIT, 1
        case CashWithdrawn():
            kind, sign = MovementKind.WITHDRAWAL, -1
        case InterestBooked():
            kind, sign = MovementKind.INTEREST, 1
        case FeeCharged():
            kind, sign = MovementKind(f"{event.kind}_fee"), -1
        case _:
            assert_never(event)
    return [(kind, event.amount.currency, sign * event.amount.amount, event.balance)]


def _exchanged(event: CashExchanged) -> list[tuple[MovementKind, str, Decimal, Decimal]]:
    sold, bought, fee = event.sold, event.bought, event.fee
    moved = [
        (MovementKind.EXCHANGE, sold.currency, -sold.amount, event.balance_sold),
        (MovementKind.EXCHANGE, bought.currency, bought.amount, event.balance_bought),
    ]
    if fee is not None:
        is_sold = fee.currency == sold.currency
        balance = event.balance_sold if is_sold else event.balance_bought
        moved.append((MovementKind.FEE, fee.currency, -fee.amount, balance))
    return moved


def _trade_legs(
    position: int, tenant: str, recorded_at: datetime, booked: TradeBooked | TradeUnbooked
) -> list[MovementRow]:
    fill = booked.fill
    reversal = booked.reason if type(booked) is TradeUnbooked else None
    fee = -fill.fee if reversal is None else fill.fee
    amounts = [(0, _PRINCIPAL, booked.cash_change - fee)]
    if fee:
        amounts.append((1, _FEE, fee))
    portfolio, currency = booked.portfolio, booked.currency
    behind = (
        booked.cash_after,
        fill.trade_date,
        fill.executed_at,
        fill.trade_id,
        booked.instrument,
        None,
        reversal,
        recorded_at,
    )
    return [
        MovementRow(tenant, portfolio, position, leg, kind, currency, amount, *behind)
        for leg, kind, amount in amounts
    ]


def _action_legs(
    position: int, tenant: str, recorded_at: datetime, event: ActionMove
) -> list[MovementRow]:
    if isinstance(event, DividendPaid):
        action, value_date = event.action, event.pay_date
        amounts = [
            (MovementKind.DIVIDEND, event.gross),
            (MovementKind.WITHHOLDING_TAX, -event.withheld),
        ]
    else:
        declared = event.terms.action
        action, value_date = declared.action, declared.ex_date
        amounts = [(MovementKind.CASH_IN_LIEU, event.cash_change)]
    reversal = "reversed" if isinstance(event, CorporateActionUnapplied) else None
    moved = [(kind, amount) for kind, amount in amounts if amount]
    return [
        MovementRow(
            tenant,
            event.portfolio,
            position,
            leg,
            kind,
            event.currency,
            amount,
            event.cash_after,
            value_date,
            None,
            None,
            event.instrument,
            action,
            reversal,
            recorded_at,
        )
        for leg, (kind, amount) in enumerate(moved)
    ]
