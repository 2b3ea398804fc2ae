"""Cash by value date: pending until its date is settled, whatever is taken out in between."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from domain.money import ZERO
from projections.asking import Readable
from projections.cash.ladders import Ladder, Rung, ladders_of
from projections.cash.model import Cash
from projections.read_model import ReadModel
from tests.projections.story import ACME, DAY_ONE, GLOBEX, Story

APPLE = "AAPL"
FUND = "growth"
DAY_TWO = DAY_ONE + timedelta(days=1)
FIRST_VALUE, SECOND_VALUE = DAY_ONE + timedelta(days=2), DAY_TWO + timedelta(days=2)

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]


@pytest.fixture(autouse=True)
def begun(story: Story) -> None:
    """Every story here begins with one instrument and one funded portfolio."""
    story.register(APPLE)
    story.open(FUND)
    story.deposit(FUND, "100")


def dollars(connection: Connection) -> Ladder:
    """The ladder of the one currency."""
    (ladder,) = ladders_of(Readable(connection), tenant=ACME, portfolio=FUND).rows
    return ladder


def ladder(balance: str, settled: str, received: str, paid: str, *dates: Rung) -> Ladder:
    """A ladder in dollars."""
    return Ladder(
        "USD", Decimal(balance), Decimal(settled), Decimal(received), Decimal(paid), ZERO, dates
    )


def rung(day: date, received: str, paid: str, projected: str) -> Rung:
    """A rung."""
    return Rung(day, Decimal(received), Decimal(paid), ZERO, Decimal(projected))


class TestPendingCash:
    """A trade is in the balance at once and pending until its value date is settled."""

    def test_is_told_by_value_date(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Receipts and payments apart, each date with the balance projected after it."""
        story.trade(FUND, APPLE, "3", "10", fee="1")
        story.trade(FUND, APPLE, "-1", "20")
        story.trade(FUND, APPLE, "-1", "30", day=DAY_TWO)
        fold(Cash())

        assert dollars(connection) == ladder(
            "119",
            "100",
            "50",
            "-31",
            rung(FIRST_VALUE, "20", "-31", "89"),
            rung(SECOND_VALUE, "30", "0", "119"),
        )

    def test_is_settled_with_its_date(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """What is due moves over, later dates stay."""
        story.trade(FUND, APPLE, "3", "10")
        story.trade(FUND, APPLE, "-1", "30", day=DAY_TWO)
        story.settle(FUND, FIRST_VALUE)
        fold(Cash())

        assert dollars(connection) == ladder(
            "100", "70", "30", "0", rung(SECOND_VALUE, "30", "0", "100")
        )

    def test_leaves_with_a_busted_trade(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Another trade of the date stays as it was."""
        busted = story.trade(FUND, APPLE, "3", "10")
        story.trade(FUND, APPLE, "1", "7")
        story.bust(busted)
        fold(Cash())

        assert dollars(connection) == ladder(
            "93", "100", "0", "-7", rung(FIRST_VALUE, "0", "-7", "93")
        )

    @pytest.mark.parametrize(("quantity", "pending"), [("3", ("30", "0")), ("-3", ("0", "-30"))])
    def test_comes_back_where_a_settled_trade_is_busted(
        self,
        quantity: str,
        pending: tuple[str, str],
        story: Story,
        fold: FoldAll,
        connection: Connection,
    ) -> None:
        """Paid money is to be received, and the other way round, until that is settled too."""
        busted = story.trade(FUND, APPLE, quantity, "10")
        story.settle(FUND, FIRST_VALUE)
        story.bust(busted)
        settled = str(100 - 10 * int(quantity))
        fold(Cash())

        assert dollars(connection) == ladder(
            "100", settled, *pending, rung(FIRST_VALUE, *pending, "100")
        )

    def test_is_nothing_without_trades(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Flows are settled when told; another tenant's portfolio of the name has its own."""
        story.open(FUND, tenant=GLOBEX)
        story.deposit(FUND, "1", tenant=GLOBEX)
        story.trade(FUND, APPLE, "1", "1", tenant=GLOBEX)
        fold(Cash())

        assert dollars(connection) == ladder("100", "100", "0", "0")
