"""The read model `outcomes`: what a trading system is told of its own trades, in log order.

One line for each outcome of a source, complete when it is served: an acceptance has its results
from the booking that follows it in the same append. So a batch that ends between the two leaves the
line unfinished, and nothing from its position on is served until it is finished.
"""

from collections.abc import Sequence
from typing import Any

import psycopg

from domain.block import BlockAllocated, BlockBusted, BlockRefused
from domain.event import Event
from domain.portfolio.events import LotsRestated, TradeBooked, TradeUnbooked
from domain.trade import (
    TradeAmended,
    TradeAmendHeld,
    TradeAmendSuperseded,
    TradeBusted,
    TradeBustHeld,
    TradeCaptured,
    TradeParked,
    TradeReassigned,
    TradeRefused,
    TradeReleased,
    TradeSettled,
    TradeSettlementFailed,
    TradeSettlementResumed,
)
from projections.outcomes.figures import Figures
from projections.outcomes.tables import BOOKING, DDL, PAGES, TABLES, UnfinishedRow
from projections.outcomes.telling import Place, Restating, Telling, Unfinished
from projections.read_model import Decoded, Fold
from projections.rows import Cursor, Tables

_UNFINISHED = "SELECT * FROM {schema}.unfinished"


class Outcomes:
    """Every source's outcomes, what of its numbers has arrived, and its control totals."""

    name = "outcomes"
    calculation_version = 1
    event_types: frozenset[type[Event]] = frozenset({
        TradeCaptured, TradeParked, TradeReleased, TradeRefused, TradeAmended, TradeAmendHeld,
        TradeAmendSuperseded, TradeBusted, TradeBustHeld, TradeReassigned, TradeBooked,
        TradeUnbooked, LotsRestated, TradeSettled, TradeSettlementFailed, TradeSettlementResumed,
        BlockAllocated, BlockRefused, BlockBusted,
    })  # fmt: skip
    compared_tables = TABLES

    def ddl(self, schema: str) -> str:
        """Give the statements that make the tables."""
        return DDL.format(schema=schema)

    def new_fold(self, schema: str) -> Fold:
        """Make a fold that knows nothing yet."""
        return OutcomesFold(schema)


class OutcomesFold:
    """Keeps what a batch left unfinished, what waits, and the figures met last."""

    def __init__(self, schema: str) -> None:
        self._tables = Tables(schema)
        self._telling = Telling(Figures(self._tables))
        self._stored: dict[tuple[Place, str], UnfinishedRow] | None = None

    def defer(self, cursor: psycopg.Cursor[Any]) -> None:
        """Leave the key of outcomes unmade until `settle`: no outcome is ever looked for."""
        self._tables.leave_keys(cursor, "outcomes")

    def settle(self, cursor: psycopg.Cursor[Any]) -> None:
        """Make what was left."""
        self._tables.make_keys(cursor)

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Fold a batch."""
        telling = self._telling
        if self._stored is None:
            self._stored = self._load(cursor)
            telling.figures.begin(cursor)
        for decoded in batch:
            telling.take(decoded)
        self._tables.insert(cursor, "outcomes", telling.rows)
        telling.rows = []
        if telling.unfinished or telling.restating or self._stored:
            self._stored = self._store(cursor, self._stored)
        telling.figures.write(cursor)

    def _load(self, cursor: Cursor) -> dict[tuple[Place, str], UnfinishedRow]:
        stored: dict[tuple[Place, str], UnfinishedRow] = {}
        for values in self._tables.select(cursor, _UNFINISHED):
            row = UnfinishedRow(*values)
            place = (row.tenant, row.portfolio, row.trade_id.int)
            stored[place, row.waits_for] = row
            if row.waits_for == BOOKING:
                self._telling.unfinished[place] = Unfinished.read(row.source, row.line)
            else:
                self._telling.restating[place] = Restating(row.trade_id, row.source, row.line)
        return stored

    def _store(
        self, cursor: Cursor, stored: dict[tuple[Place, str], UnfinishedRow]
    ) -> dict[tuple[Place, str], UnfinishedRow]:
        """Leave to the next batch what it needs: nothing, if this one ends with a command."""
        rows: dict[tuple[Place, str], UnfinishedRow] = {}
        for place, waits in self._telling.unfinished.items():
            rows[place, BOOKING] = UnfinishedRow(
                *place[:2], waits.trade_id, BOOKING, waits.position, waits.source, waits.written()
            )
        for place, told in self._telling.restating.items():
            rows[place, PAGES] = UnfinishedRow(
                *place[:2], told.trade_id, PAGES, 0, told.source, told.external_id
            )
        gone = [row for key, row in stored.items() if key not in rows]
        keys = [(row.tenant, row.portfolio, row.trade_id, row.waits_for) for row in gone]
        self._tables.delete(cursor, "unfinished", keys, key=UnfinishedRow.KEY)
        self._tables.upsert(cursor, "unfinished", list(rows.values()), key=UnfinishedRow.KEY)
        return rows
