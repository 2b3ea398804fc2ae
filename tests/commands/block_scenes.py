"""Words for tests of blocks: a block of 100 AAPL, and portfolios to allocate it to."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from commands.command import AllocateBlock, BustBlock, DepositCash, OpenPortfolio
from commands.desk import Desk
from domain.block import Allocation, Block, BlockFill
from domain.lots import CostBasis, Side
from domain.money import Money
from domain.trade import Intent
from tests.commands.scenes import APPLE, MONDAY, done, open_alpha

PORTFOLIOS = ("alpha", "beta", "gamma")


def open_three(desk: Desk, *, cash: int = 100_000) -> None:
    """Open alpha, beta and gamma with cash, and register AAPL."""
    open_alpha(desk, cash=cash)
    for name in PORTFOLIOS[1:]:
        done(
            desk,
            OpenPortfolio(portfolio=name, base_currency="USD", cost_basis=CostBasis.FIFO),
        )
        money = Money(Decimal(cash), "USD")
        done(desk, DepositCash(portfolio=name, amount=money, value_date=MONDAY))


def block(external_id: str = "BLOCK-1", **changes: Any) -> AllocateBlock:
    """A purchase of 60 and 40 AAPL at 10 and 10.50 for a fee of 1 each, split 1 : 1 : 1."""
    wanted = Block(
        source="desk-1",
        external_id=external_id,
        intent=Intent.EXECUTED,
        instrument=APPLE,
        side=Side.BUY,
        currency="USD",
        fills=(
            BlockFill(quantity=Decimal(60), price=Decimal(10), fee=Decimal(1)),
            BlockFill(quantity=Decimal(40), price=Decimal("10.50"), fee=Decimal(1)),
        ),
        allocations=weighted(**dict.fromkeys(PORTFOLIOS, 1)),
        trade_date=MONDAY,
        lot_size=Decimal(1),
    )
    return AllocateBlock(replace(wanted, **changes))


def weighted(**weights: int) -> tuple[Allocation, ...]:
    """Allocations by weight, in the order named."""
    return tuple(
        Allocation(portfolio=name, weight=Decimal(weight)) for name, weight in weights.items()
    )


def bust_block(external_id: str = "BLOCK-1", **changes: Any) -> BustBlock:
    """A bust of a block."""
    wanted = BustBlock(source="desk-1", external_id=external_id, reason="cancelled_by_venue")
    return replace(wanted, **changes)
