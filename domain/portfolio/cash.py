"""Opening a portfolio, and external cash in and out."""

from datetime import date, datetime

from domain.calendars import base_market, local_date, require_calendar
from domain.currencies import require_currency
from domain.instrument import differing_fields
from domain.lots import CostBasis
from domain.money import Money, within
from domain.portfolio.events import (
    CashDeposited,
    CashWithdrawn,
    PortfolioOpened,
    SettlementPolicy,
)
from domain.portfolio.settling import insufficient_cash
from domain.portfolio.standing import listed, refuse
from domain.portfolio.state import Portfolio
from domain.rejection import Conflict, Rejection


def open_portfolio(
    current: Portfolio | None,
    *,
    portfolio: str,
    base_currency: str,
    cost_basis: CostBasis,
    calendar: str | None,
    allows_leverage: bool,
    allows_short: bool,
    settlement: SettlementPolicy = SettlementPolicy.CONTRACTUAL,
    auto_exchange: bool = False,
) -> PortfolioOpened | None:
    """Decide an opening; None when it is open with the same content already.

    Raises:
        Conflict: `portfolio_already_open` with other content.
        Rejection: `currency_unknown` or `calendar_unknown`.
    """
    wanted = PortfolioOpened(
        portfolio=portfolio,
        base_currency=require_currency(base_currency),
        cost_basis=cost_basis,
        calendar=require_calendar(calendar or base_market(base_currency)),
        allows_leverage=allows_leverage,
        allows_short=allows_short,
        settlement=settlement,
        auto_exchange=auto_exchange,
    )
    if current is None or current.opened is None:
        return wanted
    fields = differing_fields(current.opened, wanted)
    if fields:
        message = f"Portfolio {portfolio} is open with other {', '.join(fields)}."
        raise Conflict("portfolio_already_open", message, fields=fields)
    return None


def require_portfolio(portfolio: Portfolio | None, name: str) -> Portfolio:
    """Give a portfolio that is there.

    Raises:
        Rejection: `portfolio_unknown`.
    """
    if portfolio is None or portfolio.opened is None:
        raise Rejection("portfolio_unknown", f"There is no portfolio {name}; open it first.")
    return portfolio


def require_open(portfolio: Portfolio | None, name: str) -> PortfolioOpened:
    """Give how a portfolio was opened.

    Raises:
        Rejection: `portfolio_unknown`.
    """
    opened = require_portfolio(portfolio, name).opened
    assert opened is not None, "a portfolio that is there was opened"
    return opened


def deposit(
    portfolio: Portfolio | None,
    *,
    name: str,
    amount: Money,
    value_date: date | None,
    at: datetime | None,
    received_at: datetime | None = None,
) -> CashDeposited:
    """Decide a deposit of a positive amount.

    Raises:
        Rejection: `portfolio_unknown`, `currency_unknown`, `amount_not_positive`, `date_missing`,
            `portfolio_closed` or `period_closed`.
    """
    opened, held = require_open(portfolio, name), require_portfolio(portfolio, name)
    require_amount(amount)
    dated = flow_date(opened, value_date, at)
    refuse(listed(held.standing.closed_breach(), held.standing.period_breach(dated)))
    return CashDeposited(
        portfolio=name,
        amount=amount,
        balance=within("balance", held.balance(amount.currency) + amount.amount),
        value_date=dated,
        at=at,
        is_pending=is_to_come(opened, dated, received_at),
    )


def withdraw(
    portfolio: Portfolio | None,
    *,
    name: str,
    amount: Money,
    value_date: date | None,
    at: datetime | None,
    received_at: datetime | None = None,
) -> CashWithdrawn:
    """Decide a withdrawal of a positive amount.

    Raises:
        Rejection: as for a deposit, `insufficient_cash` when it exceeds the lowest balance
            projected from its value date on, and `portfolio_frozen`.
    """
    opened, held = require_open(portfolio, name), require_portfolio(portfolio, name)
    require_amount(amount)
    dated = flow_date(opened, value_date, at)
    standing = held.standing
    refuse(
        listed(
            insufficient_cash(held, amount, on=dated),
            standing.frozen_breach(),
            standing.closed_breach(),
            standing.period_breach(dated),
        )
    )
    return CashWithdrawn(
        portfolio=name,
        amount=amount,
        balance=held.balance(amount.currency) - amount.amount,
        value_date=dated,
        at=at,
        is_pending=is_to_come(opened, dated, received_at),
    )


def require_amount(amount: Money) -> None:
    """Let pass a positive amount of a known currency.

    Raises:
        Rejection: `currency_unknown` or `amount_not_positive`.
    """
    require_currency(amount.currency)
    if amount.amount <= 0:
        raise Rejection("amount_not_positive", "The amount must be greater than zero.")


def flow_date(opened: PortfolioOpened, value_date: date | None, at: datetime | None) -> date:
    """Give the value date, else the date of the instant where the portfolio is valued.

    Raises:
        Rejection: `date_missing`.
    """
    if value_date is not None:
        return value_date
    if at is None:
        raise Rejection("date_missing", "Give `value_date`, or `at` with a time of day.")
    return local_date(opened.calendar, at)


def is_to_come(opened: PortfolioOpened, value_date: date, received_at: datetime | None) -> bool:
    """Say whether a value date was still to come, where the portfolio is valued, when told so."""
    return received_at is not None and value_date > local_date(opened.calendar, received_at)
