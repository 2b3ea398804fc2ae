"""Instruments in `positions`: terms in force, what trades, and what is written down."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from domain.instrument import (
    InstrumentDelisted,
    InstrumentRenamed,
    InstrumentResumed,
    InstrumentSuspended,
    SectorAssigned,
    SymbolChanged,
    WrittenDown,
)
from projections.asking import Readable
from projections.positions.in_force import InstrumentView, instruments_in_force
from projections.positions.model import Positions
from projections.positions.queries import PositionView, PriceSource, position_of
from projections.read_model import ReadModel
from tests.projections.story import ACME, DAY_ONE, Story, closing

APPLE, TESLA = "AAPL", "TSLA"
FUND = "growth"
DAY_TWO = DAY_ONE + timedelta(days=1)
NOON = datetime(2024, 3, 4, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]

HALTED = InstrumentSuspended(instrument=APPLE, from_at=NOON, reason="halted")


@pytest.fixture(autouse=True)
def begun(story: Story) -> None:
    """Every story here begins with a share of each, bought at 10."""
    story.register(APPLE, TESLA)
    story.open(FUND)
    story.trade(FUND, APPLE, "1", "10")
    story.trade(FUND, TESLA, "1", "10")


def held(connection: Connection, instrument: str = APPLE) -> PositionView:
    """The position of the one portfolio."""
    row = position_of(Readable(connection), tenant=ACME, portfolio=FUND, instrument=instrument).row
    assert row is not None
    return row


def apple(connection: Connection) -> InstrumentView:
    """AAPL as it is listed, and nothing of it in TSLA."""
    first, second = instruments_in_force(Readable(connection)).rows
    assert (second.instrument, second.symbol, second.sector) == (TESLA, TESLA, "Technology")
    return first


def written_down(price: str, at: datetime) -> WrittenDown:
    """AAPL is worth so little."""
    return WrittenDown(instrument=APPLE, price=Decimal(price), at=at, reason="bankruptcy")


class TestTerms:
    """Title, symbol and sector as they are in force where business time stands."""

    @pytest.mark.parametrize(("from_date", "is_known"), [(DAY_ONE, True), (DAY_TWO, False)])
    def test_are_in_force_from_their_date_on(
        self,
        story: Story,
        fold: FoldAll,
        connection: Connection,
        from_date: date,
        *,
        is_known: bool,
    ) -> None:
        """Monday has closed; what is told for Tuesday waits."""
        story.close(DAY_ONE, **{TESLA: "10"})
        story.change(
            InstrumentRenamed(instrument=APPLE, title="Apple", from_date=from_date),
            SymbolChanged(instrument=APPLE, symbol="APPL", from_date=from_date),
            SectorAssigned(instrument=APPLE, from_date=from_date),
        )
        fold(Positions())

        told = ("Apple", "APPL", None) if is_known else (None, APPLE, "Technology")
        view, position = apple(connection), held(connection)
        assert (view.title, view.symbol, view.sector) == told
        assert (position.symbol, position.sector) == told[1:]

    def test_move_on_with_business_time(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Tuesday's symbol is in force once Tuesday has a price."""
        story.close(DAY_ONE, **{TESLA: "10"})
        story.change(SymbolChanged(instrument=APPLE, symbol="APPL", from_date=DAY_TWO))
        fold(Positions())
        assert held(connection).symbol == APPLE

        story.mark(NOON + timedelta(days=1), **{APPLE: "11"})
        fold(Positions())
        assert held(connection).symbol == "APPL"

    def test_are_those_told_last_for_their_date(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """A later date stays in force when an earlier one is told behind it."""
        story.change(
            SectorAssigned(instrument=APPLE, sector="Wrong", from_date=DAY_TWO),
            SectorAssigned(instrument=APPLE, sector="Phones", from_date=DAY_TWO),
            SectorAssigned(instrument=APPLE, sector="Fruit", from_date=DAY_ONE),
        )
        fold(Positions())

        assert held(connection).sector == apple(connection).sector == "Phones"


class TestSuspending:
    """The last mark stays, and is stale while nothing trades."""

    def test_makes_the_price_stale_until_it_is_resumed(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Even the close that somebody still gives for it."""
        story.change(HALTED)
        story.close(DAY_ONE, **{APPLE: "12", TESLA: "12"})
        fold(Positions())
        position = held(connection)
        assert (position.price, position.is_stale, position.is_suspended) == (
            Decimal(12),
            True,
            True,
        )
        assert apple(connection).suspended_at == NOON
        assert not held(connection, TESLA).is_stale

        story.change(InstrumentResumed(instrument=APPLE, from_at=NOON + HOUR))
        fold(Positions())
        position = held(connection)
        assert (position.price, position.is_stale, position.is_suspended) == (
            Decimal(12),
            False,
            False,
        )
        assert apple(connection).suspended_at is None


class TestDelisting:
    """The last mark stays, stale, from the day of the delisting on."""

    @pytest.mark.parametrize(("on_date", "is_gone"), [(DAY_ONE, True), (DAY_TWO, False)])
    def test_makes_the_price_stale_from_its_day_on(
        self, story: Story, fold: FoldAll, connection: Connection, on_date: date, *, is_gone: bool
    ) -> None:
        """Announced for tomorrow it changes nothing today."""
        story.close(DAY_ONE, **{APPLE: "12"})
        story.change(InstrumentDelisted(instrument=APPLE, on_date=on_date))
        fold(Positions())

        position, view = held(connection), apple(connection)
        assert (position.price, position.is_stale, position.is_delisted) == (
            Decimal(12),
            is_gone,
            is_gone,
        )
        assert (view.delisted_on, view.is_delisted) == (on_date, is_gone)


class TestWritingDown:
    """A price from its moment on, with a source of its own."""

    def test_prices_what_is_suspended_and_is_not_stale(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Closed at 12, written down to 0.5; sessions go on without it."""
        story.close(DAY_ONE, **{APPLE: "12"})
        story.change(HALTED, written_down("0.5", closing(DAY_ONE) + HOUR))
        story.close(DAY_TWO, **{TESLA: "12"})
        fold(Positions())

        position = held(connection)
        assert (position.price, position.price_source) == (Decimal("0.5"), PriceSource.WRITE_DOWN)
        assert (position.price_at, position.is_stale) == (closing(DAY_ONE) + HOUR, False)
        assert position.market_value == Decimal("0.5")

    @pytest.mark.parametrize(
        ("hours", "price", "source"),
        [
            (-1, "12", PriceSource.MARK),
            (0, "0.5", PriceSource.WRITE_DOWN),
            (1, "0.5", PriceSource.WRITE_DOWN),
        ],
    )
    def test_is_in_force_by_its_business_time(
        self,
        story: Story,
        fold: FoldAll,
        connection: Connection,
        hours: int,
        price: str,
        source: PriceSource,
    ) -> None:
        """Of equal times the later in the log counts, as among marks."""
        story.mark(NOON, **{APPLE: "12"})
        story.change(written_down("0.5", NOON + hours * HOUR))
        fold(Positions())

        position = held(connection)
        assert (position.price, position.price_source) == (Decimal(price), source)

    def test_ends_with_the_next_mark_and_comes_back_when_a_close_is_cancelled(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """The newest price that nobody took back."""
        story.change(written_down("0.5", NOON))
        story.close(DAY_ONE, **{APPLE: "3"})
        fold(Positions())
        assert held(connection).price_source is PriceSource.MARK

        story.correct(DAY_ONE, APPLE, None)
        fold(Positions())
        assert held(connection).price_source is PriceSource.WRITE_DOWN
