"""What a story tells of portfolios besides trades and flows; each function is one command."""

from datetime import date, datetime
from decimal import Decimal

from domain import identity
from domain.money import Money
from domain.portfolio.events import PortfolioEvent
from domain.portfolio.life import CashExchanged, FeeCharged, FeeKind, InterestBooked
from tests.projections.story import ACME, DAY_ONE, Story


def tell(story: Story, event: PortfolioEvent, *, tenant: str = ACME) -> None:
    """Tell one event of a portfolio."""
    story.tell((tenant, identity.portfolio_stream(tenant, event.portfolio), event))


def charge(
    story: Story,
    portfolio: str,
    amount: str,
    *,
    tenant: str = ACME,
    kind: FeeKind = FeeKind.MANAGEMENT,
    day: date = DAY_ONE,
    at: datetime | None = None,
) -> None:
    """Charge a fee in dollars."""
    cash = story.accounts[tenant, portfolio].cash
    cash["USD"] -= Decimal(amount)
    event = FeeCharged(
        portfolio=portfolio,
        kind=kind,
        amount=Money(Decimal(amount), "USD"),
        balance=cash["USD"],
        value_date=day,
        at=at,
    )
    tell(story, event, tenant=tenant)


def book_interest(
    story: Story, portfolio: str, amount: str, *, tenant: str = ACME, day: date = DAY_ONE
) -> None:
    """Book interest in dollars, paid if below zero."""
    cash = story.accounts[tenant, portfolio].cash
    cash["USD"] += Decimal(amount)
    event = InterestBooked(
        portfolio=portfolio,
        amount=Money(Decimal(amount), "USD"),
        balance=cash["USD"],
        value_date=day,
    )
    tell(story, event, tenant=tenant)


def exchange(
    story: Story,
    portfolio: str,
    sold: str,
    bought: str,
    *,
    fee: Money | None = None,
    tenant: str = ACME,
    day: date = DAY_ONE,
) -> None:
    """Sell dollars for euros."""
    cash = story.accounts[tenant, portfolio].cash
    cash["USD"] -= Decimal(sold)
    cash["EUR"] += Decimal(bought)
    if fee is not None:
        cash[fee.currency] -= fee.amount
    event = CashExchanged(
        portfolio=portfolio,
        sold=Money(Decimal(sold), "USD"),
        bought=Money(Decimal(bought), "EUR"),
        rate=Decimal(bought) / Decimal(sold),
        balance_sold=cash["USD"],
        balance_bought=cash["EUR"],
        value_date=day,
        fee=fee,
    )
    tell(story, event, tenant=tenant)
