"""What read models make of a portfolio's own life: its cash, what it is called, how it stands."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from domain.lots import CostBasis
from domain.money import Money
from domain.portfolio.events import PortfolioEvent
from domain.portfolio.life import (
    BenchmarkAssigned,
    FeeKind,
    OwnerAssigned,
    PeriodClosed,
    PeriodReopened,
    PortfolioClosed,
    PortfolioFrozen,
    PortfolioRenamed,
    PortfolioUnfrozen,
)
from projections.asking import Readable
from projections.cash.model import Cash
from projections.cash.queries import balances_of, movements_of
from projections.positions.model import Positions
from projections.positions.queries import portfolio_of, portfolios_of
from projections.read_model import ReadModel
from tests.projections.portfolio_story import book_interest, charge, exchange, tell
from tests.projections.story import ACME, DAY_ONE, GLOBEX, Story

FUND = "growth"
NEXT_DAY = DAY_ONE + timedelta(days=1)

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]


@pytest.fixture(autouse=True)
def begun(story: Story) -> None:
    """Every story here begins with one portfolio that holds 1,000 dollars."""
    story.open(FUND)
    story.deposit(FUND, "1000")


class TestCash:
    """Fees, interest and exchanges are legs by kind, and add up."""

    def test_lists_each_leg_by_its_kind(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Newest first; an exchange has a leg in each currency and one for its fee."""
        for kind in FeeKind:
            charge(story, FUND, "1", kind=kind)
        book_interest(story, FUND, "-2")
        exchange(story, FUND, "100", "80", fee=Money(Decimal(3), "EUR"))
        exchange(story, FUND, "10", "8", fee=Money(Decimal(4), "USD"))
        fold(Cash())

        rows = movements_of(Readable(connection), tenant=ACME, portfolio=FUND).rows

        assert [(row.kind, row.currency, row.amount, row.balance_after) for row in rows] == [
            ("fee", "USD", Decimal(-4), Decimal(880)),
            ("exchange", "EUR", Decimal(8), Decimal(85)),
            ("exchange", "USD", Decimal(-10), Decimal(880)),
            ("fee", "EUR", Decimal(-3), Decimal(77)),
            ("exchange", "EUR", Decimal(80), Decimal(77)),
            ("exchange", "USD", Decimal(-100), Decimal(894)),
            ("interest", "USD", Decimal(-2), Decimal(994)),
            ("other_fee", "USD", Decimal(-1), Decimal(996)),
            ("performance_fee", "USD", Decimal(-1), Decimal(997)),
            ("custody_fee", "USD", Decimal(-1), Decimal(998)),
            ("management_fee", "USD", Decimal(-1), Decimal(999)),
            ("deposit", "USD", Decimal(1000), Decimal(1000)),
        ]

    def test_sums_them_beside_each_other(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """The fee of an exchange is one of its kind; a lone fee is a charge."""
        charge(story, FUND, "1")
        charge(story, FUND, "2", kind=FeeKind.CUSTODY)
        book_interest(story, FUND, "5")
        exchange(story, FUND, "100", "80", fee=Money(Decimal(3), "USD"))
        fold(Cash())

        euros, dollars = balances_of(Readable(connection), tenant=ACME, portfolio=FUND).rows

        assert (euros.exchanged, euros.balance) == (Decimal(80), Decimal(80))
        assert (
            dollars.charges,
            dollars.interest,
            dollars.exchanged,
            dollars.fees,
            dollars.balance,
        ) == (Decimal(-3), Decimal(5), Decimal(-100), Decimal(-3), Decimal(899))


RENAMED = PortfolioRenamed(portfolio=FUND, title="Growth fund")
OWNED = OwnerAssigned(portfolio=FUND, owner="user-7")
COMPARED = BenchmarkAssigned(portfolio=FUND, benchmark="SPX", from_date=NEXT_DAY)
FROZEN = PortfolioFrozen(portfolio=FUND, reason="court_order")
UNFROZEN = PortfolioUnfrozen(portfolio=FUND, reason="order_lifted")
CLOSED = PortfolioClosed(portfolio=FUND, on_date=NEXT_DAY)
PERIOD_CLOSED = PeriodClosed(portfolio=FUND, until=NEXT_DAY)
REOPENED = PeriodReopened(portfolio=FUND, from_date=NEXT_DAY, reason="late_report")


def benchmark(name: str, from_date: date) -> BenchmarkAssigned:
    """The assignment of a benchmark."""
    return BenchmarkAssigned(portfolio=FUND, benchmark=name, from_date=from_date)


class TestPortfolios:
    """Each is listed with what it is called and how it stands."""

    @pytest.mark.parametrize(
        ("events", "shown"),
        [
            ([], {"state": "open", "title": None, "owner": None, "benchmark": None}),
            ([RENAMED, OWNED], {"title": "Growth fund", "owner": "user-7", "state": "open"}),
            ([COMPARED], {"benchmark": "SPX", "benchmark_from": NEXT_DAY}),
            ([COMPARED, benchmark("DAX", DAY_ONE)], {"benchmark": "SPX"}),
            ([COMPARED, benchmark("DAX", NEXT_DAY)], {"benchmark": "DAX"}),
            ([FROZEN], {"state": "frozen", "frozen_reason": "court_order"}),
            ([FROZEN, UNFROZEN], {"state": "open", "frozen_reason": None}),
            ([FROZEN, CLOSED], {"state": "closed", "closed_on": NEXT_DAY}),
            ([CLOSED, FROZEN, UNFROZEN], {"state": "closed"}),
            ([PERIOD_CLOSED], {"period_closed_until": NEXT_DAY, "state": "open"}),
            ([PERIOD_CLOSED, REOPENED], {"period_closed_until": DAY_ONE}),
        ],
    )
    def test_tell_what_stands(
        self, story: Story, fold: FoldAll, connection: Connection,
        events: list[PortfolioEvent], shown: dict[str, object],
    ) -> None:  # fmt: skip
        """The last word counts; the opening stays what it was."""
        for event in events:
            tell(story, event)
        fold(Positions())

        row = portfolio_of(Readable(connection), tenant=ACME, portfolio=FUND).row

        assert row is not None
        assert {name: getattr(row, name) for name in shown} == shown
        assert (row.cost_basis, row.base_currency) == (CostBasis.FIFO, "USD")
        assert row.changed_position == (2 + len(events) if events else 1)

    def test_are_each_others_strangers(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Another tenant's portfolio of the same name, and another name, keep their own."""
        story.open(FUND, tenant=GLOBEX)
        story.open("income")
        tell(story, RENAMED)
        fold(Positions())

        mine = portfolios_of(Readable(connection), tenant=ACME).rows
        theirs = portfolios_of(Readable(connection), tenant=GLOBEX).rows

        assert [(row.portfolio, row.title) for row in mine] == [
            (FUND, "Growth fund"),
            ("income", None),
        ]
        assert [row.title for row in theirs] == [None]
