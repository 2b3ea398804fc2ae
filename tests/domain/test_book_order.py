"""Book order: one total order of a portfolio's fills (convention 3, decision 0005)."""

from datetime import UTC, datetime, timedelta
from functools import cmp_to_key
from itertools import permutations
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.book_order import CORPORATE_ACTION, TRADE, BookKey
from domain.lots import Fill, Side
from tests.domain.scenes import MONDAY, NOON, TUESDAY, bought, minutes, sold

EARLIER, LATER = minutes(0), minutes(1)

BEFORE: dict[str, tuple[Fill, Fill]] = {
    "the earlier date, whatever the time": (
        bought("b", 1, 1, trade_date=MONDAY, executed_at=LATER),
        bought("a", 1, 1, trade_date=TUESDAY, executed_at=EARLIER),
    ),
    "no time of day before any time": (
        sold("b", 1, 1, source="z"),
        bought("a", 1, 1, source="a", executed_at=datetime(1970, 1, 1, tzinfo=UTC)),
    ),
    "the earlier instant": (
        sold("b", 1, 1, source="z", executed_at=EARLIER),
        bought("a", 1, 1, source="a", executed_at=EARLIER + timedelta(microseconds=1)),
    ),
    "the source's name at one instant": (
        sold("b", 1, 1, source="a", source_sequence=9),
        bought("a", 1, 1, source="b", source_sequence=1),
    ),
    "the lower sequence, whatever the side": (
        sold("b", 1, 1, source_sequence=1),
        bought("a", 1, 1, source_sequence=2),
    ),
    "sequences as numbers, not as texts": (
        bought("b", 1, 1, source_sequence=9),
        bought("a", 1, 1, source_sequence=10),
    ),
    "a sequence of zero before none": (
        sold("b", 1, 1, source_sequence=0),
        bought("a", 1, 1),
    ),
    "the purchase before the sale": (bought("b", 1, 1), sold("a", 1, 1)),
    "the external id at last": (bought("a", 1, 1), bought("b", 1, 1)),
}


class TestPlacingTwoFills:
    """Each part of the key decides where all before it are equal."""

    @pytest.mark.parametrize("rule", BEFORE)
    def test_puts_first(self, rule: str) -> None:
        """And the other way round it says so too."""
        first, second = BEFORE[rule]

        assert first.key < second.key
        assert not second.key < first.key

    def test_leaves_room_for_corporate_actions_before_all_trades_of_a_date(self) -> None:
        """They take effect at the start of the ex-date (convention 7)."""
        trade = bought("a", 1, 1).key
        action = (trade[0], CORPORATE_ACTION, *trade[2:])

        assert CORPORATE_ACTION < TRADE
        assert action < bought("a", 1, 1, trade_date=MONDAY).key

    def test_takes_equal_instants_as_equal_however_they_are_written(self) -> None:
        """Noon in UTC and noon by another clock are one instant."""
        elsewhere = NOON.astimezone(ZoneInfo("Asia/Tokyo"))

        here, there = (bought("a", 1, 1, executed_at=at) for at in (NOON, elsewhere))
        assert here.key == there.key


fills = st.builds(
    lambda number, side, day, at, source, sequence: (bought if side is Side.BUY else sold)(
        f"t-{number}", 1, 1, trade_date=day, executed_at=at, source=source, source_sequence=sequence
    ),
    number=st.integers(1, 3),
    side=st.sampled_from(Side),
    day=st.sampled_from([MONDAY, TUESDAY]),
    at=st.sampled_from([None, EARLIER, LATER]),
    source=st.sampled_from(["s0", "s1"]),
    sequence=st.sampled_from([None, 0, 1, 2]),
)
"""Few values for each part, so that ties are met often."""


class TestTheOrder:
    """It is total: any two fills have one order, and any three agree."""

    @given(one=fills, other=fills)
    def test_is_antisymmetric(self, one: Fill, other: Fill) -> None:
        """Exactly one of before, after and same holds."""
        claims = (one.key < other.key, other.key < one.key, one.key == other.key)

        assert sum(claims) == 1

    @given(one=fills, other=fills, third=fills)
    def test_is_transitive(self, one: Fill, other: Fill, third: Fill) -> None:
        """Before what is before is before."""
        if one.key <= other.key and other.key <= third.key:
            assert one.key <= third.key

    @given(st.lists(fills, max_size=6), st.randoms())
    def test_sorts_alike_whatever_came_first(
        self, given_fills: list[Fill], shuffler: Random
    ) -> None:
        """Sorting before and after a shuffle gives one order."""
        keys: list[BookKey] = [each.key for each in given_fills]
        shuffled = keys.copy()
        shuffler.shuffle(shuffled)

        assert sorted(keys) == sorted(shuffled)

    @given(one=fills, other=fills)
    def test_tells_two_trades_of_one_source_and_date_apart(self, one: Fill, other: Fill) -> None:
        """Equal keys are one trade: the name is a part of the key (convention 2)."""
        if one.key == other.key:
            assert (one.source, one.external_id) == (other.source, other.external_id)


def by_the_words_of_convention_3(one: Fill, other: Fill) -> int:
    """Compare as convention 3 is worded: by sequence where both have one of the same source."""
    first, second = one.source_sequence, other.source_sequence
    if one.source == other.source and first is not None and second is not None and first != second:
        return first - second
    side, other_side = ((each.side is Side.SELL, each.source, each.external_id)
                        for each in (one, other))  # fmt: skip
    return (side > other_side) - (side < other_side)


class TestTheWordingOfConvention3:
    """Why decision 0005 departs from it: what it describes is a circle, not an order."""

    A = bought("a", 1, 1, source="s1", source_sequence=2)
    B = sold("b", 1, 1, source="s0")
    C = sold("c", 1, 1, source="s1", source_sequence=1)

    def test_is_a_circle(self) -> None:
        """C before A by sequence, A before B by side, B before C by source."""
        compare = by_the_words_of_convention_3

        assert compare(self.C, self.A) < 0
        assert compare(self.A, self.B) < 0
        assert compare(self.B, self.C) < 0

    def test_lets_the_order_of_arrival_decide(self) -> None:
        """Sorted by those words, the three stand differently for different orders of arrival."""
        key = cmp_to_key(by_the_words_of_convention_3)
        sorted_ways = {
            tuple(each.external_id for each in sorted(arrived, key=key))
            for arrived in permutations((self.A, self.B, self.C))
        }

        assert len(sorted_ways) > 1

    def test_is_one_order_by_decision_0005(self) -> None:
        """Source first, then its own sequence: s0's sale, then s1's sale and purchase."""
        sorted_ways = {
            tuple(each.external_id for each in sorted(arrived, key=lambda fill: fill.key))
            for arrived in permutations((self.A, self.B, self.C))
        }

        assert sorted_ways == {("b", "c", "a")}
