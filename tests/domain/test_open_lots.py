"""Which lots a closing fill takes, by cost basis; and the same again by a slower way."""

from decimal import Decimal
from itertools import accumulate
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.book import Book
from domain.lots import CostBasis, Fill, Lot, Matching, Side, match
from domain.money import ZERO
from domain.open_lots import lots_for, rest_of, unit_cost
from domain.refolding import refold
from tests.domain.scenes import MONDAY, TUESDAY, bought, name_of, sold
from tests.domain.test_lot_laws import fill_lists

HIFO, LIFO, SPECIFIC = CostBasis.HIFO, CostBasis.LIFO, CostBasis.SPECIFIC
bases = st.sampled_from(CostBasis)


def closed_by(fills: list[Fill], basis: CostBasis) -> list[tuple[UUID, Decimal, Decimal]]:
    """Trade, quantity and cost of what the last of some fills closes."""
    book, _ = refold(fills[:-1], basis)
    done = match(book, fills[-1])
    return [(part.trade_id, part.quantity, part.cost) for part in done.closed]


def part(external_id: str, quantity: int, cost: int) -> tuple[UUID, Decimal, Decimal]:
    """What is expected of one closed part."""
    return name_of(external_id), Decimal(quantity), Decimal(cost)


class TestLastInFirstOut:
    """LIFO closes the newest lot first, in book order."""

    def test_closes_the_newest(self) -> None:
        """A whole lot, then a part of the one before it."""
        fills = [bought("a", 2, 10), bought("b", 2, 20), sold("c", 3, 30, trade_date=TUESDAY)]

        assert closed_by(fills, LIFO) == [part("b", 2, 40), part("a", 1, 10)]


class TestHighestInFirstOut:
    """HIFO closes the dearest long lot first, and the short lot opened cheapest."""

    def test_closes_the_dearest(self) -> None:
        """Wherever it stands among the others."""
        fills = [
            bought("a", 1, 10),
            bought("b", 1, 30),
            bought("c", 1, 20),
            sold("d", 2, 5, trade_date=TUESDAY),
        ]

        assert closed_by(fills, HIFO) == [part("b", 1, 30), part("c", 1, 20)]

    def test_closes_the_cheapest_short(self) -> None:
        """Buying back what was sold lowest realises least."""
        fills = [sold("a", 1, 30), sold("b", 1, 10), bought("c", 1, 5, trade_date=TUESDAY)]

        assert closed_by(fills, HIFO) == [part("b", -1, -10)]

    def test_closes_the_older_of_two_equals(self) -> None:
        """Also where the older one is partly closed, and rounding has moved its unit cost."""
        thirds = {"consideration": Decimal(10)}
        fills = [
            bought("a", 3, 3, **thirds),
            bought("b", 3, 3, **thirds),
            sold("c", 2, 5, trade_date=TUESDAY),
            sold("d", 1, 5, trade_date=TUESDAY),
        ]

        book, _ = refold(fills[:-1], HIFO)
        left, whole = book.lots
        assert left.cost / left.quantity < whole.cost / whole.quantity
        assert [each[0] for each in closed_by(fills, HIFO)] == [name_of("a")]


class TestSpecific:
    """SPECIFIC closes the lots a fill names, then the oldest."""

    def test_closes_what_is_named_first(self) -> None:
        """In the order named; what they do not cover comes from the oldest."""
        named = (name_of("c"), name_of("b"))
        fills = [
            bought("a", 1, 10),
            bought("b", 1, 20),
            bought("c", 1, 30),
            replace(sold("d", 3, 5, trade_date=TUESDAY), closes=named),
        ]

        assert closed_by(fills, SPECIFIC) == [part("c", 1, 30), part("b", 1, 20), part("a", 1, 10)]

    def test_falls_back_to_the_oldest(self) -> None:
        """Where a named lot is not there, or nothing is named."""
        buys = [bought("a", 1, 10), bought("b", 1, 20)]
        sale = sold("d", 1, 5, trade_date=TUESDAY)

        lost = replace(sale, closes=(name_of("busted"),))
        assert closed_by([*buys, lost], SPECIFIC) == [part("a", 1, 10)]
        assert closed_by([*buys, sale], SPECIFIC) == [part("a", 1, 10)]

    def test_counts_a_lot_named_twice_once(self) -> None:
        """Naming it again names nothing more."""
        named = (name_of("b"), name_of("b"))
        fills = [
            bought("a", 1, 10),
            bought("b", 1, 20),
            replace(sold("d", 2, 5, trade_date=TUESDAY), closes=named),
        ]

        assert closed_by(fills, SPECIFIC) == [part("b", 1, 20), part("a", 1, 10)]


def by_sorting(lots: list[Lot], fill: Fill, basis: CostBasis) -> list[Lot]:
    """The closing order, by sorting everything."""
    if basis is LIFO:
        return lots[::-1]
    if basis is HIFO:
        return sorted(lots, key=lambda lot: -unit_cost(lot) * (1 if lot.quantity > 0 else -1))
    if basis is SPECIFIC:
        named = [lot for name in dict.fromkeys(fill.closes) for lot in lots if lot.trade_id == name]
        return named + [lot for lot in lots if lot not in named]
    return lots


class TestAnyBasis:
    """What holds of every way to choose lots."""

    @given(fills=fill_lists(max_size=20), basis=bases, names=st.randoms())
    def test_takes_lots_as_a_plain_sort_would(
        self, fills: list[Fill], basis: CostBasis, names: Random
    ) -> None:
        """Along a whole history, partial closings and undone ones in between included."""
        book = Book(basis)
        lots: list[Lot] = []
        for each in sorted(fills, key=lambda one: one.key):
            named = tuple(lot.trade_id for lot in lots if names.random() < 0.3)
            fill = replace(each, closes=named)
            order = by_sorting(lots, fill, basis)
            assert list(book.in_closing_order(fill)) == order
            done = match(book, fill)
            assert [each.trade_id for each in done.closed] == taken_from(order, done)
            book.add(fill, done)
            if names.random() < 0.3:
                book.remove(fill)
                assert list(book.lots) == lots
                continue
            lots = after(lots, done)
            assert list(book.lots) == lots

    @given(fills=fill_lists(max_size=20))
    def test_realises_the_same_once_all_is_closed(self, fills: list[Fill]) -> None:
        """At one last price, gross, under every basis."""
        held = sum(
            (each.quantity if each.side is Side.BUY else -each.quantity for each in fills), ZERO
        )
        if held:
            side = Side.SELL if held > 0 else Side.BUY
            last = sold("last", abs(held), 7, trade_date=MONDAY.replace(year=2025))
            fills = [*fills, replace(last, side=side)]

        realised = {refold(fills, basis)[0].realised_gross for basis in CostBasis}

        assert len(realised) == 1

    @pytest.mark.parametrize("basis", CostBasis)
    def test_is_not_touched_through_a_copy(self, basis: CostBasis) -> None:
        """A fork closes its own lots."""
        lots = [Lot(name_of(name), MONDAY, Decimal(1), Decimal(cost), ZERO) for name, cost in
                (("a", 10), ("b", 30), ("c", 20))]  # fmt: skip
        held = lots_for(basis, lots)
        sale = sold("d", 1, 5)
        twin = held.copy()
        book = Book(basis)
        book.lots, book.quantity = twin, Decimal(3)

        done = match(book, sale)
        twin.take(done.closed, done.opened)

        assert list(held) == lots
        assert len(twin) == 2


def taken_from(order: list[Lot], done: Matching) -> list[UUID]:
    """The trades of so many lots from the front as cover what was closed."""
    closing = sum((abs(each.quantity) for each in done.closed), ZERO)
    sizes = accumulate((abs(lot.quantity) for lot in order), initial=ZERO)
    return [lot.trade_id for lot, before in zip(order, sizes, strict=False) if before < closing]


def after(lots: list[Lot], done: Matching) -> list[Lot]:
    """The lots, oldest first, once some parts of them are closed and maybe one is opened."""
    closed = {each.trade_id: each.quantity for each in done.closed}
    left = [
        rest_of(lot, closed[lot.trade_id]) if lot.trade_id in closed else lot
        for lot in lots
        if closed.get(lot.trade_id) != lot.quantity
    ]
    return left if done.opened is None else [*left, done.opened]
