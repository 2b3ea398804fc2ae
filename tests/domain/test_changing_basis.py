"""A change of cost basis from a date: realised before it stands, lots go on as they are pooled."""

from datetime import date
from decimal import Decimal

import pytest

from domain.basis_change import BasisChange
from domain.book import Book
from domain.lots import CostBasis
from domain.portfolio.life import CostBasisAssigned
from domain.portfolio.periods import close_period
from domain.portfolio.rebasing import change_cost_basis
from domain.portfolio.standing import Said
from domain.portfolio.state import Portfolio
from domain.rejection import Rejection
from tests.domain.blotter import Blotter, Day, Rebasing
from tests.domain.scenes import (
    APPLE,
    FIFO,
    FRIDAY_NOON,
    FUND,
    MONDAY,
    SELL,
    TUESDAY,
    WEDNESDAY,
    bought,
    exact,
    portfolio,
    sold,
    told,
)

AVERAGE, HIFO, LIFO = CostBasis.AVERAGE, CostBasis.HIFO, CostBasis.LIFO


def book_of(*entries: object, basis: CostBasis = FIFO) -> Book:
    """A book of these entries, in this order."""
    book = Book(basis)
    for entry in entries:
        book.fold_entry(entry)  # type: ignore[arg-type]
    return book


def changed(held: Portfolio, basis: CostBasis, from_date: date) -> CostBasisAssigned | Said:
    """What is decided of a change."""
    return change_cost_basis(held, name=FUND, cost_basis=basis, from_date=from_date)


class TestChanging:
    """What becomes of the open lots."""

    def test_to_average_pools_what_is_open(self) -> None:
        """1 at 10 and 1 at 30, then AVERAGE: one sold at 40 realises 20; its lots are left."""
        change = BasisChange(TUESDAY, AVERAGE)

        book = book_of(bought("t-1", 1, 10), bought("t-2", 1, 30), change)
        matching = book.fold(sold("t-3", 1, 40, trade_date=TUESDAY))

        assert matching.realised_gross == 20
        assert (book.quantity, book.cost) == exact(1, 20)

    def test_from_average_each_lot_keeps_its_date_at_the_pools_cost(self) -> None:
        """1 at 10 on Monday and 2 at 25 on Tuesday: 20 and 40, of their dates."""
        fills = (bought("t-1", 1, 10), bought("t-2", 2, 25, trade_date=TUESDAY))

        book = book_of(*fills, BasisChange(WEDNESDAY, FIFO), basis=AVERAGE)

        assert [(lot.trade_date, *exact(lot.quantity, lot.cost)) for lot in book.lots] == [
            (MONDAY, *exact(1, 20)),
            (TUESDAY, *exact(2, 40)),
        ]

    def test_to_highest_cost_ranks_lots_by_what_they_cost(self) -> None:
        """1 at 10, 1 at 30, 1 at 20 under FIFO, then HIFO: that at 30 is sold first."""
        fills = [bought(f"t-{price}", 1, price) for price in (10, 30, 20)]

        book = book_of(*fills, BasisChange(TUESDAY, HIFO))
        matching = book.fold(sold("t-4", 1, 40, trade_date=TUESDAY))

        assert [part.cost for part in matching.closed] == [30]
        assert all(lot.unit_cost is not None for lot in book.lots)

    def test_stands_before_a_trade_and_leaves_what_was_realised(self) -> None:
        """Sold on Monday by FIFO, on Tuesday by LIFO."""
        fills = [bought(f"t-{price}", 1, price) for price in (10, 20, 30)]

        book = book_of(*fills, sold("t-4", 1, 40), BasisChange(TUESDAY, LIFO))
        assert book.realised_gross == 30
        book.fold(sold("t-5", 1, 40, trade_date=TUESDAY))

        assert book.realised_gross == 30 + 10


class TestThePortfolio:
    """Its books change when their date has come, and what is told late is put in its place."""

    def test_changes_a_book_on_the_date_only(self) -> None:
        """Told on Monday for Wednesday."""
        blotter = Blotter()
        blotter.tell(told("t-1"), Rebasing(AVERAGE, WEDNESDAY), Day(TUESDAY))
        assert blotter.portfolios[FUND].book(APPLE).basis is FIFO

        blotter.tell(Day(WEDNESDAY))

        assert blotter.portfolios[FUND].book(APPLE).basis is AVERAGE

    def test_begins_new_books_under_the_new_basis(self) -> None:
        """Two purchases and a sale, all behind the date, in an instrument never traded before."""
        blotter = Blotter()
        blotter.tell(Rebasing(LIFO, TUESDAY))

        for number, price in enumerate((10, 20)):
            blotter.tell(told(f"t-{number}", price=Decimal(price), trade_date=WEDNESDAY))
        blotter.tell(told("t-3", side=SELL, price=Decimal(30), trade_date=WEDNESDAY))

        assert blotter.portfolios[FUND].book(APPLE).realised_gross == 100 * (30 - 20)

    def test_takes_a_late_trade_before_the_date_by_the_old_basis(self) -> None:
        """Sold on Monday, told after Tuesday's change to LIFO: of the lot at 10, by FIFO."""
        blotter = Blotter()
        blotter.tell(told("t-1", price=Decimal(10)), told("t-2", price=Decimal(20)))
        blotter.tell(Rebasing(LIFO, TUESDAY), Day(TUESDAY))

        blotter.tell(told("t-3", side=SELL, price=Decimal(30)))

        held = blotter.portfolios[FUND].book(APPLE)
        assert (held.realised_gross, held.cost) == exact(2_000, 2_000)


class TestAChange:
    """What is refused, and what is no news."""

    def test_told_again_is_said_already(self) -> None:
        """The same basis from the same date."""
        held = portfolio()
        first = changed(held, LIFO, TUESDAY)
        assert isinstance(first, CostBasisAssigned)
        held.apply(first)

        assert changed(held, LIFO, TUESDAY) == Said(held.version, first)

    @pytest.mark.parametrize("day", [MONDAY, TUESDAY])
    def test_comes_behind_every_other(self, day: date) -> None:
        """On the date of the last one or before it there is none."""
        held = portfolio()
        held.apply(CostBasisAssigned(portfolio=FUND, cost_basis=LIFO, from_date=TUESDAY))

        with pytest.raises(Rejection, match="changes on 2024-01-09 already") as refused:
            changed(held, HIFO, day)

        assert refused.value.code == "cost_basis_changed_since"

    def test_is_to_another_basis(self) -> None:
        """That of the opening is in force, or that of the last change."""
        held = portfolio()
        with pytest.raises(Rejection) as refused:
            changed(held, FIFO, TUESDAY)
        assert refused.value.code == "cost_basis_unchanged"

        held.apply(CostBasisAssigned(portfolio=FUND, cost_basis=LIFO, from_date=TUESDAY))
        assert isinstance(changed(held, FIFO, WEDNESDAY), CostBasisAssigned)
        with pytest.raises(Rejection) as refused:
            changed(held, LIFO, WEDNESDAY)
        assert refused.value.code == "cost_basis_unchanged"

    def test_does_not_reach_into_closed_books(self) -> None:
        """Closed until Tuesday: from Wednesday on."""
        held = portfolio()
        closed = close_period(held, name=FUND, until=TUESDAY, now=FRIDAY_NOON)
        assert not isinstance(closed, Said)
        held.apply(closed)

        with pytest.raises(Rejection) as refused:
            changed(held, LIFO, TUESDAY)
        assert refused.value.code == "period_closed"
        assert isinstance(changed(held, LIFO, WEDNESDAY), CostBasisAssigned)
