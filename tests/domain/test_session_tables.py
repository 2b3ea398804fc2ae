"""The committed tables of session hours are what the library says now."""

from datetime import date

import pytest

from domain.business_days import SESSIONS
from domain.sessions import HOURS, has_session, hours_on
from tests.domain.session_tables import FOLDER, sessions_of, tables

# The library uses what pandas deprecates.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


class TestTheCommittedHours:
    """Whoever updates the library writes them anew and reads the difference."""

    def test_are_what_the_library_says(self) -> None:
        """Run `python -m tests.domain.session_tables` where they differ."""
        written = {
            path.stem: path.read_text(encoding="utf-8")
            for path in FOLDER.glob("*.py")
            if path.stem != "__init__"
        }
        assert written == dict(tables())

    @pytest.mark.parametrize("calendar", ["XNYS", "XHKG"])
    def test_are_read_as_they_were_written(self, calendar: str) -> None:
        """Session by session, and no other day."""
        told = dict(sessions_of(calendar))
        table = SESSIONS[calendar]
        for ordinal in range(table.first.toordinal(), table.last.toordinal() + 1):
            day = date.fromordinal(ordinal)
            assert has_session(calendar, day) == (day in told)
            if day in told:
                spans = hours_on(calendar, day)
                hours = ",".join(f"{one:%H%M}-{other:%H%M}" for one, other in spans)
                assert hours == told[day]

    def test_cover_every_exchange(self) -> None:
        """Whose closed days are known, its hours are."""
        assert HOURS.keys() == SESSIONS.keys()
