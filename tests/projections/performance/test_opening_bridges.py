"""Opening a bridge: the lines of each part, and the events that told them."""

from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings

from domain.bridge import Part
from domain.event import Event
from domain.instrument import WrittenDown
from domain.portfolio.basis_events import CostBasisApplied
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    LotsSpunOff,
)
from domain.portfolio.events import CashDeposited, CashWithdrawn, TradeBooked
from domain.portfolio.life import CashExchanged, FeeCharged, InterestBooked
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut
from projections.asking import Readable
from projections.paging import CursorInvalid
from projections.performance.bridging import BridgeView, OpenedLine, opened_bridge_of
from projections.performance.queries import daily_performance
from tests.domain.scenes import FUND
from tests.projections.performance.stories import BOOKS, stories
from tests.projections.performance.telling import (
    ACME,
    BOOK,
    GLOBEX,
    Told,
    at,
    closed,
    day,
    exchanged,
    fee,
    flow,
    interest,
    opened,
    trade,
    written_down,
)
from tests.projections.performance.test_acting_laws import Scene, scenes
from tests.projections.performance.test_bridging import told

Connection = psycopg.Connection[Any]
TOLD_BY: dict[str, tuple[type[Event], ...]] = {
    "trade": (TradeBooked,),
    "cash": (
        CashDeposited, CashWithdrawn, FeeCharged, InterestBooked, CashExchanged,
        LotsTransferredIn, LotsTransferredOut,
    ),
    "write_down": (WrittenDown,),
    "corporate_action": (CorporateActionApplied, CorporateActionUnapplied, LotsSpunOff),
    "transfer": (LotsTransferredIn, LotsTransferredOut, CostBasisApplied),
}  # fmt: skip


def opened_of(
    connection: Connection, *, tenant: str = ACME, portfolio: str = BOOK, **asked: Any
) -> tuple[BridgeView | None, list[OpenedLine], Decimal]:
    """All lines, page by page."""
    lines: list[OpenedLine] = []
    cursor = None
    while True:
        view, page, total = opened_bridge_of(
            Readable(connection), tenant=tenant, portfolio=portfolio, cursor=cursor, **asked
        )
        lines += page.rows
        cursor = page.next_cursor
        if cursor is None:
            return view, lines, total


def assert_opened(connection: Connection, story: list[Told], tenant: str, portfolio: str) -> None:
    """Lines of every session add up to its parts; each is of an event of its kind."""
    days = daily_performance(Readable(connection), tenant=tenant, portfolio=portfolio).rows
    for row in days:
        view, lines, total = opened_of(
            connection, tenant=tenant, portfolio=portfolio, since=row.session, until=row.session
        )
        assert view is not None
        if view.bridge is None:
            assert not lines
            assert not total
            continue
        sums = dict.fromkeys(Part, Decimal(0))
        for line in lines:
            assert line.amount
            sums[line.part] += line.amount
            assert (line.position is None) == (line.kind == "revaluation")
            if line.position is not None:
                event = story[line.position - 1][1]
                assert isinstance(event, TOLD_BY[line.kind]), line
        assert sums == view.bridge.parts
        assert total == view.bridge.nav_end - view.bridge.nav_start


class TestAnyBridge:
    """Whatever happened."""

    @settings(max_examples=30)
    @given(story=stories(size=18))
    def test_is_the_sum_of_its_lines(self, connection: Connection, story: list[Told]) -> None:
        """Of trades, cash, write-downs and revaluations."""
        told(connection, story)

        for tenant, portfolio in BOOKS:
            assert_opened(connection, story, tenant, portfolio)

    @settings(max_examples=30)
    @given(scene=scenes(transfers=True))
    def test_with_actions_and_transfers_too(self, connection: Connection, scene: Scene) -> None:
        """What an action did is told by the last of its events."""
        story = scene.told()
        told(connection, story)

        assert_opened(connection, story, ACME, FUND)


STORY = [
    opened(), flow("1000", 1), trade("AAPL", "10", "10", 1, fee="1"),
    trade("AAPL", "-5", "12", 1), interest("3", 1), fee("2", 1), closed(1, {"AAPL": "13"}),
]  # fmt: skip


class TestLines:
    """In the order of the facts."""

    def test_of_a_day(self, connection: Connection) -> None:
        """Bought at 10, half of it sold at 12, closed at 13."""
        told(connection, STORY)

        view, lines, total = opened_of(connection)

        found = [(line.part.value, line.kind, line.amount, line.position) for line in lines]
        assert found == [
            ("trading_fees", "trade", Decimal(-1), 3),
            ("realised_price", "trade", Decimal(10), 4),
            ("external_flows", "cash", Decimal(1000), 2),
            ("interest", "cash", Decimal(3), 5),
            ("management_fees", "cash", Decimal(-2), 6),
            ("unrealised_price", "revaluation", Decimal(15), None),
        ]
        assert view is not None
        assert view.bridge is not None
        assert total == view.bridge.nav_end

    def test_of_one_part(self, connection: Connection) -> None:
        """The others are left out, of the total too."""
        told(connection, STORY)

        _, lines, total = opened_of(connection, part=Part.REALISED_PRICE)

        assert [line.name for line in lines] == ["AAPL"]
        assert total == 10

    def test_come_in_pages(self, connection: Connection) -> None:
        """Cut anywhere; a cursor is of its question."""
        told(connection, STORY)
        _, whole, _ = opened_of(connection)
        _, page, _ = opened_bridge_of(Readable(connection), tenant=ACME, portfolio=BOOK, limit=2)

        assert opened_of(connection, limit=2)[1] == whole
        with pytest.raises(CursorInvalid):
            opened_bridge_of(
                Readable(connection), tenant=GLOBEX, portfolio=BOOK, cursor=page.next_cursor
            )

    def test_of_currencies_and_a_write_down(self, connection: Connection) -> None:
        """Dollars exchanged into euros without a rate yet: nothing is opened, and it says why."""
        told(connection, [
            opened(), flow("100", 1), exchanged("50", "40", 1), closed(1),
        ])  # fmt: skip
        view, lines, _ = opened_of(connection)
        assert view is not None
        assert (view.reason, lines) == ("nav_incomplete", [])

        told(connection, [
            opened(), flow("100", 1), trade("AAPL", "10", "10", 1), closed(1, {"AAPL": "10"}),
            written_down("AAPL", "1", at(2, 15)), closed(2),
        ])  # fmt: skip
        _, lines, total = opened_of(connection, since=day(2))
        assert [(line.part.value, line.amount, line.position) for line in lines] == [
            ("write_downs", Decimal(-90), 5),
            ("unrealised_price", Decimal(90), 5),
            ("unrealised_price", Decimal(-90), None),
        ]
        assert total == -90

    def test_of_nobody(self, connection: Connection) -> None:
        """Another tenant has none."""
        told(connection, STORY)

        assert opened_of(connection, tenant=GLOBEX)[:2] == (None, [])
