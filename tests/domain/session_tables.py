"""Building the tables of session hours from the library `exchange_calendars`.

`python -m tests.domain.session_tables` writes `domain/session_hours/`, one module a calendar. The
library is needed to build and to test only.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from itertools import groupby
from pathlib import Path

import exchange_calendars

from domain.calendars import TIME_ZONES
from tests.domain.calendar_tables import SAME_SESSIONS, batched, exchange_table

FOLDER = Path(__file__).resolve().parents[2] / "domain" / "session_hours"
REGULAR_MIN = 200
"""Hours that fewer sessions had are special ones: early closes and half days."""


def tables() -> Iterator[tuple[str, str]]:
    """Ask the library, calendar by calendar; each module by its name."""
    for calendar in TIME_ZONES:
        if calendar != "24/7" and calendar not in SAME_SESSIONS:
            yield calendar.lower(), module(calendar)


def sessions_of(calendar: str) -> list[tuple[date, str]]:
    """Give every session with its hours in local time, as far as the table of closed days goes."""
    known = exchange_table(calendar)
    rules = type(exchange_calendars.get_calendar(calendar))
    schedule = rules(start=known.first, end=known.last).schedule
    columns = [
        schedule[name].dt.tz_convert(TIME_ZONES[calendar]).dt.strftime("%H%M").fillna("")
        for name in ("open", "break_start", "break_end", "close")
    ]
    return [
        (day.date(), _hours(*times))
        for day, times in zip(schedule.index, zip(*columns, strict=True), strict=True)
    ]


def _hours(opens: str, pauses: str, resumes: str, closes: str) -> str:
    if not pauses:
        return f"{opens}-{closes}"
    return f"{opens}-{pauses},{resumes}-{closes}"


def module(calendar: str) -> str:
    """Write a calendar's table as a module."""
    sessions = sessions_of(calendar)
    counts = Counter(hours for _, hours in sessions)
    usual = [each for each in sessions if counts[each[1]] >= REGULAR_MIN]
    eras = [next(same) for _, same in groupby(usual, key=lambda each: each[1])]
    regular = "\n".join(f"{day.isoformat()} {hours}" for day, hours in eras)
    rare = sorted((hours, day) for day, hours in sessions if counts[hours] < REGULAR_MIN)
    special = "\n".join(
        " ".join([hours, str(year), *(f"{day:%m%d}" for day in line)])
        for (hours, year), same in groupby(rare, key=lambda each: (each[0], each[1].year))
        for line in batched(day for _, day in same)
    )
    return (
        f'"""Session hours of {calendar}; written by tests.domain.session_tables."""\n\n'
        "from domain.session_hours import SessionHours\n\n"
        "HOURS = SessionHours(\n"
        f'    regular="""\n{regular}\n""",\n'
        f'    special="""\n{special}\n""",\n)\n'
    )


def main() -> None:
    """Write every table."""
    for name, text in tables():
        (FOLDER / f"{name}.py").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
