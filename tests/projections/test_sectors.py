"""What all portfolios of a tenant hold by sector, in one currency."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from domain.corporate_actions import Split
from domain.instrument import SectorAssigned
from domain.money import ZERO
from eventstore.log import Log
from projections.asking import Readable
from projections.positions.model import Positions
from projections.positions.queries import positions_of
from projections.positions.sectors import SectorExposure, TenantSectors, tenant_sectors
from projections.read_model import ReadModel
from tests.domain.blotter import LATER, OTHER_FUND, Day, Declaration, Registration
from tests.domain.scenes import ACME, APPLE, FUND, MONDAY, told
from tests.projections.acted import ActedStory
from tests.projections.story import DAY_ONE, GLOBEX, Story, closing

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]


def asked(connection: Connection, currency: str = "USD", tenant: str = ACME) -> TenantSectors:
    """Ask of one tenant."""
    row = tenant_sectors(Readable(connection), tenant=tenant, currency=currency).row
    assert row is not None
    return row


def shown(exposure: SectorExposure) -> tuple[Any, ...]:
    """The figures that tests compare."""
    return (
        exposure.sector, exposure.positions, exposure.long, exposure.short, exposure.gross,
        exposure.unrealised_gross,
    )  # fmt: skip


@pytest.fixture
def begun(story: Story) -> Story:
    """Two funds of one tenant, and one of another; AAPL marked, TSLA only traded."""
    story.register(APPLE, "TSLA")
    story.change(SectorAssigned(instrument=APPLE, sector="Hardware", from_date=DAY_ONE))
    for name in ("growth", "income"):
        story.open(name)
    story.open("growth", tenant=GLOBEX)
    story.trade("growth", APPLE, "10", "10")
    story.trade("income", APPLE, "-4", "11")
    story.trade("income", "TSLA", "2", "50")
    story.trade("growth", APPLE, "99", "1", tenant=GLOBEX)
    story.mark(closing(DAY_ONE), **{APPLE: "12"})
    return story


@pytest.mark.usefixtures("begun")
class TestSectors:
    """Over all portfolios."""

    def test_are_stale_where_prices_are(
        self, begun: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """A session has closed since: what was last traded before it is old, its close is not."""
        begun.close(DAY_ONE + timedelta(days=1), AAPL="12")
        fold(Positions())

        assert [each.stale for each in asked(connection).sectors] == [0, 100]

    def test_are_summed(self, fold: FoldAll, connection: Connection) -> None:
        """The example of docs/analytics.md: long and short apart."""
        fold(Positions())

        found = asked(connection)

        assert [shown(each) for each in found.sectors] == [
            ("Hardware", 2, 120, -48, 168, 16),
            ("Technology", 1, 100, 0, 100, 0),
        ]
        assert shown(found.total)[1:] == (3, 220, -48, 268, 16)
        assert [each.stale for each in found.sectors] == [0, 0]
        assert sum((each.weight or ZERO for each in found.sectors), ZERO) == 1
        assert (found.lacking_count, found.lacking) == (0, ())

    def test_are_converted_or_listed(
        self, begun: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """In euros by the rate; without one all positions are listed, and nothing is guessed."""
        fold(Positions())
        without = asked(connection, "EUR")
        begun.mark(closing(DAY_ONE), **{"EUR/USD": "1.25"})
        fold(Positions())

        with_rate = asked(connection, "EUR")

        assert not without.sectors
        assert (without.total.gross, without.lacking_count) == (ZERO, 3)
        assert [(each.portfolio, each.instrument, each.reason) for each in without.lacking] == [
            ("growth", APPLE, "rate_missing"),
            ("income", APPLE, "rate_missing"),
            ("income", "TSLA", "rate_missing"),
        ]
        assert (with_rate.total.gross, with_rate.lacking_count) == (Decimal("214.4"), 0)

    def test_of_a_tenant_without_portfolios_are_none(
        self, fold: FoldAll, connection: Connection
    ) -> None:
        """A total of nothing, without a weight."""
        fold(Positions())

        found = asked(connection, tenant="nobody")

        assert not found.sectors
        assert (found.total.gross, found.total.weight) == (ZERO, None)


class TestHoldersThemselves:
    """Where a mark is older than a split, or there is none."""

    def test_are_valued_as_positions_are(
        self, log: Log, fold: FoldAll, connection: Connection
    ) -> None:
        """The sum is that of the rows of `/positions`, of each portfolio."""
        went = ActedStory()
        tuesday = MONDAY + timedelta(days=1)
        went.tell(
            Registration(),
            told("t-1", quantity=Decimal(3), price=Decimal(10)),
            told("t-2", quantity=Decimal(5), price=Decimal(10), portfolio=OTHER_FUND),
            told("t-3", quantity=Decimal(7), price=Decimal(2), instrument=LATER),
            Declaration(Split(action="split", instrument=APPLE, ex_date=tuesday, new=7, old=3)),
            Day(tuesday),
        )
        went.story.mark(closing(MONDAY), **{APPLE: "12"})
        went.story.append_to(log)
        fold(Positions())

        found = asked(connection)

        rows = [
            row
            for name in (FUND, OTHER_FUND)
            for row in positions_of(Readable(connection), tenant=ACME, portfolio=name).rows
        ]
        assert found.total.positions == len(rows) == 3
        assert found.total.net == sum((row.market_value or ZERO for row in rows), ZERO)
        assert found.total.unrealised_gross == sum(
            (row.unrealised_gross or ZERO for row in rows), ZERO
        )
