"""Laws of corporate actions, whatever is held: nothing appears, nothing is lost, all can be undone.

Positions are what trades of the days before the ex-date leave.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.book import Book
from domain.corporate_actions import (
    Action,
    CashDividend,
    SpinOff,
    Split,
    apply_action,
    scale_of,
    value_at_mark,
)
from domain.held import Applied, Held
from domain.lots import CostBasis, Fill, Side, match
from domain.money import ONE, SMALLEST, ZERO, canonical, product, share
from domain.refolding import refold
from tests.domain.numbers import fees, prices, quantities, whole
from tests.domain.scenes import APPLE, AVERAGE, FIFO, MONDAY, fill

EX_DATE = MONDAY + timedelta(days=2)

bases = st.sampled_from(CostBasis)
unranked = bases.filter(lambda basis: basis is not CostBasis.HIFO)
numbers = st.integers(1, 30)
in_lieu_prices = st.none() | prices


@st.composite
def fill_lists(draw: st.DrawFn) -> list[Fill]:
    """Fills of two days before the ex-date and two from it on, long, short and through zero."""
    return [
        fill(
            f"t-{number}",
            draw(st.sampled_from(Side)),
            draw(quantities),
            draw(prices),
            consideration=draw(prices),
            fee=draw(fees),
            trade_date=MONDAY + timedelta(days=draw(st.integers(0, 3))),
        )
        for number in range(draw(st.integers(1, 10)))
    ]


splits = st.builds(
    Split,
    action=st.just("split-1"),
    instrument=st.just(APPLE),
    ex_date=st.just(EX_DATE),
    new=numbers,
    old=numbers,
    fraction_price=in_lieu_prices,
)
spin_offs = st.builds(
    SpinOff,
    action=st.just("spin-1"),
    instrument=st.just(APPLE),
    ex_date=st.just(EX_DATE),
    child=st.just("CHILD"),
    new=numbers,
    old=numbers,
    cost_share=whole(0, 100, 2),
    fraction_price=in_lieu_prices,
)
dividends = st.builds(
    CashDividend,
    action=st.just("dividend-1"),
    instrument=st.just(APPLE),
    ex_date=st.just(EX_DATE),
    per_unit=prices.filter(bool),
    currency=st.just("USD"),
    withholding_rate=whole(0, 100, 2),
    pay_date=st.just(EX_DATE),
)
actions: st.SearchStrategy[Action] = st.one_of(splits, spin_offs, dividends)


def give(held: Held, book: Book) -> None:
    """Let a book hold this and nothing else."""
    book.replace_lots(held.lots)
    book.quantity, book.cost, book.fees = held.quantity, held.cost, held.fees


def position(fills: list[Fill], basis: CostBasis) -> Book:
    """What is open at the end of the day before."""
    return refold([each for each in fills if each.trade_date < EX_DATE], basis)[0]


def take(book: Book, action: Action) -> Applied:
    """Fold an action into a book, as its entry at the start of the ex-date."""
    done = apply_action(action, book.held())
    give(done.after, book)
    if done.in_lieu is not None:
        book.realised_gross += done.in_lieu.realised_gross
        book.realised_net += done.in_lieu.realised_net
    book.forget_all(action.key)
    return done


def give_back(book: Book, done: Applied) -> None:
    """Take an action out of a book that has seen nothing since."""
    give(done.before, book)
    if done.in_lieu is not None:
        book.realised_gross -= done.in_lieu.realised_gross
        book.realised_net -= done.in_lieu.realised_net


def folded(entries: Sequence[Fill | Action], basis: CostBasis) -> Book:
    """Fold trades and actions in book order, whatever order they are given in."""
    book = Book(basis)
    for entry in sorted(entries, key=lambda each: each.key):
        if isinstance(entry, Fill):
            book.add(entry, match(book, entry))
        else:
            take(book, entry)
    return book


def shown(book: Book) -> tuple[object, ...]:
    """What a book says, its memory apart."""
    lots = list(book.lots)
    sums = (book.quantity, book.cost, book.fees, book.realised_gross, book.realised_net)
    return lots, *map(canonical, sums)


def closed(done: Applied) -> Held:
    """What the fraction took with it."""
    parts = () if done.in_lieu is None else done.in_lieu.closed
    return Held(
        FIFO,
        (),
        sum((part.quantity for part in parts), ZERO),
        sum((part.cost for part in parts), ZERO),
        sum((part.opening_fee for part in parts), ZERO),
    )


def mirrored(held: Held) -> Held:
    """The same position on the other side."""
    lots = tuple(replace(each, quantity=-each.quantity, cost=-each.cost) for each in held.lots)
    return Held(held.basis, lots, -held.quantity, -held.cost, held.fees)


class TestASplit:
    """Of any ratio, with fractions paid or kept."""

    @given(fills=fill_lists(), split=splits, basis=bases)
    def test_conserves_cost_and_fees(
        self, fills: list[Fill], split: Split, basis: CostBasis
    ) -> None:
        """What stays and what the paid fraction took make what was there, to the last digit."""
        done = apply_action(split, position(fills, basis).held())

        gone = closed(done)
        assert done.after.cost + gone.cost == done.before.cost
        assert done.after.fees + gone.fees == done.before.fees
        if basis is not AVERAGE:
            assert sum((lot.cost for lot in done.after.lots), ZERO) == done.after.cost
            assert sum((lot.fee for lot in done.after.lots), ZERO) == done.after.fees

    @given(fills=fill_lists(), split=splits, basis=bases)
    def test_multiplies_the_position(
        self, fills: list[Fill], split: Split, basis: CostBasis
    ) -> None:
        """Quantity times ratio, rounded once; of what is paid for only whole units stay."""
        before = position(fills, basis)
        exact = share(before.quantity, Decimal(split.new), Decimal(split.old))
        assume(exact or not before.quantity)

        done = apply_action(split, before.held())

        assert sum((lot.quantity for lot in done.after.lots), ZERO) == done.after.quantity
        assert done.after.quantity + closed(done).quantity == exact
        if split.fraction_price is not None:
            assert done.after.quantity == int(exact)

    @given(fills=fill_lists(), split=splits, basis=bases)
    def test_keeps_the_order_of_lots(
        self, fills: list[Fill], split: Split, basis: CostBasis
    ) -> None:
        """Those that stay, each with its date, none without a quantity."""
        done = apply_action(split, position(fills, basis).held())

        places = [(lot.trade_id, lot.trade_date) for lot in done.before.lots]
        kept = [(lot.trade_id, lot.trade_date) for lot in done.after.lots]
        remaining = iter(places)
        assert all(each in remaining for each in kept)
        assert all(lot.quantity for lot in done.after.lots)

    @given(fills=fill_lists(), split=splits, price=prices, basis=bases)
    def test_leaves_the_value_at_the_scaled_mark(
        self, fills: list[Fill], split: Split, price: Decimal, basis: CostBasis
    ) -> None:
        """With the fraction paid at that mark; apart from what rounding a quantity is worth."""
        scale = scale_of(split)
        new_price = price * split.old / split.new
        paid = replace(split, fraction_price=None if split.fraction_price is None else new_price)

        done = apply_action(paid, position(fills, basis).held())

        value = value_at_mark(done.after.quantity, price, scale) + done.cash
        before = product(done.before.quantity, price)
        assert abs(value - before) <= SMALLEST * (new_price + 3)

    @given(fills=fill_lists(), price=prices, new=numbers, basis=bases)
    def test_of_one_unit_into_several_leaves_the_value_exactly(
        self, fills: list[Fill], price: Decimal, new: int, basis: CostBasis
    ) -> None:
        """No quantity needs rounding then: not a digit differs."""
        split = Split(action="s", instrument=APPLE, ex_date=EX_DATE, new=new, old=1)

        done = apply_action(split, position(fills, basis).held())

        before = product(done.before.quantity, price)
        assert value_at_mark(done.after.quantity, price, scale_of(split)) == before

    @given(fills=fill_lists(), new=numbers, basis=unranked)
    def test_is_as_if_every_trade_before_had_been_in_new_units(
        self, fills: list[Fill], new: int, basis: CostBasis
    ) -> None:
        """Lots, totals and everything realised, before the ex-date and after it.

        HIFO apart: there a unit's cost is rounded once more, which can make two of them equal.
        """
        split = Split(action="s", instrument=APPLE, ex_date=EX_DATE, new=new, old=1)
        rewritten = [
            replace(each, quantity=canonical(each.quantity * new))
            if each.trade_date < EX_DATE
            else each
            for each in fills
        ]

        assert shown(folded([*fills, split], basis)) == shown(folded(rewritten, basis))

    @given(fills=fill_lists(), split=splits, basis=bases)
    def test_realises_what_was_paid_less_what_it_cost(
        self, fills: list[Fill], split: Split, basis: CostBasis
    ) -> None:
        """Cash-in-lieu differences are the whole of what it realises."""
        done = apply_action(split, position(fills, basis).held())

        gone = closed(done)
        if done.in_lieu is None:
            assert done.cash == 0
        else:
            assert done.in_lieu.realised_gross == done.cash - gone.cost
            assert done.in_lieu.realised_net == done.cash - gone.cost - gone.fees
            assert done.in_lieu.opened is None


class TestASpinOff:
    """Of any ratio and cost share."""

    @given(fills=fill_lists(), spin=spin_offs, basis=bases)
    def test_conserves_cost_and_fees_between_parent_and_child(
        self, fills: list[Fill], spin: SpinOff, basis: CostBasis
    ) -> None:
        """Parent, child and the paid fraction make what was there; the child has its share."""
        done = apply_action(spin, position(fills, basis).held())

        assert done.child is not None
        gone = closed(done)
        assert done.after.cost + done.child.cost + gone.cost == done.before.cost
        assert done.after.fees + done.child.fees + gone.fees == done.before.fees
        assert done.child.cost + gone.cost == share(done.before.cost, spin.cost_share, ONE)
        assert done.child.fees + gone.fees == share(done.before.fees, spin.cost_share, ONE)
        for each in (done.after, done.child) if basis is not AVERAGE else ():
            assert sum((lot.cost for lot in each.lots), ZERO) == each.cost

    @given(fills=fill_lists(), spin=spin_offs, basis=bases)
    def test_leaves_the_parents_quantity_and_gives_the_childs(
        self, fills: list[Fill], spin: SpinOff, basis: CostBasis
    ) -> None:
        """Lot by lot the parent's stay; the child's are the position's by the ratio."""
        before = position(fills, basis)
        exact = share(before.quantity, Decimal(spin.new), Decimal(spin.old))
        assume(exact or not before.quantity)

        done = apply_action(spin, before.held())

        assert done.child is not None
        assert [e.quantity for e in done.after.lots] == [e.quantity for e in done.before.lots]
        assert done.child.quantity + closed(done).quantity == exact


class TestAnyAction:
    """What holds of all of them."""

    @given(fills=fill_lists(), action=actions, basis=bases)
    def test_is_undone_by_taking_what_was_before(
        self, fills: list[Fill], action: Action, basis: CostBasis
    ) -> None:
        """Deciding alone touches no book."""
        book, untouched = position(fills, basis), position(fills, basis)

        done = apply_action(action, book.held())

        assert shown(book) == shown(untouched)
        assert done.before == untouched.held()

    @given(fills=fill_lists(), action=actions, basis=bases)
    def test_is_as_if_it_had_never_been_once_it_is_reversed(
        self, fills: list[Fill], action: Action, basis: CostBasis
    ) -> None:
        """`before` put back, the trades from its ex-date on meet what they would have met."""
        book = position(fills, basis)

        give_back(book, take(book, action))

        for each in sorted(fills, key=lambda each: each.key):
            if each.trade_date >= EX_DATE:
                book.add(each, match(book, each))
        assert shown(book) == shown(folded(fills, basis))

    @given(fills=fill_lists(), action=actions, basis=bases, order=st.randoms())
    def test_takes_its_place_whatever_arrived_when(
        self, fills: list[Fill], action: Action, basis: CostBasis, order: Random
    ) -> None:
        """Behind every trade of the day before, ahead of every trade of its ex-date."""
        entries: list[Fill | Action] = [*fills, action]
        order.shuffle(entries)
        book = position(fills, basis)
        take(book, action)

        for each in sorted(fills, key=lambda each: each.key):
            if each.trade_date >= EX_DATE:
                book.add(each, match(book, each))

        assert shown(folded(entries, basis)) == shown(book)

    @given(fills=fill_lists(), action=actions, basis=unranked)
    def test_makes_a_short_owe_what_a_long_receives(
        self, fills: list[Fill], action: Action, basis: CostBasis
    ) -> None:
        """The mirror of a position gets the mirror of its lots and cash, taxes apart.

        HIFO apart: of long lots it closes the dearest, of short ones the cheapest.
        """
        book, mirror = position(fills, basis), Book(basis)
        give(mirrored(book.held()), mirror)

        one, other = apply_action(action, book.held()), apply_action(action, mirror.held())

        assert other.after == mirrored(one.after)
        assert other.cash == -one.cash
        if one.child is not None:
            assert other.child == mirrored(one.child)
        if one.due is not None:
            assert other.due is not None
            assert other.due.gross == -one.due.gross
