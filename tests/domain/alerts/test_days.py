"""Business days begin at midnight where the market is: not in UTC, and whether anything moves."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.alerts.events import AlertCleared
from domain.alerts.market import WatchedMarket
from domain.alerts.terms import AlertKind
from domain.instrument import AssetClass, InstrumentRegistered
from domain.market import BusinessTimeReached
from tests.domain.alerts.story import NOON, Story
from tests.domain.alerts.test_values import invested

HOUR = 3_600
UTC_MIDNIGHT = 12 * HOUR
NEW_YORK_MIDNIGHT = 17 * HOUR
"""Seconds behind noon (UTC) of a winter's day."""


def fallen(seconds: int, **changes: int) -> Story:
    """A portfolio of New York that has lost a tenth on the day, so many seconds behind noon."""
    story = invested()
    story.rule(AlertKind.LOSS_ON_DAY, "0.05", "0.01", **changes)
    story.mark(0, AAPL="10")
    story.mark(seconds, AAPL="9")
    return story


class TestALossOnTheDay:
    """Of a portfolio whose day begins at 05:00 UTC."""

    def test_is_one_beyond_utc_midnight(self) -> None:
        """There it is evening still."""
        story = fallen(HOUR)
        story.time(UTC_MIDNIGHT)
        story.time(NEW_YORK_MIDNIGHT - 1)

        assert story.words == ["raised"]

    @pytest.mark.parametrize("later", [0, 1, 5 * HOUR, 50 * HOUR])
    def test_is_none_of_the_next_day(self, later: int) -> None:
        """It clears when that begins, however late the time is told, and though nothing moves."""
        story = fallen(HOUR)
        story.time(NEW_YORK_MIDNIGHT + later)

        assert story.words == ["raised", "cleared"]
        cleared = story.judged[-1]
        assert isinstance(cleared, AlertCleared)
        assert cleared.at == NOON + timedelta(seconds=NEW_YORK_MIDNIGHT)
        assert cleared.actual == Decimal(0)

    def test_does_not_last_into_the_next_day(self) -> None:
        """Half an hour before midnight and the hour that it must last: it never did."""
        story = fallen(NEW_YORK_MIDNIGHT - HOUR // 2, lasting_seconds=HOUR)
        story.mark(NEW_YORK_MIDNIGHT + 3 * HOUR, AAPL="9")

        assert story.words == []

    def test_lasts_over_utc_midnight(self) -> None:
        """Half an hour before it and an hour long: it did."""
        story = fallen(UTC_MIDNIGHT - HOUR // 2, lasting_seconds=HOUR)
        story.time(UTC_MIDNIGHT + HOUR)

        assert story.words == ["raised"]

    def test_is_held_against_the_last_value_of_the_day_before(self) -> None:
        """What falls after midnight is a loss of the new day."""
        story = fallen(HOUR)
        story.time(NEW_YORK_MIDNIGHT)
        story.mark(NEW_YORK_MIDNIGHT + HOUR, AAPL="8")

        assert story.words == ["raised", "cleared", "raised"]


class TestDates:
    """Of which something may be another: actions, sectors, the age of rates."""

    @pytest.mark.parametrize(
        ("calendar", "begins"),
        [("XNYS", 17 * HOUR), ("XTKS", 3 * HOUR), ("XBOM", 6 * HOUR + 1_800)],
    )
    def test_begin_on_the_calendars_of_instruments(self, calendar: str, begins: int) -> None:
        """And with the UTC day; in between they stay."""
        market = WatchedMarket()
        registered = InstrumentRegistered(
            instrument="X", symbol="X", currency="USD", asset_class=AssetClass.EQUITY,
            calendar=calendar,
        )  # fmt: skip
        market.fold(registered, 1)
        seen = []
        for seconds in sorted(
            {0, 1, begins - 1, begins, UTC_MIDNIGHT - 1, UTC_MIDNIGHT, 20 * HOUR}
        ):
            before = market.days
            market.fold(BusinessTimeReached(at=NOON + timedelta(seconds=seconds)), 2)
            if market.days is not before:
                seen.append(seconds)

        assert seen == sorted({0, begins, UTC_MIDNIGHT})
