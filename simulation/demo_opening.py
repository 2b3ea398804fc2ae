"""Opening the demo through the public API: instruments, portfolios, cash, past sessions.

Every command has a name of its own that does not change, so a demo on a directory that has seen one
before finds things as it left them: what was told before is not told again.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Protocol

from client import Client, Conflict, ItemAnswer, Rejected
from client.command import Command
from client.portfolios import Deposit
from simulation.demo_market import (
    INSTRUMENTS,
    DemoMarket,
    DemoSession,
    Prices,
    rate_marks,
    sessions_before,
)
from simulation.demo_portfolios import DemoDesk, DemoPortfolio

PAST_SESSIONS = 12


class Connections(Protocol):
    """Who speaks to the API, each with a token of its own; a new connection at each call."""

    def market(self) -> Client:
        """The exchange: writes instruments, marks and closes."""
        ...

    def operator(self, tenant: str) -> Client:
        """Opens a tenant's portfolios and moves their cash."""
        ...

    def custodian(self, tenant: str) -> Client:
        """Tells a tenant's executed fills."""
        ...

    def desk(self, desk: DemoDesk) -> Client:
        """A trading system that proposes trades."""
        ...

    def reader(self, tenant: str) -> Client:
        """Asks about a tenant's portfolios."""
        ...


def open_demo(
    connections: Connections, portfolios: Sequence[DemoPortfolio], *, seed: int, today: date
) -> int:
    """Register, open, deposit, fill and close the past sessions; give the last log position.

    Raises:
        CallFailed: something was refused that had to be accepted, or not answered.
    """
    exchange = connections.market()
    position = _register_instruments(exchange)
    market = DemoMarket(seed)
    sessions = sessions_before(today, PAST_SESSIONS)
    first_day = sessions[0].day
    first_prices = market.prices
    for portfolio in portfolios:
        position = max(position, _open(connections, portfolio, first_prices, first_day))
    for session, prices in zip(sessions, market.sessions(len(sessions)), strict=True):
        position = max(position, _close(exchange, session, prices))
    return position


def market_today(seed: int) -> DemoMarket:
    """Give the market as it stands after the past sessions; every walker of a seed is alike."""
    market = DemoMarket(seed)
    for _ in market.sessions(PAST_SESSIONS):
        pass
    return market


def _register_instruments(exchange: Client) -> int:
    registrations = [each.registration() for each in INSTRUMENTS]
    answers = exchange.send_all(registrations, key="demo-instruments")
    return max(answer.require().position for answer in answers)


def _open(connections: Connections, portfolio: DemoPortfolio, prices: Prices, day: date) -> int:
    operator = connections.operator(portfolio.tenant)
    name = portfolio.name
    position = _tell(operator, portfolio.opening(), key=f"demo-open-{name}")
    for currency, amount in portfolio.cash.items():
        deposit = Deposit(
            portfolio=name,
            amount=amount,
            currency=currency,
            value_date=day - timedelta(days=1),
        )
        position = max(position, _tell(operator, deposit, key=f"demo-cash-{name}-{currency}"))
    fills = portfolio.first_fills(prices, trade_date=day)
    custodian = connections.custodian(portfolio.tenant)
    for answer in custodian.stream(fills, key=f"demo-fills-{name}"):
        position = max(position, _position(answer))
    return position


def _close(exchange: Client, session: DemoSession, prices: Prices) -> int:
    """Close a past session, unless an earlier demo has closed it or a later one."""
    day = session.day.isoformat()
    rate = rate_marks(prices, session.ends_at)
    position = _tell(exchange, rate, key=f"demo-rate-{day}")
    answer = exchange.send(session.closing(prices), key=f"demo-close-{day}")
    if isinstance(answer, Rejected) and answer.code == "session_out_of_order":
        return position
    return max(position, _position(answer))


def _tell(client: Client, command: Command, *, key: str) -> int:
    """Send a command that an earlier demo may have sent with other dates."""
    return _position(client.send(command, key=key))


def _position(answer: ItemAnswer) -> int:
    """Give where it is in the log; a conflict is with what an earlier demo told."""
    return (answer.position or 0) if isinstance(answer, Conflict) else answer.require().position
