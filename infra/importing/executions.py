"""Executions from a CSV file: each row an executed trade, sent in batches.

A trade is named by its own id column, else by file name and line, so the same row is the same trade
in every run; batches are named by the file's content and the line they begin at. Importing a file
again therefore changes nothing, and importing a mended one adds what was mended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import NamedTuple

from client import Client
from client.command import Side
from client.splitting import BATCH_ITEMS_MAX
from client.trades import Trade
from infra.importing.access import attempt_of
from infra.importing.csv_rows import CsvFile, Fault, Row
from infra.importing.report import ImportReport

BATCH_MAX = BATCH_ITEMS_MAX
DIGITS_MAX = 60
USUAL_COLUMNS: dict[str, tuple[str, ...]] = {
    "date": ("date", "trade_date", "executed_at", "timestamp", "time", "datetime", ""),
    "instrument": ("instrument", "symbol", "ticker"),
    "amount": ("amount", "signed_quantity"),
    "quantity": ("quantity", "shares"),
    "side": ("side", "action"),
    "price": ("price",),
    "consideration": ("consideration", "txn_dollars"),
    "fee": ("fee", "fees", "commission"),
    "currency": ("currency",),
    "external_id": ("external_id", "execution_id", "exec_id", "trade_id"),
}
_SIDES: dict[str, Side] = {
    "buy": "buy", "b": "buy", "bot": "buy", "bought": "buy",
    "sell": "sell", "s": "sell", "sld": "sell", "sold": "sell", "sell short": "sell",
}  # fmt: skip
_UNFIT_FOR_IDS = re.compile(r"[^!-~]+")

Progress = Callable[[int, int], None]


class RowFaulty(Exception):
    """A row that cannot be turned into a trade."""


class ExecutionTerms(NamedTuple):
    """What the file does not say; `currency` holds for rows without one of their own."""

    portfolio: str
    currency: str | None
    with_time: bool


class Survey(NamedTuple):
    """What a first reading finds: the earliest date and the instruments by name."""

    earliest: date | None
    instruments: list[str]


def choose_columns(file: CsvFile, given: dict[str, str], terms: ExecutionTerms) -> None:
    """Find the columns.

    Raises:
        OperatorError: one that is needed is not there.
    """
    file.choose(given, USUAL_COLUMNS)
    if "quantity" in file.columns and "side" in file.columns and given.get("amount") is None:
        file.columns.pop("amount", None)
    else:
        file.columns.pop("quantity", None)
        file.columns.pop("side", None)
        file.require("amount")
    file.require("date", "instrument", "price")
    if terms.currency is None:
        file.require("currency")


def survey(file: CsvFile) -> Survey:
    """Read the file once without sending anything."""
    earliest: date | None = None
    names: dict[str, None] = {}
    for row in file.rows():
        if isinstance(row, Fault):
            continue
        names[row.fields["instrument"]] = None
        try:
            day = _day(row.fields["date"])
        except RowFaulty:
            continue
        earliest = day if earliest is None else min(earliest, day)
    return Survey(earliest, list(names))


def import_executions(
    client: Client,
    file: CsvFile,
    terms: ExecutionTerms,
    speaks_for: str,
    *,
    progress: Progress,
    batch: int = BATCH_MAX,
) -> ImportReport:
    """Send every row as an executed trade; what is refused or malformed is in the report.

    Raises:
        CallFailed: a batch as a whole was not taken; run the import again.
    """
    report = ImportReport()
    columns = repr(sorted(file.columns.items()))
    attempt = attempt_of(file.sha256, file.stem, speaks_for, repr(terms), columns, str(batch))
    trades = _trades(file, terms, report)
    while items := list(islice(trades, batch)):
        lines = [line for line, _ in items]
        key = f"import-executions:{attempt}:{lines[0]}"
        report.answers(lines, client.stream((trade for _, trade in items), key=key))
        progress(lines[-1], file.lines)
    return report


def _trades(
    file: CsvFile, terms: ExecutionTerms, report: ImportReport
) -> Iterator[tuple[int, Trade]]:
    """Turn rows into trades, each with its line."""
    for row in file.rows():
        if isinstance(row, Fault):
            report.fault(row)
            continue
        try:
            yield row.line, _trade(row, terms, file.stem)
        except RowFaulty as faulty:
            report.fault(Fault(row.line, "row_malformed", str(faulty)))


def _trade(row: Row, terms: ExecutionTerms, stem: str) -> Trade:
    """Give the executed trade of a row; numbers go as they are written, for the API to judge."""
    fields = row.fields
    side, quantity = _side_and_quantity(fields)
    day = None if terms.with_time else _day(fields["date"])
    given = fields.get("consideration")
    return Trade(
        portfolio=terms.portfolio,
        external_id=fields.get("external_id") or f"{_UNFIT_FOR_IDS.sub('_', stem)}:{row.line}",
        intent="executed",
        instrument=fields["instrument"],
        side=side,
        quantity=quantity,
        price=fields["price"],
        currency=fields.get("currency") or terms.currency or "",
        fee=fields.get("fee") or "0",
        source_sequence=row.line,
        executed_at=_instant(fields["date"]) if terms.with_time else None,
        trade_date=day,
        consideration=abs(_number("consideration", given)) if given else None,
    )


def _side_and_quantity(fields: dict[str, str]) -> tuple[Side, str]:
    """Read what was bought or sold, from a signed amount or from a side and a quantity."""
    if "amount" in fields:
        amount = _number("amount", fields["amount"])
        if not amount:
            raise RowFaulty("The amount is zero: nothing was traded.")
        return ("buy" if amount > 0 else "sell"), f"{abs(amount):f}"
    side = _SIDES.get(fields["side"].lower())
    if side is None:
        raise RowFaulty(f"The side {fields['side']!r} is neither a purchase nor a sale.")
    return side, fields["quantity"]


def _number(name: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > DIGITS_MAX:
        raise RowFaulty(f"The {name} {text!r} is not a number that can be carried.")
    return number


def _day(text: str) -> date:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise RowFaulty(f"The date {text!r} is not of the form 2024-01-31.") from None


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise RowFaulty(f"The time {text!r} is not of the form 2024-01-31T15:30:00Z.") from None
    if instant.tzinfo is None:
        raise RowFaulty(f"The time {text!r} has no offset from UTC.")
    return instant
