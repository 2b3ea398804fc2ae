"""Checks of blocks: what was filled is allotted, no more and no less, each allotment as a trade."""

from decimal import ROUND_HALF_EVEN, Decimal
from uuid import UUID

import msgspec

from domain.block import BlockAllocated, BlockFill
from domain.trade import Capture, TradeCaptured, TradeParked
from projections.findings import Check
from projections.read_model import Decoded

_SMALLEST = Decimal("1e-12")


class Awaited(msgspec.Struct):
    """A block whose trades are still to come: what is left of its sums."""

    name: str
    quantity: Decimal
    amount: Decimal
    fee: Decimal
    trades: dict[UUID, tuple[str, Decimal]]


class BlockTrades:
    """Follows each block from its allocation to the last trade of it."""

    def __init__(self) -> None:
        self.check = Check("every block is allotted as it was filled, each allotment captured once")
        self._awaited: dict[UUID, Awaited] = {}

    def take(self, decoded: Decoded) -> None:
        """Fold one event."""
        position, tenant, _, event, _ = decoded
        if isinstance(event, BlockAllocated):
            self.check.counted += 1
            self._await(f"position {position}, {tenant} / {event.block.external_id}", event)
        elif isinstance(event, TradeCaptured | TradeParked) and event.capture.block is not None:
            awaited = self._awaited.pop(event.trade_id, None)
            if awaited is not None:
                self._meet(awaited, event.trade_id, event.capture)
            elif isinstance(event, TradeCaptured):  # An amended one may park again.
                self.check.fail(f"position {position}: trade {event.trade_id} was not allotted")

    def finish(self) -> Check:
        """Give the check, with what is still open at the end."""
        for trade_id, awaited in self._awaited.items():
            self.check.fail(f"{awaited.name}: trade {trade_id} is not captured")
        return self.check

    def _await(self, name: str, event: BlockAllocated) -> None:
        fills = event.block.fills
        awaited = Awaited(
            name,
            sum((fill.quantity for fill in fills), Decimal(0)),
            sum(map(_amount, fills), Decimal(0)),
            sum((fill.fee for fill in fills), Decimal(0)),
            {
                each.trade_id: (each.portfolio, each.quantity)
                for each in event.allotments
                if each.trade_id is not None
            },
        )
        self._awaited.update(dict.fromkeys(awaited.trades, awaited))

    def _meet(self, awaited: Awaited, trade_id: UUID, capture: Capture) -> None:
        told = (capture.portfolio, capture.quantity)
        allotted = awaited.trades.pop(trade_id)
        self.check.must(
            told == allotted, lambda: f"{awaited.name}: allotted {allotted}, captured {told}"
        )
        awaited.quantity -= capture.quantity
        awaited.amount -= capture.consideration or Decimal(0)
        awaited.fee -= capture.fee
        left = (awaited.quantity, awaited.amount, awaited.fee)
        self.check.must(
            awaited.trades or not any(left),
            lambda: f"{awaited.name}: quantity, amount and fee differ from its fills by {left}",
        )


def _amount(fill: BlockFill) -> Decimal:
    if fill.consideration is not None:
        return fill.consideration
    return (fill.quantity * fill.price).quantize(_SMALLEST, ROUND_HALF_EVEN)
