"""Fees that belong to no trade, and interest: facts, whatever they leave behind."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from domain.money import Money
from domain.portfolio.charging import book_interest, charge_fee
from domain.portfolio.life import (
    FeeCharged,
    FeeKind,
    InterestBooked,
    PortfolioClosed,
    PortfolioFrozen,
)
from domain.portfolio.state import Portfolio
from domain.rejection import Breach, Rejection
from tests.domain.scenes import FUND, MONDAY, Number, exact, portfolio

EVENING = datetime(2024, 1, 9, 4, 59, 59, tzinfo=UTC)
"""Tuesday in UTC, still Monday in New York."""

Breaches = tuple[Breach, ...]


def charging(
    held: Portfolio | None,
    amount: Number,
    currency: str = "USD",
    value_date: date | None = MONDAY,
    at: datetime | None = None,
) -> tuple[FeeCharged, Breaches]:
    """Decide a management fee."""
    return charge_fee(
        held,
        name=FUND,
        kind=FeeKind.MANAGEMENT,
        amount=Money(Decimal(amount), currency),
        value_date=value_date,
        at=at,
    )


def booking(
    held: Portfolio | None,
    amount: Number,
    currency: str = "USD",
    value_date: date | None = MONDAY,
    at: datetime | None = None,
) -> tuple[InterestBooked, Breaches]:
    """Decide interest."""
    money = Money(Decimal(amount), currency)
    return book_interest(held, name=FUND, amount=money, value_date=value_date, at=at)


Act = Callable[..., tuple[FeeCharged | InterestBooked, Breaches]]


def code_of(act: Act, held: Portfolio | None, *how: object) -> str:
    """The code of a refusal."""
    with pytest.raises(Rejection) as refused:
        act(held, *how)
    return refused.value.code


class TestChargingAFee:
    """It is paid out of cash, whether there is enough or not."""

    def test_tells_the_balance_afterwards(self) -> None:
        """10 of 90."""
        assert charging(portfolio(cash=90), 10) == (
            FeeCharged(
                portfolio=FUND,
                kind=FeeKind.MANAGEMENT,
                amount=Money(Decimal(10), "USD"),
                balance=Decimal(80),
                value_date=MONDAY,
            ),
            (),
        )

    def test_books_below_zero_with_a_breach(self) -> None:
        """The last cent is free of it, one more is named."""
        enough, _ = charging(portfolio(cash=10), 10)
        event, breaches = charging(portfolio(cash=10), "10.01")

        assert enough.balance == 0
        assert event.balance == Decimal("-0.01")
        assert breaches == (
            Breach("negative_cash", "-0.01 USD is left; bring cash in.", limit="0", actual="-0.01"),
        )
        assert charging(portfolio(cash=10), 10)[1] == ()

    @pytest.mark.parametrize("amount", [0, -1])
    def test_is_positive(self, amount: int) -> None:
        """A refunded fee is no fee below zero: it is another kind of fact."""
        assert code_of(charging, portfolio(), amount) == "amount_not_positive"


class TestBookingInterest:
    """It comes in, or goes out below zero."""

    def test_is_signed(self) -> None:
        """Received 10, then paid 3."""
        held = portfolio(cash=90)

        received, _ = booking(held, 10)
        held.apply(received)
        paid, breaches = booking(held, -3)

        assert (received.balance, paid.balance) == exact(100, 97)
        assert breaches == ()
        assert paid.amount == Money(Decimal(-3), "USD")

    def test_is_something(self) -> None:
        """Zero is no fact."""
        assert code_of(booking, portfolio(), 0) == "amount_zero"

    def test_breaches_only_where_it_takes_cash(self) -> None:
        """Received interest lifts an overdrawn balance; paid interest overdraws it more."""
        held = portfolio()
        held.cash["USD"] = Decimal(-30)

        assert booking(held, 10)[1] == ()
        assert [each.rule for each in booking(held, -10)[1]] == ["negative_cash"]


@pytest.mark.parametrize("act", [charging, booking])
class TestBoth:
    """What fees and interest share."""

    def test_need_an_open_portfolio(self, act: Act) -> None:
        """Never opened is unknown."""
        assert code_of(act, None, 1) == "portfolio_unknown"
        assert code_of(act, Portfolio(), 1) == "portfolio_unknown"

    def test_need_a_known_currency(self, act: Act) -> None:
        """ISO 4217."""
        assert code_of(act, portfolio(), 1, "ABC") == "currency_unknown"

    def test_need_a_date_or_a_time(self, act: Act) -> None:
        """A time of day belongs to the local date of the market that values the portfolio."""
        assert code_of(act, portfolio(), 1, "USD", None) == "date_missing"
        event, _ = act(portfolio(cash=5), 1, "USD", None, EVENING)
        assert (event.value_date, event.at) == (MONDAY, EVENING)

    def test_need_a_balance_that_can_be_carried(self, act: Act) -> None:
        """26 digits are held, or owed."""
        held = portfolio()
        held.cash["USD"] = Decimal("9" * 26) * (1 if act is booking else -1)

        assert code_of(act, held, 1) == "out_of_range"

    def test_book_in_a_frozen_portfolio(self, act: Act) -> None:
        """A custodian is paid all the same, and no breach says otherwise."""
        held = portfolio(cash=5)
        held.apply(PortfolioFrozen(portfolio=FUND, reason="court_order"))

        assert act(held, 1)[1] == ()

    def test_book_in_a_closed_portfolio_with_a_breach(self, act: Act) -> None:
        """What was forgotten."""
        held = portfolio(cash=5)
        held.apply(PortfolioClosed(portfolio=FUND, on_date=MONDAY))

        assert [each.rule for each in act(held, 1)[1]] == ["portfolio_closed"]

    def test_fold_to_the_balance_they_tell(self, act: Act) -> None:
        """State takes the result; other currencies stay."""
        held = portfolio(cash=5)
        event, _ = act(held, 2)

        held.apply(event)

        assert held.balance("USD") == event.balance
        assert held.balance("EUR") == 0
        assert held.version == 3
