"""Laws of books under cost bases that they were not booked by: told once, folded by each."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.book import Entry
from domain.lots import CostBasis, Side
from domain.side_by_side import (
    Totals,
    as_booked,
    in_book_order,
    is_only_opened,
    passed_as_booked,
    passed_under,
    totals_under,
)
from domain.transfers import Transfer
from tests.domain.blotter import LATER, OTHER_FUND, Blotter, Message, Rebasing
from tests.domain.scenes import APPLE, FUND, MONDAY, told
from tests.domain.test_holder_laws import Story, holders

LAW = settings(max_examples=80, deadline=None)
NAMES = (APPLE, LATER)
NOTHING = Totals(*[Decimal(0)] * 6)


def told_to(basis: CostBasis, messages: list[Message]) -> Blotter:
    """A blotter of one basis that was told all of it."""
    blotter = Blotter(basis, allows_short=True)
    blotter.tell(*messages)
    return blotter


def books_of(blotter: Blotter, portfolio: str) -> dict[str, list[Entry]]:
    """What stands in the books of one portfolio."""
    return {
        name: [entry for _, entry in blotter.entries.get((portfolio, name), {}).values()]
        for name in NAMES
    }


def totals_of(blotter: Blotter, portfolio: str, name: str) -> tuple[Decimal, ...]:
    """What the portfolio itself holds, without what moved."""
    book = blotter.portfolios[portfolio].book(name)
    return (book.quantity, book.cost, book.fees, book.realised_gross, book.realised_net)


class TestTheBookedBasis:
    """What is told again as it was."""

    @LAW
    @given(held=holders)
    def test_is_that_of_the_portfolio(self, held: tuple[CostBasis, Story]) -> None:
        """Totals and the basis in force, through every change of basis, action and transfer."""
        basis, story = held
        blotter = told_to(basis, story.messages)

        for place in (FUND, OTHER_FUND):
            for name, entries in books_of(blotter, place).items():
                in_force, totals = as_booked(entries, basis)

                assert totals[:5] == totals_of(blotter, place, name)
                if entries:
                    assert in_force is blotter.portfolios[place].book(name).basis


class TestAnotherBasis:
    """What would have been booked."""

    @LAW
    @given(held=holders, other=st.sampled_from(CostBasis))
    def test_is_that_of_a_portfolio_opened_with_it(
        self, held: tuple[CostBasis, Story], other: CostBasis
    ) -> None:
        """Told the same trades, corrections and actions, in the same disorder; no lots moved."""
        basis, story = held
        messages: list[Message] = [
            each for each in story.messages if not isinstance(each, Transfer | Rebasing)
        ]
        booked, expected = told_to(basis, messages), told_to(other, messages)

        for place in (FUND, OTHER_FUND):
            totals = totals_under(other, in_book_order(books_of(booked, place)))

            for name in NAMES:
                found = totals.get(name, NOTHING)
                assert found[:5] == totals_of(expected, place, name)

    @LAW
    @given(held=holders)
    def test_holds_as_much_and_has_earned_as_much(self, held: tuple[CostBasis, Story]) -> None:
        """Quantities are equal; so is realised less cost, with what came and left by transfers."""
        basis, story = held
        blotter = told_to(basis, story.messages)

        for place in (FUND, OTHER_FUND):
            books = books_of(blotter, place)
            placed = in_book_order(books)
            under = [totals_under(other, placed) for other in CostBasis]
            for name, entries in books.items():
                _, booked = as_booked(entries, basis)
                for totals in (each.get(name, NOTHING) for each in under):
                    assert totals.quantity == booked.quantity
                    assert _earned(totals) == _earned(booked)

    @LAW
    @given(
        side=st.sampled_from(Side),
        lots=st.lists(
            st.tuples(*[st.decimals("0.000001", "99999", places=6)] * 3), min_size=1, max_size=6
        ),
        booked=st.sampled_from(CostBasis),
        other=st.sampled_from(CostBasis),
    )
    def test_of_what_was_only_opened_is_the_booked_one(
        self,
        side: Side,
        lots: list[tuple[Decimal, Decimal, Decimal]],
        booked: CostBasis,
        other: CostBasis,
    ) -> None:
        """Nothing is folded for it: long or short, at any prices and fees."""
        opened: list[Message] = [
            told(f"o-{number}", side=side, quantity=quantity, price=price, fee=fee)
            for number, (quantity, price, fee) in enumerate(lots)
        ]
        books = books_of(told_to(booked, opened), FUND)
        _, totals = as_booked(books[APPLE], booked)

        assert is_only_opened(books[APPLE])
        assert totals_under(other, in_book_order(books))[APPLE] == totals

    def test_of_what_was_closed_or_moved_is_folded(self) -> None:
        """A sale among purchases, and lots that came without one."""
        bought = told("b", quantity=Decimal(3), price=Decimal(10))
        lent = told("l", portfolio=OTHER_FUND, quantity=Decimal(3), price=Decimal(10))
        moved = Transfer(
            transfer="m", portfolio=FUND, to_portfolio=OTHER_FUND, instrument=APPLE,
            trade_date=MONDAY, quantity=Decimal(1),
        )  # fmt: skip
        sold = told("s", side=Side.SELL, quantity=Decimal(1), price=Decimal(40))

        given = told_to(CostBasis.FIFO, [bought, lent, moved])
        closed = told_to(CostBasis.FIFO, [bought, sold])

        for place in (FUND, OTHER_FUND):
            assert len(books_of(given, place)[APPLE]) > 1
            assert not is_only_opened(books_of(given, place)[APPLE])
        assert not is_only_opened(books_of(closed, FUND)[APPLE])


def _earned(totals: Totals) -> Decimal:
    """What is earned at a value of nothing: the value itself is the same for all."""
    return totals.realised_gross - totals.cost + totals.moved_cost


class TestOpenLots:
    """What is behind the totals in the end."""

    @LAW
    @given(held=holders, other=st.sampled_from(CostBasis))
    def test_add_up_to_what_is_held(self, held: tuple[CostBasis, Story], other: CostBasis) -> None:
        """Quantity, cost and fees, as booked and under any basis, exactly; the last is the end."""
        basis, story = held
        blotter = told_to(basis, story.messages)

        for place in (FUND, OTHER_FUND):
            books = books_of(blotter, place)
            placed = in_book_order(books)
            folded = {name: each.folded for name, each in passed_under(other, placed)}
            assert {name: each.totals() for name, each in folded.items()} == totals_under(
                other, placed
            )
            booked = [
                each for entries in books.values() for each in passed_as_booked(entries, basis)
            ]
            for each in (*folded.values(), *(passed.folded for passed in booked)):
                lots, totals = each.open_lots(), each.totals()
                sums = [
                    sum((getattr(lot, name) for lot in lots), Decimal(0))
                    for name in ("quantity", "cost", "fee")
                ]
                assert sums == [totals.quantity, totals.cost, totals.fees]


class TestThreeLots:
    """The example of docs/accounting.md."""

    @pytest.mark.parametrize(
        ("basis", "realised", "cost"),
        [("FIFO", "40", "20"), ("LIFO", "30", "10"), ("HIFO", "30", "10"), ("AVERAGE", "40", "20")],
    )
    def test_are_sold_in_part(self, basis: str, realised: str, cost: str) -> None:
        """1 at 10, 1 at 30, 1 at 20; 2 sold at 40, as booked by FIFO, under each."""
        bought = [
            told(f"b-{number}", quantity=Decimal(1), price=Decimal(price))
            for number, price in enumerate((10, 30, 20))
        ]
        sold = told("s", side=Side.SELL, quantity=Decimal(2), price=Decimal(40))
        blotter = told_to(CostBasis.FIFO, [*bought, sold])

        placed = in_book_order(books_of(blotter, FUND))
        totals = totals_under(CostBasis(basis), placed)[APPLE]

        assert (totals.quantity, totals.realised_gross) == (Decimal(1), Decimal(realised))
        assert (totals.cost, totals.moved_cost) == (Decimal(cost), Decimal(0))
