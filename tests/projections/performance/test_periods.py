"""Returns by period, and what the money in a portfolio earned."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from domain.returns import cumulative
from domain.statistics.measured import Reason
from projections.asking import Readable
from projections.performance.money_weighting import money_weighting_of
from projections.performance.periods import By, Period, periods_of
from projections.performance.queries import (
    PerformanceDay,
    daily_performance,
    performance_summary,
)
from tests.projections.performance.telling import closed, day, flow, opened, trade
from tests.projections.performance.test_asking import STORY, told
from tests.projections.performance.test_ex_post import INVESTED, OURS, market

Connection = psycopg.Connection[Any]
KEYS: dict[By, Callable[[date], Any]] = {
    "day": lambda on: on,
    "week": lambda on: on.isocalendar()[:2],
    "month": lambda on: (on.year, on.month),
    "quarter": lambda on: (on.year, (on.month - 1) // 3),
    "year": lambda on: on.year,
    "all": lambda _: 0,
}


class TestPeriods:
    """Returns by period."""

    @pytest.mark.parametrize("by", ["day", "week", "month", "quarter", "year", "all"])
    def test_group_the_days(self, connection: Connection, by: By) -> None:
        """Grouped here by the calendar again; NAVs hang together, returns are chained."""
        told(connection, *INVESTED, flow("50", 20), *market(1, 45))
        groups: dict[Any, list[PerformanceDay]] = {}
        for each in daily_performance(Readable(connection), **OURS).rows:
            groups.setdefault(KEYS[by](each.session), []).append(each)

        rows = periods_of(Readable(connection), **OURS, by=by).rows

        assert len(rows) == len(groups)
        nav = Decimal(0)
        for row, group in zip(rows, groups.values(), strict=True):
            assert (row.first_session, row.last_session) == (group[0].session, group[-1].session)
            assert (row.nav_start, row.nav_end) == (nav, group[-1].current.nav)
            assert row.flows == sum(each.current.flows or 0 for each in group)
            assert row.result == (row.nav_end or 0) - nav - (row.flows or 0)
            *_, chained = cumulative((each.current.daily_return, None) for each in group)
            assert row.period_return == chained
            nav = row.nav_end or Decimal(0)

    def test_of_a_range_is_its_summary(self, connection: Connection) -> None:
        """The range as one period, against the question that was there before."""
        told(connection, *STORY)
        since = day(2)

        (row,) = periods_of(Readable(connection), **OURS, by="all", since=since).rows
        summary = performance_summary(Readable(connection), **OURS, since=since).row

        assert summary is not None
        assert row == Period(
            first_session=day(2), last_session=day(5), sessions=4, start_session=day(1),
            nav_start=summary.nav_start, nav_end=summary.nav_end, flows=None, result=None,
            period_return=summary.cumulative_return, return_reason=None, incomplete_sessions=1,
            undefined_sessions=0,
        )  # fmt: skip

    def test_without_a_return_say_why(self, connection: Connection) -> None:
        """A day without a complete NAV has none; the day behind it has that of both."""
        told(connection, *STORY)

        rows = periods_of(Readable(connection), **OURS, by="day").rows

        assert rows[2].return_reason == "nav_incomplete"
        assert (rows[2].period_return, rows[2].nav_end, rows[2].incomplete_sessions) == (
            None, None, 1
        )  # fmt: skip
        assert rows[3].nav_start is None
        assert rows[3].period_return == Decimal("0.183333333333333333")

    def test_come_in_pages(self, connection: Connection) -> None:
        """Cut anywhere, the pages together are the whole answer."""
        told(connection, *INVESTED, *market(1, 45))
        whole = periods_of(Readable(connection), **OURS, by="week").rows
        rows: list[Period] = []
        cursor = None
        while True:
            page = periods_of(Readable(connection), **OURS, by="week", cursor=cursor, limit=2)
            rows += page.rows
            cursor = page.next_cursor
            if cursor is None:
                break

        assert len(whole) == 7
        assert rows == whole


class TestMoneyWeighting:
    """Rates with their flows."""

    def test_from_nothing_begins_with_the_first_flow(self, connection: Connection) -> None:
        """1,000 on day 1, 500 on day 11, 1,650 on day 21."""
        told(
            connection, opened(), *(closed(n) for n in (1, 2)), flow("1000", 3),
            *(closed(n) for n in range(3, 13)), flow("500", 13), trade("AAPL", "1", "0", 13),
            *(closed(n, {"AAPL": "1"}) for n in range(13, 23)), closed(23, {"AAPL": "150"}),
        )  # fmt: skip

        row = money_weighting_of(Readable(connection), **OURS).row

        assert row is not None
        assert (row.start_session, row.end_session, row.days) == (day(3), day(23), 20)
        assert (row.start_value, row.end_value) == (Decimal(0), Decimal(1650))
        assert [(each.session, each.amount) for each in row.flows] == [
            (day(3), Decimal(1000)), (day(13), Decimal(500))
        ]  # fmt: skip
        assert row.modified_dietz.value == pytest.approx(150 / 1250)
        assert row.annual_rate.reason is Reason.UNDER_A_YEAR
        # x = growth over half the time: 1,000 x^2 + 500 x = 1,650.
        half = (-500 + (500**2 + 4 * 1000 * 1650) ** 0.5) / 2000
        assert row.money_weighted.value == pytest.approx(half**2 - 1, rel=1e-9)

    def test_of_a_range_begins_with_the_nav_before(self, connection: Connection) -> None:
        """Flows of the session it starts behind are in that NAV."""
        told(connection, *INVESTED, *market(1, 30))

        row = money_weighting_of(Readable(connection), **OURS, since=day(3), until=day(9)).row

        assert row is not None
        assert (row.start_session, row.end_session, row.flows) == (day(2), day(9), [])
        assert row.start_value is not None
        assert row.end_value is not None
        growth = float(row.end_value / row.start_value) - 1
        assert row.money_weighted.value == pytest.approx(growth)
        assert row.modified_dietz.value == pytest.approx(growth)

    @pytest.mark.parametrize(
        ("since", "until", "reason"),
        [
            (None, day(3), Reason.NAV_INCOMPLETE),
            (day(4), None, Reason.NAV_INCOMPLETE),
            (None, None, Reason.FLOW_WITHOUT_RATE),
            (day(9), None, Reason.NO_SESSION),
            (day(5), day(5), None),
        ],
    )
    def test_say_what_is_missing(
        self, connection: Connection, since: date | None, until: date | None, reason: Reason | None
    ) -> None:
        """A NAV at an end, a rate of a flow, or a session."""
        told(connection, *STORY)

        row = money_weighting_of(Readable(connection), **OURS, since=since, until=until).row

        assert row is not None
        assert row.money_weighted.reason == row.modified_dietz.reason == reason
        assert (row.earned is None) == (reason is not None)
