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
from domain.portfolio.events import TradeBooked, TradeUnbooked
from domain.rejection import Breach
from domain.trade import Capture, TradeCaptured, TradeParked, TradeRefused, TradeReleased
from projections.read_model import Decoded, Fold
from projections.rows import Tables

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
    breaches text,
    judged_position bigint NOT NULL,
    released_position bigint,
    booked_position bigint,
    recorded_at timestamptz NOT NULL,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, position)
);
CREATE INDEX ON {schema}.trades (tenant, portfolio, position);
CREATE INDEX ON {schema}.trades (trade_id);
CREATE INDEX ON {schema}.trades (tenant, position) WHERE status = 'refused';
CREATE INDEX ON {schema}.trades (tenant, position)
    WHERE status <> 'refused' AND booked_position IS NULL;
"""
_OPEN = "SELECT * FROM {schema}.trades WHERE status <> 'refused' AND booked_position IS NULL"
_BOOKED = """
SELECT * FROM {schema}.trades
WHERE tenant = %s AND trade_id = %s AND booked_position IS NOT NULL
"""
_KEY = ("tenant", "position")

_read_breaches = msgspec.json.Decoder(tuple[Breach, ...]).decode


class Status(StrEnum):
    """What became of a capture."""

    BOOKED = "booked"
    PARKED = "parked"
    REFUSED = "refused"


class TradeRow(msgspec.Struct, gc=False):
    """A capture and its outcome.

    Results are those of the booking, absent where it was taken out again: `cash_change` includes
    the fee, realised parts are what the trade realised when it was booked. `judged_position` is
    the market position it was judged against, `released_position` is there when it had been
    parked; `breaches` is a JSON array.
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
    breaches: str | None
    judged_position: int
    released_position: int | None
    booked_position: int | None
    recorded_at: datetime
    changed_position: int

    @property
    def every_breach(self) -> tuple[Breach, ...]:
        """The rules it breaks, as structs."""
        return () if self.breaches is None else _read_breaches(self.breaches)


class Trades:
    """Every capture with its outcome."""

    name = "trades"
    calculation_version = 2
    event_types: frozenset[type[Event]] = frozenset(
        {TradeCaptured, TradeParked, TradeReleased, TradeRefused, TradeBooked, TradeUnbooked}
    )
    compared_tables = ("trades",)

    def ddl(self, schema: str) -> str:
        """Give the statements that make the tables."""
        return _DDL.format(schema=schema)

    def new_fold(self, schema: str) -> Fold:
        """Make a fold that knows nothing yet."""
        return TradesFold(schema)


class TradesFold:
    """Keeps the rows that wait for their booking, parked ones above all; they are few.

    They go by the number of their trade's id, which is hashed many times faster than the id.
    """

    def __init__(self, schema: str) -> None:
        self._tables = Tables(schema)
        self._open: dict[tuple[str, int], TradeRow] | None = None

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Fold a batch."""
        if self._open is None:
            rows = map(trade_row, self._tables.select(cursor, _OPEN))
            self._open = {(row.tenant, row.trade_id.int): row for row in rows}
        waiting = self._open
        fresh: list[TradeRow] = []
        changed: dict[tuple[str, int], TradeRow] = {}
        begun = batch[0].position
        for position, tenant, recorded_at, event in batch:
            if isinstance(event, TradeBooked):
                key = (tenant, event.fill.trade_id.int)
                row = waiting.pop(key)
                _book(row, event, position)
            elif isinstance(event, TradeUnbooked):
                key = (tenant, event.fill.trade_id.int)
                row = changed.get(key) or self._booked(cursor, fresh, key)
                waiting[key] = row
                _unbook(row, position)
            elif isinstance(event, TradeReleased):
                key = (tenant, event.trade_id.int)
                row = waiting[key]
                _release(row, event, position)
            else:
                assert isinstance(event, TradeCaptured | TradeParked | TradeRefused)
                row = _row(position, tenant, recorded_at, event)
                fresh.append(row)
                if row.status is not Status.REFUSED:
                    waiting[tenant, row.trade_id.int] = row
                continue
            if row.position < begun:
                changed[key] = row
        self._tables.insert(cursor, "trades", fresh)
        self._tables.upsert(cursor, "trades", list(changed.values()), key=_KEY)

    def _booked(
        self, cursor: psycopg.Cursor[Any], fresh: Sequence[TradeRow], key: tuple[str, int]
    ) -> TradeRow:
        """Find the row of a booked trade: of this batch, or of the table."""
        tenant, number = key
        for row in fresh:
            if row.trade_id.int == number and row.tenant == tenant and row.booked_position:
                return row
        found = self._tables.select(cursor, _BOOKED, (tenant, UUID(int=number)))
        return trade_row(found[0])


def trade_row(values: Sequence[Any]) -> TradeRow:
    """Make a row of what the table gives."""
    row = TradeRow(*values)
    row.status = Status(row.status)
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
        capture.intent,
        capture.side,
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
        _json(breaches),
        event.market_position,
        None,
        None,
        recorded_at,
        position,
    )


def _json(breaches: tuple[Breach, ...]) -> str | None:
    return msgspec.json.encode(breaches).decode() if breaches else None


def _release(row: TradeRow, released: TradeReleased, position: int) -> None:
    row.status = Status.BOOKED
    row.released_position = position
    row.judged_position = released.market_position
    row.breaches = _json(released.breaches)
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


def _unbook(row: TradeRow, position: int) -> None:
    row.cash_change = row.realised_gross = row.realised_net = None
    row.is_late = None
    row.booked_position = None
    row.changed_position = position
