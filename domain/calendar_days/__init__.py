"""Closed days of exchanges and of payment systems: one module a calendar.

All are written by `python -m tests.domain.calendar_tables` from well-kept libraries, none by hand.
"""

from datetime import date
from typing import NamedTuple


class ClosedDays(NamedTuple):
    """The weekdays from `first` to `last` on which a calendar is closed; beyond, nothing is known.

    A line of `years` is a year and days of it, as month and day. No calendar is open at a weekend.
    """

    first: date
    last: date
    years: str
