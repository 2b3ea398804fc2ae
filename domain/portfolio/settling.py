"""Settling cash: what is due on a value date, what is free before later ones (convention 10)."""

from datetime import date
from decimal import Decimal

from domain.money import ZERO, Money, within
from domain.portfolio.corporate_events import DividendPaid
from domain.portfolio.events import CashSettled
from domain.portfolio.state import Portfolio
from domain.rejection import Breach


def settle_due(portfolio: Portfolio, *, name: str, until: date) -> list[CashSettled | DividendPaid]:
    """Settle all that is pending for value dates up to `until`, and pay dividends due by then."""
    events: list[CashSettled | DividendPaid] = []
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
    return [*events, *_dividends_due(portfolio, name=name, until=until)]


def _dividends_due(portfolio: Portfolio, *, name: str, until: date) -> list[DividendPaid]:
    cash = portfolio.cash.copy()
    events: list[DividendPaid] = []
    for instrument, action, due in portfolio.dues.until(until):
        cash[due.currency] = within("cash", cash.get(due.currency, ZERO) + due.net)
        events.append(
            DividendPaid(
                portfolio=name,
                instrument=instrument,
                action=action,
                gross=within("dividend", due.gross),
                withheld=within("dividend", due.withheld),
                currency=due.currency,
                pay_date=due.pay_date,
                cash_after=cash[due.currency],
            )
        )
    return events


def lowest_balance(portfolio: Portfolio, *, currency: str, on: date) -> tuple[Decimal, date]:
    """Give the lowest projected balance from a date on, and the first date it is reached.

    Projected for a date: what is settled, and all that is pending or awaited for value dates up to
    it; what fails to be paid is owed at once, what fails to be received is not counted.
    """
    dates = _unsettled(portfolio, currency)
    due = sum((amount for day, amount in dates.items() if day <= on), ZERO)
    owed = sum((min(each, ZERO) for each in portfolio.failing.get(currency, {}).values()), ZERO)
    balance = portfolio.settled(currency) + owed + due
    lowest, binding = balance, on
    for day in sorted(day for day in dates if day > on):
        balance += dates[day]
        if balance < lowest:
            lowest, binding = balance, day
    return lowest, binding


def _unsettled(portfolio: Portfolio, currency: str) -> dict[date, Decimal]:
    """Sum by value date what is expected to settle then, by itself or by a custodian's word."""
    pending = portfolio.pending.get(currency, {})
    awaited = portfolio.awaited.get(currency)
    if not awaited:
        return pending
    days = pending.keys() | awaited.keys()
    return {day: pending.get(day, ZERO) + awaited.get(day, ZERO) for day in days}


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
