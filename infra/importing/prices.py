"""Prices from a CSV file in long form: rows of one date are one session's closes.

A session is [the close before, its own close), both at the calendar's local closing time; the
first begins a day before it ends, and after a gap of more than 14 days one begins 14 days before.
Sessions are closed in order, so a file with a broken row is not begun with, unless that is asked
for: what a session lacks when it is closed can only be corrected later.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from functools import cache
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from client import Accepted, Answer, Client, Conflict, Malformed, Refused
from client.market import AssetClass, Close, Instrument, Session
from domain.calendars import TIME_ZONES
from domain.marking import SESSION_LENGTH_MAX
from infra.errors import OperatorError
from infra.importing.access import attempt_of
from infra.importing.csv_rows import CsvFile, Fault, Row
from infra.importing.report import ImportReport

USUAL_COLUMNS: dict[str, tuple[str, ...]] = {
    "date": ("date", "session", "day", "timestamp", ""),
    "instrument": ("symbol", "instrument", "ticker", "name"),
    "close": ("close", "price", "last"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "volume": ("volume",),
}
BAR_FIELDS = ("open", "high", "low", "volume")
SYMBOL_COLUMNS = ("symbol", "instrument", "ticker")
SECTOR_COLUMNS = ("sector", "gics sector")
ONE_DAY = timedelta(days=1)
MIDNIGHT_AFTER = "24:00"
NOT_PERMITTED = frozenset({401, 403})

Progress = Callable[[int, int], None]


class PriceTerms(NamedTuple):
    """What the file does not say: whose sessions they are and when they close (HH:MM, local)."""

    calendar: str
    closes_at: str


class InstrumentTerms(NamedTuple):
    """What instruments are registered as."""

    currency: str
    calendar: str
    asset_class: AssetClass


class Sessions(NamedTuple):
    """The closes of each date, ready to be sent, and where each date's first row stands."""

    closes: dict[date, list[Close]]
    first_lines: dict[date, int]
    instruments: list[str]
    faults: list[Fault]


def choose_columns(file: CsvFile, given: dict[str, str]) -> None:
    """Find the columns; open, high, low and volume are used only if all four are there.

    Raises:
        OperatorError: one that is needed is not there.
    """
    file.choose(given, USUAL_COLUMNS)
    file.require("date", "instrument", "close")
    if not all(field in file.columns for field in BAR_FIELDS):
        for field in BAR_FIELDS:
            file.columns.pop(field, None)


def read_sessions(file: CsvFile, progress: Progress) -> Sessions:
    """Read the whole file and put the rows of one date together."""
    has_bar = "open" in file.columns
    found = Sessions({}, {}, [], [])
    names: dict[str, None] = {}
    seen: set[tuple[date, str]] = set()
    for row in file.rows():
        checked = row if isinstance(row, Fault) else _checked(row, seen)
        if isinstance(checked, Fault):
            found.faults.append(checked)
            continue
        assert isinstance(row, Row), "only a row can be in order"
        names[row.fields["instrument"]] = None
        found.first_lines.setdefault(checked, row.line)
        found.closes.setdefault(checked, []).append(_close(row.fields, has_bar=has_bar))
        if row.line % 10_000 == 0:
            progress(row.line, file.lines)
    found.instruments.extend(sorted(names))
    return found


def import_prices(
    client: Client,
    file: CsvFile,
    sessions: Sessions,
    terms: PriceTerms,
    speaks_for: str,
    *,
    progress: Progress,
) -> ImportReport:
    """Close the sessions in order; the report's lines are those of each session's first row.

    Raises:
        Refused: the token may not close sessions.
        Unanswered: the system did not answer; run the import again.
    """
    report = ImportReport(sessions.faults)
    columns = repr(sorted(file.columns.items()))
    attempt = attempt_of(file.sha256, speaks_for, repr(terms), columns)
    before: datetime | None = None
    days = sorted(sessions.closes)
    for done, day in enumerate(days, start=1):
        ends_at = closing_time(terms, day)
        starts_at = ends_at - ONE_DAY
        if before is not None:
            starts_at = max(before, ends_at - SESSION_LENGTH_MAX)
        session = Session(
            calendar=terms.calendar,
            session=day,
            starts_at=starts_at,
            ends_at=ends_at,
            closes=sessions.closes[day],
        )
        report.answer(
            sessions.first_lines[day],
            _closed(client, session, key=f"import-prices:{attempt}:{day}"),
        )
        before = ends_at
        progress(done, len(days))
    return report


def _closed(client: Client, session: Session, *, key: str) -> Answer:
    """Close a session; one that is too large is told like a malformed one."""
    try:
        return client.send(session, key=key)
    except Refused as refused:
        problem = refused.problem
        if problem.status in NOT_PERMITTED:
            raise
        return Malformed(code=problem.code, message=problem.detail)


def closing_time(terms: PriceTerms, day: date) -> datetime:
    """Give the instant at which a session of that date closes."""
    zone = ZoneInfo(TIME_ZONES[terms.calendar])
    if terms.closes_at == MIDNIGHT_AFTER:
        return datetime.combine(day + ONE_DAY, time_of_day(), zone).astimezone(UTC)
    at = time_of_day.fromisoformat(terms.closes_at)
    return datetime.combine(day, at, zone).astimezone(UTC)


def price_terms(calendar: str, closes_at: str | None) -> PriceTerms:
    """Check calendar and closing time; `24/7` closes at midnight, others at 16:00 by default.

    Raises:
        OperatorError: one of them is not known.
    """
    if calendar not in TIME_ZONES:
        raise OperatorError(f"No calendar {calendar}; there are {', '.join(sorted(TIME_ZONES))}.")
    chosen = closes_at or (MIDNIGHT_AFTER if calendar == "24/7" else "16:00")
    try:
        closing_time(PriceTerms(calendar, chosen), date(2000, 1, 3))
    except ValueError as error:
        raise OperatorError(f"{chosen!r} is not a time of day such as 16:00.") from error
    return PriceTerms(calendar, chosen)


def register_instruments(
    client: Client,
    names: list[str],
    terms: InstrumentTerms,
    sectors: dict[str, str],
) -> dict[str, int]:
    """Register instruments; those known already, also with other content, stay as they are.

    Raises:
        OperatorError: one was refused; the message says which and why.
    """
    counts = {"registered": 0, "known": 0, "without_sector": 0}
    attempt = attempt_of(repr(terms), repr(sorted(sectors.items())), *names)
    registrations = (_registration(name, terms, sectors.get(name)) for name in names)
    answers = client.stream(registrations, key=f"import-instruments:{attempt}")
    for name, answer in zip(names, answers, strict=True):
        match answer:
            case Accepted(replayed=False):
                counts["registered"] += 1
            case Accepted() | Conflict():
                counts["known"] += 1
            case _:
                raise OperatorError(f"Instrument {name!r} was refused: {answer.message}")
        counts["without_sector"] += name not in sectors
    return counts


def read_sectors(path: Path) -> dict[str, str]:
    """Read which sector each symbol belongs to, from a CSV file with such columns.

    Raises:
        OperatorError: the columns are not there.
    """
    file = CsvFile(path)
    file.choose({}, {"instrument": SYMBOL_COLUMNS, "sector": SECTOR_COLUMNS})
    file.require("instrument", "sector")
    return {
        row.fields["instrument"]: row.fields["sector"]
        for row in file.rows()
        if isinstance(row, Row) and row.fields["sector"]
    }


def _registration(name: str, terms: InstrumentTerms, sector: str | None) -> Instrument:
    return Instrument(
        instrument=name,
        symbol=name,
        currency=terms.currency,
        asset_class=terms.asset_class,
        calendar=terms.calendar,
        sector=sector,
    )


def _checked(row: Row, seen: set[tuple[date, str]]) -> date | Fault:
    """Give a row's date, or what is wrong with the row."""
    fields = row.fields
    try:
        day = _day(fields["date"])
    except ValueError:
        message = f"The date {fields['date']!r} is not of the form 2024-01-31."
        return Fault(row.line, "row_malformed", message)
    for name in ("close", *BAR_FIELDS):
        text = fields.get(name, "")
        if (text or name == "close") and not _is_price(text):
            return Fault(row.line, "row_malformed", f"The {name} {text!r} is not a price.")
    key = (day, sys.intern(fields["instrument"]))
    if key in seen:
        message = f"{fields['instrument']} has a row of {day} already."
        return Fault(row.line, "row_repeated", message)
    seen.add(key)
    return day


@cache
def _day(text: str) -> date:
    return datetime.fromisoformat(text).date()


def _is_price(text: str) -> bool:
    whole, _, part = text.partition(".")
    return bool(whole) and (whole + part).isdecimal() and (whole + part).isascii()


def _close(fields: dict[str, str], *, has_bar: bool) -> Close:
    bar = {name: fields[name] for name in BAR_FIELDS if fields[name]} if has_bar else {}
    return Close(instrument=fields["instrument"], price=fields["close"], has_bar=has_bar, **bar)
