"""The ladder of the read model `cash`: what is pending and settled by currency and value date.

Receipts are positive, payments negative. What is settled in a currency is its balance without what
is pending, awaited or failing; bookings without a value date are settled when they are told, and so
are flows that were not to come then. What is taken out of a date counts against the column it came
in by, so the columns do not depend on the order in which facts arrived.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

import msgspec
import psycopg

from domain.event import Event
from domain.money import ZERO
from domain.portfolio.events import CashSettled, TradeBooked, TradeCashMoved, TradeUnbooked
from domain.portfolio.life import CashExchanged
from projections.arrays import looked_up
from projections.cash.legs import CashMove, MovementRow, legs
from projections.read_model import Decoded
from projections.rows import Cursor, Tables

LADDER_DDL = """
CREATE TABLE {schema}.ladder (
    tenant text COLLATE "C" NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    value_date date NOT NULL,
    pending_in numeric NOT NULL,
    pending_out numeric NOT NULL,
    awaited_in numeric NOT NULL,
    awaited_out numeric NOT NULL,
    failing numeric NOT NULL,
    settled numeric NOT NULL,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, portfolio, currency, value_date)
) WITH (fillfactor = 70);
CREATE INDEX ladder_pending ON {schema}.ladder (tenant, portfolio)
WHERE pending_in <> 0 OR pending_out <> 0 OR awaited_in <> 0 OR awaited_out <> 0 OR failing <> 0;
"""
LADDER_EVENTS: frozenset[type[Event]] = frozenset(
    {CashSettled, TradeCashMoved, TradeBooked, TradeUnbooked}
)
RUNGS_MAX = 100_000
"""Most rungs kept in memory; beyond that all are dropped and loaded again when needed."""

_RUNGS = looked_up("ladder", tenant="text", portfolio="text", currency="text", value_date="date")
_KEY = ("tenant", "portfolio", "currency", "value_date")
_PENDING, _AWAITED = ("pending_out", "pending_in"), ("awaited_out", "awaited_in")
"""Columns by whether they receive."""
Key: TypeAlias = tuple[str, str, str, date]


class Change(NamedTuple):
    """What an event does to one rung."""

    key: Key
    position: int
    columns: Mapping[str, Decimal]
    is_settling: bool = False


class RungRow(msgspec.Struct, gc=False):
    """One value date of a currency: what is pending, awaited and failing, and what was settled.

    Payments stand in the `out` columns, negative; above zero one is a payment that comes back.
    """

    tenant: str
    portfolio: str
    currency: str
    value_date: date
    pending_in: Decimal = ZERO
    pending_out: Decimal = ZERO
    awaited_in: Decimal = ZERO
    awaited_out: Decimal = ZERO
    failing: Decimal = ZERO
    settled: Decimal = ZERO
    changed_position: int = 0

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever folded into it: its table has no such row."""
        return not self.changed_position

    def take(self, change: Change) -> None:
        """Fold a change."""
        self.changed_position = change.position
        if change.is_settling:
            self.pending_in = self.pending_out = ZERO
        for column, amount in change.columns.items():
            setattr(self, column, getattr(self, column) + amount)


class LadderFold:
    """Writes each rung once per batch, or at the end while tables are built."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._rungs: dict[Key, RungRow] = {}
        self._holds_all: bool | None = None
        self._fresh: dict[Key, RungRow] = {}
        self._changed: dict[Key, RungRow] = {}
        self.is_deferring = False

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Fold a batch."""
        changes: defaultdict[Key, list[Change]] = defaultdict(list)
        for decoded in batch:
            for change in rung_changes(decoded):
                changes[change.key].append(change)
        self._load(cursor, set(changes).difference(self._rungs))
        for key, of_one in changes.items():
            row = self._rungs[key]
            if row.is_new:
                self._fresh[key] = row
            elif key not in self._fresh:
                self._changed[key] = row
            for change in of_one:
                row.take(change)
        if not self.is_deferring or len(self._rungs) > RUNGS_MAX:
            self.write(cursor)

    def write(self, cursor: Cursor) -> None:
        """Write the rungs that changed since the last time."""
        fresh, changed = list(self._fresh.values()), list(self._changed.values())
        self._tables.write(cursor, "ladder", fresh, changed, key=_KEY)
        self._fresh, self._changed = {}, {}
        if len(self._rungs) > RUNGS_MAX:
            self._rungs.clear()
            self._holds_all = False

    def _load(self, cursor: Cursor, missing: set[Key]) -> None:
        for key in missing:
            self._rungs[key] = RungRow(*key)
        if self._holds_all is None:
            self._holds_all = self._tables.is_empty(cursor, "ladder")
        if not missing or self._holds_all:
            return
        asked = [list(column) for column in zip(*missing, strict=True)]
        for values in self._tables.select(cursor, _RUNGS, asked):
            row = RungRow(*values)
            self._rungs[row.tenant, row.portfolio, row.currency, row.value_date] = row


def rung_changes(decoded: Decoded) -> list[Change]:
    """Give what an event does to the rungs of its value date."""
    position, tenant, _, event, _ = decoded
    match event:
        case TradeBooked() | TradeUnbooked():
            if event.fill.value_date is None:
                return []
            key = (tenant, event.portfolio, event.currency, event.fill.value_date)
            is_receipt = (event.cash_change > 0) is (type(event) is TradeBooked)
            column = _AWAITED[is_receipt] if event.is_awaited else _PENDING[is_receipt]
            return [Change(key, position, {column: event.cash_change})]
        case TradeCashMoved():
            key = (tenant, event.portfolio, event.currency, event.value_date)
            moved = {
                _AWAITED[not event.is_payment]: event.awaited,
                "failing": event.failing,
                "settled": event.settled,
            }
            return [Change(key, position, moved)]
        case CashSettled():
            key = (tenant, event.portfolio, event.currency, event.value_date)
            return [Change(key, position, {"settled": event.amount}, is_settling=True)]
        case _:
            if not isinstance(event, CashMove) or not event.is_pending:
                return []
            return [
                Change(
                    (tenant, event.portfolio, leg.currency, event.value_date),
                    position,
                    {_PENDING[_is_receipt(event, leg)]: leg.amount},
                )
                for leg in legs(decoded)
            ]


def _is_receipt(event: CashMove, leg: MovementRow) -> bool:
    """Say by which column a leg comes: what undoes an exchange goes by that of what it undoes."""
    is_undoing = isinstance(event, CashExchanged) and event.is_undoing
    return (leg.amount > 0) is not is_undoing
