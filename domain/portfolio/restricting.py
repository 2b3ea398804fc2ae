"""Freezing a portfolio and lifting that, and its end."""

from datetime import date

from domain.portfolio.cash import require_portfolio
from domain.portfolio.life import PortfolioClosed, PortfolioFrozen, PortfolioUnfrozen
from domain.portfolio.standing import Said, listed, refuse, unless_it_stands
from domain.portfolio.state import Portfolio
from domain.rejection import Breach, Rejection

NAMED_MAX = 5
"""How many open positions or currencies a refusal names."""


def freeze(portfolio: Portfolio | None, *, name: str, reason: str) -> PortfolioFrozen | Said:
    """Decide a freeze; where it is frozen for that reason already, give where that was said.

    Raises:
        Rejection: `portfolio_unknown`, or `portfolio_frozen` for another reason.
    """
    frozen = require_portfolio(portfolio, name).standing.frozen
    wanted = unless_it_stands(PortfolioFrozen(portfolio=name, reason=reason), frozen)
    if frozen is not None and not isinstance(wanted, Said):
        raise Rejection("portfolio_frozen", "It is frozen for another reason; unfreeze it first.")
    return wanted


def unfreeze(portfolio: Portfolio | None, *, name: str, reason: str) -> PortfolioUnfrozen:
    """Decide that a freeze is lifted.

    Raises:
        Rejection: `portfolio_unknown` or `portfolio_not_frozen`.
    """
    if require_portfolio(portfolio, name).standing.frozen is None:
        raise Rejection("portfolio_not_frozen", f"Portfolio {name} is not frozen.")
    return PortfolioUnfrozen(portfolio=name, reason=reason)


def close_portfolio(
    portfolio: Portfolio | None, *, name: str, on_date: date
) -> PortfolioClosed | Said:
    """Decide the end of an empty portfolio; where it ended so already, give where that was said.

    Raises:
        Rejection: `portfolio_unknown`, `portfolio_closed` on another date, or `positions_open`,
            `cash_held` and `cash_pending` while it is not empty.
    """
    held = require_portfolio(portfolio, name)
    closed = held.standing.closed
    wanted = unless_it_stands(PortfolioClosed(portfolio=name, on_date=on_date), closed)
    if closed is not None and not isinstance(wanted, Said):
        raise Rejection("portfolio_closed", f"Portfolio {name} was closed on another date.")
    if closed is None:
        positions, cash = _positions_open(held), _cash_held(held)
        refuse(listed(positions, cash, _cash_pending(held), _dividends_due(held)))
    return wanted


def _positions_open(held: Portfolio) -> Breach | None:
    found = sorted(name for name, book in held.books.items() if book.quantity)
    if not found:
        return None
    message = f"Positions are open: {_named(found)}; close them first."
    return Breach("positions_open", message, limit="0", actual=str(len(found)))


def _cash_held(held: Portfolio) -> Breach | None:
    found = sorted(currency for currency, balance in held.cash.items() if balance)
    if not found:
        return None
    amounts = [f"{held.cash[currency]:f} {currency}" for currency in found]
    message = f"Cash is held: {_named(amounts)}; bring every balance to zero first."
    return Breach("cash_held", message, limit="0", actual=str(len(found)))


def _cash_pending(held: Portfolio) -> Breach | None:
    found = sorted(
        f"{amount:f} {currency} on {value_date.isoformat()}"
        for unsettled in (held.pending, held.awaited, held.failing)
        for currency, pending in unsettled.items()
        for value_date, amount in pending.items()
        if amount
    )
    if not found:
        return None
    message = f"Cash has yet to settle: {_named(found)}; wait until it has."
    return Breach("cash_pending", message, limit="0", actual=str(len(found)))


def _dividends_due(held: Portfolio) -> Breach | None:
    found = sorted(f"{action} of {instrument}" for instrument, action, _ in held.dues)
    if not found:
        return None
    message = f"Dividends are due: {_named(found)}; wait until they are paid."
    return Breach("dividends_due", message, limit="0", actual=str(len(found)))


def _named(found: list[str]) -> str:
    more = len(found) - NAMED_MAX
    return ", ".join(found[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
