"""Lots: what a fill closes and opens, by worked examples (convention 4)."""

from collections.abc import Iterable
from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.book import Book
from domain.lots import ClosedLot, CostBasis, Fill, Lot, Matching, match
from domain.money import ZERO
from domain.refolding import refold
from tests.domain.scenes import (
    AVERAGE,
    FIFO,
    MONDAY,
    TUESDAY,
    Number,
    bought,
    exact,
    name_of,
    sold,
)


def lot(external_id: str, quantity: Number, cost: Number, fee: Number = 0) -> Lot:
    """A lot opened on Monday."""
    return Lot(name_of(external_id), MONDAY, *exact(quantity, cost, fee))


def part(
    external_id: str, quantity: Number, cost: Number, realised: Number, fee: Number = 0
) -> ClosedLot:
    """A closed part of a lot opened on Monday."""
    return ClosedLot(name_of(external_id), MONDAY, *exact(quantity, cost, fee, realised))


def folded(fills: Iterable[Fill], basis: CostBasis = FIFO) -> Book:
    """The book after fills in book order."""
    return refold(fills, basis)[0]


def last(fills: list[Fill], basis: CostBasis = FIFO) -> Matching:
    """What the last of some fills did after the others."""
    return match(folded(fills[:-1], basis), fills[-1])


class TestBuying:
    """A purchase opens a long lot, or closes short ones."""

    def test_opens_a_lot_at_its_consideration_without_the_fee(self) -> None:
        """100 at 10 with a fee of 3: cost 1,000, and the fee beside it."""
        done = last([bought("a", 100, 10, fee=3)])

        assert done == Matching((), lot("a", 100, 1_000, 3), ZERO, ZERO)

    def test_adds_a_lot_of_its_own(self) -> None:
        """Two purchases at one price stay two lots."""
        book = folded([bought("a", 1, 10), bought("b", 1, 10)])

        assert list(book.lots) == [lot("a", 1, 10), lot("b", 1, 10)]
        assert (book.quantity, book.cost) == exact(2, 20)

    def test_takes_the_amount_its_source_gave(self) -> None:
        """The consideration counts, not quantity x price."""
        done = last([bought("a", 100, 10, consideration="999.99")])

        assert done.opened == lot("a", 100, "999.99")


class TestSelling:
    """A sale closes the oldest lots first under FIFO."""

    def test_closes_the_oldest_lot_first(self) -> None:
        """Bought at 10 and at 20, one sold at 30: the one at 10 is gone."""
        done = last([bought("a", 1, 10), bought("b", 1, 20), sold("c", 1, 30)])

        assert done == Matching((part("a", 1, 10, 20),), None, *exact(20, 20))

    def test_goes_by_book_order_not_by_arrival(self) -> None:
        """The lot of the earlier date is the oldest, although it came second."""
        fills = [bought("b", 1, 20, trade_date=TUESDAY), bought("a", 1, 10)]

        done = match(folded(fills), sold("c", 1, 30, trade_date=TUESDAY))

        assert [each.trade_id for each in done.closed] == [name_of("a")]

    def test_closes_across_lots_and_leaves_a_rest(self) -> None:
        """Three lots of 2, five sold: two whole ones and half of the third."""
        fills = [bought("a", 2, 10), bought("b", 2, 20), bought("c", 2, 30), sold("d", 5, 40)]

        done = last(fills)

        assert done.closed == (
            part("a", 2, 20, 60),
            part("b", 2, 40, 40),
            part("c", 1, 30, 10),
        )
        assert list(folded(fills).lots) == [lot("c", 1, 30)]

    @pytest.mark.parametrize(
        ("quantity", "lots_left"), [("4.999999999999", 1), ("5", 0), ("5.000000000001", 1)]
    )
    def test_leaves_nothing_open_exactly_when_all_is_sold(
        self, quantity: str, lots_left: int
    ) -> None:
        """A hair less leaves a long lot, a hair more a short one: no dust in between."""
        book = folded([bought("a", 2, 10), bought("b", 3, 10), sold("c", quantity, 10)])

        assert len(book.lots) == lots_left
        assert book.quantity == 5 - Decimal(quantity)

    def test_leaves_the_rounding_to_the_last_close(self) -> None:
        """3 for 10.00, sold one by one at 4: realised 2.00, not 2.0001."""
        opening = bought("a", 3, "3.333333333333", consideration="10.00")
        sales = [sold(name, 1, 4) for name in "bcd"]

        book, steps = refold([opening, *sales], FIFO)

        costs = [closed.cost for _, done in steps for closed in done.closed]
        assert costs == list(exact("3.333333333333", "3.333333333334", "3.333333333333"))
        assert book.realised_gross == 2
        assert (book.quantity, book.cost) == exact(0, 0)
        assert not book.lots

    def test_splits_its_consideration_over_the_lots_without_a_remainder(self) -> None:
        """10.00 for 3 shares of three lots: the parts sum to 10.00."""
        buys = [bought(name, 1, 1) for name in "abc"]

        done = last([*buys, sold("d", 3, "3.333333333333", consideration="10.00")])

        proceeds = [closed.realised_gross + closed.cost for closed in done.closed]
        assert proceeds == list(exact("3.333333333333", "3.333333333334", "3.333333333333"))
        assert done.realised_gross == 7

    def test_loses_not_even_half_of_the_last_decimal(self) -> None:
        """An odd last decimal over two lots: the first part rounds to even, the last takes all."""
        buys = [bought("a", 1, 1), bought("b", 1, 1)]

        done = last([*buys, sold("c", 2, 5, consideration="10.000000000001")])

        assert done.closed == (part("a", 1, 1, 4), part("b", 1, 1, "4.000000000001"))


class TestFees:
    """Fees stand beside the cost; what is realised net carries both sides' (convention 4)."""

    def test_take_the_opening_fee_pro_rata_and_the_closing_fee_whole(self) -> None:
        """Buy 100 @ 10 fee 10, sell 50 @ 12 fee 5: gross 100, net 100 - 5 - 5."""
        fills = [bought("a", 100, 10, fee=10), sold("b", 50, 12, fee=5)]

        done = last(fills)

        assert done == Matching((part("a", 50, 500, 100, fee=5),), None, *exact(100, 90))
        assert folded(fills).fees == 5

    def test_leave_the_rounding_to_the_last_close(self) -> None:
        """A fee of 10 over 3 shares, closed one by one: the carried fee ends at zero."""
        book = folded([bought("a", 3, 10, fee=10), *(sold(name, 1, 10) for name in "bcd")])

        assert (book.realised_gross, book.realised_net, book.fees) == exact(0, -10, 0)

    def test_below_zero_are_rebates(self) -> None:
        """A rebate of 1 at opening and 2 at closing is realised as 3."""
        book = folded([bought("a", 1, 10, fee=-1), sold("b", 1, 10, fee=-2)])

        assert (book.realised_gross, book.realised_net) == exact(0, 3)


class TestSellingShort:
    """A sale beyond what is held opens a short lot; its cost is minus its proceeds."""

    def test_opens_a_short_lot(self) -> None:
        """10 sold at 20: quantity -10, cost -200."""
        done = last([sold("a", 10, 20, fee=1)])

        assert done == Matching((), lot("a", -10, -200, 1), ZERO, ZERO)

    def test_is_closed_by_buying_back(self) -> None:
        """Sold at 20 and 30, three bought back at 10: the oldest first, at a gain."""
        fills = [sold("a", 2, 20), sold("b", 2, 30), bought("c", 3, 10)]

        done = last(fills)

        assert done.closed == (part("a", -2, -40, 20), part("b", -1, -30, 20))
        assert done.realised_gross == 40
        assert list(folded(fills).lots) == [lot("b", -1, -30)]

    def test_loses_when_the_price_rose(self) -> None:
        """Sold at 20 fee 1, bought back at 25 fee 2: gross -5, net -8."""
        done = last([sold("a", 1, 20, fee=1), bought("b", 1, 25, fee=2)])

        assert (done.realised_gross, done.realised_net) == exact(-5, -8)

    def test_leaves_the_rounding_to_the_last_close(self) -> None:
        """3 sold short for 10.00, bought back one by one at 2: realised 4.00."""
        opening = sold("a", 3, "3.333333333333", consideration="10.00")

        book = folded([opening, *(bought(name, 1, 2) for name in "bcd")])

        assert (book.realised_gross, book.cost, book.quantity) == exact(4, 0, 0)


class TestCrossingZero:
    """A fill that crosses zero closes, then opens; the residue goes to the opening part."""

    def test_splits_consideration_and_fee_by_quantity(self) -> None:
        """2 held, 3 sold for 10.00 with a fee of 1.00: two thirds close, the rest opens."""
        fills = [bought("a", 2, 2), sold("b", 3, 3, consideration="10.00", fee="1.00")]

        done = last(fills)

        assert done.closed == (part("a", 2, 4, "2.666666666667"),)
        assert done.opened == lot("b", -1, "-3.333333333333", "0.333333333333")
        assert done.realised_gross == Decimal("2.666666666667")
        assert done.realised_net == Decimal("2.666666666667") - Decimal("0.666666666667")

    def test_loses_not_even_half_of_the_last_decimal(self) -> None:
        """An odd last decimal split in two equal parts: one rounds down, the residue opens."""
        odd = "10.000000000001"
        fills = [bought("a", 1, 2), sold("b", 2, 5, consideration=odd, fee=odd)]

        done = last(fills)

        assert done.closed == (part("a", 1, 2, 3),)
        assert done.realised_net == 3 - 5
        assert done.opened == lot("b", -1, "-5.000000000001", "5.000000000001")

    def test_goes_from_short_to_long(self) -> None:
        """2 short, 5 bought: 3 long, at the price of the purchase."""
        fills = [sold("a", 2, 30), bought("b", 5, 20, fee=5)]

        done = last(fills)

        assert done.closed == (part("a", -2, -60, 20),)
        assert done.opened == lot("b", 3, 60, 3)
        assert done.realised_net == 18
        assert (folded(fills).quantity, folded(fills).cost) == exact(3, 60)

    @pytest.mark.parametrize("basis", CostBasis)
    def test_never_mixes_long_and_short(self, basis: CostBasis) -> None:
        """After crossing only the opening part is there, also under AVERAGE."""
        fills = [bought("a", 1, 10), bought("b", 1, 30), sold("c", 5, 40)]

        book = folded(fills, basis)

        assert [(each.quantity, each.cost) for each in book.lots] == [exact(-3, -120)]
        assert (book.cost, book.realised_gross) == exact(-120, 40)


class TestClosingUnderAverage:
    """AVERAGE: closed parts take their part of the pool; lots keep their dates and quantities."""

    def test_takes_the_pool_s_unit_cost(self) -> None:
        """10 at 10 and 10 at 20: any one of them costs 15."""
        fills = [bought("a", 10, 10), bought("b", 10, 20), sold("c", 5, 30)]

        done = last(fills, AVERAGE)

        assert done.closed == (part("a", 5, 75, 75),)
        assert (folded(fills, AVERAGE).cost, folded(fills, AVERAGE).quantity) == exact(225, 15)

    def test_closes_the_oldest_quantities(self) -> None:
        """The oldest lot goes first by date, at the pool's cost."""
        fills = [bought("a", 1, 10), bought("b", 2, 40), sold("c", 2, 50)]

        done = last(fills, AVERAGE)

        assert done.closed == (part("a", 1, 30, 20), part("b", 1, 30, 20))

    def test_leaves_each_lot_what_is_left_of_its_own_cost(self) -> None:
        """10 at 1, 10 at 100, nine sold: the pool gave 454.5, the old lot keeps 1, not -444.5."""
        fills = [bought("a", 10, 1, fee=10), bought("b", 10, 100), sold("c", 9, 50)]

        book = folded(fills, AVERAGE)

        assert list(book.lots) == [lot("a", 1, 1, 1), lot("b", 10, 1_000)]
        assert (book.cost, book.fees) == exact("555.5", "5.5")

    def test_pools_opening_fees_too(self) -> None:
        """Fees of 1 and 5 over two shares: one share carries 3."""
        done = last(
            [bought("a", 1, 10, fee=1), bought("b", 1, 10, fee=5), sold("c", 1, 10)], AVERAGE
        )

        assert done.realised_net == -3

    def test_leaves_the_rounding_to_the_last_close(self) -> None:
        """Three shares for 10.00 in two lots, sold one by one at 4: realised 2.00."""
        buys = [bought("a", 1, 3), bought("b", 2, "3.5")]

        book = folded([*buys, *(sold(name, 1, 4) for name in "cde")], AVERAGE)

        assert (book.realised_gross, book.cost, book.quantity) == exact(2, 0, 0)

    def test_starts_a_new_pool_after_being_flat(self) -> None:
        """What is bought after all was sold knows nothing of the old cost."""
        fills = [bought("a", 1, 10), sold("b", 1, 99), bought("c", 1, 20), sold("d", 1, 21)]
        in_sequence = [replace(each, source_sequence=place) for place, each in enumerate(fills)]

        done = last(in_sequence, AVERAGE)

        assert done.realised_gross == 1


class TestACopyOfABook:
    """Forks share lots, never totals."""

    def test_is_not_touched_by_the_original(self) -> None:
        """Folding one leaves the other as it was."""
        book = folded([bought("a", 2, 10)])
        twin = book.copy()

        sale = sold("b", 1, 10)
        book.add(sale, match(book, sale))

        assert list(twin.lots) == [lot("a", 2, 20)]
        assert (twin.quantity, twin.cost, twin.realised_gross) == exact(2, 20, 0)
