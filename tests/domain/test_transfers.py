"""Lots that go from one portfolio to another: what leaves, what comes, and what stays as told."""

from decimal import Decimal
from typing import Any

import pytest

from domain.book import Book
from domain.lots import CostBasis, Lot
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut
from domain.rejection import Rejection
from domain.transfers import LOTS_PER_TRANSFER_MAX, Given, NamedLot, Transfer, lots_chosen
from tests.domain.blotter import OTHER_FUND, Blotter, Bust
from tests.domain.scenes import (
    APPLE,
    FIFO,
    FUND,
    MONDAY,
    SELL,
    TUESDAY,
    WEDNESDAY,
    bought,
    exact,
    name_of,
    sold,
    told,
)

AVERAGE, HIFO = CostBasis.AVERAGE, CostBasis.HIFO


def transfer(quantity: int = 2, **changes: Any) -> Transfer:
    """A transfer of AAPL on Tuesday."""
    wanted: dict[str, Any] = {
        "transfer": "m-1",
        "portfolio": FUND,
        "to_portfolio": OTHER_FUND,
        "instrument": APPLE,
        "trade_date": TUESDAY,
        "quantity": Decimal(quantity),
    }
    return Transfer(**(wanted | changes))


def named(**quantities: int) -> tuple[NamedLot, ...]:
    """So much of the lots that trades opened."""
    return tuple(
        NamedLot(name_of(name.replace("_", "-")), Decimal(each))
        for name, each in quantities.items()
    )


def book_of(*fills: object, basis: CostBasis = FIFO) -> Book:
    """A book of these fills."""
    book = Book(basis)
    for each in fills:
        book.fold_entry(each)  # type: ignore[arg-type]
    return book


def of(lots: tuple[Lot, ...]) -> list[tuple[Any, ...]]:
    """Date, quantity, cost and fee."""
    return [(lot.trade_date, lot.quantity, lot.cost, lot.fee) for lot in lots]


TWO_LOTS = (bought("t-1", 3, 10, fee=3), bought("t-2", 1, 30, trade_date=TUESDAY))


class TestChoosing:
    """By the sender's cost basis, or by name."""

    def test_takes_what_the_basis_would_close(self) -> None:
        """2 of 3 at 10 by FIFO, a third of whose fee stays; that at 30 and one at 10 by HIFO."""
        first, dearest = book_of(*TWO_LOTS), book_of(*TWO_LOTS, basis=HIFO)

        assert of(lots_chosen(transfer(), first.held())) == [(MONDAY, 2, 20, 2)]
        assert of(lots_chosen(transfer(), dearest.held())) == [
            (TUESDAY, 1, 30, 0),
            (MONDAY, 1, 10, 1),
        ]

    def test_takes_the_pools_cost_under_average(self) -> None:
        """Four of 60 in all: 2 cost 30, and half of the fees."""
        pooled = book_of(*TWO_LOTS, basis=AVERAGE)

        assert of(lots_chosen(transfer(), pooled.held())) == [(MONDAY, 2, 30, Decimal("1.5"))]

    def test_takes_the_lots_it_names(self) -> None:
        """Whatever the basis is."""
        wanted = transfer(2, named=named(t_2=1, t_1=1))

        chosen = lots_chosen(wanted, book_of(*TWO_LOTS).held())

        assert of(chosen) == [(TUESDAY, 1, 30, 0), (MONDAY, 1, 10, 1)]

    def test_takes_short_lots_too(self) -> None:
        """They cost minus what they brought in."""
        short = book_of(sold("t-1", 3, 10))

        assert of(lots_chosen(transfer(), short.held())) == [(MONDAY, -2, -20, 0)]

    @pytest.mark.parametrize(
        ("wanted", "code"),
        [
            (transfer(5), "quantity_not_held"),
            (transfer(2, named=named(t_2=2)), "lot_not_open"),
            (transfer(1, named=named(t_9=1)), "lot_not_open"),
        ],
    )
    def test_refuses_what_is_not_there(self, wanted: Transfer, code: str) -> None:
        """More than is held, more of a lot, or a lot that nobody knows."""
        with pytest.raises(Rejection) as refused:
            lots_chosen(wanted, book_of(*TWO_LOTS).held())

        assert refused.value.code == code

    def test_refuses_more_lots_than_an_event_holds(self) -> None:
        """500 go, 501 do not."""
        many = book_of(*(bought(f"t-{number:03}", 1, 10) for number in range(501)))

        assert len(lots_chosen(transfer(500), many.held())) == LOTS_PER_TRANSFER_MAX
        with pytest.raises(Rejection, match="divide it"):
            lots_chosen(transfer(501), many.held())


class TestWhatStays:
    """What was told is taken, whatever comes to stand before it."""

    def given(self, *lots: tuple[str, int, int]) -> Given:
        """An entry that was told to take these."""
        made = [
            Lot(name_of(name), MONDAY, *map(Decimal, (quantity, cost, 0)))
            for name, quantity, cost in lots
        ]
        return Given(transfer(sum(quantity for _, quantity, _ in lots)), tuple(made))

    def test_falls_back_to_the_basis_for_a_named_lot_that_is_gone(self) -> None:
        """Told to take t-2 at 30, which was busted: the oldest goes, at its own cost."""
        book = book_of(bought("t-1", 3, 10))

        applied = self.given(("t-2", 1, 30)).applied_to(book.held())

        assert of(applied.after.lots) == [(MONDAY, 2, 20, 0)]

    def test_owes_what_the_position_lacks(self) -> None:
        """3 that cost 30 went, 2 are there: one short, at the 10 that it was told to cost."""
        book = book_of(bought("t-1", 2, 12))

        after = self.given(("t-1", 3, 30)).applied_to(book.held()).after

        assert of(after.lots) == [(TUESDAY, -1, -10, 0)]
        assert (after.quantity, after.cost) == exact(-1, -10)


class TestAPair:
    """Both portfolios, as their events tell."""

    def test_conserves_quantity_cost_fees_and_dates(self) -> None:
        """2 at 10 and one at 30 of 7 a share: what was carried cancels."""
        blotter = Blotter()
        for name, quantity, price in (("t-1", 2, 10), ("t-2", 2, 30)):
            content = {"quantity": Decimal(quantity), "price": Decimal(price)}
            blotter.tell(told(name, fee=Decimal(2), **content))

        blotter.tell(transfer(3))

        out, came = (
            next(each for each in blotter.told[place] if isinstance(each, kind))
            for place, kind in ((FUND, LotsTransferredOut), (OTHER_FUND, LotsTransferredIn))
        )
        assert of(came.lots) == of(out.lots) == [(MONDAY, 2, 20, 2), (MONDAY, 1, 30, 1)]
        assert (out.flow, out.carried) == exact(-21, 21 - 50)
        assert (came.flow, came.carried) == exact(21, 50 - 21)

    def test_closes_an_opposite_position_at_cost(self) -> None:
        """One short sold at 40 over there, one at 10 comes: 30 are realised."""
        blotter = Blotter(allows_short=True)
        blotter.tell(told("t-1", quantity=Decimal(1), price=Decimal(10)))
        short = {"side": SELL, "quantity": Decimal(1), "price": Decimal(40)}
        blotter.tell(told("t-2", portfolio=OTHER_FUND, **short))

        blotter.tell(transfer(1))

        held = blotter.portfolios[OTHER_FUND].book(APPLE)
        assert (held.quantity, held.realised_gross) == exact(0, 30)

    def test_leaves_the_receiver_as_it_is_when_its_lot_is_busted(self) -> None:
        """t-1 at 10 went and is busted: t-2 at 30 goes in its place, and the sender says so."""
        blotter = Blotter()
        for name, price in (("t-1", 10), ("t-2", 30)):
            blotter.tell(told(name, quantity=Decimal(1), price=Decimal(price)))
        blotter.tell(transfer(1))

        blotter.tell(Bust("t-1"))

        sender, receiver = (blotter.portfolios[each].book(APPLE) for each in (FUND, OTHER_FUND))
        assert (sender.quantity, sender.cost) == exact(0, 0)
        assert (receiver.quantity, receiver.cost) == exact(1, 10)
        again = blotter.told[FUND][-1]
        assert isinstance(again, LotsTransferredOut)
        assert again.is_restated
        assert (again.cost_change, again.carried) == exact(-20, -20)

    def test_may_come_twice_from_one_lot(self) -> None:
        """There, back, and there again: lots of names of their own, of one date."""
        blotter = Blotter()
        blotter.tell(told("t-1", quantity=Decimal(2), price=Decimal(10)))

        blotter.tell(transfer(1), transfer(1, transfer="m-2"))
        back = {"portfolio": OTHER_FUND, "to_portfolio": FUND, "trade_date": WEDNESDAY}
        blotter.tell(transfer(2, transfer="m-1", **back))

        lots = list(blotter.portfolios[FUND].book(APPLE).lots)
        assert of(tuple(lots)) == [(MONDAY, 1, 10, 0), (MONDAY, 1, 10, 0)]
        assert len({lot.trade_id for lot in lots}) == 2
