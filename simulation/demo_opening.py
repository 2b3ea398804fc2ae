"""Opening the demo through the public API: instruments, portfolios, cash, past sessions.

Every command has a name of its own that does not change, so a demo on a directory that has seen one
before finds things as it left them: what was told before is not told again.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Protocol

import msgspec

from gateway.client import Caller, Refused, Reply
from simulation.demo_market import (
    INSTRUMENTS,
    DemoMarket,
    DemoSession,
    Prices,
    rate_body,
    sessions_before,
)
from simulation.demo_portfolios import DemoDesk, DemoPortfolio

PAST_SESSIONS = 12
_CONFLICT = 409


class Connections(Protocol):
    """Who speaks to the API, each with a token of its own; a new connection at each call."""

    def market(self) -> Caller:
        """The exchange: writes instruments, marks and closes."""
        ...

    def operator(self, tenant: str) -> Caller:
        """Opens a tenant's portfolios and moves their cash."""
        ...

    def custodian(self, tenant: str) -> Caller:
        """Tells a tenant's executed fills."""
        ...

    def desk(self, desk: DemoDesk) -> Caller:
        """A trading system that proposes trades."""
        ...

    def reader(self, tenant: str) -> Caller:
        """Asks about a tenant's portfolios."""
        ...


def open_demo(
    connections: Connections, portfolios: Sequence[DemoPortfolio], *, seed: int, today: date
) -> int:
    """Register, open, deposit, fill and close the past sessions; give the last log position.

    Raises:
        Refused: something was refused that had to be accepted.
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


def _register_instruments(exchange: Caller) -> int:
    items = [msgspec.json.encode(each.registration()) for each in INSTRUMENTS]
    results = exchange.batch("/v1/instruments:batch", items, key="demo-instruments")
    for result in results:
        if result["outcome"] not in {"accepted", "replayed"}:
            raise Refused(Reply(_CONFLICT, result))
    return max(int(result["position"]) for result in results)


def _open(connections: Connections, portfolio: DemoPortfolio, prices: Prices, day: date) -> int:
    operator = connections.operator(portfolio.tenant)
    name = portfolio.name
    position = _tell(operator, "/v1/portfolios", portfolio.opening(), key=f"demo-open-{name}")
    for currency, amount in portfolio.cash.items():
        body = {
            "amount": f"{amount:f}",
            "currency": currency,
            "value_date": (day - timedelta(days=1)).isoformat(),
        }
        path = f"/v1/portfolios/{name}/deposits"
        position = max(position, _tell(operator, path, body, key=f"demo-cash-{name}-{currency}"))
    fills = portfolio.first_fills(prices, trade_date=day.isoformat())
    items = [msgspec.json.encode(fill) for fill in fills]
    custodian = connections.custodian(portfolio.tenant)
    for result in custodian.batch("/v1/trades:batch", items, key=f"demo-fills-{name}"):
        if result["outcome"] not in {"accepted", "replayed", "conflict"}:
            raise Refused(Reply(_CONFLICT, result))
        position = max(position, int(result.get("position", 0)))
    return position


def _close(exchange: Caller, session: DemoSession, prices: Prices) -> int:
    """Close a past session, unless an earlier demo has closed it or a later one."""
    day = session.day.isoformat()
    rate = rate_body(prices, session.ends_at)
    position = _tell(exchange, "/v1/marks", rate, key=f"demo-rate-{day}")
    reply = exchange.command("/v1/sessions", session.closing(prices), key=f"demo-close-{day}")
    is_known = reply.status == _CONFLICT or reply.code == "session_out_of_order"
    if not reply.is_accepted and not is_known:
        raise Refused(reply)
    return max(position, _position(reply.document))


def _tell(caller: Caller, path: str, body: dict[str, Any], *, key: str) -> int:
    """Send a command that an earlier demo may have sent with other dates."""
    reply = caller.command(path, body, key=key)
    if not reply.is_accepted and reply.status != _CONFLICT:
        raise Refused(reply)
    return _position(reply.document)


def _position(document: dict[str, Any]) -> int:
    return int(document.get("position") or 0)
