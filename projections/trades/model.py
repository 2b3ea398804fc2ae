"""The read model `trades`: one row per capture that the log holds, with what became of it.

A row is named by the position at which the trade was captured, parked or refused; a refused name
can be tried again, so one trade may have several refusals before it is booked.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from domain.event import Event
from domain.portfolio.events import TradeBooked
from domain.rejection import Breach
from domain.trade import Capture, TradeCaptured, TradeParked, TradeRefused, TradeReleased
from projections.read_model import Decoded, Fold
from projections.rows import Cursor, qualified, select_rows, upsert_rows

_DDL = """
CREATE TABLE {schema}.trades (
    tenant text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    trade_id uuid NOT NULL,
    status text NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    instrument text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    intent text NOT NULL,
    side text NOT NULL,
    quantity numeric NOT NULL,
    price numeric NOT NULL,
    currency text NOT NULL,
    fee numeric NOT NULL,
    trade_date date,
    executed_at timestamptz,
    consideration numeric,
    cash_change numeric,
    realised_gross numeric,
    realised_net numeric,
    is_late boolean,
    breaches jsonb,
    judged_position bigint NOT NULL,
    released_position bigint,
    booked_position bigint,
    recorded_at timestamptz NOT NULL,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, position)
);
CREATE INDEX ON {schema}.trades (tenant, portfolio, position);
CREATE INDEX ON {schema}.trades (trade_id);
CREATE INDEX trades_waiting ON {schema}.trades (tenant, position) WHERE status = 'parked';
CREATE INDEX trades_refused ON {schema}.trades (tenant, position) WHERE status = 'refused';
"""
_OPEN = """
SELECT DISTINCT ON (trade_id) found.*
FROM unnest(%s::text[], %s::uuid[]) AS asked (tenant, trade_id)
JOIN {schema}.trades AS found USING (tenant, trade_id)
WHERE found.status <> 'refused'
ORDER BY trade_id, position DESC
"""
_KEY = ("tenant", "position")


class Status(StrEnum):
    """What became of a capture."""

    BOOKED = "booked"
    PARKED = "parked"
    REFUSED = "refused"


class TradeRow(msgspec.Struct, gc=False):
    """A capture and its outcome.

    Results are those of the booking: `cash_change` includes the fee, realised parts are what the
    trade realised when it was booked. `judged_position` is the market position it was judged
    against, `released_position` is there when it had been parked.
    """

    tenant: str
    position: int
    trade_id: UUID
    status: Status
    portfolio: str
    instrument: str
    source: str
    external_id: str
    intent: str
    side: str
    quantity: Decimal
    price: Decimal
    currency: str
    fee: Decimal
    trade_date: date | None
    executed_at: datetime | None
    consideration: Decimal | None
    cash_change: Decimal | None
    realised_gross: Decimal | None
    realised_net: Decimal | None
    is_late: bool | None
    breaches: tuple[Breach, ...] | None
    judged_position: int
    released_position: int | None
    booked_position: int | None
    recorded_at: datetime
    changed_position: int


class Trades:
    """Every capture with its outcome."""

    name = "trades"
    calculation_version = 1
    event_types: frozenset[type[Event]] = frozenset(
        {TradeCaptured, TradeParked, TradeReleased, TradeRefused, TradeBooked}
    )
    compared_tables = ("trades",)

    def ddl(self, schema: str) -> str:
        """Give the statements that make the tables."""
        return _DDL.format(schema=schema)

    def new_fold(self, schema: str) -> Fold:
        """Make a fold that knows nothing yet."""
        return TradesFold(schema)


class TradesFold:
    """Keeps nothing between batches: what a batch continues is read back first."""

    def __init__(self, schema: str) -> None:
        self._schema = schema

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Fold a batch."""
        rows: list[TradeRow] = []
        open_rows = self._continued(cursor, batch)
        rows += open_rows.values()
        for position, tenant, recorded_at, event, _ in batch:
            match event:
                case TradeBooked():
                    _book(open_rows[tenant, event.fill.trade_id], event, position)
                case TradeReleased():
                    _release(open_rows[tenant, event.trade_id], event, position)
                case TradeCaptured() | TradeParked() | TradeRefused():
                    row = _row(position, tenant, recorded_at, event)
                    rows.append(row)
                    if row.status is not Status.REFUSED:
                        open_rows[tenant, row.trade_id] = row
                case _:
                    raise AssertionError(f"trades fold no {type(event).__name__}")
        upsert_rows(cursor, self._schema, "trades", rows, key=_KEY)

    def _continued(
        self, cursor: Cursor, batch: Sequence[Decoded]
    ) -> dict[tuple[str, UUID], TradeRow]:
        """Read the rows that the batch changes and an earlier one had made."""
        begun: set[tuple[str, UUID]] = set()
        asked: set[tuple[str, UUID]] = set()
        for _, tenant, _, event, _ in batch:
            if isinstance(event, TradeCaptured | TradeParked):
                begun.add((tenant, event.trade_id))
            elif isinstance(event, TradeReleased):
                asked.add((tenant, event.trade_id))
            elif isinstance(event, TradeBooked):
                asked.add((tenant, event.fill.trade_id))
        asked -= begun
        if not asked:
            return {}
        columns = [list(column) for column in zip(*asked, strict=True)]
        found = select_rows(cursor, qualified(self._schema, _OPEN), columns)
        return {(row.tenant, row.trade_id): row for row in map(trade_row, found)}


def trade_row(values: Sequence[Any]) -> TradeRow:
    """Make a row of what the table gives."""
    row = TradeRow(*values)
    row.status = Status(row.status)
    if row.breaches is not None:
        row.breaches = msgspec.convert(row.breaches, tuple[Breach, ...])
    return row


def _row(
    position: int,
    tenant: str,
    recorded_at: datetime,
    event: TradeCaptured | TradeParked | TradeRefused,
) -> TradeRow:
    capture: Capture = event.capture
    breaches = () if isinstance(event, TradeParked) else event.breaches
    status = Status.BOOKED
    if not isinstance(event, TradeCaptured):
        status = Status.PARKED if isinstance(event, TradeParked) else Status.REFUSED
    return TradeRow(
        tenant,
        position,
        event.trade_id,
        status,
        capture.portfolio,
        capture.instrument,
        capture.source,
        capture.external_id,
        capture.intent.value,
        capture.side.value,
        capture.quantity,
        capture.price,
        capture.currency,
        capture.fee,
        capture.trade_date,
        capture.executed_at,
        capture.consideration,
        None,
        None,
        None,
        None,
        breaches or None,
        event.market_position,
        None,
        None,
        recorded_at,
        position,
    )


def _release(row: TradeRow, released: TradeReleased, position: int) -> None:
    row.status = Status.BOOKED
    row.released_position = position
    row.judged_position = released.market_position
    row.breaches = released.breaches or None
    row.changed_position = position


def _book(row: TradeRow, booked: TradeBooked, position: int) -> None:
    row.trade_date = booked.fill.trade_date
    row.consideration = booked.fill.consideration
    row.cash_change = booked.cash_change
    row.realised_gross = booked.realised_gross
    row.realised_net = booked.realised_net
    row.is_late = booked.is_late
    row.booked_position = position
    row.changed_position = position
