"""Market calendars known to the system, by ISO 10383 code, with their time zones.

Only the local business date is needed here; holidays and session hours arrive with the session
table. `24/7` is the calendar of markets that never close; its day is the UTC day.
"""

from datetime import UTC, date, datetime, time
from functools import cache
from zoneinfo import ZoneInfo

from domain.rejection import Rejection

TIME_ZONES = {
    "24/7": "UTC",
    "XNYS": "America/New_York",
    "XNAS": "America/New_York",
    "XTSE": "America/Toronto",
    "XLON": "Europe/London",
    "XETR": "Europe/Berlin",
    "XPAR": "Europe/Paris",
    "XAMS": "Europe/Amsterdam",
    "XMIL": "Europe/Rome",
    "XMAD": "Europe/Madrid",
    "XSWX": "Europe/Zurich",
    "XSTO": "Europe/Stockholm",
    "XTKS": "Asia/Tokyo",
    "XHKG": "Asia/Hong_Kong",
    "XSES": "Asia/Singapore",
    "XASX": "Australia/Sydney",
    "XBOM": "Asia/Kolkata",
}

BASE_MARKETS = {
    "USD": "XNYS",
    "CAD": "XTSE",
    "GBP": "XLON",
    "EUR": "XETR",
    "CHF": "XSWX",
    "SEK": "XSTO",
    "JPY": "XTKS",
    "HKD": "XHKG",
    "SGD": "XSES",
    "AUD": "XASX",
    "INR": "XBOM",
}


@cache
def _zone(calendar: str) -> ZoneInfo:
    return ZoneInfo(TIME_ZONES[calendar])


def require_calendar(calendar: str) -> str:
    """Return a known calendar.

    Raises:
        Rejection: `calendar_unknown`.
    """
    if calendar not in TIME_ZONES:
        known = ", ".join(sorted(TIME_ZONES))
        raise Rejection("calendar_unknown", f"Calendar {calendar!r} is not one of: {known}.")
    return calendar


def local_date(calendar: str, at: datetime) -> date:
    """Give the business date of an instant on a calendar."""
    return at.astimezone(_zone(calendar)).date()


def local_time(calendar: str, at: datetime) -> datetime:
    """Give an instant in the local time of a calendar."""
    return at.astimezone(_zone(calendar))


def base_market(currency: str) -> str:
    """Give the calendar that values a portfolio of this base currency unless it says otherwise."""
    return BASE_MARKETS.get(currency, "24/7")


def start_of(calendar: str, day: date) -> datetime:
    """Give the instant at which a business date begins on a calendar, in UTC."""
    return datetime.combine(day, time.min, _zone(calendar)).astimezone(UTC)
