"""Opening a portfolio, and external cash in and out (conventions 10 and 11)."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain.money import Money
from domain.portfolio.cash import deposit, open_portfolio, withdraw
from domain.portfolio.events import CashDeposited, CashWithdrawn, PortfolioOpened
from domain.portfolio.state import Portfolio
from domain.rejection import Breach, Conflict, Rejection
from tests.domain.scenes import AVERAGE, FIFO, FUND, MONDAY, Number, opened, portfolio

EVENING = datetime(2024, 1, 9, 4, 59, 59, tzinfo=UTC)
"""Tuesday in UTC, still Monday in New York."""

WIDEST = "9" * 26


def opening(current: Portfolio | None, **changes: Any) -> PortfolioOpened | None:
    """Decide the opening of a dollar portfolio."""
    wanted: dict[str, Any] = {
        "portfolio": FUND,
        "base_currency": "USD",
        "cost_basis": FIFO,
        "calendar": None,
        "allows_leverage": False,
        "allows_short": False,
    }
    return open_portfolio(current, **(wanted | changes))


def depositing(
    held: Portfolio | None,
    amount: Number,
    currency: str = "USD",
    value_date: date | None = MONDAY,
    at: datetime | None = None,
) -> CashDeposited:
    """Decide a deposit."""
    money = Money(Decimal(amount), currency)
    return deposit(held, name=FUND, amount=money, value_date=value_date, at=at)


def withdrawing(
    held: Portfolio | None,
    amount: Number,
    currency: str = "USD",
    value_date: date | None = MONDAY,
    at: datetime | None = None,
) -> CashWithdrawn:
    """Decide a withdrawal."""
    money = Money(Decimal(amount), currency)
    return withdraw(held, name=FUND, amount=money, value_date=value_date, at=at)


Move = Callable[..., CashDeposited | CashWithdrawn]


class TestOpening:
    """A portfolio opens once; the same again is no news, other content a conflict."""

    def test_states_everything(self) -> None:
        """Whole, with the calendar that values it."""
        assert opening(None) == PortfolioOpened(
            portfolio=FUND,
            base_currency="USD",
            cost_basis=FIFO,
            calendar="XNYS",
            allows_leverage=False,
            allows_short=False,
        )

    @pytest.mark.parametrize(
        ("currency", "calendar"),
        [("USD", "XNYS"), ("EUR", "XETR"), ("JPY", "XTKS"), ("NOK", "24/7")],
    )
    def test_takes_the_close_of_its_base_market(self, currency: str, calendar: str) -> None:
        """Convention 11; a currency without a market of ours is valued at the UTC day's end."""
        event = opening(None, base_currency=currency)

        assert event is not None
        assert event.calendar == calendar

    def test_takes_the_calendar_it_is_given(self) -> None:
        """A dollar portfolio may be valued in London."""
        event = opening(None, calendar="XLON")

        assert event is not None
        assert event.calendar == "XLON"

    def test_is_answered_once_with_the_same_content(self) -> None:
        """The calendar named or left out is the same content."""
        assert opening(portfolio()) is None
        assert opening(portfolio(), calendar="XNYS") is None

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("base_currency", "CAD"),
            ("cost_basis", AVERAGE),
            ("calendar", "XLON"),
            ("allows_leverage", True),
            ("allows_short", True),
        ],
    )
    def test_conflicts_with_other_content(self, field: str, value: object) -> None:
        """The field that differs is named (its market, too, where the base differs)."""
        with pytest.raises(Conflict) as conflict:
            opening(portfolio(), **{field: value})

        assert conflict.value.code == "portfolio_already_open"
        assert field in conflict.value.fields
        assert set(conflict.value.fields) <= {field, "calendar"}

    @pytest.mark.parametrize(
        ("code", "changes"),
        [
            ("currency_unknown", {"base_currency": "XXX"}),
            ("currency_unknown", {"base_currency": "usd"}),
            ("calendar_unknown", {"calendar": "XXXX"}),
        ],
    )
    def test_refuses(self, code: str, changes: dict[str, str]) -> None:
        """What means nothing, by name."""
        with pytest.raises(Rejection) as refused:
            opening(None, **changes)

        assert refused.value.code == code


class TestDepositing:
    """External cash comes in, and the balance says what is held then."""

    def test_tells_the_balance_afterwards(self) -> None:
        """10 on top of 90."""
        assert depositing(portfolio(cash=90), 10) == CashDeposited(
            portfolio=FUND,
            amount=Money(Decimal(10), "USD"),
            balance=Decimal(100),
            value_date=MONDAY,
        )

    def test_keeps_currencies_apart(self) -> None:
        """Euros know nothing of dollars."""
        assert depositing(portfolio(cash=90), 10, "EUR").balance == 10

    def test_lifts_a_negative_balance(self) -> None:
        """What an executed trade overdrew is made good."""
        held = portfolio()
        held.cash["USD"] = Decimal(-30)

        assert depositing(held, 10).balance == -20

    def test_refuses_a_balance_that_cannot_be_carried(self) -> None:
        """26 digits are held; one more unit does not fit."""
        held = portfolio(cash=WIDEST)

        assert depositing(held, "0.999999999999").balance == Decimal(WIDEST + ".999999999999")
        with pytest.raises(Rejection) as refused:
            depositing(held, 1)
        assert refused.value.code == "out_of_range"


class TestWithdrawing:
    """External cash goes out, at most what is held in its currency."""

    def test_takes_the_last_cent(self) -> None:
        """All of it, and the balance is zero."""
        assert withdrawing(portfolio(cash=100), 100) == CashWithdrawn(
            portfolio=FUND, amount=Money(Decimal(100), "USD"), balance=Decimal(0), value_date=MONDAY
        )

    def test_refuses_a_cent_more(self) -> None:
        """With what is held and what was asked, as plain numbers."""
        with pytest.raises(Rejection) as refused:
            withdrawing(portfolio(cash="0.00000001"), "0.00000002")

        assert refused.value.breaches == (
            Breach(
                "insufficient_cash",
                "0.00000002 USD asked, 0.00000001 held.",
                limit="0.00000001",
                actual="0.00000002",
            ),
        )

    def test_does_not_borrow_even_where_trades_may(self) -> None:
        """Leverage is for trades."""
        with pytest.raises(Rejection) as refused:
            withdrawing(portfolio(allows_leverage=True), 1)

        assert refused.value.code == "insufficient_cash"


class TestMovingCash:
    """What deposits and withdrawals share."""

    @pytest.mark.parametrize("move", [depositing, withdrawing])
    @pytest.mark.parametrize("amount", [0, -1])
    def test_needs_an_amount_above_zero(self, move: Move, amount: int) -> None:
        """The direction is the command, never the sign."""
        with pytest.raises(Rejection) as refused:
            move(portfolio(cash=5), amount)

        assert refused.value.code == "amount_not_positive"

    @pytest.mark.parametrize("move", [depositing, withdrawing])
    @pytest.mark.parametrize("nowhere", [None, Portfolio()])
    def test_needs_an_open_portfolio(self, move: Move, nowhere: Portfolio | None) -> None:
        """Never opened is unknown."""
        with pytest.raises(Rejection) as refused:
            move(nowhere, 1)

        assert refused.value.code == "portfolio_unknown"

    @pytest.mark.parametrize("move", [depositing, withdrawing])
    def test_needs_a_known_currency(self, move: Move) -> None:
        """ISO 4217."""
        with pytest.raises(Rejection) as refused:
            move(portfolio(cash=5), 1, "ABC")

        assert refused.value.code == "currency_unknown"

    @pytest.mark.parametrize("move", [depositing, withdrawing])
    def test_is_dated_by_the_portfolio_s_calendar(self, move: Move) -> None:
        """A flow with a time of day belongs to its valuation point's local date."""
        event = move(portfolio(cash=5), 1, value_date=None, at=EVENING)

        assert (event.value_date, event.at) == (MONDAY, EVENING)

    @pytest.mark.parametrize("move", [depositing, withdrawing])
    def test_needs_a_date_or_a_time(self, move: Move) -> None:
        """Neither is no flow."""
        with pytest.raises(Rejection) as refused:
            move(portfolio(cash=5), 1, value_date=None)

        assert refused.value.code == "date_missing"

    @pytest.mark.parametrize("move", [depositing, withdrawing])
    def test_folds_to_the_balance_it_tells(self, move: Move) -> None:
        """State takes the result; other currencies stay."""
        held = portfolio(cash=5)
        event = move(held, 2)

        held.apply(event)

        assert held.balance("USD") == event.balance
        assert held.balance("EUR") == 0
        assert held.version == 3


class TestFolding:
    """State is the fold of facts, and no guard stands in the way of one."""

    def test_takes_a_balance_that_no_decision_would_give(self) -> None:
        """A fact is never refused: history is what it is."""
        held = portfolio()

        held.apply(replace(depositing(held, 1), balance=Decimal(-5)))

        assert held.balance("USD") == -5

    def test_knows_how_it_was_opened(self) -> None:
        """The opening is the first version."""
        held = portfolio(AVERAGE)

        assert (held.opened, held.version) == (opened(AVERAGE), 1)
