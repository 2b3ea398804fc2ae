"""Folding the market: the price in force per instrument, and each calendar's last closed session.

In force is the mark, close or write-down with the greatest business time; of two with the same one,
that with the later log position.
"""

from datetime import datetime
from decimal import Decimal

from domain.instrument import WrittenDown
from domain.market import CloseCorrected, MarketMarked, SessionClosed
from projections.positions.tables import MARK, WRITE_DOWN, CalendarRow, CloseRow, PriceRow
from projections.rows import Cursor, Tables

_PRICES = "SELECT * FROM {schema}.prices"
_CALENDARS = "SELECT * FROM {schema}.calendars"
_LAST_CLOSE = """
SELECT price, at, changed_position FROM {schema}.closes
WHERE instrument = %s AND price IS NOT NULL ORDER BY at DESC LIMIT 1
"""


class Market:
    """Prices and calendars of one schema; both are few and stay in memory."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._prices: dict[str, PriceRow] = {}
        self._calendars: dict[str, CalendarRow] = {}
        self._is_loaded = False
        self.is_deferring = False
        self._touched: set[str] = set()
        self._touched_calendars: set[str] = set()
        self._closes: dict[tuple[str, datetime], CloseRow] = {}

    def fold(
        self,
        cursor: Cursor,
        position: int,
        event: MarketMarked | SessionClosed | CloseCorrected | WrittenDown,
    ) -> None:
        """Fold one event; `write` must follow before the batch ends."""
        if not self._is_loaded:
            self._load(cursor)
        match event:
            case MarketMarked():
                for mark in event.marks:
                    self._take_tick(mark.instrument, mark.price, event.at, position, MARK)
            case WrittenDown():
                self._take_tick(event.instrument, event.price, event.at, position, WRITE_DOWN)
            case SessionClosed():
                self._take_session(event, position)
            case CloseCorrected():
                self._take_correction(cursor, event, position)

    def write(self, cursor: Cursor) -> None:
        """Write what was touched since the last time; prices wait while tables are built."""
        self._write_closes(cursor)
        if self.is_deferring:
            return
        prices = [self._prices[instrument] for instrument in self._touched]
        self._tables.upsert(cursor, "prices", prices, key=("instrument",))
        calendars = [self._calendars[calendar] for calendar in self._touched_calendars]
        self._tables.upsert(cursor, "calendars", calendars, key=("calendar",))
        self._touched.clear()
        self._touched_calendars.clear()

    def _load(self, cursor: Cursor) -> None:
        for values in self._tables.select(cursor, _PRICES):
            price = PriceRow(*values)
            self._prices[price.instrument] = price
        for values in self._tables.select(cursor, _CALENDARS):
            calendar = CalendarRow(*values)
            self._calendars[calendar.calendar] = calendar
        self._is_loaded = True

    def _price(self, instrument: str) -> PriceRow:
        row = self._prices.get(instrument)
        if row is None:
            row = self._prices[instrument] = PriceRow(instrument)
        return row

    def _take_tick(
        self, instrument: str, price: Decimal, at: datetime, position: int, source: str
    ) -> None:
        row = self._price(instrument)
        if row.tick_at is None or at >= row.tick_at:
            row.tick_price, row.tick_at = price, at
            row.tick_position, row.tick_source = position, source
            row.changed_position = position
            self._touched.add(instrument)
            self._put_in_force(row, price, at, position, source)

    def _put_in_force(
        self, row: PriceRow, price: Decimal, at: datetime, position: int, source: str
    ) -> None:
        if row.at is None or at >= row.at:
            row.price, row.at, row.position, row.source = price, at, position, source
            row.changed_position = position
            self._touched.add(row.instrument)

    def _take_session(self, event: SessionClosed, position: int) -> None:
        at = event.ends_at
        for close in event.closes:
            instrument = close.instrument
            self._closes[instrument, at] = CloseRow(instrument, at, close.price, position)
            self._put_in_force(self._price(instrument), close.price, at, position, MARK)
        known = self._calendars.get(event.calendar)
        if known is None or known.ends_at < at:
            self._calendars[event.calendar] = CalendarRow(
                event.calendar, event.session, event.starts_at, at, position
            )
            self._touched_calendars.add(event.calendar)

    def _take_correction(self, cursor: Cursor, event: CloseCorrected, position: int) -> None:
        instrument, at = event.instrument, event.ends_at
        self._closes[instrument, at] = CloseRow(instrument, at, event.price, position)
        self._write_closes(cursor)
        row = self._price(instrument)
        candidates: list[tuple[datetime, int, Decimal, str]] = []
        if row.tick_at is not None:
            assert row.tick_position is not None, "a tick has a place in the log"
            assert row.tick_price is not None, "a tick has a price"
            assert row.tick_source is not None, "a tick has a source"
            candidates.append((row.tick_at, row.tick_position, row.tick_price, row.tick_source))
        found = self._tables.select(cursor, _LAST_CLOSE, (instrument,))
        for price, close_at, close_position in found:
            candidates.append((close_at, close_position, price, MARK))
        newest = max(candidates, default=None)
        before = (row.at, row.position, row.price)
        row.at, row.position, row.price, row.source = newest or (None, None, None, None)
        if before != (row.at, row.position, row.price):
            row.changed_position = position
            self._touched.add(instrument)

    def _write_closes(self, cursor: Cursor) -> None:
        closes = list(self._closes.values())
        self._tables.upsert(cursor, "closes", closes, key=("instrument", "at"))
        self._closes.clear()
