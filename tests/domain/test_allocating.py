"""Allocating a block: whole lots, exact sums, and remainders by a named rule."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.allocating import Part, allocate, captures_of, total_of
from domain.block import Allocation, Block, BlockFill, Remainder
from domain.lots import Side
from domain.money import SMALLEST, ZERO
from domain.rejection import Rejection
from domain.trade import Intent
from tests.domain.scenes import APPLE, DESK, MONDAY, exact


def block(*weights: str | int, fills: Sequence[BlockFill] = (), **changes: Any) -> Block:
    """A purchase of 100 AAPL at 10 for portfolios p0, p1, … by weight, with changes."""
    made = Block(
        source=DESK,
        external_id="BLOCK-1",
        intent=Intent.EXECUTED,
        instrument=APPLE,
        side=Side.BUY,
        currency="USD",
        fills=tuple(fills) or (filled(100, 10),),
        allocations=tuple(
            Allocation(portfolio=f"p{index}", weight=Decimal(weight))
            for index, weight in enumerate(weights)
        ),
        trade_date=MONDAY,
    )
    return replace(made, **changes)


def filled(quantity: str | int, price: str | int, **changes: Any) -> BlockFill:
    """One fill."""
    return BlockFill(quantity=Decimal(quantity), price=Decimal(price), **changes)


def quantities(parts: Sequence[Part]) -> list[Decimal]:
    """What each got, in the order listed."""
    return [part.quantity for part in parts]


WHOLE = Decimal(1)
amounts = st.integers(1, 10**20).map(lambda units: Decimal(units).scaleb(-12))
small = st.integers(1, 5_000).map(lambda units: Decimal(units).scaleb(-2))
fees = st.integers(-(10**14), 10**14).map(lambda units: Decimal(units).scaleb(-12))
fills = st.lists(
    st.builds(
        BlockFill,
        quantity=amounts | small,
        price=amounts | small | st.just(ZERO),
        fee=fees,
        consideration=st.none() | amounts,
    ),
    min_size=1,
    max_size=5,
)
blocks = st.builds(
    lambda weights, fills, remainder, lot_size: block(
        *weights, fills=fills, remainder=remainder, lot_size=lot_size
    ),
    weights=st.lists(amounts | small, min_size=1, max_size=9),
    fills=fills,
    remainder=st.none() | st.sampled_from(Remainder),
    lot_size=st.none() | small | st.sampled_from([WHOLE, Decimal(100)]),
)


class TestAllocatingByWeight:
    """Shares are rounded down to whole lots; a rule says who gets what is left."""

    def test_gives_whole_lots_to_those_who_lost_most(self) -> None:
        """The example of docs/accounting.md: 100 shares for 1 : 1 : 1, and for 50 : 30 : 20."""
        thirds = allocate(block(1, 1, 1, lot_size=WHOLE))
        even = allocate(block(50, 30, 20, lot_size=WHOLE))
        lost = allocate(block(1, 1, 4, lot_size=WHOLE, fills=[filled(101, 10)]))

        assert quantities(thirds) == list(exact(34, 33, 33))
        assert quantities(even) == list(exact(50, 30, 20))
        assert quantities(lost) == list(exact(17, 17, 67))

    @pytest.mark.parametrize(
        ("remainder", "expected"),
        [
            (Remainder.LARGEST_REMAINDER, exact(200, 150, 100)),
            (Remainder.FIRST, exact(250, 100, 100)),
            (Remainder.LAST, exact(100, 100, 250)),
        ],
    )
    def test_gives_the_rest_by_the_named_rule(
        self, remainder: Remainder, expected: tuple[Decimal, ...]
    ) -> None:
        """450 in lots of 100: a lot is left, and half of one that no lot is made of."""
        wanted = block(3, 2, 2, lot_size=Decimal(100), fills=[filled(450, 1)])

        parts = allocate(replace(wanted, remainder=remainder))

        assert quantities(parts) == list(expected)

    def test_may_give_a_portfolio_nothing(self) -> None:
        """Whose weight makes no whole lot."""
        parts = allocate(block(99, 1, lot_size=Decimal(10)))

        assert quantities(parts) == list(exact(100, 0))
        assert [part.consideration for part in parts] == list(exact(1000, 0))
        assert len(captures_of(block(99, 1), parts)) == 1

    @given(wanted=blocks)
    def test_adds_up_exactly(self, wanted: Block) -> None:
        """Quantity, consideration and fee, whatever the weights, the lots and the rule."""
        total = total_of(wanted.fills)

        parts = allocate(wanted)

        assert sum(quantities(parts)) == total.quantity
        assert sum(part.consideration for part in parts) == total.consideration
        assert sum(part.fee for part in parts) == total.fee
        assert all(part.quantity >= 0 and part.consideration >= 0 for part in parts)

    @given(wanted=blocks)
    def test_is_within_a_lot_of_the_exact_share(self, wanted: Block) -> None:
        """By largest remainder; consideration and fee are within a smallest unit of theirs."""
        wanted = replace(wanted, remainder=None)
        total, lot = total_of(wanted.fills), Fraction(wanted.lot_size or SMALLEST)
        weights = [Fraction(each.weight or 0) for each in wanted.allocations]

        parts = allocate(wanted)

        for part, weight in zip(parts, weights, strict=True):
            ideal = Fraction(total.quantity) * weight / sum(weights)
            assert abs(Fraction(part.quantity) - ideal) < lot
            share = Fraction(part.quantity) / Fraction(total.quantity)
            amount, fee = share * Fraction(total.consideration), share * Fraction(total.fee)
            assert abs(Fraction(part.consideration) - amount) <= Fraction(SMALLEST)
            assert abs(Fraction(part.fee) - fee) <= Fraction(SMALLEST)

    @given(wanted=blocks, data=st.data())
    def test_depends_on_the_order_for_ties_only(self, wanted: Block, data: st.DataObject) -> None:
        """Other weights, or lots that go up: listed otherwise, everybody gets the same."""
        total, lot = total_of(wanted.fills), Fraction(wanted.lot_size or SMALLEST)
        weights = [Fraction(each.weight or 0) for each in wanted.allocations]
        remainders = {Fraction(total.quantity) * each / sum(weights) % lot for each in weights}
        assume(len(remainders) == len(weights))
        wanted = replace(wanted, remainder=Remainder.LARGEST_REMAINDER)
        otherwise = tuple(data.draw(st.permutations(wanted.allocations)))

        parts = allocate(wanted)
        again = allocate(replace(wanted, allocations=otherwise))

        assert sorted(again) == sorted(parts)


class TestAllocatingByQuantity:
    """What is given is taken, if it is the whole."""

    def test_takes_quantities_as_they_are(self) -> None:
        """Consideration and fee follow; the last in the order of names takes what rounding left."""
        three = tuple(Allocation(portfolio=name, quantity=WHOLE) for name in ("c", "a", "b"))

        parts = allocate(block(fills=[filled(3, 1, fee=WHOLE)], allocations=three))

        assert parts == [
            Part("c", *exact(1, 1, "0.333333333333")),
            Part("a", *exact(1, 1, "0.333333333333")),
            Part("b", *exact(1, 1, "0.333333333334")),
        ]

    def test_refuses_another_sum(self) -> None:
        """By as little as there is."""
        short = Allocation(portfolio="p0", quantity=100 - SMALLEST)

        with pytest.raises(Rejection, match="allocated, 100 filled") as refused:
            allocate(block(allocations=(short,)))

        assert refused.value.code == "allocations_differ"

    def test_refuses_a_portfolio_listed_twice(self) -> None:
        """Its two trades would have one name."""
        half = Allocation(portfolio="p0", quantity=Decimal(50))

        with pytest.raises(Rejection) as refused:
            allocate(block(allocations=(half, half)))

        assert refused.value.code == "portfolio_twice"


class TestCapturing:
    """Each part is a capture at the block's average price."""

    def test_states_the_consideration_that_counts(self) -> None:
        """100 at 10 and 200 at 10.10: the price has no end, the consideration has."""
        wanted = block(1, 2, fills=[filled(100, 10), filled(200, "10.10")], lot_size=WHOLE)

        first, second = captures_of(wanted, allocate(wanted))

        assert (first.quantity, first.price) == exact(100, "10.066666666667")
        assert (first.consideration, second.consideration) == exact(
            "1006.666666666667", "2013.333333333333"
        )
        assert [first.external_id, second.external_id] == ["BLOCK-1/p0", "BLOCK-1/p1"]
        assert {first.block, second.block} == {"BLOCK-1"}

    def test_refuses_what_cannot_be_carried(self) -> None:
        """Fills that are in range each, and together are not."""
        large = filled("9" * 26, 1, consideration=ZERO)

        with pytest.raises(Rejection) as refused:
            allocate(block(1, fills=[large, large]))

        assert refused.value.code == "out_of_range"

    def test_asks_for_what_it_costs(self) -> None:
        """Proposed, a fill's consideration is its quantity x price, to the cent."""
        cheap = block(1, fills=[filled(100, 10, consideration=Decimal("999.98"))])

        with pytest.raises(Rejection) as refused:
            allocate(replace(cheap, intent=Intent.PROPOSED))

        assert refused.value.code == "consideration_mismatch"
        assert allocate(cheap)[0].consideration == Decimal("999.98")
