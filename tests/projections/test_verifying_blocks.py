"""Verification follows each block from its fills to the trades of its portfolios."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.allocating import allocate, captures_of
from domain.block import Allotment, Block, BlockAllocated
from domain.event import Event
from domain.trade import Capture, TradeCaptured, TradeParked
from projections.block_checks import BlockTrades
from projections.read_model import Decoded
from tests.domain.scenes import FRIDAY_NOON, name_of
from tests.domain.test_allocating import block, filled

WANTED = block(
    30, 20, 20, 1, fills=[filled(450, 10, fee=Decimal(1)), filled(1, "0.1")], lot_size=Decimal(100)
)
CAPTURES = captures_of(WANTED, allocate(WANTED))


def difference(*events: Event) -> str | None:
    """What the check finds in events."""
    checked = BlockTrades()
    for position, event in enumerate(events, 1):
        checked.take(Decoded(position, "acme", FRIDAY_NOON, event, UUID(int=position)))
    return checked.finish().difference


def allocated(wanted: Block = WANTED) -> BlockAllocated:
    """The block's own event."""
    parts = allocate(WANTED)
    allotments = tuple(
        Allotment(
            portfolio=part.portfolio,
            quantity=part.quantity,
            trade_id=name_of(f"BLOCK-1/{part.portfolio}") if part.quantity else None,
        )
        for part in parts
    )
    return BlockAllocated(block_id=name_of("BLOCK-1"), block=wanted, allotments=allotments)


def captured(captures: Sequence[Capture] = CAPTURES) -> list[TradeCaptured]:
    """The trades of a block."""
    return [
        TradeCaptured(trade_id=name_of(each.external_id), capture=each, market_position=0)
        for each in captures
    ]


class TestFollowingBlocks:
    """A block that adds up says nothing; anything else is named."""

    def test_is_silent_where_all_adds_up(self) -> None:
        """Captured or parked; parked once more behind an amend."""
        first, *others = captured()
        parked = TradeParked(trade_id=first.trade_id, capture=first.capture, market_position=0)

        assert len(others) == 2
        assert difference(allocated(), parked, *others, parked) is None

    @pytest.mark.parametrize("field", ["fee", "consideration"])
    def test_finds_a_smallest_unit_too_much(self, field: str) -> None:
        """In the last trade of it."""
        *others, last = CAPTURES
        more = replace(last, **{field: getattr(last, field) + Decimal("1e-12")})

        found = difference(allocated(), *captured([*others, more]))

        assert "differ from its fills by" in str(found)

    def test_finds_a_trade_that_is_missing_or_other_than_allotted(self) -> None:
        """Not captured, in another quantity, or of no block at all."""
        first, *others = CAPTURES
        other = replace(first, quantity=first.quantity + 1)

        missing = difference(allocated(), *captured(others))
        differing = difference(allocated(), *captured([other, *others]))
        unasked = difference(*captured())

        assert f"trade {name_of(first.external_id)} is not captured" in str(missing)
        assert "BLOCK-1: allotted ('p0', Decimal('200'))" in str(differing)
        assert "was not allotted" in str(unasked)
