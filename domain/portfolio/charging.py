"""Fees that belong to no trade, and interest: facts, booked whatever they leave behind."""

from datetime import date, datetime
from decimal import Decimal

from domain.currencies import require_currency
from domain.money import Money, within
from domain.portfolio.cash import (
    flow_date,
    is_to_come,
    require_amount,
    require_open,
    require_portfolio,
)
from domain.portfolio.life import FeeCharged, FeeKind, InterestBooked
from domain.portfolio.standing import listed
from domain.portfolio.state import Portfolio
from domain.rejection import Breach, Rejection


def charge_fee(
    portfolio: Portfolio | None,
    *,
    name: str,
    kind: FeeKind,
    amount: Money,
    value_date: date | None,
    at: datetime | None,
    received_at: datetime | None = None,
) -> tuple[FeeCharged, tuple[Breach, ...]]:
    """Decide a fee of a positive amount, with what it breaches: `negative_cash` and its like.

    Raises:
        Rejection: `portfolio_unknown`, `currency_unknown`, `amount_not_positive`, `date_missing`
            or `out_of_range`: it cannot be understood.
    """
    opened, held = require_open(portfolio, name), require_portfolio(portfolio, name)
    require_amount(amount)
    balance = within("balance", held.balance(amount.currency) - amount.amount)
    dated = flow_date(opened, value_date, at)
    event = FeeCharged(
        portfolio=name,
        kind=kind,
        amount=amount,
        balance=balance,
        value_date=dated,
        at=at,
        is_pending=is_to_come(opened, dated, received_at),
    )
    return event, _breaches(held, -amount.amount, event)


def book_interest(
    portfolio: Portfolio | None,
    *,
    name: str,
    amount: Money,
    value_date: date | None,
    at: datetime | None,
    received_at: datetime | None = None,
) -> tuple[InterestBooked, tuple[Breach, ...]]:
    """Decide interest, received or (below zero) paid, with what it breaches.

    Raises:
        Rejection: `portfolio_unknown`, `currency_unknown`, `amount_zero`, `date_missing` or
            `out_of_range`: it cannot be understood.
    """
    opened, held = require_open(portfolio, name), require_portfolio(portfolio, name)
    require_currency(amount.currency)
    if not amount.amount:
        raise Rejection("amount_zero", "The amount must not be zero.")
    balance = within("balance", held.balance(amount.currency) + amount.amount)
    dated = flow_date(opened, value_date, at)
    event = InterestBooked(
        portfolio=name,
        amount=amount,
        balance=balance,
        value_date=dated,
        at=at,
        is_pending=is_to_come(opened, dated, received_at),
    )
    return event, _breaches(held, amount.amount, event)


def _breaches(
    held: Portfolio, change: Decimal, event: FeeCharged | InterestBooked
) -> tuple[Breach, ...]:
    standing = held.standing
    return listed(
        _negative_cash(change, event.balance, event.amount.currency),
        standing.closed_breach(),
        standing.period_breach(event.value_date),
    )


def _negative_cash(change: Decimal, balance: Decimal, currency: str) -> Breach | None:
    if change > 0 or balance >= 0:
        return None
    message = f"{balance:f} {currency} is left; bring cash in."
    return Breach("negative_cash", message, limit="0", actual=f"{balance:f}")
