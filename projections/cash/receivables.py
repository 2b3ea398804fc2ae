"""The receivables of the read model `cash`: dividends from their ex-date on, and what was paid.

What a short position owes is negative. Of a dividend that was taken back, or is due to nobody any
more, a row of zeros stays. Outstanding is what is due less what was paid.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec
import psycopg

from domain.corporate_actions import CashDividend
from domain.event import Event
from domain.money import ZERO
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    DividendPaid,
)
from projections.arrays import looked_up
from projections.read_model import Decoded
from projections.rows import Cursor, Tables

RECEIVABLES_DDL = """
CREATE TABLE {schema}.receivables (
    tenant text COLLATE "C" NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    instrument text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    currency text NOT NULL,
    ex_date date NOT NULL,
    pay_date date NOT NULL,
    held numeric NOT NULL,
    gross numeric NOT NULL,
    withheld numeric NOT NULL,
    paid_gross numeric NOT NULL,
    paid_withheld numeric NOT NULL,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, portfolio, instrument, action)
) WITH (fillfactor = 70);
"""
RECEIVABLES_MAX = 200_000
"""Most receivables kept in memory; beyond that all are dropped and loaded again when needed."""

_KEY = ("tenant", "portfolio", "instrument", "action")
_RECEIVING: frozenset[type[Event]] = frozenset(
    {DividendPaid, CorporateActionApplied, CorporateActionUnapplied}
)
_FOUND = looked_up("receivables", **dict.fromkeys(_KEY, "text"))
Key: TypeAlias = tuple[str, str, str, str]
Change: TypeAlias = tuple[
    Key, int, CorporateActionApplied | CorporateActionUnapplied | DividendPaid
]


class ReceivableRow(msgspec.Struct, gc=False):
    """A dividend of one holder: `held` at the end of the day before the ex-date, due, and paid."""

    tenant: str
    portfolio: str
    instrument: str
    action: str
    currency: str
    ex_date: date
    pay_date: date
    held: Decimal = ZERO
    gross: Decimal = ZERO
    withheld: Decimal = ZERO
    paid_gross: Decimal = ZERO
    paid_withheld: Decimal = ZERO
    changed_position: int = 0


class Receivables:
    """Writes each receivable once per batch."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._rows: dict[Key, ReceivableRow | None] = {}

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Fold a batch."""
        changes = list(_changes(batch))
        self._load(cursor, {key for key, _, _ in changes}.difference(self._rows))
        touched: dict[Key, ReceivableRow] = {}
        for key, position, event in changes:
            row = self._rows[key] = _changed(self._rows[key], key, event)
            if row is not None:
                row.changed_position = position
                touched[key] = row
        self._tables.upsert(cursor, "receivables", list(touched.values()), key=_KEY)
        if len(self._rows) > RECEIVABLES_MAX:
            self._rows.clear()

    def _load(self, cursor: Cursor, missing: set[Key]) -> None:
        if not missing:
            return
        self._rows.update(dict.fromkeys(missing))
        asked = [list(column) for column in zip(*missing, strict=True)]
        for values in self._tables.select(cursor, _FOUND, asked):
            row = ReceivableRow(*values)
            self._rows[row.tenant, row.portfolio, row.instrument, row.action] = row


def _changes(batch: Iterable[Decoded]) -> Iterable[Change]:
    """Pick what becomes due, or is paid."""
    for position, tenant, _, event, _ in batch:
        if type(event) not in _RECEIVING:
            continue
        if isinstance(event, DividendPaid):
            yield (tenant, event.portfolio, event.instrument, event.action), position, event
        elif isinstance(event, CorporateActionApplied | CorporateActionUnapplied):
            declared = event.terms.cash_dividend
            if declared is not None:
                key = (tenant, event.portfolio, event.instrument, declared.action)
                yield key, position, event


def _changed(
    row: ReceivableRow | None,
    key: Key,
    event: CorporateActionApplied | CorporateActionUnapplied | DividendPaid,
) -> ReceivableRow | None:
    """Fold a change; of a dividend that nothing was ever due of there is no row."""
    if isinstance(event, DividendPaid):
        assert row is not None, "what is paid was due"
        row.paid_gross += event.gross
        row.paid_withheld += event.withheld
        return row
    if row is None:
        if not (event.gross_change or event.withheld_change):
            return None
        declared = event.terms.action
        assert isinstance(declared, CashDividend), "only dividends are due"
        row = ReceivableRow(*key, declared.currency, declared.ex_date, declared.pay_date)
    row.held = event.held if isinstance(event, CorporateActionApplied) else ZERO
    row.gross += event.gross_change
    row.withheld += event.withheld_change
    return row
