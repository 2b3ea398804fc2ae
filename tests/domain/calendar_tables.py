"""Building the tables of closed days from the libraries `exchange_calendars` and `holidays`.

`python -m tests.domain.calendar_tables` writes `domain/calendar_days/`, one module a calendar. Both
libraries are needed to build and to test only: what they say is searched as data afterwards.
Beside each currency stands whose calendar its payments follow.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import exchange_calendars
import holidays

from domain.calendars import TIME_ZONES

FIRST = date(1990, 1, 1)
LAST = date(2030, 12, 31)
FOLDER = Path(__file__).resolve().parents[2] / "domain" / "calendar_days"
SAME_SESSIONS = {"XNAS": "XNYS"}
DAYS_PER_LINE = 15
YEARS = range(FIRST.year, LAST.year + 1)


class Payments(NamedTuple):
    """When a currency's payment system rests, apart from weekends; known from `first` on."""

    system: str
    closed: Callable[[], holidays.HolidayBase]
    first: date = FIRST


def _sydney_and_melbourne() -> holidays.HolidayBase:
    """RITS rests on holidays that New South Wales and Victoria share."""
    sydney = holidays.country_holidays("AU", subdiv="NSW", years=YEARS)
    melbourne = holidays.country_holidays("AU", subdiv="VIC", years=YEARS)
    for day in [day for day in sydney if day not in melbourne]:
        del sydney[day]
    return sydney


PAYMENTS = {
    # Federal Reserve Banks, holiday schedule: a holiday on a Saturday is not moved to the Friday.
    "USD": Payments(
        "Fedwire", lambda: holidays.financial_holidays("XFED", years=YEARS), date(1999, 1, 1)
    ),
    # Payments Canada rests on federal holidays.
    "CAD": Payments(
        "Lynx",
        lambda: holidays.country_holidays("CA", years=YEARS, categories=("public", "government")),
    ),
    # Bank of England: CHAPS rests on the bank holidays of England and Wales.
    "GBP": Payments("CHAPS", lambda: holidays.country_holidays("GB", subdiv="ENG", years=YEARS)),
    # ECB, TARGET calendar; it opened with the euro.
    "EUR": Payments(
        "TARGET", lambda: holidays.financial_holidays("XECB", years=YEARS), date(1999, 1, 1)
    ),
    # SIX Interbank Clearing and the SNB: bank holidays of the city of Zurich, 2 January included.
    "CHF": Payments(
        "SIC", lambda: holidays.country_holidays("CH", subdiv="Stadt Zurich", years=YEARS)
    ),
    # Riksbank: public holidays, and the eves of midsummer, Christmas and New Year.
    "SEK": Payments(
        "RIX",
        lambda: holidays.country_holidays("SE", years=YEARS, categories=("public", "de_facto")),
    ),
    # Bank of Japan: national holidays and 31 December to 3 January.
    "JPY": Payments(
        "BOJ-NET",
        lambda: holidays.country_holidays("JP", years=YEARS, categories=("public", "bank")),
    ),
    # HKMA: general holidays.
    "HKD": Payments("CHATS", lambda: holidays.country_holidays("HK", years=YEARS)),
    # MAS: public holidays; those not announced yet are not known.
    "SGD": Payments("MEPS+", lambda: holidays.country_holidays("SG", years=YEARS)),
    # RBA, RITS business hours: public holidays observed in New South Wales and Victoria.
    "AUD": Payments("RITS", _sydney_and_melbourne),
    # Reserve Bank of India: holidays of Mumbai's state.
    "INR": Payments(
        "RTGS",
        lambda: holidays.country_holidays("IN", subdiv="MH", years=range(2001, LAST.year + 1)),
        date(2001, 1, 1),
    ),
}


class Table(NamedTuple):
    """The weekdays in [first, last] on which a calendar is closed."""

    title: str
    first: date
    last: date
    closed: tuple[date, ...]


def tables() -> Iterator[tuple[str, Table]]:
    """Ask the libraries, calendar by calendar; named as the module that holds it."""
    for calendar in TIME_ZONES:
        if calendar != "24/7" and calendar not in SAME_SESSIONS:
            yield calendar.lower(), exchange_table(calendar)
    for currency, payments in PAYMENTS.items():
        yield currency.lower(), payment_table(currency, payments)


def exchange_table(calendar: str) -> Table:
    """Give an exchange's closed weekdays, as far as the library goes."""
    rules = type(exchange_calendars.get_calendar(calendar))
    earliest, latest = rules.bound_min(), rules.bound_max()
    first = FIRST if earliest is None else max(FIRST, earliest.date())
    last = LAST if latest is None else min(LAST, latest.date())
    sessions = {day.date() for day in rules(start=first, end=last).sessions}
    weekdays = set(_weekdays(first, last))
    assert sessions <= weekdays, f"{calendar} has a session at a weekend"
    return Table(f"{calendar} has no session", first, last, tuple(sorted(weekdays - sessions)))


def payment_table(currency: str, payments: Payments) -> Table:
    """Give the weekdays on which a payment system rests."""
    closed = payments.closed()
    days = tuple(day for day in _weekdays(payments.first, LAST) if day in closed)
    return Table(f"{currency} is not paid ({payments.system} rests)", payments.first, LAST, days)


def module(table: Table) -> str:
    """Write a table as a module: a line a year, each day as month and day."""
    lines = "\n".join(
        " ".join([str(year), *(f"{day:%m%d}" for day in line)])
        for year, days in groupby(table.closed, key=lambda day: day.year)
        for line in batched(days)
    )
    return (
        f'"""Weekdays on which {table.title}; written by tests.domain.calendar_tables."""\n\n'
        "from datetime import date\n\n"
        "from domain.calendar_days import ClosedDays\n\n"
        "CLOSED = ClosedDays(\n"
        f"    first=date({table.first.year}, {table.first.month}, {table.first.day}),\n"
        f"    last=date({table.last.year}, {table.last.month}, {table.last.day}),\n"
        f'    years="""\n{lines}\n""",\n)\n'
    )


def batched(days: Iterable[date]) -> Iterator[list[date]]:
    """Give the days in lines that fit the page."""
    listed = list(days)
    for start in range(0, len(listed), DAYS_PER_LINE):
        yield listed[start : start + DAYS_PER_LINE]


def _weekdays(first: date, last: date) -> Iterator[date]:
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        day = date.fromordinal(ordinal)
        if day.weekday() < 5:
            yield day


def main() -> None:
    """Write every table."""
    for name, table in tables():
        (FOLDER / f"{name}.py").write_text(module(table), encoding="utf-8")


if __name__ == "__main__":
    main()
