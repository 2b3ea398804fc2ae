"""Golden samples of the events of blocks; see `golden_samples`."""

from decimal import Decimal
from uuid import UUID

from domain.block import (
    Allocation,
    Allotment,
    Block,
    BlockAllocated,
    BlockBusted,
    BlockFill,
    BlockRefused,
    Remainder,
)
from domain.event import Event
from domain.lots import Side
from domain.trade import Intent
from tests.schemas.trade_samples import DAY, PLAIN_BREACH, RECEIVED, TRADE, TRADED_AT

BLOCK = UUID("20212223-2425-5627-a829-2a2b2c2d2e2f")
FULL_BLOCK = Block(
    source="desk-1",
    external_id="BLOCK-1",
    intent=Intent.EXECUTED,
    instrument="AAPL",
    side=Side.SELL,
    currency="USD",
    fills=(
        BlockFill(
            quantity=Decimal("100.5"),
            price=Decimal("170.25"),
            fee=Decimal("1.5"),
            consideration=Decimal("17110.13"),
            external_id="fill/1#a",
        ),
        BlockFill(quantity=Decimal(10), price=Decimal(170)),
    ),
    allocations=(
        Allocation(portfolio="growth", weight=Decimal(2)),
        Allocation(portfolio="income", weight=Decimal("0.01")),
    ),
    trade_date=DAY,
    executed_at=TRADED_AT,
    source_sequence=7,
    remainder=Remainder.FIRST,
    lot_size=Decimal("0.5"),
)
LEAST_BLOCK = Block(
    source="desk-1",
    external_id="BLOCK-2",
    intent=Intent.PROPOSED,
    instrument="AAPL",
    side=Side.BUY,
    currency="USD",
    fills=(BlockFill(quantity=Decimal(100), price=Decimal(10)),),
    allocations=(Allocation(portfolio="growth", quantity=Decimal(100)),),
    trade_date=DAY,
)

BLOCK_SAMPLES: dict[str, tuple[Event, ...]] = {
    "block.allocated.v1": (
        BlockAllocated(
            block_id=BLOCK,
            block=FULL_BLOCK,
            allotments=(
                Allotment(portfolio="growth", quantity=Decimal("110.5"), trade_id=TRADE),
                Allotment(portfolio="income", quantity=Decimal(0)),
            ),
            received_at=RECEIVED,
        ),
        BlockAllocated(
            block_id=BLOCK,
            block=LEAST_BLOCK,
            allotments=(Allotment(portfolio="growth", quantity=Decimal(100), trade_id=TRADE),),
        ),
    ),
    "block.refused.v1": (
        BlockRefused(
            block_id=BLOCK,
            block=FULL_BLOCK,
            market_position=12,
            breaches=(PLAIN_BREACH,),
            received_at=RECEIVED,
        ),
        BlockRefused(block_id=BLOCK, block=LEAST_BLOCK, market_position=0),
    ),
    "block.busted.v1": (
        BlockBusted(
            block_id=BLOCK,
            source="desk-1",
            external_id="BLOCK-1",
            reason="cancelled_by_venue",
            trade_ids=(TRADE,),
            received_at=RECEIVED,
        ),
        BlockBusted(
            block_id=BLOCK,
            source="desk-1",
            external_id="BLOCK-1",
            reason="cancelled_by_venue",
        ),
    ),
}
