"""The read model `positions`: given events, when folded, then rows and what they are worth."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import psycopg
import pytest

from domain.lots import CostBasis
from projections.asking import Readable
from projections.paging import CursorInvalid, Page
from projections.positions.model import Positions
from projections.positions.queries import (
    LotView,
    PositionView,
    PriceSource,
    lots_of,
    portfolio_of,
    portfolios_of,
    position_of,
    positions_of,
)
from projections.read_model import ReadModel
from tests.projections.story import ACME, DAY_ONE, GLOBEX, Story, closing, opening

APPLE, TESLA = "AAPL", "TSLA"
FUND = "growth"
DAY_TWO = DAY_ONE + timedelta(days=1)
NOON = datetime(2024, 3, 4, 17, tzinfo=UTC)

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]


@pytest.fixture(autouse=True)
def begun(story: Story) -> None:
    """Every story here begins with two instruments and one portfolio."""
    story.register(APPLE, TESLA)
    story.open(FUND)


def exact(*amounts: int | str) -> tuple[Decimal, ...]:
    """Amounts as decimals."""
    return tuple(map(Decimal, amounts))


def held(connection: Connection, instrument: str = APPLE) -> PositionView:
    """The position of the one portfolio."""
    row = position_of(Readable(connection), tenant=ACME, portfolio=FUND, instrument=instrument).row
    assert row is not None
    return row


def all_pages(question: Callable[..., Page[Any]]) -> list[Any]:
    """Ask for one row at a time until there is no next page."""
    page = question(limit=1)
    rows = page.rows
    while page.next_cursor is not None:
        page = question(limit=1, cursor=page.next_cursor)
        rows += page.rows
    return rows


def lots(connection: Connection) -> list[LotView]:
    """All lots of the one portfolio."""
    return lots_of(Readable(connection), tenant=ACME, portfolio=FUND).rows


class TestBuyingAndSelling:
    """Quantities, cost and realised parts are those of the bookings."""

    def test_a_buy_opens_a_lot(self, story: Story, fold: FoldAll, connection: Connection) -> None:
        """Cost has no fee in it; the average is cost by quantity."""
        story.trade(FUND, APPLE, "3", "10", fee="1.5")
        fold(Positions())

        position = held(connection)
        (lot,) = lots(connection)

        assert (position.quantity, position.cost, position.fees) == exact(3, 30, "1.5")
        assert position.average_cost == 10
        assert (lot.quantity, lot.cost, lot.fee, lot.unit_cost) == exact(3, 30, "1.5", 10)

    def test_a_sale_closes_the_oldest_lot_first(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """The first lot shrinks and keeps its place; gross and net are realised."""
        story.trade(FUND, APPLE, "10", "10", fee="2")
        story.trade(FUND, APPLE, "10", "20")
        story.trade(FUND, APPLE, "-5", "30", fee="1")
        fold(Positions())

        position = held(connection)

        assert [(lot.quantity, lot.cost) for lot in lots(connection)] == [
            exact(5, 50),
            exact(10, 200),
        ]
        assert (position.realised_gross, position.realised_net) == exact(100, 98)

    def test_a_closed_position_is_kept(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """It has quantity 0, no lots, and is listed on request only."""
        story.trade(FUND, APPLE, "3", "10")
        story.trade(FUND, APPLE, "-3", "11")
        fold(Positions())

        position = held(connection)

        assert (position.quantity, position.market_value, position.unrealised_gross) == exact(
            0, 0, 0
        )
        assert position.average_cost is None
        assert lots(connection) == []
        assert positions_of(Readable(connection), tenant=ACME, portfolio=FUND).rows == []
        every = positions_of(Readable(connection), tenant=ACME, portfolio=FUND, include_closed=True)
        assert every.rows == [position]

    def test_a_sale_through_zero_turns_the_position_short(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Quantity and cost are negative; a fall of the price is a gain."""
        story.trade(FUND, APPLE, "3", "10")
        story.trade(FUND, APPLE, "-5", "12")
        story.mark(NOON, **{APPLE: "11"})
        fold(Positions())

        position = held(connection)

        assert (position.quantity, position.cost, position.average_cost) == exact(-2, -24, 12)
        assert (position.market_value, position.unrealised_gross) == exact(-22, 2)

    def test_a_late_fill_replaces_all_lots(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Lots stand in book order over all pages; later fills close the oldest of them."""
        for price in ("10", "20", "30"):
            story.trade(FUND, APPLE, "1", price, day=DAY_TWO)
        story.trade(FUND, APPLE, "2", "5", day=DAY_ONE)
        story.trade(FUND, APPLE, "-1", "50", day=DAY_TWO + timedelta(days=1))
        fold(Positions())

        assert [lot.cost for lot in lots(connection)] == [5, 10, 20, 30]
        assert held(connection).realised_gross == 45

    def test_many_lots_close_over_several_pages(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Pages beyond the first are taken as well, and the fill may go through zero."""
        for price in ("10", "20", "30", "40", "50"):
            story.trade(FUND, APPLE, "1", price)
        story.trade(FUND, APPLE, "-7", "60")
        fold(Positions())

        assert [(lot.quantity, lot.cost) for lot in lots(connection)] == [exact(-2, -120)]
        assert held(connection).quantity == -2

    def test_average_lots_share_the_pool(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Under AVERAGE each lot shows its part of the pool's cost."""
        story.open("pooled", basis=CostBasis.AVERAGE)
        story.trade("pooled", APPLE, "1", "10")
        story.trade("pooled", APPLE, "3", "30")
        fold(Positions())

        found = lots_of(Readable(connection), tenant=ACME, portfolio="pooled").rows

        assert [(lot.quantity, lot.cost, lot.unit_cost) for lot in found] == [
            exact(1, 25, 25),
            exact(3, 75, 25),
        ]


class TestTakingOut:
    """A busted trade was never there."""

    def test_gives_back_the_lot_and_the_price_before(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """The sale of the first lot is busted: both lots are there, priced by the second."""
        story.trade(FUND, APPLE, "1", "10")
        story.trade(FUND, APPLE, "2", "20", day=DAY_TWO)
        sold = story.trade(FUND, APPLE, "-1", "30", day=DAY_TWO)
        story.bust(sold)
        fold(Positions())

        position = held(connection)

        assert (position.quantity, position.cost, position.realised_gross) == exact(3, 50, 0)
        assert [lot.cost for lot in lots(connection)] == [10, 40]
        assert (position.price, position.price_date) == (Decimal(20), DAY_TWO)

    def test_of_the_only_trade_leaves_a_closed_position_without_a_price(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """It is listed on request, and can be traded again."""
        story.bust(story.trade(FUND, APPLE, "1", "10"))
        fold(Positions())

        position = held(connection)

        assert (position.quantity, position.cost, position.market_value) == exact(0, 0, 0)
        assert (position.price, position.price_source) == (None, PriceSource.NONE)
        assert lots(connection) == []

        story.trade(FUND, APPLE, "2", "7", day=DAY_ONE)
        fold(Positions())

        assert (held(connection).quantity, held(connection).price) == exact(2, 7)


class TestPricing:
    """Convention 5: the last mark, else the own last executed price in book order."""

    def test_without_a_mark_the_own_trade_prices(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Last is by book order, not by arrival; it grows old like any price."""
        story.trade(FUND, APPLE, "1", "10", day=DAY_TWO)
        story.trade(FUND, APPLE, "1", "99", day=DAY_ONE)
        fold(Positions())

        position = held(connection)

        assert (position.price, position.price_source) == (Decimal(10), PriceSource.TRADE)
        assert (position.price_at, position.price_date) == (None, DAY_TWO)
        for day, is_stale in ((DAY_TWO, False), (DAY_TWO + timedelta(days=1), True)):
            story.close(day, **{TESLA: "20"})
            fold(Positions())
            assert held(connection).is_stale == is_stale

    def test_a_mark_prices_before_any_trade(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Even one older than the trade, as long as nothing newer is marked."""
        story.mark(NOON, **{APPLE: "12"})
        story.trade(FUND, APPLE, "2", "10", executed_at=NOON + timedelta(hours=1))
        fold(Positions())

        position = held(connection)

        assert (position.price, position.price_source) == (Decimal(12), PriceSource.MARK)
        assert (position.price_at, position.market_value) == (NOON, Decimal(24))
        assert (position.unrealised_gross, position.is_stale) == (Decimal(4), False)

    @pytest.mark.parametrize(("minutes", "price"), [(-1, 12), (0, 13), (1, 13)])
    def test_the_newest_business_time_is_in_force(
        self, story: Story, fold: FoldAll, connection: Connection, minutes: int, price: int
    ) -> None:
        """An older mark that arrives later changes nothing; of equal times the later counts."""
        story.trade(FUND, APPLE, "1", "10")
        story.mark(NOON, **{APPLE: "12"})
        story.mark(NOON + timedelta(minutes=minutes), **{APPLE: "13"})
        fold(Positions())

        assert held(connection).price == price

    def test_a_mark_is_stale_once_a_later_session_has_closed(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """The close of the session itself is fresh, a mark from before its start is not."""
        story.trade(FUND, APPLE, "1", "10")
        story.trade(FUND, TESLA, "1", "10")
        story.mark(opening(DAY_ONE) - timedelta(seconds=1), **{APPLE: "12"})
        story.close(DAY_ONE, **{TESLA: "20"})
        fold(Positions())

        assert held(connection, APPLE).is_stale
        assert not held(connection, TESLA).is_stale
        assert held(connection, TESLA).price_at == closing(DAY_ONE)

    def test_a_corrected_close_prices_anew(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """The correction stands at the close's own time."""
        story.trade(FUND, APPLE, "1", "10")
        story.close(DAY_ONE, **{APPLE: "17.87"})
        story.correct(DAY_ONE, APPLE, "35.5")
        fold(Positions())

        position = held(connection)

        assert (position.price, position.price_at) == (Decimal("35.5"), closing(DAY_ONE))

    def test_a_cancelled_close_leaves_the_mark_before_it(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Cancelled twice over: first the newer close, then the older; the tick remains."""
        story.trade(FUND, APPLE, "1", "10")
        story.mark(opening(DAY_ONE), **{APPLE: "12"})
        story.close(DAY_ONE, **{APPLE: "13"})
        story.close(DAY_TWO, **{APPLE: "14"})
        story.correct(DAY_TWO, APPLE, None)
        fold(Positions())
        assert held(connection).price == 13

        story.correct(DAY_ONE, APPLE, None)
        fold(Positions())
        assert held(connection).price == 12

    def test_a_correction_of_an_older_close_changes_nothing_in_force(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """The newer close stays."""
        story.trade(FUND, APPLE, "1", "10")
        story.close(DAY_ONE, **{APPLE: "13"})
        story.close(DAY_TWO, **{APPLE: "14"})
        story.correct(DAY_ONE, APPLE, None)
        fold(Positions())

        assert held(connection).price == 14


class TestAsking:
    """Every answer names its position, and nobody sees another tenant."""

    def test_an_answer_says_what_it_is_of(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """The log position and that of the last market event, also with nothing to show."""
        story.mark(NOON, **{APPLE: "12"})
        story.deposit(FUND, "100")
        fold(Positions())

        page = positions_of(Readable(connection), tenant=ACME, portfolio=FUND)

        assert (page.rows, page.position, page.market_position) == ([], 5, 4)

    def test_another_tenants_rows_never_come_out(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """The same names under another tenant are other rows."""
        story.open(FUND, tenant=GLOBEX)
        story.trade(FUND, APPLE, "1", "10")
        story.trade(FUND, TESLA, "7", "10", tenant=GLOBEX)
        fold(Positions())

        ours = positions_of(Readable(connection), tenant=ACME, portfolio=FUND).rows
        theirs = positions_of(Readable(connection), tenant=GLOBEX, portfolio=FUND).rows

        assert [row.instrument for row in ours] == [APPLE]
        assert [row.instrument for row in theirs] == [TESLA]
        assert lots_of(Readable(connection), tenant="nobody", portfolio=FUND).rows == []
        assert portfolio_of(Readable(connection), tenant="nobody", portfolio=FUND).row is None

    def test_pages_follow_one_another(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Page by page gives what one page gives, for every list."""
        for number in range(5):
            story.open(f"fund-{number}")
        for price in ("1", "2", "3"):
            story.trade(FUND, APPLE, "1", price)
            story.trade(FUND, TESLA, "1", price)
        fold(Positions())

        questions: tuple[Callable[..., Page[Any]], ...] = (
            partial(portfolios_of, Readable(connection), tenant=ACME),
            partial(positions_of, Readable(connection), tenant=ACME, portfolio=FUND),
            partial(lots_of, Readable(connection), tenant=ACME, portfolio=FUND),
        )
        for question in questions:
            whole = question().rows
            assert len(whole) > 1
            assert all_pages(question) == whole

    def test_a_cursor_of_another_question_is_refused(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Another tenant's cursor, an altered one and plain nonsense."""
        story.open("fund-2")
        fold(Positions())
        cursor = portfolios_of(Readable(connection), tenant=ACME, limit=1).next_cursor
        assert cursor is not None

        for wrong in (cursor[:-2] + "AA", "nonsense", "", "é", "A" * 2_000):
            with pytest.raises(CursorInvalid):
                portfolios_of(Readable(connection), tenant=ACME, cursor=wrong)
        with pytest.raises(CursorInvalid):
            portfolios_of(Readable(connection), tenant=GLOBEX, cursor=cursor)
