"""Booking a fill: given what was booked, when it comes, then these events (conventions 4, 6)."""

from decimal import Decimal

import pytest

from domain.lots import ClosedLot, CostBasis, Fill, Lot, Side
from domain.portfolio.booking import cash_change, consideration
from domain.portfolio.events import (
    LOTS_PER_EVENT_MAX,
    LotsClosed,
    LotsRestated,
    TradeBooked,
)
from domain.rejection import Rejection
from tests.domain.scenes import (
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
    fill,
    name_of,
    sold,
    totals,
)

HUGE = Decimal("9" * 26)


class TestChangingCash:
    """What a fill does to cash, from the owner's side."""

    @pytest.mark.parametrize(
        ("side", "fee", "change"),
        [(Side.BUY, 3, -103), (Side.SELL, 3, 97), (Side.BUY, -3, -97), (Side.SELL, -3, 103)],
    )
    def test_takes_the_fee_on_either_side(self, side: Side, fee: int, change: int) -> None:
        """A purchase takes consideration and fee, a sale brings one and takes the other."""
        assert cash_change(fill("a", side, 10, 10, fee=fee)) == change

    def test_takes_the_consideration_given_else_the_exact_product(self) -> None:
        """No hidden rounding to cents, and an amount of zero is an amount."""
        quantity, price = exact("3", "3.335")

        assert consideration(quantity, price, None) == Decimal("10.005")
        assert consideration(quantity, price, Decimal("10.01")) == Decimal("10.01")
        assert consideration(quantity, price, Decimal(0)) == 0


class TestBookingOnTime:
    """A fill that stands last in book order gives one event with all it did."""

    def test_tells_the_lot_opened_and_everything_after(self) -> None:
        """Buy 100 @ 10 fee 10 on 5,000 in cash."""
        desk = Desk(cash=5_000)
        purchase = bought("a", 100, 10, fee=10)

        assert desk.decide(purchase, rate=Decimal("0.9")) == [
            booked(
                purchase,
                totals=totals(100, 1_000, 10),
                cash_after=Decimal(3_990),
                opened=Lot(name_of("a"), MONDAY, *exact(100, 1_000, 10)),
                rate_to_base=Decimal("0.9"),
            )
        ]

    def test_tells_the_parts_closed_and_what_was_realised(self) -> None:
        """Then sell 50 @ 12 fee 5: gross 100, net 90 (convention 9)."""
        desk = after(FIFO, [bought("a", 100, 10, fee=10)])
        sale = sold("b", 50, 12, fee=5)

        assert desk.decide(sale) == [
            booked(
                sale,
                totals=totals(50, 500, 5, 100, 90),
                cash_after=Decimal(-1_010 + 595),
                realised_gross=Decimal(100),
                realised_net=Decimal(90),
                closed=(ClosedLot(name_of("a"), MONDAY, *exact(50, 500, 5, 100)),),
            )
        ]

    def test_tells_both_when_it_crosses_zero(self) -> None:
        """2 held, 3 sold: one part closed, one lot opened, one event."""
        desk = after(FIFO, [bought("a", 2, 10)])
        sale = sold("b", 3, 12, fee=3)

        assert desk.decide(sale) == [
            booked(
                sale,
                totals=totals(-1, -12, 1, 4, 2),
                cash_after=Decimal(-20 + 36 - 3),
                realised_gross=Decimal(4),
                realised_net=Decimal(2),
                opened=Lot(name_of("b"), MONDAY, *exact(-1, -12, 1)),
                closed=(ClosedLot(name_of("a"), MONDAY, *exact(2, 20, 0, 4)),),
            )
        ]

    @pytest.mark.parametrize("basis", CostBasis)
    def test_decides_without_changing_anything(self, basis: CostBasis) -> None:
        """A decision is pure: asking twice answers alike, and the portfolio is as before."""
        desk = after(basis, [bought("a", 2, 10), bought("b", 2, 20)])
        sale = sold("c", 3, 30)
        version, quantity = desk.portfolio.version, desk.book.quantity

        first = desk.decide(sale)

        assert desk.decide(sale) == first
        assert (desk.portfolio.version, desk.book.quantity) == (version, quantity)

    def test_keeps_instruments_apart(self) -> None:
        """Another instrument's first fill is neither late nor a sale of this one's lots."""
        desk = after(FIFO, [bought("a", 2, 10, trade_date=TUESDAY)])

        assert desk.portfolio.book("MSFT").quantity == 0
        assert desk.portfolio.book("MSFT").last_key is None


class TestBookingWhatTheLogCannotCarry:
    """A result beyond 26 digits is refused before anything is written."""

    @pytest.mark.parametrize(
        ("name", "cash", "before", "beyond"),
        [
            ("cash", 0, bought("a", 1, HUGE), bought("b", 1, HUGE)),
            ("quantity", 0, bought("a", HUGE, 0), bought("b", 1, 0)),
            ("cash change", HUGE, bought("a", 1, 0), bought("b", 1, HUGE, fee=HUGE)),
        ],
    )
    def test_refuses_it_by_name(self, name: str, cash: Decimal, before: Fill, beyond: Fill) -> None:
        """The fill before still fits; this one is refused, and nothing is booked."""
        desk = Desk(cash=cash)
        desk.take(before)
        version = desk.portfolio.version

        with pytest.raises(Rejection) as refused:
            desk.take(beyond)

        assert refused.value.code == "out_of_range"
        assert refused.value.message.startswith(name)
        assert desk.portfolio.version == version

    def test_bounds_also_what_one_fill_realises(self) -> None:
        """Fees of both sides sum to more than the wire carries, though every total would fit."""
        desk = Desk()
        desk.take(
            bought("a", 1, 0),
            sold("b", 1, HUGE, trade_date=TUESDAY),
            bought("c", 1, 0, fee=HUGE, trade_date=WEDNESDAY),
        )

        with pytest.raises(Rejection) as refused:
            desk.take(sold("d", 1, 0, fee=HUGE, trade_date=WEDNESDAY))

        assert refused.value.message.startswith("realised_net")


class TestPagingClosedLots:
    """A booking holds 500 closed parts; the rest follow in pages (the log's bounds)."""

    @pytest.mark.parametrize(
        ("lots", "further"),
        [
            (LOTS_PER_EVENT_MAX, []),
            (LOTS_PER_EVENT_MAX + 1, [1]),
            (2 * LOTS_PER_EVENT_MAX, [LOTS_PER_EVENT_MAX]),
            (2 * LOTS_PER_EVENT_MAX + 1, [LOTS_PER_EVENT_MAX, 1]),
        ],
    )
    def test_begins_a_page_beyond_500(self, lots: int, further: list[int]) -> None:
        """The booking says how many follow, each says which it is, and none is empty."""
        first, *pages = Many(lots).desk().decide(sold("s", lots, 7))

        assert isinstance(first, TradeBooked)
        assert first.closed_pages == len(further)
        assert [len(page.closed) for page in pages if isinstance(page, LotsClosed)] == further
        numbers = [(page.page, page.pages) for page in pages if isinstance(page, LotsClosed)]
        assert numbers == [(n, len(further)) for n in range(1, len(further) + 1)]

    @pytest.mark.parametrize("basis", CostBasis)
    def test_closes_every_lot_once_and_folds_to_what_was_decided(self, basis: CostBasis) -> None:
        """1,001 lots and a crossing of zero: the pages together are the whole matching."""
        desk = Many(2 * LOTS_PER_EVENT_MAX + 1, basis).desk()

        events = desk.take(sold("s", 1_003, 7, fee=10))

        parts = [part for event in events if not isinstance(event, LotsRestated)
                 for part in event.closed]  # fmt: skip
        oldest_first = [name_of(f"b-{number:04}") for number in range(1, 1_002)]
        # The newest are the dearest, too.
        newest_first = basis in (CostBasis.LIFO, CostBasis.HIFO)
        expected = oldest_first[::-1] if newest_first else oldest_first
        assert [part.trade_id for part in parts] == expected
        first = events[0]
        assert isinstance(first, TradeBooked)
        assert sum(part.realised_gross for part in parts) == first.realised_gross
        assert [lot.quantity for lot in desk.book.lots] == [-2]
        assert desk.book.quantity == first.totals.quantity == -2

    def test_goes_on_after_a_booking_of_many_pages(self) -> None:
        """What is bought back meets the lot that the paged sale opened, and may be late."""
        desk = Many(LOTS_PER_EVENT_MAX + 1).desk()
        desk.take(sold("s", 503, 7, trade_date=TUESDAY))

        desk.take(bought("t", 2, 5, trade_date=WEDNESDAY))
        late = desk.take(bought("u", 1, 5, trade_date=TUESDAY))

        assert isinstance(late[0], TradeBooked)
        assert late[0].is_late
        assert [lot.quantity for lot in desk.book.lots] == [1]
        assert desk.book.realised_gross == sum(7 - n for n in range(1, 502)) + 2 + 2
