"""Exchanging the cash of foreign trades beside them, where the portfolio says so (convention 8)."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.correcting import Amend
from domain.lots import Side
from domain.money import Money
from domain.portfolio.events import PortfolioEvent
from domain.portfolio.life import CashExchanged
from domain.rejection import Rejection
from domain.trade import TradeCaptured, TradeEvent
from tests.domain.blotter import Blotter, Bust, Message
from tests.domain.scenes import APPLE, FUND, MONDAY, TUESDAY, captured, instrument, told

EURO = Decimal("1.10")


def rate_at(base: str, quote: str, _: datetime) -> Decimal | None:
    """A euro is 1.10 dollars."""
    if base == quote:
        return Decimal(1)
    return EURO if (base, quote) == ("EUR", "USD") else None


def blotter(*messages: Message, has_rate: bool = True) -> Blotter:
    """A dollar portfolio that exchanges, with 10,000 dollars; AAPL trades in euros here."""
    made = Blotter(rate_at=rate_at, auto_exchange=True) if has_rate else Blotter(auto_exchange=True)
    made.instruments[APPLE] = instrument(currency="EUR")
    made.tell(*messages)
    return made


def exchanges(made: Blotter) -> list[CashExchanged]:
    """All exchanges, in order."""
    every: list[TradeEvent | PortfolioEvent] = [event for each in made.commands for event in each]
    return [event for event in every if isinstance(event, CashExchanged)]


def held(made: Blotter) -> tuple[object, object]:
    """Dollars and euros."""
    portfolio = made.portfolios[FUND]
    return portfolio.balance("USD"), portfolio.balance("EUR")


class TestExchangingBeside:
    """A purchase exchanges exactly the cash it needs, a sale exactly its proceeds."""

    def test_buys_what_a_purchase_needs(self) -> None:
        """100 at 10 euros and a fee of 5: 1,005 euros for 1,105.50 dollars, settling with it."""
        made = blotter(told(currency="EUR", fee=Decimal(5)))

        (exchange,) = exchanges(made)

        assert exchange.sold == Money(Decimal("1105.5"), "USD")
        assert exchange.bought == Money(Decimal(1_005), "EUR")
        assert exchange.trade_date == MONDAY
        assert exchange.is_pending
        assert held(made) == (Decimal("8894.5"), 0)
        assert sum(made.portfolios[FUND].pending["EUR"].values()) == 0

    def test_sells_the_proceeds_of_a_sale(self) -> None:
        """Bought at 10 and sold at 12 euros: 200 euros of profit come as 220 dollars."""
        made = blotter(
            told(currency="EUR"),
            told("t-2", currency="EUR", side=Side.SELL, price=Decimal(12)),
        )

        assert exchanges(made)[1].rate == EURO
        assert held(made) == (Decimal(10_220), 0)

    def test_leaves_trades_in_the_base_currency_alone(self) -> None:
        """And portfolios that do not exchange."""
        plain = Blotter(rate_at=rate_at)
        plain.instruments[APPLE] = instrument(currency="EUR")
        plain.tell(told(currency="EUR"))

        assert exchanges(plain) == []
        assert held(plain) == (10_000, -1_000)

    def test_is_undone_with_its_trade(self) -> None:
        """By the exact opposite; an amend exchanges anew what it needs."""
        made = blotter(told(currency="EUR"), Amend(1, told(currency="EUR", quantity=Decimal(50))))
        assert held(made) == (Decimal(9_450), 0)
        assert [each.is_undoing for each in exchanges(made)] == [False, True, False]

        made.tell(Bust("t-1"))
        assert held(made) == (10_000, 0)

    def test_needs_a_rate(self) -> None:
        """Told, it books unexchanged with the breach; asked, it is refused."""
        made = blotter(has_rate=False)
        (event,) = made.tell(told(currency="EUR"))

        assert isinstance(event, TradeCaptured)
        assert [breach.rule for breach in event.breaches] == ["insufficient_cash", "rate_unknown"]
        assert exchanges(made) == []
        with pytest.raises(Rejection) as refused:
            made.tell(captured("t-2", currency="EUR", quantity=Decimal(1), price=Decimal(1)))
        assert "rate_unknown" in [breach.rule for breach in refused.value.breaches]

    def test_needs_base_cash_to_be_asked_for(self) -> None:
        """9,090 euros are 9,999 dollars; 9,100 euros are more than there is."""
        blotter().tell(captured(currency="EUR", quantity=Decimal(909)))

        with pytest.raises(Rejection) as refused:
            blotter().tell(captured(currency="EUR", quantity=Decimal(910)))
        assert refused.value.breaches[0].message == "10010 USD needed, 10000 held."


contents = st.fixed_dictionaries(
    {
        "side": st.sampled_from(Side),
        "quantity": st.integers(1, 9).map(Decimal),
        "price": st.integers(1, 9).map(Decimal),
        "fee": st.sampled_from([Decimal(0), Decimal("0.37")]),
        "trade_date": st.sampled_from([MONDAY, TUESDAY, TUESDAY + timedelta(days=1)]),
    }
)


@st.composite
def foreign_stories(draw: st.DrawFn) -> list[Message]:
    """Captures, amends and busts of foreign trades, in any order."""
    messages: list[Message] = []
    for number in range(draw(st.integers(1, 4))):
        name = f"t-{number}"
        messages.append(told(name, currency="EUR", **draw(contents)))
        messages += [
            Amend(revision, told(name, currency="EUR", **draw(contents)))
            for revision in range(1, 1 + draw(st.integers(0, 2)))
        ]
        if draw(st.sampled_from([False, False, True])):
            messages.append(Bust(name))
    return draw(st.permutations(messages))


class TestLaws:
    """With the rates of their times known, what holds in the end decides."""

    @given(messages=foreign_stories(), data=st.data())
    @settings(max_examples=200, deadline=None)
    def test_any_order_gives_the_same_cash_and_no_foreign_cash(
        self, messages: list[Message], data: st.DataObject
    ) -> None:
        """Balances and what is pending by date, in both currencies."""
        one = blotter(*messages)
        other = blotter(*data.draw(st.permutations(messages)))

        assert held(one) == held(other)
        assert held(one)[1] == 0
        assert pending(one) == pending(other)


def pending(made: Blotter) -> dict[tuple[str, object], Decimal]:
    """What is to settle, by currency and value date, where it is anything."""
    return {
        (currency, day): amount
        for currency, dates in made.portfolios[FUND].pending.items()
        for day, amount in dates.items()
        if amount
    }
