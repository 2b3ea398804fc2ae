"""Cash is conserved: whatever is asked and told, balances are the sums of what was accepted."""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.money import Money
from domain.portfolio.cash import deposit, withdraw
from domain.portfolio.charging import book_interest, charge_fee
from domain.portfolio.describing import rename
from domain.portfolio.events import PortfolioEvent
from domain.portfolio.exchanging import exchange_cash
from domain.portfolio.life import FeeKind
from domain.portfolio.periods import close_period, reopen_period
from domain.portfolio.restricting import close_portfolio, freeze, unfreeze
from domain.portfolio.standing import Said
from domain.portfolio.state import Portfolio
from domain.rejection import Rejection
from domain.trade import Intent
from tests.domain.numbers import amounts
from tests.domain.scenes import FRIDAY_NOON, FUND, MONDAY, TUESDAY, portfolio

CURRENCIES = ("USD", "EUR", "JPY")

Legs = list[tuple[str, Decimal]]
Deed = Callable[[Portfolio], tuple[PortfolioEvent | Said, Legs]]
"""What is asked of a portfolio: the event decided, and the legs it should have."""

currencies = st.sampled_from(CURRENCIES)
positive = amounts.map(abs).filter(bool)
days = st.sampled_from((MONDAY, TUESDAY))


@st.composite
def cash_deeds(draw: st.DrawFn) -> Deed:
    """Deposits, withdrawals, fees and interest."""
    currency, amount, dated = draw(currencies), draw(positive), draw(days)
    money, sign = Money(amount, currency), draw(st.sampled_from((1, -1)))
    how: dict[str, Any] = {"name": FUND, "value_date": dated, "at": None}
    deeds: tuple[Deed, ...] = (
        lambda held: (deposit(held, amount=money, **how), [(currency, amount)]),
        lambda held: (withdraw(held, amount=money, **how), [(currency, -amount)]),
        lambda held: (
            charge_fee(held, kind=FeeKind.OTHER, amount=money, **how)[0],
            [(currency, -amount)],
        ),
        lambda held: (
            book_interest(held, amount=Money(sign * amount, currency), **how)[0],
            [(currency, sign * amount)],
        ),
    )
    return draw(st.sampled_from(deeds))


@st.composite
def exchanges(draw: st.DrawFn) -> Deed:
    """Exchanges, asked or told, with a fee on either side or none."""
    sold, bought = draw(st.permutations(CURRENCIES).map(lambda each: each[:2]))
    out, back, fee = draw(positive), draw(positive), draw(st.none() | positive)
    paid_in, intent, dated = (
        draw(st.sampled_from((sold, bought))),
        draw(st.sampled_from(Intent)),
        draw(days),
    )
    legs = [(sold, -out), (bought, back)] + ([] if fee is None else [(paid_in, -fee)])
    return lambda held: (
        exchange_cash(
            held,
            name=FUND,
            intent=intent,
            sold=Money(out, sold),
            bought=Money(back, bought),
            rate=None,
            fee=None if fee is None else Money(fee, paid_in),
            value_date=dated,
            at=None,
        )[0],
        legs,
    )


restrictions = st.sampled_from(
    [
        lambda held: (rename(held, name=FUND, title="Growth"), []),
        lambda held: (freeze(held, name=FUND, reason="audit"), []),
        lambda held: (unfreeze(held, name=FUND, reason="audit_over"), []),
        lambda held: (close_period(held, name=FUND, until=MONDAY, now=FRIDAY_NOON), []),
        lambda held: (reopen_period(held, name=FUND, from_date=MONDAY, reason="late"), []),
        lambda held: (close_portfolio(held, name=FUND, on_date=TUESDAY), []),
    ]
)


class TestCash:
    """No unit comes from nowhere or is lost."""

    @given(deeds=st.lists(cash_deeds() | exchanges() | restrictions, max_size=30))
    def test_is_the_sum_of_what_was_accepted(self, deeds: list[Deed]) -> None:
        """In every currency, after every step; what is refused moves nothing."""
        held = portfolio()
        expected: defaultdict[str, Decimal] = defaultdict(Decimal)

        for deed in deeds:
            try:
                event, legs = deed(held)
            except Rejection:
                event, legs = None, []
            if event is not None and not isinstance(event, Said):
                held.apply(event)
                for currency, amount in legs:
                    expected[currency] += amount

            assert {each: held.balance(each) for each in CURRENCIES} == {
                each: expected[each] for each in CURRENCIES
            }
