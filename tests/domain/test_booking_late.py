"""Booking late: a fill that stands before others in book order restates them (conventions 3, 6)."""

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.lots import CostBasis, Lot
from domain.portfolio.events import (
    CHANGES_PER_EVENT_MAX,
    LOTS_PER_EVENT_MAX,
    LotsRestated,
    RealisedChange,
    TradeBooked,
)
from domain.refolding import refold
from tests.domain.scenes import (
    AVERAGE,
    FIFO,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    Desk,
    Many,
    after,
    booked,
    bought,
    exact,
    name_of,
    sold,
    totals,
)


class TestBookingLate:
    """A fill late in book order restates what follows it: as if it had been there in time."""

    def test_restates_the_sale_it_precedes(self) -> None:
        """Bought at 10 and sold at 12 on Tuesday; a lot of Monday at 9 turns up."""
        desk = after(
            FIFO,
            [bought("b", 1, 10, trade_date=TUESDAY), sold("c", 1, 12, trade_date=TUESDAY, fee=1)],
        )
        late = bought("a", 1, 9, fee=2)

        first, *restated = desk.take(late)

        after_it = totals(1, 10, 0, 3, 0)
        assert first == booked(late, totals=after_it, cash_after=Decimal(-10), is_late=True)
        (page,) = restated
        assert isinstance(page, LotsRestated)
        assert (page.from_trade_id, page.from_date) == (name_of("a"), MONDAY)
        assert (page.page, page.pages, page.totals) == (1, 1, after_it)
        assert page.changes == (RealisedChange(TUESDAY, *exact(1, -1)),)
        assert list(desk.book.lots) == [Lot(name_of("b"), TUESDAY, *exact(1, 10, 0))]

    def test_has_the_realised_part_of_its_own_place(self) -> None:
        """A late sale takes the lot that Tuesday's sale took before."""
        desk = after(
            FIFO,
            [
                bought("a", 1, 10),
                bought("b", 1, 20),
                sold("d", 1, 30, trade_date=TUESDAY),
            ],
        )

        first, page = desk.take(sold("c", 1, 25))

        assert isinstance(first, TradeBooked)
        assert first.realised_gross == 15
        assert (first.closed, first.opened) == ((), None)
        assert isinstance(page, LotsRestated)
        assert page.changes == (RealisedChange(TUESDAY, *exact(-10, -10)),)
        assert desk.book.realised_gross == 25
        assert not desk.book.lots

    def test_may_turn_a_later_sale_into_a_short_sale(self) -> None:
        """The lots sold on Tuesday had already gone on Monday: Tuesday opened a short lot."""
        desk = after(FIFO, [bought("a", 1, 10), sold("c", 1, 30, trade_date=TUESDAY)])

        desk.take(sold("b", 1, 20))

        assert list(desk.book.lots) == [Lot(name_of("c"), TUESDAY, *exact(-1, -30, 0))]
        assert desk.book.realised_gross == 10

    def test_lists_one_change_per_date(self) -> None:
        """Three sales on two days move: two changes, the days' sums, in order."""
        desk = after(
            FIFO,
            [
                *(bought(f"b-{price}", 1, price) for price in (20, 30, 40)),
                sold("c", 1, 50, trade_date=TUESDAY),
                sold("d", 1, 50, trade_date=TUESDAY, source_sequence=1),
                sold("e", 1, 50, trade_date=WEDNESDAY),
            ],
        )

        events = desk.take(bought("a", 1, 10))

        _, page = events
        assert isinstance(page, LotsRestated)
        assert page.changes == (
            RealisedChange(TUESDAY, *exact(20, 20)),
            RealisedChange(WEDNESDAY, *exact(10, 10)),
        )

    def test_leaves_out_dates_on_which_nothing_changes_in_sum(self) -> None:
        """Two sales of one day exchange what they realise: no screen of that day changes."""
        on_wednesday = [sold("c", 1, 30), bought("e", 1, 40), sold("d", 1, 30)]
        desk = after(
            FIFO,
            [
                bought("a", 1, 10, trade_date=TUESDAY),
                *(replace(each, trade_date=WEDNESDAY, source_sequence=place)
                  for place, each in enumerate(on_wednesday)),
            ],
        )  # fmt: skip

        first, page = desk.take(bought("x", 1, 40))

        assert isinstance(first, TradeBooked)
        assert isinstance(page, LotsRestated)
        assert page.changes == ()
        assert first.totals == page.totals == totals(1, 40, 0, 10, 10)

    @pytest.mark.parametrize("lots", [LOTS_PER_EVENT_MAX, LOTS_PER_EVENT_MAX + 1, 1_001])
    def test_pages_the_lots_it_restates(self, lots: int) -> None:
        """However many lots are taken off and put on, each page holds at most 500 and folds."""
        desk = Many(lots).desk()
        desk.take(sold("s", lots + 1, 7, trade_date=TUESDAY))

        events = desk.take(bought("a", lots + 5, 1, trade_date=MONDAY - timedelta(days=1)))

        expected, _ = refold(desk.fills, FIFO)
        assert list(desk.book.lots) == list(expected.lots)
        pages = [event for event in events if isinstance(event, LotsRestated)]
        assert all(len(page.lots) <= LOTS_PER_EVENT_MAX for page in pages)
        assert [(page.page, page.pages) for page in pages] == [
            (number, len(pages)) for number in range(1, len(pages) + 1)
        ]
        assert sum(len(page.lots) for page in pages) == len(desk.book.lots) == lots + 1

    def test_pages_changes_beyond_1000_dates(self) -> None:
        """A sale on each of 1,001 days; an older purchase moves them all."""
        days = CHANGES_PER_EVENT_MAX + 1
        desk = Desk()
        for day in range(1, days + 1):
            date = MONDAY + timedelta(days=day)
            desk.take(bought(f"b-{day}", 1, day, trade_date=date))
            desk.take(sold(f"s-{day}", 1, day, trade_date=date))

        events = desk.take(bought("a", 1, 0))

        pages = [event for event in events if isinstance(event, LotsRestated)]
        assert [len(page.changes) for page in pages] == [CHANGES_PER_EVENT_MAX, 1]
        assert all(change.gross == 1 for change in pages[0].changes[1:])
        assert sum(change.gross for page in pages for change in page.changes) == days

    @pytest.mark.parametrize("basis", [FIFO, AVERAGE])
    def test_far_back_is_as_near(self, basis: CostBasis) -> None:
        """Late behind hundreds of fills or behind one: always as if it had come in time."""
        fills = [
            (sold if number % 3 == 0 else bought)(
                f"t-{number:03}", 1 + number % 4, 10 + number % 7, source_sequence=number
            )
            for number in range(300)
        ]
        for place in (0, 150, 235, 298):
            late = fills[place]
            others = [each for each in fills if each is not late]

            desk = after(basis, [*others, late])

            expected = after(basis, fills)
            assert list(desk.book.lots) == list(expected.book.lots)
            assert desk.book.realised_net == expected.book.realised_net
            assert desk.book.cost == expected.book.cost
