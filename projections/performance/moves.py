"""Lots transferred and changes of basis, as daily values and bridges see them.

For a day's value a transfer is a change of quantity for its value, which flows in or out at once.
What books need besides, the entry itself, stands in `entries`.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import psycopg

from domain.basis_change import BasisChange
from domain.book_order import BookKey
from domain.bridge import Moved
from domain.held import Applied, Received
from domain.money import ZERO
from domain.portfolio.basis_events import CostBasisApplied
from domain.portfolio.entries import change_of
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut, TransferEvent
from domain.transfers import Given
from projections.performance.facts import Change, Flow
from projections.performance.state import universal
from projections.performance.tables import ENTRY_COLUMNS, copy_lines, moment, number, text

EntryEvent = LotsTransferredOut | LotsTransferredIn | CostBasisApplied
Entry = Given | Received | BasisChange

ENTRIES = """
on_date, instrument, currency, kind, entry, flow, rate_to_base, at, book_order, position
FROM {schema}.entries
WHERE tenant = %s AND portfolio = %s AND on_date <= %s ORDER BY position LIMIT %s
"""
_KINDS: dict[str, type[Entry]] = {
    "given": Given,
    "received": Received,
    "cost_basis": BasisChange,
}


class Stood(NamedTuple):
    """An entry that stands in a book, and the flow it was told with."""

    on_date: date
    instrument: str
    currency: str
    entry: Entry
    flow: Decimal
    rate_to_base: Decimal | None
    at: datetime
    book_order: str
    position: int


class MovedLots(NamedTuple):
    """What an entry made of its book."""

    stood: Stood
    applied: Applied

    def moved(self, rate: Decimal) -> Moved:
        """Give what a bridge needs."""
        stood = self.stood
        return Moved(
            stood.instrument, stood.currency, stood.entry, self.applied, stood.flow, rate,
            stood.position,
        )  # fmt: skip


def stood_of(row: tuple[Any, ...]) -> Stood:
    """Read a row of `ENTRIES`."""
    on_date, instrument, currency, kind, entry, *rest = row
    return Stood(
        on_date, instrument, currency, msgspec.json.decode(entry, type=_KINDS[kind]), *rest
    )


def change_and_flow(event: TransferEvent) -> tuple[Change, Flow]:
    """Give what a transfer changed; its value comes in or goes out without a time of day."""
    transfer = event.transfer
    change = Change(
        on_date=transfer.trade_date,
        instrument=event.instrument,
        action_of=event.instrument,
        action=f"{transfer.portfolio}/{transfer.transfer}",
        quantity=event.quantity_change,
        currency=event.currency,
        cash=-event.flow,
        is_transfer=True,
    )
    return change, Flow(None, event.currency, event.flow)


class Moves:
    """The rows of one schema; those not yet written are lines for COPY."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._arrived: list[str] = []

    def add(self, tenant: str, event: EntryEvent, position: int) -> None:
        """Take an event that tells an entry for the first time."""
        flow, rate = ZERO, None
        entry: Entry
        if isinstance(event, CostBasisApplied):
            entry, kind, at = change_of(event), "cost_basis", entry_start(event.from_date)
        else:
            entry, at = event.entry, event.transfer.moment
            kind = "given" if isinstance(entry, Given) else "received"
            flow, rate = event.flow, event.rate_to_base
        written = msgspec.json.encode(entry).decode()
        self._arrived.append(
            f"{text(tenant)}\t{text(event.portfolio)}\t{moment(entry.key[0])}\t{position}\t"
            f"{text(event.instrument)}\t{text(event.currency)}\t{kind}\t{text(written)}\t{flow}\t"
            f"{number(rate)}\t{moment(at)}\t{text(entry_order(entry.key))}\n"
        )

    def flush(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write the rows that came since the last time."""
        if self._arrived:
            copy_lines(cursor, f"{self._schema}.entries", ENTRY_COLUMNS, self._arrived)
            self._arrived = []


def entry_start(day: date) -> datetime:
    """Give the first instant of a date."""
    return universal(datetime.fromisoformat(f"{day.isoformat()}T00:00:00+00:00"))


def entry_order(key: BookKey) -> str:
    """Write an entry's place in book order (see `book_order`), as texts sort.

    A change of basis comes before the actions of its date, a transfer without a time of day behind
    all trades.
    """
    day, rank, at, *_, name = key
    if rank < 0:
        return f"{day.isoformat()}    "
    executed = "~" if rank > 1 else universal(at).isoformat(timespec="microseconds")
    return f"{day.isoformat()} {executed}  1 0 {name}"
