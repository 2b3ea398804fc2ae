"""The read model `trades`: what was captured, and what became of it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from domain.lots import Side
from domain.trade import Intent
from projections.asking import Readable
from projections.read_model import ReadModel
from projections.trades.model import Trades
from projections.trades.queries import blotter, trade_of
from projections.trades.rows import Status
from tests.projections.story import ACME, DAY_ONE, GLOBEX, Story

APPLE, TESLA = "AAPL", "TSLA"
FUND = "growth"

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]


@pytest.fixture(autouse=True)
def begun(story: Story) -> None:
    """Every story here begins with one instrument and one portfolio."""
    story.register(APPLE)
    story.open(FUND)


class TestCapturing:
    """Each capture has one row, with its content and its outcome."""

    def test_a_booked_trade_shows_what_was_booked(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """The capture as given, the results as booked."""
        story.trade(FUND, APPLE, "3", "10")
        sold = story.trade(FUND, APPLE, "-3", "12", fee="1")
        fold(Trades())

        row = trade_of(Readable(connection), tenant=ACME, trade_id=sold).row

        assert row is not None
        assert (row.status, row.side, row.intent) == (Status.BOOKED, Side.SELL, Intent.EXECUTED)
        assert (row.quantity, row.price, row.fee) == (Decimal(3), Decimal(12), Decimal(1))
        assert (row.trade_date, row.consideration) == (DAY_ONE, Decimal(36))
        assert (row.cash_change, row.realised_gross, row.realised_net) == (
            Decimal(35),
            Decimal(6),
            Decimal(5),
        )
        assert (row.position, row.booked_position, row.changed_position) == (5, 6, 6)
        assert (row.external_id, row.every_breach, row.is_late) == ("e\\2", (), False)

    def test_a_trade_taken_out_has_no_results(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """A busted one never again, an amended one those of its new booking."""
        busted = story.trade(FUND, APPLE, "3", "10")
        amended = story.trade(FUND, APPLE, "2", "10")
        fold(Trades())
        story.bust(busted)
        story.amend(amended, "1", "20", fee="1")
        fold(Trades())

        gone = trade_of(Readable(connection), tenant=ACME, trade_id=busted).row
        anew = trade_of(Readable(connection), tenant=ACME, trade_id=amended).row

        assert gone is not None
        assert anew is not None
        assert (gone.cash_change, gone.realised_net, gone.is_late) == (None, None, None)
        assert (gone.booked_position, gone.changed_position) == (None, 7)
        assert (anew.cash_change, anew.consideration) == (Decimal(-21), Decimal(20))
        assert anew.booked_position == 13

    def test_a_parked_trade_is_an_exception_until_released(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """It keeps its place in the blotter and leaves the list of exceptions."""
        waiting = story.trade(FUND, TESLA, "3", "10")
        fold(Trades())
        exceptions = blotter(Readable(connection), tenant=ACME, status=Status.PARKED)
        assert [row.trade_id for row in exceptions.rows] == [waiting]
        assert exceptions.rows[0].booked_position is None

        story.register(TESLA)
        fold(Trades())

        assert blotter(Readable(connection), tenant=ACME, status=Status.PARKED).rows == []
        (row,) = blotter(Readable(connection), tenant=ACME, status=Status.BOOKED).rows
        assert (row.trade_id, row.position) == (waiting, 3)
        assert (row.released_position, row.booked_position) == (5, 6)

    def test_a_refusal_carries_every_breach(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Both rules, with limit and actual where there are any, text unharmed."""
        refused = story.refuse(FUND, APPLE)
        fold(Trades())

        (row,) = blotter(Readable(connection), tenant=ACME, status=Status.REFUSED).rows

        assert (row.trade_id, row.intent) == (refused, Intent.PROPOSED)
        cash, short = row.every_breach
        assert (cash.rule, cash.limit, cash.actual) == ("insufficient_cash", "10", "11")
        assert (short.message, short.limit) == ('Quotes " and \\ survive.', None)

    def test_a_name_refused_before_is_shown_as_booked(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Every refusal keeps a row; the trade itself is the one that was booked."""
        refused = story.refuse(FUND, APPLE)
        story.refuse_again()
        fold(Trades())
        assert len(blotter(Readable(connection), tenant=ACME, status=Status.REFUSED).rows) == 2
        found = trade_of(Readable(connection), tenant=ACME, trade_id=refused).row
        assert found is not None
        assert found.status is Status.REFUSED

        story.name_again()
        booked = story.trade(FUND, APPLE, "1", "1")
        assert booked == refused
        fold(Trades())

        found = trade_of(Readable(connection), tenant=ACME, trade_id=refused).row
        assert found is not None
        assert found.status is Status.BOOKED


class TestAsking:
    """Filters, pages, and no other tenant."""

    def test_filters_narrow_the_blotter(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """By portfolio, instrument and status, one and all together."""
        story.register(TESLA)
        story.open("other")
        story.trade(FUND, APPLE, "1", "10")
        story.trade(FUND, TESLA, "1", "10")
        story.trade("other", APPLE, "1", "10")
        story.refuse("other", APPLE)
        fold(Trades())

        def count(**filters: Any) -> int:
            return len(blotter(Readable(connection), tenant=ACME, **filters).rows)

        assert count() == 4
        assert count(portfolio=FUND) == 2
        assert count(instrument=APPLE) == 3
        assert count(status=Status.BOOKED) == 3
        assert count(portfolio="other", instrument=APPLE, status=Status.REFUSED) == 1
        assert count(portfolio=FUND, status=Status.REFUSED) == 0

    def test_pages_follow_one_another(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Newest first, each row once."""
        for _ in range(5):
            story.trade(FUND, APPLE, "1", "10")
        fold(Trades())
        whole = blotter(Readable(connection), tenant=ACME)

        first = blotter(Readable(connection), tenant=ACME, limit=2)
        second = blotter(Readable(connection), tenant=ACME, limit=2, cursor=first.next_cursor)
        third = blotter(Readable(connection), tenant=ACME, limit=2, cursor=second.next_cursor)

        assert first.rows + second.rows + third.rows == whole.rows
        assert [len(page.rows) for page in (first, second, third)] == [2, 2, 1]
        assert third.next_cursor is None
        assert (whole.position, whole.market_position) == (12, 1)

    def test_another_tenants_rows_never_come_out(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Neither in lists nor by a trade's id."""
        story.open(FUND, tenant=GLOBEX)
        theirs = story.trade(FUND, APPLE, "1", "10", tenant=GLOBEX)
        fold(Trades())

        assert blotter(Readable(connection), tenant=ACME).rows == []
        assert trade_of(Readable(connection), tenant=ACME, trade_id=theirs).row is None
        assert trade_of(Readable(connection), tenant=GLOBEX, trade_id=theirs).row is not None
