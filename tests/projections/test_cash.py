"""The read model `cash`: one movement per leg, balances with their totals by kind."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from projections.asking import Readable
from projections.cash.legs import MovementKind
from projections.cash.model import BalanceRow, Cash
from projections.cash.queries import balances_of, movements_of
from projections.read_model import ReadModel
from tests.projections.story import ACME, DAY_ONE, GLOBEX, Story

APPLE = "AAPL"
FUND = "growth"

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]


@pytest.fixture(autouse=True)
def begun(story: Story) -> None:
    """Every story here begins with one instrument and one portfolio."""
    story.register(APPLE)
    story.open(FUND)


class TestMovingCash:
    """Each event's legs are signed as the portfolio sees them and end in its balance."""

    def test_a_trade_has_principal_and_fee(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Both legs name the trade and the balance behind the whole event; newest comes first."""
        story.deposit(FUND, "100")
        bought = story.trade(FUND, APPLE, "3", "10", fee="0.50")
        sold = story.trade(FUND, APPLE, "-1", "20")
        fold(Cash())

        page = movements_of(Readable(connection), tenant=ACME, portfolio=FUND)

        assert [
            (leg.kind, leg.amount, leg.balance_after, leg.trade_id, leg.position)
            for leg in page.rows
        ] == [
            (MovementKind.PRINCIPAL, Decimal(20), Decimal("89.5"), sold, 7),
            (MovementKind.FEE, Decimal("-0.5"), Decimal("69.5"), bought, 5),
            (MovementKind.PRINCIPAL, Decimal(-30), Decimal("69.5"), bought, 5),
            (MovementKind.DEPOSIT, Decimal(100), Decimal(100), None, 3),
        ]
        assert {leg.value_date for leg in page.rows} == {DAY_ONE}
        assert (page.position, page.market_position) == (7, 1)

    @pytest.mark.parametrize("reversal", ["busted", "amended"])
    def test_a_trade_taken_out_has_its_legs_once_more_the_other_way(
        self, story: Story, fold: FoldAll, connection: Connection, reversal: str
    ) -> None:
        """On the trade's own value date, saying why; an amended one has its new legs behind."""
        bought = story.trade(FUND, APPLE, "3", "10", fee="0.50", day=DAY_ONE)
        if reversal == "busted":
            story.bust(bought)
        else:
            story.amend(bought, "1", "10")
        fold(Cash())

        *after, fee, principal, _, _ = movements_of(
            Readable(connection), tenant=ACME, portfolio=FUND
        ).rows
        (balance,) = balances_of(Readable(connection), tenant=ACME, portfolio=FUND).rows

        assert [
            (leg.kind, leg.amount, leg.balance_after, leg.reversal, leg.value_date, leg.trade_id)
            for leg in (principal, fee)
        ] == [
            (MovementKind.PRINCIPAL, Decimal(30), Decimal(0), reversal, DAY_ONE, bought),
            (MovementKind.FEE, Decimal("0.5"), Decimal(0), reversal, DAY_ONE, bought),
        ]
        anew = [Decimal(-10)] if reversal == "amended" else []
        assert [leg.amount for leg in after] == anew
        assert {leg.reversal for leg in after} <= {None}
        assert (balance.principal, balance.fees) == (sum(anew, Decimal(0)), Decimal(0))

    def test_balances_hold_their_totals_by_kind(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """One row per currency; the kinds add up to the balance."""
        story.deposit(FUND, "100")
        story.deposit(FUND, "7", currency="EUR")
        story.withdraw(FUND, "40")
        story.trade(FUND, APPLE, "3", "10", fee="1")
        fold(Cash())

        euros, dollars = balances_of(Readable(connection), tenant=ACME, portfolio=FUND).rows

        assert dollars == BalanceRow(
            ACME,
            FUND,
            "USD",
            balance=Decimal(29),
            deposits=Decimal(100),
            withdrawals=Decimal(-40),
            principal=Decimal(-30),
            fees=Decimal(-1),
            changed_position=7,
        )
        assert (euros.currency, euros.balance) == ("EUR", Decimal(7))


class TestAsking:
    """Pages, one currency, and no other tenant."""

    def test_pages_follow_one_another_within_an_event(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """A page may end between the two legs of one trade."""
        story.trade(FUND, APPLE, "3", "10", fee="1")
        story.trade(FUND, APPLE, "3", "10", fee="1")
        fold(Cash())
        whole = movements_of(Readable(connection), tenant=ACME, portfolio=FUND).rows

        first = movements_of(Readable(connection), tenant=ACME, portfolio=FUND, limit=3)
        second = movements_of(
            Readable(connection), tenant=ACME, portfolio=FUND, limit=3, cursor=first.next_cursor
        )

        assert first.rows + second.rows == whole
        assert (len(whole), second.next_cursor) == (4, None)

    def test_one_currency_at_a_time(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Only that currency's legs."""
        story.deposit(FUND, "1")
        story.deposit(FUND, "2", currency="EUR")
        fold(Cash())

        rows = movements_of(Readable(connection), tenant=ACME, portfolio=FUND, currency="EUR").rows

        assert [leg.amount for leg in rows] == [Decimal(2)]

    def test_another_tenants_rows_never_come_out(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """A portfolio of the same name under another tenant has other cash."""
        story.open(FUND, tenant=GLOBEX)
        story.deposit(FUND, "1")
        story.deposit(FUND, "2", tenant=GLOBEX)
        fold(Cash())

        assert [
            row.balance
            for row in balances_of(Readable(connection), tenant=GLOBEX, portfolio=FUND).rows
        ] == [Decimal(2)]
        assert len(movements_of(Readable(connection), tenant=ACME, portfolio=FUND).rows) == 1
        assert movements_of(Readable(connection), tenant="nobody", portfolio=FUND).rows == []
