"""The demo's cast: two tenants, their trading desks, and portfolios of several kinds.

A desk is one trading system: a tenant's token with a source of its own. Each tenant has one that
sends trades singly and one that sends them in batches.
"""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from client.command import CostBasis
from client.portfolios import Portfolio
from client.trades import Trade
from simulation.bots import Style
from simulation.demo_market import CALENDAR, INSTRUMENTS, Prices

TENANTS = ("aurora", "borealis")
PORTFOLIOS_MIN = 4
OPENING_SOURCE = "custody"
SINGLE_SHARE = 0.3
"""Of all trades, those sent one by one; the others come in batches."""

LEVERED_EVERY = 5

_OPENING_PARTS = 40
_KINDS = ("growth", "income", "balanced", "momentum", "value", "global")


class DemoDesk(NamedTuple):
    """One trading system of one tenant."""

    tenant: str
    source: str
    in_batches: bool


class DemoPortfolio(NamedTuple):
    """A portfolio to be opened, by whom it is traded, and the cash it begins with."""

    name: str
    desk: DemoDesk
    cost_basis: CostBasis
    is_levered: bool
    cash: dict[str, Decimal]
    style: Style

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self.desk.tenant

    def opening(self) -> Portfolio:
        """Give the command that opens it."""
        return Portfolio(
            portfolio=self.name,
            base_currency="USD",
            cost_basis=self.cost_basis,
            calendar=CALENDAR,
            allows_leverage=self.is_levered,
            allows_short=self.is_levered,
        )

    def first_fills(self, prices: Prices, *, trade_date: date) -> list[Trade]:
        """Give the executed trades it begins with: a part of its cash in every instrument."""
        fills: list[Trade] = []
        for number, instrument in enumerate(INSTRUMENTS):
            cash = self.cash.get(instrument.currency, Decimal(0))
            price = prices[instrument.name]
            quantity = (cash / _OPENING_PARTS / price).quantize(Decimal(1))
            if quantity > 0:
                fills.append(
                    Trade(
                        portfolio=self.name,
                        external_id=f"opening-{self.name}-{instrument.name}",
                        intent="executed",
                        instrument=instrument.name,
                        side="buy",
                        quantity=quantity,
                        price=price,
                        currency=instrument.currency,
                        trade_date=trade_date,
                        source_sequence=number,
                    )
                )
        return fills


def desks() -> list[DemoDesk]:
    """List the trading systems."""
    return [
        DemoDesk(tenant, f"{tenant}-{kind}", kind == "baskets")
        for kind in ("orders", "baskets")
        for tenant in TENANTS
    ]


def demo_portfolios(count: int, *, trades_per_second: float) -> list[DemoPortfolio]:
    """Share out portfolios and trades among the desks; some of the portfolios are levered."""
    assert count >= PORTFOLIOS_MIN, "each desk trades at least one portfolio"
    every_desk = desks()
    made: list[DemoPortfolio] = []
    for number in range(count):
        desk = every_desk[number % len(every_desk)]
        is_levered = number % LEVERED_EVERY == PORTFOLIOS_MIN - 1
        kind = "long-short" if is_levered else _KINDS[number % len(_KINDS)]
        cash = {"USD": Decimal(1_000_000 + 250_000 * (number % 4))}
        if number % 3 == 0:
            cash["EUR"] = Decimal(400_000)
        share = SINGLE_SHARE if not desk.in_batches else 1.0 - SINGLE_SHARE
        on_same_side = sum(
            1
            for each in range(count)
            if every_desk[each % len(every_desk)].in_batches == desk.in_batches
        )
        trades = max(1, round(trades_per_second * share / on_same_side))
        made.append(
            DemoPortfolio(
                name=f"{kind}-{number + 1}",
                desk=desk,
                cost_basis="AVERAGE" if number % 2 else "FIFO",
                is_levered=is_levered,
                cash=cash,
                style=Style(trades, desk.in_batches, is_levered),
            )
        )
    return made
