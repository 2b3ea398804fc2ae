"""Exchanging cash: asked for or told, both amounts and the fee in one event."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.money import Money
from domain.portfolio.exchanging import exchange_cash
from domain.portfolio.life import CashExchanged, PeriodClosed, PortfolioClosed, PortfolioFrozen
from domain.portfolio.state import Portfolio
from domain.rejection import Breach, Rejection
from domain.trade import Intent
from tests.domain.scenes import FUND, MONDAY, Number, exact, portfolio

ASKED, TOLD = Intent.PROPOSED, Intent.EXECUTED


def money(amount: Number, currency: str) -> Money:
    """An amount of a currency."""
    return Money(Decimal(amount), currency)


def exchanging(
    held: Portfolio | None, intent: Intent = ASKED, **changes: Any
) -> tuple[CashExchanged, tuple[Breach, ...]]:
    """Decide to sell 100 dollars for 80 euros on Monday, with changes."""
    wanted: dict[str, Any] = {
        "sold": money(100, "USD"),
        "bought": money(80, "EUR"),
        "rate": None,
        "fee": None,
        "value_date": MONDAY,
        "at": None,
    }
    return exchange_cash(held, name=FUND, intent=intent, **(wanted | changes))


def rules_of(held: Portfolio | None, intent: Intent = ASKED, **changes: Any) -> list[str]:
    """What an exchange breaches: refused for it if asked, booked with it if told."""
    try:
        _, breaches = exchanging(held, intent, **changes)
    except Rejection as rejection:
        assert intent is ASKED
        breaches = rejection.breaches
    return [breach.rule for breach in breaches]


def code_of(held: Portfolio | None, intent: Intent, **changes: Any) -> str:
    """The code of a refusal."""
    with pytest.raises(Rejection) as refused:
        exchanging(held, intent, **changes)
    return refused.value.code


class TestExchanging:
    """One currency goes, another comes."""

    @pytest.mark.parametrize("intent", Intent)
    def test_tells_both_balances(self, intent: Intent) -> None:
        """The rate is euros for a dollar."""
        assert exchanging(portfolio(cash=500), intent) == (
            CashExchanged(
                portfolio=FUND,
                sold=money(100, "USD"),
                bought=money(80, "EUR"),
                rate=Decimal("0.8"),
                balance_sold=Decimal(400),
                balance_bought=Decimal(80),
                value_date=MONDAY,
            ),
            (),
        )

    @pytest.mark.parametrize(("currency", "balances"), [("USD", (397, 80)), ("EUR", (400, 77))])
    def test_pays_its_fee_in_either_currency(
        self, currency: str, balances: tuple[int, int]
    ) -> None:
        """Besides what is exchanged."""
        event, _ = exchanging(portfolio(cash=500), fee=money(3, currency))

        assert (event.balance_sold, event.balance_bought) == exact(*balances)
        assert event.fee == money(3, currency)

    def test_folds_to_both_balances(self) -> None:
        """State takes the results."""
        held = portfolio(cash=500)
        event, _ = exchanging(held, fee=money(3, "EUR"))

        held.apply(event)

        assert (held.balance("USD"), held.balance("EUR")) == exact(400, 77)
        assert held.version == 3

    def test_states_a_rate_that_does_not_end(self) -> None:
        """Half-even to 18 decimals, as every rate."""
        event, _ = exchanging(portfolio(cash=500), sold=money(3, "USD"), bought=money(1, "EUR"))

        assert event.rate == Decimal("0.333333333333333333")


class TestAskingForIt:
    """Proposed: every breach refuses."""

    @pytest.mark.parametrize(
        ("cash", "fee", "rules"),
        [
            (100, 0, []),
            ("99.99", 0, ["insufficient_cash"]),
            (101, 1, []),
            (100, 1, ["insufficient_cash"]),
        ],
    )
    def test_needs_the_cash(self, cash: Number, fee: int, rules: list[str]) -> None:
        """What is sold and its fee, to the cent."""
        assert rules_of(portfolio(cash=cash), fee=money(fee, "USD")) == rules

    def test_says_what_is_needed_and_held(self) -> None:
        """As a withdrawal does."""
        with pytest.raises(Rejection) as refused:
            exchanging(portfolio(cash=50))

        assert refused.value.breaches == (
            Breach("insufficient_cash", "100 USD asked, 50 held.", limit="50", actual="100"),
        )

    def test_spends_no_cash_that_has_not_settled(self) -> None:
        """50 are settled, 100 come in two days: what leaves today is there today."""
        held = portfolio(cash=150)
        held.pending["USD"] = {MONDAY + timedelta(days=2): Decimal(100)}

        assert rules_of(held) == ["insufficient_cash"]
        assert rules_of(held, value_date=MONDAY + timedelta(days=2)) == []

    def test_may_overdraw_where_trades_may(self) -> None:
        """Leverage is allowed at the opening."""
        assert rules_of(portfolio(allows_leverage=True)) == []

    def test_needs_cash_for_a_fee_beyond_what_it_buys(self) -> None:
        """80 euros come, 81 go."""
        held = portfolio(cash=100)

        assert rules_of(held, fee=money(80, "EUR")) == []
        assert rules_of(held, fee=money(81, "EUR")) == ["insufficient_cash"]

    @pytest.mark.parametrize(("rate", "rules"), [("0.8001", []), ("0.8002", ["rate_mismatch"])])
    def test_buys_what_its_rate_says(self, rate: str, rules: list[str]) -> None:
        """To the cent; the rate it gives is the one that is kept."""
        assert rules_of(portfolio(cash=100), rate=Decimal(rate)) == rules

    def test_keeps_the_rate_it_gives(self) -> None:
        """Not the one of the rounded amounts."""
        event, _ = exchanging(portfolio(cash=100), rate=Decimal("0.80004"))

        assert event.rate == Decimal("0.80004")

    def test_is_never_held_against_a_rate_it_does_not_give(self) -> None:
        """Rounding a rate of large amounts is no mismatch."""
        sold, bought = money("3" + "0" * 20, "USD"), money("1" + "0" * 20, "EUR")

        assert rules_of(portfolio(cash=sold.amount), sold=sold, bought=bought) == []


class TestTellingIt:
    """Executed: it books, and its breaches come back."""

    def test_books_whatever_it_leaves(self) -> None:
        """Overdrawn, frozen, closed, in a closed period, at a rate of its own."""
        held = portfolio()
        held.apply(PortfolioFrozen(portfolio=FUND, reason="court_order"))
        held.apply(PortfolioClosed(portfolio=FUND, on_date=MONDAY))
        held.apply(PeriodClosed(portfolio=FUND, until=MONDAY))
        rules = ["insufficient_cash", "portfolio_frozen", "portfolio_closed", "period_closed"]

        event, breaches = exchanging(held, TOLD, rate=Decimal(7))

        assert (event.balance_sold, event.rate) == exact(-100, 7)
        assert [breach.rule for breach in breaches] == rules
        assert rules_of(held, ASKED, rate=Decimal(7)) == [rules[0], "rate_mismatch", *rules[1:]]


@pytest.mark.parametrize("intent", Intent)
class TestWhatMeansNothing:
    """Is refused, asked or told."""

    @pytest.mark.parametrize(
        ("code", "changes"),
        [
            ("currencies_equal", {"bought": money(80, "USD")}),
            ("currency_unknown", {"sold": money(1, "ABC")}),
            ("currency_unknown", {"bought": money(1, "ABC")}),
            ("amount_not_positive", {"sold": money(0, "USD")}),
            ("amount_not_positive", {"bought": money(-1, "EUR")}),
            ("fee_currency_mismatch", {"fee": money(1, "CHF")}),
            ("fee_negative", {"fee": money(-1, "EUR")}),
            ("date_missing", {"value_date": None}),
            ("out_of_range", {"bought": money("9" * 26, "EUR"), "fee": None}),
        ],
    )
    def test_by_name(self, intent: Intent, code: str, changes: dict[str, Any]) -> None:
        """Each with its code."""
        held = portfolio(cash=500)
        held.cash["EUR"] = Decimal(1)

        assert code_of(held, intent, **changes) == code

    def test_as_a_portfolio_that_is_not_there(self, intent: Intent) -> None:
        """Never opened is unknown."""
        assert code_of(None, intent) == "portfolio_unknown"
