"""The ladder of the read model `cash`: what is pending and settled by currency and value date.

Receipts are positive, payments negative. What is settled in a currency is its balance without what
is pending; bookings without a value date, and flows, are settled when they are told.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec
import psycopg

from domain.event import Event
from domain.money import ZERO
from domain.portfolio.events import CashSettled, TradeBooked, TradeUnbooked
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
    settled numeric NOT NULL,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, portfolio, currency, value_date)
) WITH (fillfactor = 70);
CREATE INDEX ladder_pending ON {schema}.ladder (tenant, portfolio)
WHERE pending_in <> 0 OR pending_out <> 0;
"""
LADDER_EVENTS: frozenset[type[Event]] = frozenset({CashSettled, TradeBooked, TradeUnbooked})
RUNGS_MAX = 100_000
"""Most rungs kept in memory; beyond that all are dropped and loaded again when needed."""

_RUNGS = """
SELECT found.* FROM unnest(%s::text[], %s::text[], %s::text[], %s::date[])
AS asked (tenant, portfolio, currency, value_date)
JOIN {schema}.ladder AS found USING (tenant, portfolio, currency, value_date)
"""
_KEY = ("tenant", "portfolio", "currency", "value_date")
Key: TypeAlias = tuple[str, str, str, date]
Change: TypeAlias = tuple[Key, int, CashSettled | TradeBooked | TradeUnbooked]


class RungRow(msgspec.Struct, gc=False):
    """One value date of a currency: what is pending for it, and what was settled on it."""

    tenant: str
    portfolio: str
    currency: str
    value_date: date
    pending_in: Decimal = ZERO
    pending_out: Decimal = ZERO
    settled: Decimal = ZERO
    changed_position: int = 0


class LadderFold:
    """Writes each rung once per batch."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._rungs: dict[Key, RungRow] = {}

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Fold a batch."""
        changes = list(_changes(batch))
        touched = {key for key, _, _ in changes}
        self._load(cursor, touched - self._rungs.keys())
        for key, position, event in changes:
            rung = self._rungs[key]
            rung.changed_position = position
            if isinstance(event, CashSettled):
                rung.settled += event.amount
                rung.pending_in = rung.pending_out = ZERO
            elif isinstance(event, TradeBooked):
                _add(rung, event.cash_change)
            else:
                _take_back(rung, event.cash_change)
        self._tables.upsert(cursor, "ladder", [self._rungs[key] for key in touched], key=_KEY)
        if len(self._rungs) > RUNGS_MAX:
            self._rungs.clear()

    def _load(self, cursor: Cursor, missing: set[Key]) -> None:
        if not missing:
            return
        for key in missing:
            self._rungs[key] = RungRow(*key)
        asked = [list(column) for column in zip(*missing, strict=True)]
        for values in self._tables.select(cursor, _RUNGS, asked):
            row = RungRow(*values)
            self._rungs[row.tenant, row.portfolio, row.currency, row.value_date] = row


def _changes(batch: Iterable[Decoded]) -> Iterable[Change]:
    """Pick what moves the ladder."""
    for position, tenant, _, event in batch:
        if isinstance(event, CashSettled):
            yield (tenant, event.portfolio, event.currency, event.value_date), position, event
        elif isinstance(event, TradeBooked | TradeUnbooked) and event.fill.value_date is not None:
            key = (tenant, event.portfolio, event.currency, event.fill.value_date)
            yield key, position, event


def _add(rung: RungRow, change: Decimal) -> None:
    if change > 0:
        rung.pending_in += change
    else:
        rung.pending_out += change


def _take_back(rung: RungRow, change: Decimal) -> None:
    """Take a trade off again; what is settled already comes back as the opposite, pending."""
    left = (rung.pending_out if change > 0 else rung.pending_in) + change
    if change > 0:
        rung.pending_out, rest = min(left, ZERO), max(left, ZERO)
    else:
        rung.pending_in, rest = max(left, ZERO), min(left, ZERO)
    _add(rung, rest)
