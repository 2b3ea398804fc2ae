"""Laws of lots, whatever is traded: nothing appears, nothing is lost, nothing depends on arrival.

Signs: a purchase's consideration counts negative, a sale's positive, as cash sees them.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from decimal import Decimal
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain import book
from domain.book import Book
from domain.lots import CostBasis, Fill, Lot, Side
from domain.money import SMALLEST, ZERO, canonical, fits, product
from domain.portfolio import booking, restating
from domain.portfolio.events import LotsRestated, RealisedChange, TradeBooked
from domain.refolding import refold
from schemas.codec import decode, encode, event_name
from tests.domain.numbers import fees, prices, quantities
from tests.domain.scenes import AVERAGE, FIFO, MONDAY, NOON, Desk, after, fill

NOTHING = (ZERO, ZERO)

bases = st.sampled_from(CostBasis)


@st.composite
def fill_lists(draw: st.DrawFn, max_size: int = 12) -> list[Fill]:
    """Fills of a few days, instants, sources and sequences, so that ties and crossings are met."""
    fills: list[Fill] = []
    for number in range(draw(st.integers(1, max_size))):
        quantity, price = draw(quantities), draw(prices)
        given_amount = draw(st.one_of(st.none(), prices))
        amount = product(quantity, price) if given_amount is None else given_amount
        fills.append(
            fill(
                f"t-{number}",
                draw(st.sampled_from(Side)),
                quantity,
                price,
                consideration=canonical(amount),
                fee=draw(fees),
                source=draw(st.sampled_from(["s0", "s1"])),
                source_sequence=draw(st.sampled_from([None, None, 1, 2])),
                trade_date=MONDAY + timedelta(days=draw(st.integers(0, 3))),
                executed_at=draw(st.sampled_from([None, NOON, NOON + timedelta(seconds=30)])),
            )
        )
    return fills


def total(numbers: list[Decimal]) -> Decimal:
    """Sum exactly."""
    return sum(numbers, ZERO)


def signed(each: Fill) -> Decimal:
    """A fill's quantity as the position sees it."""
    return each.quantity if each.side is Side.BUY else -each.quantity


class TestABook:
    """What holds after any fills in book order."""

    @given(fills=fill_lists(), basis=bases)
    def test_has_lots_that_sum_to_the_position(self, fills: list[Fill], basis: CostBasis) -> None:
        """Quantity of lots = position = purchases less sales."""
        book, _ = refold(fills, basis)

        assert total([lot.quantity for lot in book.lots]) == book.quantity
        assert book.quantity == total([signed(each) for each in fills])

    @given(fills=fill_lists(), basis=bases)
    def test_is_of_one_side_only(self, fills: list[Fill], basis: CostBasis) -> None:
        """Never a long beside a short lot, never an empty one, no cost without a position."""
        book, _ = refold(fills, basis)

        assert len({lot.quantity > 0 for lot in book.lots}) <= 1
        assert all(lot.quantity for lot in book.lots)
        if not book.quantity:
            assert (book.cost, book.fees) == NOTHING
            assert not book.lots

    @given(fills=fill_lists())
    def test_has_lots_that_sum_to_its_cost_and_fees(self, fills: list[Fill]) -> None:
        """Under FIFO, to the last decimal."""
        book, _ = refold(fills, FIFO)

        assert total([lot.cost for lot in book.lots]) == book.cost
        assert total([lot.fee for lot in book.lots]) == book.fees

    @given(fills=fill_lists(), basis=bases)
    def test_has_no_lot_that_cost_less_than_nothing(
        self, fills: list[Fill], basis: CostBasis
    ) -> None:
        """Cost has the sign of the lot's side, and no lot has more of it than it was opened at."""
        book, steps = refold(fills, basis)

        opened = {done.opened.trade_id: done.opened for _, done in steps if done.opened}
        for lot in book.lots:
            assert lot.cost * lot.quantity >= 0
            assert abs(lot.cost) <= abs(opened[lot.trade_id].cost)

    @given(fills=fill_lists(), basis=bases)
    def test_conserves_consideration(self, fills: list[Fill], basis: CostBasis) -> None:
        """Sales - purchases = realised gross - cost held: nothing is made of nothing."""
        book, _ = refold(fills, basis)

        flows = total([-each.consideration if signed(each) > 0 else each.consideration
                       for each in fills])  # fmt: skip
        assert flows == book.realised_gross - book.cost

    @given(fills=fill_lists(), basis=bases)
    def test_conserves_fees(self, fills: list[Fill], basis: CostBasis) -> None:
        """All fees paid = those realised (gross - net) + those open lots still carry."""
        book, _ = refold(fills, basis)

        paid = total([each.fee for each in fills])
        assert paid == book.realised_gross - book.realised_net + book.fees

    @given(fills=fill_lists(), basis=bases)
    def test_realises_what_its_steps_do(self, fills: list[Fill], basis: CostBasis) -> None:
        """Parts sum to their fill's result, fills to the book's; cost in parts is exact."""
        book, steps = refold(fills, basis)

        for _, done in steps:
            assert total([part.realised_gross for part in done.closed]) == done.realised_gross
        assert total([done.realised_gross for _, done in steps]) == book.realised_gross
        assert total([done.realised_net for _, done in steps]) == book.realised_net
        opened = total([done.opened.cost for _, done in steps if done.opened is not None])
        closed = total([part.cost for _, done in steps for part in done.closed])
        assert opened - closed == book.cost

    @given(fills=fill_lists())
    def test_pools_at_one_unit_cost_under_average(self, fills: list[Fill]) -> None:
        """A part of any size takes the pool's cost in proportion, to half the last decimal."""
        pool_cost = pool_quantity = ZERO
        for each, done in refold(fills, AVERAGE)[1]:
            quantity = total([part.quantity for part in done.closed])
            cost = total([part.cost for part in done.closed])
            if quantity:
                error = abs(cost * pool_quantity - pool_cost * quantity)
                assert error * 2 <= SMALLEST * abs(pool_quantity), each
            pool_quantity, pool_cost = pool_quantity - quantity, pool_cost - cost
            if done.opened is not None:
                pool_quantity += done.opened.quantity
                pool_cost += done.opened.cost

    @given(fills=fill_lists())
    def test_has_the_same_positions_under_both_methods(self, fills: list[Fill]) -> None:
        """The method moves result between dates, never quantity, dates of lots, or the total."""
        fifo, _ = refold(fills, FIFO)
        average, _ = refold(fills, AVERAGE)

        def dated(book: Book) -> list[tuple[object, Decimal]]:
            return [(lot.trade_id, lot.quantity) for lot in book.lots]

        assert dated(fifo) == dated(average)
        assert fifo.realised_gross - fifo.cost == average.realised_gross - average.cost

    @given(fills=fill_lists(), basis=bases.filter(lambda basis: basis is not CostBasis.HIFO))
    def test_mirrors_when_sides_are_exchanged(self, fills: list[Fill], basis: CostBasis) -> None:
        """Short is long seen in a mirror, but HIFO closes dear longs and cheap shorts first."""
        numbered = [replace(each, source="s", source_sequence=place, fee=ZERO)
                    for place, each in enumerate(fills)]  # fmt: skip
        other = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}
        mirrored = [replace(each, side=other[each.side]) for each in numbered]

        book, _ = refold(numbered, basis)
        mirror, _ = refold(mirrored, basis)

        assert [-lot.cost for lot in mirror.lots] == [lot.cost for lot in book.lots]
        assert (-mirror.quantity, -mirror.cost) == (book.quantity, book.cost)
        assert -mirror.realised_gross == book.realised_gross


class TestClosingEverything:
    """What a position has brought in the end does not depend on how its lots were chosen."""

    @settings(max_examples=300)
    @given(fills=fill_lists(), random=st.randoms(), is_late=st.booleans())
    def test_at_the_last_price_realises_the_same_under_every_cost_basis(
        self, fills: list[Fill], random: Random, *, is_late: bool
    ) -> None:
        """Gross, to the last decimal: all sales less all purchases; lots named or not, late or not.

        The lots that the trades name are open, closed or their own, as chance will have it.
        """
        names = [each.trade_id for each in fills]
        told = [
            replace(each, closes=tuple(random.sample(names, random.randint(0, min(3, len(names))))))
            for each in sorted(fills, key=lambda each: each.key)
        ]
        held = total([signed(each) for each in told])
        if held:
            side = Side.SELL if held > 0 else Side.BUY
            amount = canonical(product(abs(held), told[-1].price))
            told.append(fill("last", side, abs(held), told[-1].price, consideration=amount,
                             trade_date=MONDAY + timedelta(days=9)))  # fmt: skip
        flows = total([-each.consideration if signed(each) > 0 else each.consideration
                       for each in told])  # fmt: skip
        if is_late:
            random.shuffle(told)

        for basis in CostBasis:
            book = after(basis, told).book
            assert book.realised_gross == flows, basis
            assert not book.quantity
            assert not book.lots


def totals_of(book: Book) -> dict[str, Decimal]:
    """Every total a book keeps."""
    names = ("quantity", "cost", "fees", "realised_gross", "realised_net")
    return {name: getattr(book, name) for name in names}


def realised_by_date(desk: Desk) -> dict[object, tuple[Decimal, Decimal]]:
    """What the events say was realised per date: own parts and the changes listed."""
    sums: dict[object, tuple[Decimal, Decimal]] = {}

    def add(day: object, gross: Decimal, net: Decimal) -> None:
        before = sums.get(day, (ZERO, ZERO))
        sums[day] = (before[0] + gross, before[1] + net)

    for event in desk.events:
        if isinstance(event, TradeBooked):
            add(event.fill.trade_date, event.realised_gross, event.realised_net)
        elif isinstance(event, LotsRestated):
            for change in event.changes:
                add(change.trade_date, change.gross, change.net)
    return {day: both for day, both in sums.items() if both != NOTHING}


def realised_in_book_order(fills: list[Fill], basis: CostBasis) -> dict[object, object]:
    """What a fold from nothing realises per date."""
    sums: dict[object, tuple[Decimal, Decimal]] = {}
    for each, done in refold(fills, basis)[1]:
        gross, net = sums.get(each.trade_date, (ZERO, ZERO))
        sums[each.trade_date] = (gross + done.realised_gross, net + done.realised_net)
    return {day: both for day, both in sums.items() if both != NOTHING}


@contextmanager
def narrow_bounds() -> Iterator[None]:
    """Pages of two lots or changes, and a book that remembers two steps."""
    with pytest.MonkeyPatch.context() as bounds:
        bounds.setattr(booking, "LOTS_PER_EVENT_MAX", 2)
        bounds.setattr(restating, "LOTS_PER_EVENT_MAX", 2)
        bounds.setattr(restating, "CHANGES_PER_EVENT_MAX", 2)
        bounds.setattr(book, "STEPS_MAX", 2)
        yield


Bounds = Callable[[], AbstractContextManager[None]]
bounds_met = st.sampled_from([nullcontext, narrow_bounds])


class TestArriving:
    """Order independence is the law of executed facts (convention 1)."""

    @settings(max_examples=150)
    @given(fills=fill_lists(), basis=bases, shuffler=st.randoms(), bounds=bounds_met)
    def test_in_any_order_ends_as_in_book_order(
        self, fills: list[Fill], basis: CostBasis, shuffler: Random, bounds: Bounds
    ) -> None:
        """Lots, totals, cash, and what the events say was realised on each date.

        Also with pages of two and a book that remembers two steps, so that all paths are met.
        """
        arrived = fills.copy()
        shuffler.shuffle(arrived)
        expected, _ = refold(fills, basis)

        with bounds():
            desk = after(basis, arrived)

        assert list(desk.book.lots) == list(expected.lots)
        assert totals_of(desk.book) == totals_of(expected)
        assert desk.book.last_key == expected.last_key
        assert desk.portfolio.balance("USD") == total(
            [-each.consideration if signed(each) > 0 else each.consideration for each in fills]
        ) - total([each.fee for each in fills])
        assert realised_by_date(desk) == realised_in_book_order(fills, basis)

    @given(fills=fill_lists(), basis=bases, shuffler=st.randoms())
    def test_lists_no_change_that_is_none(
        self, fills: list[Fill], basis: CostBasis, shuffler: Random
    ) -> None:
        """Each date at most once per restatement, in order, and only where something changed."""
        shuffler.shuffle(fills)

        desk = after(basis, fills)

        pages = [event for event in desk.events if isinstance(event, LotsRestated)]
        for page in pages:
            days = [change.trade_date for change in page.changes]
            assert days == sorted(set(days))
            assert all(day >= page.from_date for day in days)
            assert all(isinstance(change, RealisedChange) for change in page.changes)
            assert all(change.gross or change.net for change in page.changes)

    @given(fills=fill_lists(), basis=bases)
    def test_on_time_restates_nothing(self, fills: list[Fill], basis: CostBasis) -> None:
        """In book order there is one event per fill, and it is not late."""
        desk = after(basis, sorted(fills, key=lambda each: each.key))

        assert all(isinstance(event, TradeBooked) and not event.is_late for event in desk.events)


def decimals_in(thing: object) -> Iterator[Decimal]:
    """Every decimal anywhere in an event."""
    if isinstance(thing, Decimal):
        yield thing
    elif isinstance(thing, msgspec.Struct):
        for name in thing.__struct_fields__:
            yield from decimals_in(getattr(thing, name))
    elif isinstance(thing, tuple):
        for each in thing:
            yield from decimals_in(each)


class TestWriting:
    """Nothing is appended that the wire cannot carry."""

    @given(fills=fill_lists(), basis=bases, shuffler=st.randoms())
    def test_needs_26_and_12_digits_at_most(
        self, fills: list[Fill], basis: CostBasis, shuffler: Random
    ) -> None:
        """Every number of every event, in its one form, and every event survives its bytes."""
        shuffler.shuffle(fills)

        desk = after(basis, fills)

        for event in desk.events:
            for number in decimals_in(event):
                assert fits(number)
                assert number.as_tuple() == canonical(number).as_tuple(), event
            assert decode(event_name(event), encode(event)) == event


def frozen(book: Book) -> tuple[list[Lot], dict[str, Decimal], object]:
    """All of a book that decisions look at."""
    return list(book.lots), totals_of(book), book.last_key


class TestForking:
    """A fork and its parent never see each other again (copy on write)."""

    @settings(max_examples=100)
    @given(fills=fill_lists(), basis=bases, shuffler=st.randoms(), fork_at=st.integers(0, 12))
    def test_never_changes_its_parent(
        self, fills: list[Fill], basis: CostBasis, shuffler: Random, fork_at: int
    ) -> None:
        """Fork anywhere, also between two events of one booking; fold on in one; look at both."""
        shuffler.shuffle(fills)
        with narrow_bounds():
            desk = after(basis, fills)
        parent = Desk(basis).portfolio
        events = desk.events
        for event in events[:fork_at]:
            parent.apply(event)
        before = frozen(parent.book("AAPL")), parent.cash.copy(), parent.version

        twin = parent.fork()
        for event in events[fork_at:]:
            twin.apply(event)

        assert (frozen(parent.book("AAPL")), parent.cash, parent.version) == before
        assert frozen(twin.book("AAPL")) == frozen(desk.book)
        for event in events[fork_at:]:
            parent.apply(event)
        assert frozen(parent.book("AAPL")) == frozen(desk.book)
        assert frozen(twin.book("AAPL")) == frozen(desk.book)

    @pytest.mark.parametrize("which", ["parent", "twin"])
    def test_lets_each_go_its_own_way(self, which: str) -> None:
        """Whichever folds on first, the other decides from what it saw itself."""
        desk = after(FIFO, [fill("a", Side.BUY, 2, 10)])
        twin = desk.portfolio.fork()
        sale = desk.decide(fill("b", Side.SELL, 2, 11))

        mover, stayer = (
            (desk.portfolio, twin) if which == "parent" else (twin, desk.portfolio)
        )  # fmt: skip
        for event in sale:
            mover.apply(event)

        assert mover.book("AAPL").quantity == 0
        assert stayer.book("AAPL").quantity == 2
