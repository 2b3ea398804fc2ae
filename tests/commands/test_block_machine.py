"""The desk against the naive model once more, with blocks among everything else it is told."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from msgspec.structs import replace

from commands.command import AllocateBlock, AmendTrade, BustTrade
from domain.block import Allocation, Block, BlockFill, Remainder
from domain.lots import Side
from domain.trade import Capture, Intent
from eventstore.log import Log
from tests.commands.block_scenes import block, bust_block
from tests.commands.books_kept import require_books_kept
from tests.commands.naive_blocks import BlockModel
from tests.commands.test_machine import DeskMachine, captures, days, instruments, sizes

EXAMPLES = 25
STEPS = 40
names = st.sampled_from(["B-1", "B-2", "B-3"])
allotted = st.sampled_from(
    [f"B-{number}/{name}" for number in (1, 2) for name in ("alpha", "beta")]
)
blocks = st.builds(
    lambda quantities, price, weights, fee, **fields: (
        block(
            fills=tuple(
                BlockFill(quantity=quantity, price=price, fee=fee) for quantity in quantities
            ),
            allocations=tuple(
                Allocation(portfolio=name, weight=Decimal(weight))
                for name, weight in weights.items()
            ),
            **fields,
        ).block
    ),
    external_id=names,
    quantities=st.lists(sizes, min_size=1, max_size=2),
    price=sizes,
    fee=st.sampled_from([Decimal(0), Decimal(1)]),
    weights=st.dictionaries(
        st.sampled_from(["alpha", "beta"]), st.integers(1, 3), min_size=1, max_size=2
    ),
    instrument=instruments,
    intent=st.sampled_from([Intent.PROPOSED, Intent.EXECUTED, Intent.EXECUTED]),
    side=st.sampled_from(Side),
    trade_date=days,
    remainder=st.none() | st.sampled_from([Remainder.FIRST, Remainder.LAST]),
)


class BlockMachine(DeskMachine):
    """Blocks, their busts, and corrections of what they allot, before them and after."""

    model: BlockModel

    def __init__(self) -> None:
        super().__init__()
        self.model = BlockModel()

    @rule(wanted=blocks)
    def allocate(self, wanted: Block) -> None:
        """Allocate a block, new or under a name that is taken."""
        named = replace(wanted, instrument=f"{self.world}-{wanted.instrument}")
        self.do(AllocateBlock(named), self.model.allocate(named))

    @precondition(lambda self: self.model.blocks)
    @rule(data=st.data())
    def allocate_again(self, data: st.DataObject) -> None:
        """Allocate a block again: the same."""
        first, _, _ = data.draw(st.sampled_from(list(self.model.blocks.values())))
        self.do(AllocateBlock(first), self.model.allocate(first))

    @rule(name=names)
    def bust_block(self, name: str) -> None:
        """Bust a block, known or not."""
        self.do(bust_block(name), self.model.bust_block(name))

    @rule(name=allotted, wanted=captures, revision=st.integers(1, 3))
    def amend_an_allotment(self, name: str, wanted: Capture, revision: int) -> None:
        """Amend what a block allots, perhaps into another portfolio, perhaps before the block."""
        told = replace(self.named(wanted), external_id=name, intent=Intent.EXECUTED)
        self.do(AmendTrade(revision=revision, capture=told), self.model.amend(revision, told))

    @rule(name=allotted)
    def bust_an_allotment(self, name: str) -> None:
        """Bust what a block allots to one portfolio, perhaps before the block."""
        portfolio = name.rpartition("/")[2]
        bust = BustTrade(source="desk-1", external_id=name, portfolio=portfolio, reason="typo")
        self.do(bust, self.model.bust(name, portfolio))


class TestTheDeskWithBlocks:
    """What portfolios hold of blocks is what one by one they would hold."""

    @pytest.mark.timeout(400)  # It takes 20 s; a failure is shrunk for a few minutes.
    def test_agrees_with_the_model_whatever_it_is_told(self, log: Log) -> None:
        """Blocks among captures, corrections, batches, freezes, closed books and restarts."""
        machine = type("Machine", (BlockMachine,), {"log": log})

        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )

        require_books_kept(log)
