"""Exchanging cash of one currency for another, asked or told (conventions 1 and 8)."""

from datetime import date, datetime
from decimal import Decimal

from msgspec.structs import replace

from domain.lots import Fill
from domain.money import ZERO, Money, canonical, product, ratio, within
from domain.portfolio.booking import cash_change
from domain.portfolio.cash import (
    flow_date,
    is_to_come,
    require_amount,
    require_open,
    require_portfolio,
)
from domain.portfolio.events import TradeBooked, TradeUnbooked
from domain.portfolio.life import CashExchanged
from domain.portfolio.settling import insufficient_cash
from domain.portfolio.standing import listed, refuse
from domain.portfolio.state import Portfolio
from domain.rejection import Breach, Rejection
from domain.trade import Exchanged, Intent

AMOUNT_ROUNDING = Decimal("0.01")


def exchange_cash(
    portfolio: Portfolio | None,
    *,
    name: str,
    intent: Intent,
    sold: Money,
    bought: Money,
    rate: Decimal | None,
    fee: Money | None,
    value_date: date | None,
    at: datetime | None,
    received_at: datetime | None = None,
) -> tuple[CashExchanged, tuple[Breach, ...]]:
    """Decide an exchange, with what an executed one breaches; without a rate, its amounts say it.

    Raises:
        Rejection: `portfolio_unknown`, `currency_unknown`, `currencies_equal`,
            `fee_currency_mismatch`, `amount_not_positive`, `fee_negative`, `date_missing` or
            `out_of_range`: it cannot be understood. Proposed: any breach.
    """
    opened, held = require_open(portfolio, name), require_portfolio(portfolio, name)
    _require_understood(sold, bought, fee)
    changes = _changes(sold, bought, fee)
    after = {
        currency: within("balance", held.balance(currency) + change)
        for currency, change in changes.items()
    }
    dated = flow_date(opened, value_date, at)
    event = CashExchanged(
        portfolio=name,
        sold=sold,
        bought=bought,
        rate=rate or within("rate", ratio(bought.amount, sold.amount)),
        balance_sold=after[sold.currency],
        balance_bought=after[bought.currency],
        value_date=dated,
        at=at,
        fee=fee,
        is_pending=is_to_come(opened, dated, received_at),
    )
    standing, needs_cash = held.standing, not opened.allows_leverage
    breaches = listed(
        *(
            insufficient_cash(held, Money(-change, currency), on=event.value_date)
            for currency, change in changes.items()
            if needs_cash and change < 0
        ),
        None if rate is None or intent is Intent.EXECUTED else _rate_mismatch(event),
        standing.frozen_breach(),
        standing.closed_breach(),
        standing.period_breach(event.value_date),
    )
    if intent is Intent.PROPOSED:
        refuse(breaches)
    return event, breaches


def exchange_beside(
    fill: Fill, *, currency: str, base: str, rate_to_base: Decimal, is_pending: bool
) -> Exchanged | None:
    """Give the exchange of exactly the cash of a trade; None where it comes to nothing.

    `rate_to_base` is units of `base` for one of `currency`; the amount in `base` is rounded
    half-even to 12 decimals.
    """
    change = cash_change(fill)
    foreign = Money(abs(change), currency)
    own = Money(within("exchanged cash", product(abs(change), rate_to_base)), base)
    if not own.amount:
        return None
    sold, bought = (foreign, own) if change > 0 else (own, foreign)
    rate = rate_to_base if change > 0 else ratio(bought.amount, sold.amount)
    return Exchanged(
        sold=sold,
        bought=bought,
        rate=within("rate", rate),
        value_date=fill.value_date or fill.trade_date,
        trade_date=fill.trade_date,
        is_pending=is_pending,
    )


def exchanged_event(
    portfolio: Portfolio, exchanged: Exchanged, booked: TradeBooked | TradeUnbooked
) -> CashExchanged:
    """Book an exchange beside a trade, or the opposite of one beside a trade taken out."""
    cash = {**portfolio.cash, booked.currency: booked.cash_after}
    sold, bought = exchanged.sold, exchanged.bought
    return CashExchanged(
        portfolio=booked.portfolio,
        sold=sold,
        bought=bought,
        rate=exchanged.rate,
        balance_sold=within("balance", cash.get(sold.currency, ZERO) - sold.amount),
        balance_bought=within("balance", cash.get(bought.currency, ZERO) + bought.amount),
        value_date=exchanged.value_date,
        is_pending=exchanged.is_pending,
        trade_id=booked.fill.trade_id,
        is_undoing=isinstance(booked, TradeUnbooked),
        trade_date=exchanged.trade_date,
    )


def opposite(exchanged: Exchanged) -> Exchanged:
    """Give the exact opposite of an exchange, which undoes it."""
    sold, bought = exchanged.bought, exchanged.sold
    rate = within("rate", ratio(bought.amount, sold.amount))
    return replace(exchanged, sold=sold, bought=bought, rate=rate)


def _require_understood(sold: Money, bought: Money, fee: Money | None) -> None:
    require_amount(sold)
    require_amount(bought)
    if sold.currency == bought.currency:
        raise Rejection("currencies_equal", f"Sold and bought are both {sold.currency}.")
    if fee is None:
        return
    if fee.currency not in {sold.currency, bought.currency}:
        message = f"The fee is in neither {sold.currency} nor {bought.currency}; charge it apart."
        raise Rejection("fee_currency_mismatch", message)
    if fee.amount < 0:
        raise Rejection("fee_negative", "The fee must not be below zero.")


def _changes(sold: Money, bought: Money, fee: Money | None) -> dict[str, Decimal]:
    changes = {sold.currency: -sold.amount, bought.currency: bought.amount}
    if fee is not None:
        changes[fee.currency] -= fee.amount
    return changes


def _rate_mismatch(event: CashExchanged) -> Breach | None:
    """An asked exchange buys what its rate says, to the cent; told amounts are their source's."""
    sold, bought = event.sold, event.bought
    exact = canonical(sold.amount * event.rate)
    if abs(exact - bought.amount) <= AMOUNT_ROUNDING:
        return None
    return Breach(
        "rate_mismatch",
        f"{sold.amount:f} {sold.currency} at {event.rate:f} buy {exact:f}, not {bought.amount:f}.",
        limit=f"{exact:f}",
        actual=f"{bought.amount:f}",
    )
