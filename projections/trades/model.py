"""The read model `trades`: one row per capture that the log holds, with what became of it.

A row is named by the position at which the trade was captured, parked or refused; a refused name
can be tried again, so one trade may have several refusals before it is booked. A trade that an
amend takes to another portfolio has a row in each: the one ends, the other begins with the amend.
Corrections that came before their trade have a table of their own until it is captured.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, get_args

import psycopg

from domain.event import Event
from domain.instrument import InstrumentRegistered, SymbolChanged
from domain.portfolio.events import TradeBooked, TradeUnbooked
from domain.trade import (
    SettlementWord,
    TradeAmended,
    TradeAmendHeld,
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
from projections.read_model import Decoded, Fold
from projections.rows import Tables
from projections.trades.names import SYMBOL_EVENTS, Names
from projections.trades.rows import HeldRow, Status, Told, TradeRow, held_row, new_row, trade_row

# The fold finds the row that a correction meets by its trade, in a rebuild too: so this is a part
# of the table, where an index would be made at the end. `pg_trgm` is trusted: who may create
# schemas may create it too. Two who do so at once would fail, in spite of IF NOT EXISTS.
_DDL = """
SELECT pg_advisory_xact_lock(hashtextextended('extension pg_trgm', 0));
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TABLE {schema}.trades (
    tenant text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    trade_id uuid NOT NULL,
    status text COLLATE "C" NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    instrument text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    intent text NOT NULL,
    side text COLLATE "C" NOT NULL,
    quantity numeric NOT NULL,
    price numeric NOT NULL,
    currency text COLLATE "C" NOT NULL,
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
    revision bigint,
    reason text,
    to_portfolio text COLLATE "C",
    block text COLLATE "C",
    settlement text,
    settled_quantity numeric,
    settled_cash numeric,
    failure text,
    PRIMARY KEY (tenant, position),
    UNIQUE (trade_id, position)
);
CREATE INDEX ON {schema}.trades (tenant, portfolio, position);
CREATE INDEX ON {schema}.trades (tenant, block, position) WHERE block IS NOT NULL;
CREATE INDEX ON {schema}.trades (tenant, trade_date, position);
CREATE INDEX ON {schema}.trades (tenant, instrument, position);
CREATE INDEX ON {schema}.trades (tenant, source, position);
CREATE INDEX ON {schema}.trades USING gin (external_id gin_trgm_ops);
CREATE INDEX ON {schema}.trades (tenant, status, position) WHERE status <> 'booked';
CREATE INDEX ON {schema}.trades (tenant, position)
    WHERE status IN ('booked', 'parked', 'amended') AND booked_position IS NULL;
CREATE INDEX ON {schema}.trades (changed_position);
CREATE TABLE {schema}.held_corrections (
    tenant text COLLATE "C" NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    trade_id uuid NOT NULL,
    told text NOT NULL,
    position bigint NOT NULL,
    source text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    revision bigint,
    reason text,
    instrument text COLLATE "C",
    side text,
    quantity numeric,
    price numeric,
    currency text,
    trade_date date,
    received_at timestamptz,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, portfolio, trade_id, told)
);
CREATE TABLE {schema}.names (
    tenant text COLLATE "C",
    kind text COLLATE "C",
    name text COLLATE "C",
    PRIMARY KEY (tenant, kind, name)
);
CREATE TABLE {schema}.symbols (
    instrument text COLLATE "C",
    symbol text COLLATE "C",
    PRIMARY KEY (instrument, symbol)
);
"""
_OPEN = """
SELECT * FROM {schema}.trades
WHERE status IN ('booked', 'parked', 'amended') AND booked_position IS NULL
"""
_ACCEPTED = "SELECT * FROM {schema}.trades WHERE trade_id = ANY(%s) AND status <> 'refused'"
_HELD = "SELECT * FROM {schema}.held_corrections"
_KEY = ("tenant", "position")
_HELD_KEY = ("tenant", "portfolio", "trade_id", "told")

Number: TypeAlias = tuple[str, int]
"""A trade by its tenant and the number of its id, which is hashed many times faster than the id."""

Place: TypeAlias = tuple[str, str, int]
"""A trade in a portfolio: tenant, portfolio, number."""
HeldPlace: TypeAlias = tuple[Place, Told]


# Asking whether an event is of a class that it is not of takes four times as long as its own type.
_CORRECTING: frozenset[type[Event]] = frozenset(
    {TradeAmended, TradeBusted, TradeReassigned, TradeUnbooked, *get_args(SettlementWord)}
)


class Trades:
    """Every capture with its outcome, and the corrections that wait for theirs."""

    name = "trades"
    calculation_version = 5
    event_types: frozenset[type[Event]] = frozenset({
        TradeCaptured, TradeParked, TradeReleased, TradeRefused, TradeAmended, TradeAmendHeld,
        TradeBusted, TradeBustHeld, TradeReassigned, TradeBooked, TradeUnbooked,
        TradeSettled, TradeSettlementFailed, TradeSettlementResumed,
        InstrumentRegistered, SymbolChanged,
    })  # fmt: skip
    compared_tables = ("trades", "held_corrections", "names", "symbols")

    def ddl(self, schema: str) -> str:
        """Give the statements that make the tables."""
        return _DDL.format(schema=schema)

    def new_fold(self, schema: str) -> Fold:
        """Make a fold that knows nothing yet."""
        return TradesFold(schema)


class TradesFold:
    """Keeps the rows that wait for their booking, parked ones above all, and what is held: few."""

    def __init__(self, schema: str) -> None:
        self._tables = Tables(schema)
        self._names = Names(self._tables)
        self._open: dict[Number, TradeRow] | None = None
        self._held: dict[HeldPlace, HeldRow] = {}

    def defer(self, cursor: psycopg.Cursor[Any]) -> None:
        """Leave the keys of trades unmade until one is changed in a later batch."""
        self._tables.leave_keys(cursor, "trades")

    def settle(self, cursor: psycopg.Cursor[Any]) -> None:
        """Make what was left."""
        self._tables.make_keys(cursor)

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Fold a batch."""
        if self._open is None:
            rows = map(trade_row, self._tables.select(cursor, _OPEN))
            self._open = {(row.tenant, row.trade_id.int): row for row in rows}
            held = [HeldRow(*values) for values in self._tables.select(cursor, _HELD)]
            self._held = {(_place(row), Told(row.told)): row for row in held}
        folding = _Folding(self._open, self._held, self._met(cursor, batch), batch[0].position)
        for decoded in batch:
            if type(decoded.event) not in SYMBOL_EVENTS:
                folding.take(decoded)
        self._names.fold(cursor, batch)
        changed = list(folding.changed.values())
        self._tables.write(cursor, "trades", folding.fresh, changed, key=_KEY)
        self._write_held(cursor, folding.touched)

    def _met(
        self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]
    ) -> dict[Place, TradeRow] | None:
        """Find the rows of trades that a batch corrects; None where it corrects nothing."""
        correcting: list[Any] = [event for _, _, _, event, _ in batch if type(event) in _CORRECTING]
        corrected = [
            event.fill.trade_id if isinstance(event, TradeUnbooked) else event.trade_id
            for event in correcting
        ]
        if not corrected:
            return None
        assert self._open is not None, "it is loaded before the first batch"
        self._tables.require_keys(cursor, "trades")
        met: dict[Place, TradeRow] = {}
        for row in map(trade_row, self._tables.select(cursor, _ACCEPTED, (corrected,))):
            waiting = self._open.get((row.tenant, row.trade_id.int))
            is_same = waiting is not None and waiting.position == row.position
            met[_place(row)] = waiting if waiting is not None and is_same else row
        return met

    def _write_held(
        self, cursor: psycopg.Cursor[Any], touched: Mapping[HeldPlace, HeldRow]
    ) -> None:
        kept = [self._held[place] for place in touched if place in self._held]
        gone = [row for place, row in touched.items() if place not in self._held]
        self._tables.upsert(cursor, "held_corrections", kept, key=_HELD_KEY)
        keys = [(row.tenant, row.portfolio, row.trade_id, row.told) for row in gone]
        self._tables.delete(cursor, "held_corrections", keys, key=_HELD_KEY)


class _Folding:
    """One batch: new rows, rows that change, and the held corrections that it touches.

    `met` are the rows of trades that the batch corrects, by place; new ones join them.
    """

    def __init__(
        self,
        waiting: dict[Number, TradeRow],
        held: dict[HeldPlace, HeldRow],
        met: dict[Place, TradeRow] | None,
        begun: int,
    ) -> None:
        self.fresh: list[TradeRow] = []
        self.changed: dict[tuple[str, int], TradeRow] = {}
        self.touched: dict[HeldPlace, HeldRow] = {}
        self._open = waiting
        self._held = held
        self._met = met
        self._begun = begun

    def take(self, decoded: Decoded) -> None:
        """Fold one event."""
        position, tenant, recorded_at, event, _ = decoded
        match event:
            case TradeBooked():
                row = self._open.pop((tenant, event.fill.trade_id.int))
                row.book(event, position)
                self._change(row)
            case TradeCaptured() | TradeRefused():
                self._begin(new_row(position, tenant, recorded_at, event))
            case TradeParked():
                self._park(decoded, event)
            case TradeReleased():
                row = self._open[tenant, event.trade_id.int]
                row.release(event, position)
                self._change(row)
            case TradeAmendHeld() | TradeBustHeld():
                self._hold(held_row(position, tenant, recorded_at, event))
            case TradeSettled() | TradeSettlementFailed() | TradeSettlementResumed():
                self._settle(decoded, event)
            case TradeUnbooked() | TradeAmended() | TradeBusted() | TradeReassigned():
                self._correct(decoded, event)
            case _:
                raise AssertionError(f"{type(event).__name__} is not one of the model's own")

    def _begin(self, row: TradeRow) -> None:
        self.fresh.append(row)
        if row.status == Status.REFUSED:
            return
        self._open[row.tenant, row.trade_id.int] = row
        if self._held:
            self._drop(_place(row))
        if self._met is not None:
            self._met[_place(row)] = row

    def _park(self, decoded: Decoded, event: TradeParked) -> None:
        """Begin a row, or let the one that was just amended wait."""
        row = self._open.get((decoded.tenant, event.trade_id.int))
        if row is None:
            self._begin(new_row(decoded.position, decoded.tenant, decoded.recorded_at, event))
            return
        row.status = Status.PARKED
        row.changed_position = decoded.position
        self._change(row)

    def _correct(
        self, decoded: Decoded, event: TradeUnbooked | TradeAmended | TradeBusted | TradeReassigned
    ) -> None:
        position, tenant = decoded.position, decoded.tenant
        trade_id = event.fill.trade_id if isinstance(event, TradeUnbooked) else event.trade_id
        named = event.capture if isinstance(event, TradeAmended) else event
        place = (tenant, named.portfolio, trade_id.int)
        assert self._met is not None, "the batch was searched for corrections"
        row = self._met.get(place)
        if isinstance(event, TradeAmended):
            self._amend(decoded, event, row)
        elif isinstance(event, TradeUnbooked):
            if row is not None and row.booked_position is not None:
                row.clear(position)
                self._change(row)
        elif row is not None:
            if isinstance(event, TradeBusted):
                row.end(Status.BUSTED, position, reason=event.reason)
                row.settle(event.settlement, position)
            else:
                row.end(Status.REASSIGNED, position, to_portfolio=event.to_portfolio)
            if self._open.get((tenant, trade_id.int)) is row:
                del self._open[tenant, trade_id.int]
            self._change(row)
        if not isinstance(event, TradeUnbooked):
            self._drop(place)

    def _settle(self, decoded: Decoded, event: SettlementWord) -> None:
        if event.settlement is None:
            self._hold(held_row(decoded.position, decoded.tenant, decoded.recorded_at, event))
            return
        assert self._met is not None, "the batch was searched for what custodians told"
        row = self._met.get((decoded.tenant, event.portfolio, event.trade_id.int))
        assert row is not None, "it is told of the portfolio that the trade is in"
        row.settle(event.settlement, decoded.position)
        self._change(row)

    def _amend(self, decoded: Decoded, event: TradeAmended, row: TradeRow | None) -> None:
        if row is None:
            self._begin(new_row(decoded.position, decoded.tenant, decoded.recorded_at, event))
            return
        row.amend(event, decoded.position)
        self._open[row.tenant, row.trade_id.int] = row
        self._change(row)

    def _change(self, row: TradeRow) -> None:
        if row.position < self._begun:
            self.changed[row.tenant, row.position] = row

    def _hold(self, row: HeldRow) -> None:
        place = (_place(row), Told(row.told))
        self._held[place] = self.touched[place] = row

    def _drop(self, place: Place) -> None:
        for told in Told:
            row = self._held.pop((place, told), None)
            if row is not None:
                self.touched[place, told] = row


def _place(row: TradeRow | HeldRow) -> Place:
    return row.tenant, row.portfolio, row.trade_id.int
