"""Settling cash: what is due on a value date, what is free before later ones (convention 10)."""

from datetime import date
from decimal import Decimal

from domain.money import ZERO, Money, within
from domain.portfolio.events import CashSettled
from domain.portfolio.state import Portfolio
from domain.rejection import Breach


def settle_due(portfolio: Portfolio, *, name: str, until: date) -> list[CashSettled]:
    """Settle all that is pending for value dates up to `until`, by currency and date."""
    events: list[CashSettled] = []
    for currency, dates in sorted(portfolio.pending.items()):
        settled = portfolio.settled(currency)
        for value_date in sorted(day for day in dates if day <= until):
            settled += dates[value_date]
            events.append(
                CashSettled(
                    portfolio=name,
                    value_date=value_date,
                    currency=currency,
                    amount=within("settled cash", dates[value_date]),
                    settled_after=within("settled cash", settled),
                )
            )
    return events


def lowest_balance(portfolio: Portfolio, *, currency: str, on: date) -> tuple[Decimal, date]:
    """Give the lowest projected balance from a date on, and the first date it is reached.

    Projected for a date: what is settled, and all that is pending for value dates up to it.
    """
    dates = portfolio.pending.get(currency, {})
    due = sum((amount for day, amount in dates.items() if day <= on), ZERO)
    balance = portfolio.settled(currency) + due
    lowest, binding = balance, on
    for day in sorted(day for day in dates if day > on):
        balance += dates[day]
        if balance < lowest:
            lowest, binding = balance, day
    return lowest, binding


def insufficient_cash(portfolio: Portfolio, amount: Money, *, on: date) -> Breach | None:
    """Find that an amount to be paid on a date exceeds the lowest balance projected from then on.

    Trades may overdraw what has not settled yet; money that leaves may not.
    """
    lowest, binding = lowest_balance(portfolio, currency=amount.currency, on=on)
    if amount.amount <= lowest:
        return None
    free = "held" if lowest == portfolio.balance(amount.currency) else f"free on {binding}"
    return Breach(
        "insufficient_cash",
        f"{amount.amount:f} {amount.currency} asked, {lowest:f} {free}.",
        limit=f"{lowest:f}",
        actual=f"{amount.amount:f}",
    )
