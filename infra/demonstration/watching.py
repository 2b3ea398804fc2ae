"""What the live view shows of portfolios, asked from the query API like any dashboard would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from client import CallFailed, Client
from client.queries import Cash, Position, Positions, Summary
from simulation.demo_opening import Connections
from simulation.demo_portfolios import DemoPortfolio

ZERO = Decimal(0)


class PositionSeen(NamedTuple):
    """An open position; amounts in its currency, None where there is no price."""

    portfolio: str
    instrument: str
    currency: str
    quantity: Decimal
    price: Decimal | None
    value: Decimal | None
    unrealised: Decimal | None


class PortfolioSeen(NamedTuple):
    """A portfolio; amounts of positions in the base currency only, returns as fractions."""

    tenant: str
    portfolio: str
    cost_basis: str
    positions: int
    realised: Decimal
    unrealised: Decimal
    cash: Decimal
    nav_struck: Decimal | None
    cumulative_return: Decimal | None


class Seen(NamedTuple):
    """Everything seen at one time."""

    portfolios: list[PortfolioSeen]
    positions: list[PositionSeen]


class Watcher:
    """Asks for the demo's portfolios with a viewer's tokens; keeps what it saw last."""

    def __init__(self, connections: Connections, portfolios: Sequence[DemoPortfolio]) -> None:
        self._portfolios = portfolios
        tenants = dict.fromkeys(each.tenant for each in portfolios)
        self._readers = {tenant: connections.reader(tenant) for tenant in tenants}
        self._seen = Seen([], [])

    def look(self) -> Seen:
        """Ask again; while nobody answers, what was seen before is what there is."""
        try:
            portfolios: list[PortfolioSeen] = []
            positions: list[PositionSeen] = []
            for each in self._portfolios:
                held = list(self._positions(each))
                portfolios.append(self._portfolio(each, held))
                positions += (_position(item) for item in held)
        except CallFailed:
            return self._seen
        open_positions = [each for each in positions if each.quantity]
        self._seen = Seen(portfolios, open_positions)
        return self._seen

    def _positions(self, portfolio: DemoPortfolio) -> Iterator[Position]:
        asked = Positions(portfolio=portfolio.name, include_closed=True)
        return self._reader(portfolio).pages(asked)

    def _portfolio(self, portfolio: DemoPortfolio, held: list[Position]) -> PortfolioSeen:
        reader = self._reader(portfolio)
        balances = reader.pages(Cash(portfolio=portfolio.name))
        cash = {each.currency: each.balance for each in balances}
        summary = reader.ask(Summary(portfolio=portfolio.name))
        own = [each for each in held if each.currency == "USD"]
        return PortfolioSeen(
            tenant=portfolio.tenant,
            portfolio=portfolio.name,
            cost_basis=portfolio.cost_basis + (" levered" if portfolio.is_levered else ""),
            positions=sum(1 for each in held if each.quantity),
            realised=sum((each.realised_net for each in own), ZERO),
            unrealised=sum((each.unrealised_gross or ZERO for each in own), ZERO),
            cash=cash.get("USD", ZERO),
            nav_struck=summary.nav_end,
            cumulative_return=summary.cumulative_return,
        )

    def _reader(self, portfolio: DemoPortfolio) -> Client:
        return self._readers[portfolio.tenant]


def _position(held: Position) -> PositionSeen:
    return PositionSeen(
        portfolio=held.portfolio,
        instrument=held.instrument,
        currency=held.currency,
        quantity=held.quantity,
        price=held.price,
        value=held.market_value,
        unrealised=held.unrealised_gross,
    )
