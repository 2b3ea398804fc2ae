"""Sessions: judged by hours of local time, early closes and breaks (convention 3)."""

from datetime import UTC, date, datetime

import pytest
from msgspec.structs import replace

from domain.limits.terms import LimitRule
from domain.rejection import Breach
from domain.rules.judging import LIMITED
from domain.trade import Capture
from tests.domain.scenes import captured
from tests.domain.test_limited_rules import limit_of
from tests.domain.test_rules import proposal


def judged(capture: Capture, calendar: str = "XNYS") -> Breach | None:
    """What the limit finds in a capture, received late enough."""
    now = datetime(2031, 12, 31, tzinfo=UTC)
    seen = replace(proposal(capture, calendar=calendar), now=now)
    return LIMITED[LimitRule.OUTSIDE_SESSION](seen, limit_of(LimitRule.OUTSIDE_SESSION))


def at(text: str) -> Capture:
    """A capture executed then, in UTC."""
    executed_at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return captured(executed_at=executed_at, trade_date=executed_at.date())


class TestTradingOutsideASession:
    """With a time of day, by hours; without one, by days."""

    @pytest.mark.parametrize(
        ("calendar", "executed_at", "found"),
        [
            ("XNYS", "2024-01-08T14:30:00", 0),
            ("XNYS", "2024-01-08T14:29:59.999999", 1),
            ("XNYS", "2024-01-08T21:00:00", 0),
            ("XNYS", "2024-01-08T21:00:00.000001", 1),
            ("XNAS", "2024-07-08T13:30:00", 0),  # An hour earlier in summer.
            ("XNYS", "2013-07-03T17:00:00", 0),  # The eve of Independence Day closes at one.
            ("XNYS", "2013-07-03T17:00:01", 1),
            ("XNYS", "2024-07-04T15:00:00", 1),
            ("XNYS", "2024-01-06T15:00:00", 1),
            ("XTKS", "2024-01-09T02:30:00", 0),  # The morning ends at 11:30 in Tokyo.
            ("XTKS", "2024-01-09T02:30:01", 1),
            ("XTKS", "2024-11-05T06:30:00", 0),  # Since that day until 15:30.
            ("XTKS", "2024-11-01T06:30:00", 1),
            ("24/7", "2024-01-06T03:00:00", 0),
        ],
    )
    def test_is_judged_by_local_hours(self, calendar: str, executed_at: str, found: int) -> None:
        """Both ends of a session belong to it."""
        assert (judged(at(executed_at), calendar) is not None) == bool(found)

    @pytest.mark.parametrize(("day", "found"), [(8, 0), (6, 1), (1, 1)])
    def test_without_a_time_of_day_is_judged_by_its_date(self, day: int, found: int) -> None:
        """A Monday, a Saturday, and New Year's Day."""
        breach = judged(captured(trade_date=date(2024, 1, day)))
        assert (breach is not None) == bool(found)

    def test_says_when_the_session_is(self) -> None:
        """In local time, and what was told."""
        breach = judged(at("2024-01-08T12:00:00"))
        assert breach is not None
        assert (breach.limit, breach.actual) == ("09:30-16:00", "2024-01-08T12:00:00+00:00")

    def test_cannot_be_judged_beyond_what_is_known(self) -> None:
        """The tables end with 2030."""
        assert judged(captured(trade_date=date(2030, 12, 31))) is None
        breach = judged(captured(trade_date=date(2031, 1, 2)))
        assert breach is not None
        assert breach.is_not_evaluable
