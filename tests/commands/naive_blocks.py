"""The naive model of the desk, with blocks: split anew in fractions, captured one by one."""

import copy
from decimal import Decimal
from fractions import Fraction

from commands.command import Status
from domain.block import Block, Remainder
from domain.trade import Capture
from tests.commands.expected import ACCEPTED, AGAIN, Expected, conflict, rejected
from tests.commands.naive_model import Model


class BlockModel(Model):
    """One tenant's world in which blocks are allocated and busted."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: dict[str, tuple[Block, list[Capture], Expected]] = {}
        self.busted_blocks: set[str] = set()

    def allocate(self, block: Block) -> Expected:
        """Allocate a block of fills at one price: every capture of it, or none."""
        if block.external_id in self.blocks:
            first, _, expected = self.blocks[block.external_id]
            return (
                expected._replace(is_replayed=True)
                if first == block
                else conflict("external_id_conflict")
            )
        units = allotted_units(block)
        if any(not got and name not in self.accounts for name, got in units.items()):
            return rejected("portfolio_unknown")
        before = copy.deepcopy(vars(self))
        captures = allotted_captures(block, units)
        expected = ACCEPTED
        for each in captures:
            one = self.capture(each)
            if one.status is Status.CONFLICT:
                expected = one
                break
            if one.status is not Status.ACCEPTED and expected.status is Status.ACCEPTED:
                expected = one
            elif one.is_parked and expected.status is Status.ACCEPTED:
                expected = ACCEPTED._replace(is_parked=True)
        if expected.status is not Status.ACCEPTED:
            vars(self).update(before)
            return expected
        self.blocks[block.external_id] = (block, captures, expected)
        return expected

    def bust_block(self, external_id: str) -> Expected:
        """Bust every capture of a block."""
        if external_id not in self.blocks:
            return rejected("block_unknown")
        if external_id in self.busted_blocks:
            return AGAIN
        self.busted_blocks.add(external_id)
        for each in self.blocks[external_id][1]:
            self.bust(each.external_id, each.portfolio)
        return ACCEPTED


def allotted_units(block: Block) -> dict[str, int]:
    """Give whole units by weight, and what is left by the block's rule."""
    names = [each.portfolio for each in block.allocations]
    weights = [Fraction(each.weight or 0) for each in block.allocations]
    total = int(sum(fill.quantity for fill in block.fills))
    ideal = [total * weight / sum(weights) for weight in weights]
    units = [int(each) for each in ideal]
    order = sorted(range(len(names)), key=lambda index: units[index] - ideal[index])
    for index in order * (block.remainder is None):
        units[index] += sum(units) < total
    units[-1 if block.remainder is Remainder.LAST else 0] += total - sum(units)
    return dict(zip(names, units, strict=True))


def allotted_captures(block: Block, units: dict[str, int]) -> list[Capture]:
    """Give the captures of those who got something, the fee cumulated by name."""
    total, fee = sum(units.values()), Fraction(sum(fill.fee for fill in block.fills))
    until, fees = 0, dict[str, Decimal]()
    for name in sorted(units):
        before = round(fee * until / total, 12)
        until += units[name]
        paid = round(fee * until / total, 12) - before
        fees[name] = Decimal(paid.numerator) / Decimal(paid.denominator)
    price = block.fills[0].price
    return [
        Capture(
            portfolio=name,
            source=block.source,
            external_id=f"{block.external_id}/{name}",
            intent=block.intent,
            instrument=block.instrument,
            side=block.side,
            quantity=Decimal(got),
            price=price,
            currency=block.currency,
            fee=fees[name],
            trade_date=block.trade_date,
            executed_at=block.executed_at,
            consideration=got * price,
            block=block.external_id,
        )
        for name, got in units.items()
        if got
    ]
