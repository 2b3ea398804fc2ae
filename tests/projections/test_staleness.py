"""One rule of staleness: every read model says the same of a price (convention 5)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from domain.instrument import WrittenDown
from domain.marks import is_stale
from domain.money import ZERO
from projections.asking import Readable
from projections.market.model import Market
from projections.market.queries import last_marks
from projections.performance.model import PerformanceModel
from projections.performance.queries import daily_performance
from projections.performance.risk import risk_of
from projections.positions.model import Positions
from projections.positions.queries import position_of
from projections.read_model import ReadModel
from tests.projections.story import ACME, DAY_ONE, Story, closing, opening

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]
APPLE, TESLA, FUND = "AAPL", "TSLA", "growth"
DAY_TWO = DAY_ONE + timedelta(days=1)
AN_INSTANT = timedelta(microseconds=1)


class TestAPrice:
    """Told before the session that closed last began, it is stale everywhere; from then on nowhere.

    The session of day two closes with prices of others only.
    """

    @pytest.mark.parametrize(
        ("at", "is_old"),
        [
            (opening(DAY_TWO) - AN_INSTANT, True),
            (opening(DAY_TWO), False),
            (closing(DAY_TWO) - AN_INSTANT, False),
        ],
    )
    def test_is_as_old_on_every_screen(
        self,
        story: Story,
        fold: FoldAll,
        connection: Connection,
        at: datetime,
        *,
        is_old: bool,
    ) -> None:
        """Positions, market, the row of the day and risk."""
        began(story)
        story.mark(at, **{APPLE: "12"})
        story.close(DAY_TWO, **{TESLA: "20"})

        assert said(fold, connection) == [is_old] * 4
        assert is_stale(at, fresh_from=opening(DAY_TWO)) is is_old

    @pytest.mark.parametrize(
        ("at", "is_old"), [(opening(DAY_TWO) - AN_INSTANT, True), (opening(DAY_TWO), False)]
    )
    def test_of_an_own_execution_is_no_other(
        self,
        story: Story,
        fold: FoldAll,
        connection: Connection,
        at: datetime,
        *,
        is_old: bool,
    ) -> None:
        """Never marked: the market has no price of it."""
        began(story)
        story.trade(FUND, APPLE, "1", "10", day=DAY_TWO, executed_at=at)
        story.close(DAY_TWO, **{TESLA: "20"})

        assert said(fold, connection) == [is_old, None, is_old, is_old]

    def test_written_down_is_never_old(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Until there is a newer price."""
        began(story)
        story.change(WrittenDown(instrument=APPLE, price=ZERO, at=opening(DAY_ONE), reason="lost"))
        story.close(DAY_TWO, **{TESLA: "20"})

        assert said(fold, connection) == [False] * 4


def began(story: Story) -> None:
    """A fund that holds a share of Apple."""
    story.register(APPLE, TESLA)
    story.open(FUND)
    story.deposit(FUND, "100")
    story.trade(FUND, APPLE, "1", "10", day=DAY_ONE)


def said(fold: FoldAll, connection: Connection) -> list[bool | None]:
    """What positions, the market, the row of the last day, and risk say of Apple's price."""
    for model in (Positions(), Market(), PerformanceModel()):
        fold(model)
    readable = Readable(connection)
    position = position_of(readable, tenant=ACME, portfolio=FUND, instrument=APPLE).row
    marks = last_marks(readable, names=[APPLE]).rows
    days = daily_performance(readable, tenant=ACME, portfolio=FUND).rows
    risk = risk_of(readable, tenant=ACME, portfolio=FUND).row
    assert position is not None
    assert risk is not None
    return [
        position.is_stale,
        marks[0].is_stale if marks else None,
        APPLE in days[-1].current.stale,
        APPLE in risk.valued.stale,
    ]
