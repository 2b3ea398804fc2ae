"""Flows told for a day to come pend until their value date (convention 10)."""

from datetime import date
from decimal import Decimal

import pytest

from domain.money import Money
from domain.portfolio.cash import deposit, withdraw
from domain.portfolio.charging import book_interest
from domain.portfolio.events import CashDeposited, CashSettled
from domain.portfolio.exchanging import exchange_cash
from domain.portfolio.settling import settle_due
from domain.portfolio.state import Portfolio
from domain.rejection import Rejection
from domain.trade import Intent
from tests.domain.scenes import FRIDAY_NOON, FUND, portfolio

FRIDAY, SATURDAY, NEXT_MONDAY = date(2024, 1, 12), date(2024, 1, 13), date(2024, 1, 15)


def paid_in(held: Portfolio, value_date: date) -> CashDeposited:
    """Decide and fold a deposit of 100, told on Friday."""
    event = deposit(
        held,
        name=FUND,
        amount=Money(Decimal(100), "USD"),
        value_date=value_date,
        at=None,
        received_at=FRIDAY_NOON,
    )
    held.apply(event)
    return event


class TestAFlowToCome:
    """In the balance at once, settled with its value date."""

    def test_pends_until_its_value_date(self) -> None:
        """100 held, nothing settled; with Monday's session all is."""
        held = portfolio()

        assert paid_in(held, NEXT_MONDAY).is_pending
        assert held.balance("USD") == 100
        assert held.settled("USD") == 0
        assert settle_due(held, name=FUND, until=FRIDAY) == []

        (settled,) = settle_due(held, name=FUND, until=NEXT_MONDAY)
        assert isinstance(settled, CashSettled)
        held.apply(settled)
        assert settled.amount == held.settled("USD") == 100

    def test_settles_when_told_on_its_day_or_later(self) -> None:
        """As it always did."""
        held = portfolio()

        assert not paid_in(held, FRIDAY).is_pending
        assert held.settled("USD") == 100

    def test_cannot_be_withdrawn_before(self) -> None:
        """Monday's money is paid out on Monday, not on Saturday."""
        held = portfolio()
        paid_in(held, NEXT_MONDAY)
        money = Money(Decimal(100), "USD")

        assert withdraw(held, name=FUND, amount=money, value_date=NEXT_MONDAY, at=None).balance == 0
        with pytest.raises(Rejection, match="100 USD asked, 0 "):
            withdraw(held, name=FUND, amount=money, value_date=SATURDAY, at=None)

    def test_pends_in_both_currencies_of_an_exchange(self) -> None:
        """What is sold and what is bought; and interest as well."""
        held = portfolio(cash=100)
        exchanged, _ = exchange_cash(
            held,
            name=FUND,
            intent=Intent.EXECUTED,
            sold=Money(Decimal(11), "USD"),
            bought=Money(Decimal(10), "EUR"),
            rate=None,
            fee=Money(Decimal(1), "USD"),
            value_date=NEXT_MONDAY,
            at=None,
            received_at=FRIDAY_NOON,
        )
        held.apply(exchanged)
        interest, _ = book_interest(
            held,
            name=FUND,
            amount=Money(Decimal(-2), "EUR"),
            value_date=NEXT_MONDAY,
            at=None,
            received_at=FRIDAY_NOON,
        )
        held.apply(interest)

        assert held.pending == {"USD": {NEXT_MONDAY: -12}, "EUR": {NEXT_MONDAY: 8}}
