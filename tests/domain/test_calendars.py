"""Calendars: which business date an instant belongs to, around midnight and clock changes."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendars import BASE_MARKETS, TIME_ZONES, base_market, local_date, require_calendar
from domain.currencies import CODES
from domain.rejection import Rejection

A_MOMENT = timedelta(microseconds=1)

MIDNIGHTS = [
    ("XNYS", datetime(2024, 1, 8, 5, tzinfo=UTC), "New York in winter"),
    ("XNYS", datetime(2024, 7, 8, 4, tzinfo=UTC), "New York in summer"),
    ("XNYS", datetime(2024, 3, 10, 5, tzinfo=UTC), "the night clocks go forward"),
    ("XNYS", datetime(2024, 3, 11, 4, tzinfo=UTC), "the night after that"),
    ("XNYS", datetime(2024, 11, 3, 4, tzinfo=UTC), "the night clocks go back"),
    ("XNYS", datetime(2024, 11, 4, 5, tzinfo=UTC), "the night after that"),
    ("XLON", datetime(2024, 1, 8, 0, tzinfo=UTC), "London in winter"),
    ("XLON", datetime(2024, 7, 7, 23, tzinfo=UTC), "London in summer"),
    ("XETR", datetime(2024, 3, 31, 22, tzinfo=UTC), "Frankfurt after its change in March"),
    ("XTKS", datetime(2024, 1, 7, 15, tzinfo=UTC), "Tokyo, which changes no clocks"),
    ("XBOM", datetime(2024, 1, 7, 18, 30, tzinfo=UTC), "Mumbai, half an hour off"),
    ("XASX", datetime(2024, 1, 7, 13, tzinfo=UTC), "Sydney in its summer"),
    ("XASX", datetime(2024, 7, 7, 14, tzinfo=UTC), "Sydney in its winter"),
    ("24/7", datetime(2024, 1, 8, 0, tzinfo=UTC), "markets that never close"),
]


class TestDatingAnInstant:
    """The date on the market's own wall."""

    @pytest.mark.parametrize(("calendar", "midnight", "where"), MIDNIGHTS)
    def test_changes_at_local_midnight(self, calendar: str, midnight: datetime, where: str) -> None:
        """The last moment of a day, and the first of the next."""
        before = local_date(calendar, midnight - A_MOMENT)
        after = local_date(calendar, midnight)

        assert after - before == timedelta(days=1), where

    @pytest.mark.parametrize("minutes", [0, 30, 59, 60, 90, 119])
    def test_is_the_same_through_the_hour_that_comes_twice(self, minutes: int) -> None:
        """New York, 2024-11-03: one o'clock to two o'clock passes two times."""
        first = datetime(2024, 11, 3, 5, tzinfo=UTC)

        assert local_date("XNYS", first + timedelta(minutes=minutes)) == date(2024, 11, 3)

    def test_knows_why_dates_and_instants_differ(self) -> None:
        """Convention 3: 00:00 UTC is the evening before in New York."""
        assert local_date("XNYS", datetime(2013, 1, 8, tzinfo=UTC)) == date(2013, 1, 7)

    @given(
        calendar=st.sampled_from(sorted(TIME_ZONES)),
        at=st.datetimes(datetime(1970, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    )
    def test_is_never_more_than_a_day_from_the_utc_date(self, calendar: str, at: datetime) -> None:
        """And it never runs backwards."""
        day = local_date(calendar, at)

        assert abs(day - at.date()) <= timedelta(days=1)
        assert local_date(calendar, at + timedelta(hours=1)) >= day


class TestKnowingCalendars:
    """Every name leads somewhere."""

    def test_has_a_real_time_zone_for_each(self) -> None:
        """A typing error in a zone would only show on the first trade there."""
        assert set(TIME_ZONES.values()) <= available_timezones()

    def test_has_a_calendar_for_every_base_market(self) -> None:
        """And each of them belongs to a currency there is."""
        assert set(BASE_MARKETS.values()) <= set(TIME_ZONES)
        assert set(BASE_MARKETS) <= CODES

    def test_values_other_currencies_at_the_end_of_the_utc_day(self) -> None:
        """No market of ours trades in them."""
        assert base_market("NOK") == "24/7"

    def test_refuses_an_unknown_one_and_names_those_there_are(self) -> None:
        """So that the caller can choose."""
        assert require_calendar("XNYS") == "XNYS"
        with pytest.raises(Rejection) as refused:
            require_calendar("NYSE")
        assert refused.value.code == "calendar_unknown"
        assert "XNYS" in refused.value.message
