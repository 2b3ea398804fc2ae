"""Session hours of exchanges, in their local time: one module a calendar.

All are written by `python -m tests.domain.session_tables` from a well-kept library, none by hand.
"""

from typing import NamedTuple


class SessionHours(NamedTuple):
    """When an exchange trades on days on which it has a session.

    A line of `regular` is a date and the hours from then on: `0930-1600`, with a break
    `0900-1130,1230-1500`. A line of `special` is hours, a year, and its days that have those
    instead, as month and day.
    """

    regular: str
    special: str
