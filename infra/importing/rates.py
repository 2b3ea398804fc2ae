"""FX rates from a CSV file in wide form, as ECB publishes them: a row a day, a column a currency.

A cell is units of its column's currency for one of the base; an empty one or `N/A` is no rate. The
rows may stand in any order; a day's rates are in force from its fixing on and are sent oldest day
first. A day with the same rates is the first acceptance again, whichever file it stands in; other
rates for a day, told later, take the place of the earlier.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from client import Answer, Client, Malformed, Refused
from client.market import Marks, Rate
from domain.currencies import CODES
from infra.errors import OperatorError
from infra.importing.csv_rows import CsvFile, Fault, Row
from infra.importing.report import ImportReport

DATE_COLUMNS: dict[str, tuple[str, ...]] = {"date": ("date", "day", "timestamp", "")}
CODE_LETTERS = 3
NO_RATE = frozenset({"", "N/A", "NA", "-"})
NOT_PERMITTED = frozenset({401, 403})

Progress = Callable[[int, int], None]


class RateTerms(NamedTuple):
    """What the file does not say: of which currency its rates are, and when they are fixed."""

    base: str
    fixed_at: time_of_day
    zone: ZoneInfo

    def fixing(self, day: date) -> datetime:
        """Give the instant from which the rates of a day are in force."""
        return datetime.combine(day, self.fixed_at, self.zone).astimezone(UTC)


class Selection(NamedTuple):
    """What is wanted of the file: days, both ends included, and currencies; empty: all."""

    since: date
    until: date
    currencies: frozenset[str]


class DayRates(NamedTuple):
    """The rates of a day, and where they stand."""

    line: int
    day: date
    rates: list[Rate]


class FoundRates(NamedTuple):
    """The days wanted, oldest first, and the rows that are not in order."""

    days: list[DayRates]
    faults: list[Fault]


def rate_terms(base: str, fixed_at: str, zone: str) -> RateTerms:
    """Check the terms.

    Raises:
        OperatorError: one of them is not known.
    """
    if base not in CODES:
        raise OperatorError(f"--base {base!r} is not a currency of ISO 4217.")
    try:
        return RateTerms(base, time_of_day.fromisoformat(fixed_at), ZoneInfo(zone))
    except ZoneInfoNotFoundError as error:
        raise OperatorError(f"--zone {zone!r} is not a time zone such as Europe/Berlin.") from error
    except ValueError as error:
        raise OperatorError(f"--at {fixed_at!r} is not a time of day such as 16:00.") from error


def choose_currencies(file: CsvFile, given: dict[str, str], base: str) -> list[str]:
    """Find the date and the currencies of the header; give the codes that are left out.

    Raises:
        OperatorError: there is no date or no currency.
    """
    file.choose(given, DATE_COLUMNS)
    file.require("date")
    left_out: list[str] = []
    for index, name in enumerate(file.header):
        code = name.strip()
        if len(code) != CODE_LETTERS or not code.isupper() or code == base:
            continue
        if code in CODES:
            file.columns[code] = index
        else:
            left_out.append(code)
    if len(file.columns) == 1:
        raise OperatorError(f"{file.path.name}: no column is named by a currency, such as USD.")
    return left_out


def read_rates(file: CsvFile, selection: Selection, base: str, *, now: datetime) -> FoundRates:
    """Read the whole file; days of the future are told as faults."""
    unknown = sorted(selection.currencies.difference(file.columns))
    if unknown:
        raise OperatorError(f"{file.path.name} has no rates of {', '.join(unknown)}.")
    currencies = sorted((selection.currencies or file.columns.keys()) - {"date"})
    faults: list[Fault] = []
    days: dict[date, DayRates] = {}
    for row in file.rows():
        if isinstance(row, Fault):
            faults.append(row)
            continue
        try:
            found = _day_rates(row, currencies, base)
        except ValueError as error:
            faults.append(Fault(row.line, "row_malformed", str(error)))
            continue
        if not selection.since <= found.day <= selection.until:
            continue
        if found.day in days:
            faults.append(Fault(row.line, "row_repeated", f"{found.day} has a row already."))
        elif found.day > now.date():
            message = f"{found.day} has not come yet; run the import again when it has."
            faults.append(Fault(row.line, "mark_from_the_future", message))
        elif found.rates:
            days[found.day] = found
    return FoundRates([days[day] for day in sorted(days)], faults)


def import_rates(
    client: Client,
    found: FoundRates,
    terms: RateTerms,
    speaks_for: str,
    *,
    progress: Progress,
) -> ImportReport:
    """Tell the rates of each day, oldest first; the report's lines are those of the file.

    Raises:
        Refused: the token may not tell rates.
        Unanswered: the system did not answer; run the import again.
    """
    report = ImportReport(found.faults)
    for done, each in enumerate(found.days, start=1):
        marks = Marks(at=terms.fixing(each.day), rates=each.rates)
        report.answer(each.line, _told(client, marks, key=_key(marks, speaks_for)))
        progress(done, len(found.days))
    return report


def _told(client: Client, marks: Marks, *, key: str) -> Answer:
    """Tell marks; what cannot be a command at all is told like a malformed one."""
    try:
        return client.send(marks, key=key)
    except Refused as refused:
        problem = refused.problem
        if problem.status in NOT_PERMITTED:
            raise
        return Malformed(code=problem.code, message=problem.detail)


def _key(marks: Marks, speaks_for: str) -> str:
    """Name a telling by its content: nothing else says that these rates were told before."""
    content = (speaks_for, str(marks.at), *(f"{r.base}/{r.quote}={r.rate}" for r in marks.rates))
    return f"import-rates:{hashlib.sha256('|'.join(content).encode()).hexdigest()[:40]}"


def _day_rates(row: Row, currencies: Iterable[str], base: str) -> DayRates:
    """Read a row.

    Raises:
        ValueError: its date or one of its rates is none; the message says which.
    """
    text = row.fields["date"]
    try:
        day = datetime.fromisoformat(text).date()
    except ValueError:
        raise ValueError(f"The date {text!r} is not of the form 2024-01-31.") from None
    rates = []
    for currency in currencies:
        cell = row.fields[currency]
        if cell.upper() in NO_RATE:
            continue
        if not _is_positive(cell):
            raise ValueError(f"The rate of {currency} {cell!r} is not a number above zero.")
        rates.append(Rate(base=base, quote=currency, rate=cell))
    return DayRates(row.line, day, rates)


def _is_positive(text: str) -> bool:
    whole, _, part = text.partition(".")
    digits = whole + part
    return bool(whole) and digits.isascii() and digits.isdecimal() and digits.strip("0") != ""
