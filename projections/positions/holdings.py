"""Folding bookings and corporate actions into positions and lots.

A holding stays in memory with its open lots once it was needed; it is written once per batch, and
only those of its lots that the batch touched. While tables are built it is written once at the end,
or when memory is full: a lot that was opened and closed meanwhile never is.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from operator import itemgetter
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec

from domain.book_order import BookKey
from domain.held import BookTotals
from domain.lots import ClosedLot, Fill, Lot
from domain.open_lots import follow_lots
from domain.portfolio.basis_events import CostBasisApplied
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    LotsSpunOff,
)
from domain.portfolio.events import (
    BookEvent,
    LotsClosed,
    LotsRestated,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.transfer_events import LotsTransferredIn, LotsTransferredOut
from projections.arrays import looked_up
from projections.positions.tables import LotRow, PositionRow
from projections.rows import Cursor, Tables

HOLDINGS_MAX = 200_000
"""Most holdings kept in memory; beyond that all are dropped and loaded again when needed."""

WRITTEN_MAX = 20_000
"""Most holdings whose rows are made and written at a time."""

POSITION_KEY = ("tenant", "portfolio", "instrument")
LOT_KEY = (*POSITION_KEY, "trade_id")

_TEXTS = dict.fromkeys(POSITION_KEY, "text")
_POSITIONS = looked_up("positions", **_TEXTS)
_LOTS = looked_up("lots", **_TEXTS) + " ORDER BY order_position, order_index"

_read_key = msgspec.json.Decoder(BookKey).decode
_write_key = msgspec.json.Encoder().encode


_First: TypeAlias = (
    TradeBooked
    | CorporateActionApplied
    | CorporateActionUnapplied
    | LotsSpunOff
    | LotsTransferredOut
    | LotsTransferredIn
    | CostBasisApplied
)

HoldingKey: TypeAlias = tuple[str, str, str]
"""Tenant, portfolio and instrument."""


Place: TypeAlias = tuple[int, int, int]
"""Where a lot stands among the others (position, index), and the position of its last change."""


class Holding:
    """A position and its open lots, oldest first, with what a batch has done to their rows.

    A lot without a row yet is `fresh`; of those with one, `changed` must be written again, `gone`
    deleted. Lots go by the number of their trade's id, which is hashed many times faster than the
    id itself.
    """

    __slots__ = ("changed", "fresh", "gone", "is_new", "lots", "places", "row", "traded_key")

    def __init__(self) -> None:
        self.row: PositionRow | None = None
        self.traded_key: BookKey | None = None
        self.lots: dict[int, Lot] = {}
        self.places: dict[int, Place] = {}
        self.fresh: set[int] = set()
        self.changed: set[int] = set()
        self.gone: set[int] = set()
        self.is_new = True

    def book(self, tenant: str, booked: TradeBooked, position: int) -> None:
        """Fold a booking."""
        if self.row is None:
            self.row = _first_row(tenant, booked, booked.fill.trade_date)
        self.row.first_date = min(self.row.first_date, booked.fill.trade_date)
        self._take_totals(booked.totals, position)
        if self.traded_key is None or booked.fill.key >= self.traded_key:
            self._take_price(booked.fill)
        if not booked.is_late:
            self._close(booked.closed, booked.opened, position)

    def unbook(self, unbooked: TradeUnbooked, position: int) -> None:
        """Fold a booking that is taken out again; its lots follow in pages."""
        self._take_totals(unbooked.totals, position)
        self._take_price(unbooked.last_fill)

    def act(
        self,
        tenant: str,
        event: CorporateActionApplied | CorporateActionUnapplied | LotsSpunOff,
        position: int,
    ) -> None:
        """Fold what a corporate action did; lots that changed follow in pages.

        The first lots of a child make its position, without an executed price.
        """
        if self.row is None:
            self.row = _first_row(tenant, event, event.terms.action.ex_date)
        if isinstance(event, LotsSpunOff):
            self.row.first_date = min(self.row.first_date, event.terms.action.ex_date)
        self._take_totals(event.totals, position)

    def move(
        self, tenant: str, event: LotsTransferredOut | LotsTransferredIn, position: int
    ) -> None:
        """Fold lots that left or came in; they follow in pages, and bring no executed price."""
        on = event.transfer.trade_date
        if self.row is None:
            self.row = _first_row(tenant, event, on)
        self.row.first_date = min(self.row.first_date, on)
        self._take_totals(event.totals, position)

    def rebase(self, tenant: str, event: CostBasisApplied, position: int) -> None:
        """Fold a change of basis; it stands before the first thing that comes into a new book."""
        if self.row is None:
            self.row = _first_row(tenant, event, date.max)
        self.row.cost_basis = event.in_force
        self._take_totals(event.totals, position)

    def close(self, page: LotsClosed, position: int) -> None:
        """Fold a further page of closed lots."""
        assert self.row is not None, "closed lots follow their booking"
        self.row.changed_position = position
        self._close(page.closed, None, position)

    def restate(self, page: LotsRestated, position: int) -> None:
        """Fold a page of restated lots: it replaces some, and those behind are placed anew."""
        self._take_totals(page.totals, position)
        kept = list(self.lots.values())
        behind = kept[page.index + page.removed :]
        for lot in kept[page.index : page.index + page.removed]:
            self._remove(lot.trade_id.int)
        kept[page.index : page.index + page.removed] = page.lots
        self.lots = {lot.trade_id.int: lot for lot in kept}
        for index, lot in enumerate(page.lots):
            self._place(lot.trade_id.int, (position, index, position))
        for index, lot in enumerate(behind, start=len(page.lots)):
            number = lot.trade_id.int
            self._place(number, (position, index, self.places[number][2]))

    def _take_totals(self, totals: BookTotals, position: int) -> None:
        row = self.row
        assert row is not None, "totals belong to a booked position"
        row.quantity = totals.quantity
        row.cost = totals.cost
        row.fees = totals.fees
        row.realised_gross = totals.realised_gross
        row.realised_net = totals.realised_net
        row.changed_position = position

    def _take_price(self, fill: Fill | None) -> None:
        row = self.row
        assert row is not None, "a price belongs to a booked position"
        self.traded_key = None if fill is None else fill.key
        row.traded_price = None if fill is None else fill.price
        row.traded_date = None if fill is None else fill.trade_date
        row.traded_at = None if fill is None else fill.executed_at

    def _close(self, closed: Sequence[ClosedLot], opened: Lot | None, position: int) -> None:
        follow_lots(self.lots, closed, opened)
        for part in closed:
            number = part.trade_id.int
            if number in self.lots:
                order_position, order_index, _ = self.places[number]
                self._place(number, (order_position, order_index, position))
            else:
                self._remove(number)
        if opened is not None:
            self._place(opened.trade_id.int, (position, 0, position))

    def _place(self, number: int, place: Place) -> None:
        if number in self.places:
            if number not in self.fresh:
                self.changed.add(number)
        elif number in self.gone:
            self.gone.remove(number)
            self.changed.add(number)
        else:
            self.fresh.add(number)
        self.places[number] = place

    def _remove(self, number: int) -> None:
        del self.places[number]
        if number in self.fresh:
            self.fresh.remove(number)
        else:
            self.changed.discard(number)
            self.gone.add(number)

    def touched_lots(self) -> Iterator[Lot]:
        """Give the open lots that are fresh or changed."""
        for number in (*self.fresh, *self.changed):
            yield self.lots[number]

    def settle(self) -> None:
        """Forget what the batch did, once it is written."""
        self.fresh.clear()
        self.changed.clear()
        self.gone.clear()
        self.is_new = False


class Holdings:
    """All holdings of one schema; those in memory are as their tables hold them."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._held: dict[HoldingKey, Holding] = {}
        self._touched: dict[HoldingKey, Holding] = {}
        self._holds_all: bool | None = None
        self._is_deferring = False

    def defer(self, cursor: Cursor) -> None:
        """Leave what changes unwritten until `settle`."""
        self._tables.leave_keys(cursor, "positions", "lots")
        self._is_deferring = True

    def settle(self, cursor: Cursor) -> None:
        """Write what was left."""
        self._is_deferring = False
        self._write(cursor)

    def fold(
        self,
        cursor: Cursor,
        events: Iterable[tuple[int, str, BookEvent]],
    ) -> None:
        """Fold bookings, given as position, tenant and event, and write what they change."""
        keyed = [
            ((tenant, event.portfolio, event.instrument), position, event)
            for position, tenant, event in events
        ]
        self._load(cursor, {key for key, _, _ in keyed if key not in self._held})
        for key, position, event in keyed:
            holding = self._touched[key] = self._held[key]
            match event:
                case TradeBooked():
                    holding.book(key[0], event, position)
                case LotsRestated():
                    holding.restate(event, position)
                case TradeUnbooked():
                    holding.unbook(event, position)
                case LotsClosed():
                    holding.close(event, position)
                case CorporateActionApplied() | CorporateActionUnapplied() | LotsSpunOff():
                    holding.act(key[0], event, position)
                case LotsTransferredOut() | LotsTransferredIn():
                    holding.move(key[0], event, position)
                case CostBasisApplied():
                    holding.rebase(key[0], event, position)
                case _:
                    assert_never(event)
        if not self._is_deferring or len(self._held) > HOLDINGS_MAX:
            self._write(cursor)

    def _load(self, cursor: Cursor, missing: set[HoldingKey]) -> None:
        for key in missing:
            self._held[key] = Holding()
        if self._holds_all is None:
            self._holds_all = self._tables.is_empty(cursor, "positions")
        if not missing or self._holds_all:
            return
        self._tables.require_keys(cursor, "positions")
        self._tables.require_keys(cursor, "lots")
        asked = [list(column) for column in zip(*missing, strict=True)]
        for values in self._tables.select(cursor, _POSITIONS, asked):
            row = PositionRow(*values)
            holding = self._held[row.tenant, row.portfolio, row.instrument]
            holding.row = row
            holding.is_new = False
            holding.traded_key = None if row.traded_key is None else _read_key(row.traded_key)
        for values in self._tables.select(cursor, _LOTS, asked):
            lot = LotRow(*values)
            holding = self._held[lot.tenant, lot.portfolio, lot.instrument]
            holding.lots[lot.trade_id.int] = Lot(
                lot.trade_id, lot.trade_date, lot.quantity, lot.cost, lot.fee
            )
            place = (lot.order_position, lot.order_index, lot.changed_position)
            holding.places[lot.trade_id.int] = place

    def _write(self, cursor: Cursor) -> None:
        # In the order of the keys, so that what is asked for together stands together.
        touched = sorted(self._touched.items(), key=itemgetter(0))
        for first in range(0, len(touched), WRITTEN_MAX):
            self._write_some(cursor, touched[first : first + WRITTEN_MAX])
        self._touched.clear()
        if len(self._held) > HOLDINGS_MAX:
            self._held.clear()
            self._holds_all = False

    def _write_some(self, cursor: Cursor, touched: list[tuple[HoldingKey, Holding]]) -> None:
        positions: tuple[list[PositionRow], list[PositionRow]] = ([], [])
        lots: tuple[list[LotRow], list[LotRow]] = ([], [])
        gone: list[tuple[object, ...]] = []
        for key, holding in touched:
            row = holding.row
            assert row is not None, "a touched holding has a row"
            traded_key = holding.traded_key
            row.traded_key = None if traded_key is None else _write_key(traded_key).decode()
            positions[holding.is_new].append(row)
            for lot in holding.touched_lots():
                number = lot.trade_id.int
                lots[number in holding.fresh].append(_lot_row(key, lot, holding.places[number]))
            gone += [(*key, UUID(int=number)) for number in holding.gone]
            holding.settle()
        tables = self._tables
        tables.delete(cursor, "lots", gone, key=LOT_KEY)
        tables.write(cursor, "positions", positions[True], positions[False], key=POSITION_KEY)
        tables.write(cursor, "lots", lots[True], lots[False], key=LOT_KEY)


def _lot_row(key: HoldingKey, lot: Lot, place: Place) -> LotRow:
    return LotRow(*key, lot.trade_id, lot.trade_date, lot.quantity, lot.cost, lot.fee, *place)


def _first_row(tenant: str, event: _First, on: date) -> PositionRow:
    totals = event.totals
    return PositionRow(
        tenant,
        event.portfolio,
        event.instrument,
        event.currency,
        totals.quantity,
        totals.cost,
        totals.fees,
        totals.realised_gross,
        totals.realised_net,
        on,
        None,
        None,
        None,
        None,
        0,
    )
