"""The read model `market`: marks as they were told, and what says how old they are.

Marks are only written; names, calendars and business time are few and stay in memory.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
from msgspec.structs import replace

from domain.event import Event
from domain.instrument import (
    InstrumentDelisted,
    InstrumentRegistered,
    InstrumentResumed,
    InstrumentSuspended,
    WrittenDown,
)
from domain.market import BusinessTimeReached, CloseCorrected, MarketMarked, SessionClosed
from projections.market.marks import Marks
from projections.market.tables import DDL, TABLES, CalendarRow, NameRow, TimeRow
from projections.read_model import Decoded, Fold
from projections.rows import Cursor, Tables


class Market:
    """What was told of every instrument and pair of currencies, for every tenant."""

    name = "market"
    calculation_version = 2
    event_types: frozenset[type[Event]] = frozenset({
        InstrumentRegistered, InstrumentSuspended, InstrumentResumed, InstrumentDelisted,
        WrittenDown, MarketMarked, SessionClosed, CloseCorrected, BusinessTimeReached,
    })  # fmt: skip
    compared_tables = TABLES

    def ddl(self, schema: str) -> str:
        """Give the statements that make the tables."""
        return DDL.format(schema=schema)

    def new_fold(self, schema: str) -> Fold:
        """Make a fold that knows nothing yet."""
        return MarketFold(schema)


class MarketFold:
    """Writes marks as they come, and the rest where it changed."""

    def __init__(self, schema: str) -> None:
        self._tables = Tables(schema)
        self._marks = Marks(self._tables)
        self._is_loaded = False
        self._names: dict[str, NameRow] = {}
        self._calendars: dict[str, CalendarRow] = {}
        self._reached: datetime | None = None
        self._touched_names: set[str] = set()
        self._touched_calendars: set[str] = set()
        self._has_reached = False

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Fold a batch."""
        if not self._is_loaded:
            self._load(cursor)
        for decoded in batch:
            self._take(cursor, decoded)
        self._write(cursor)

    def _load(self, cursor: Cursor) -> None:
        for values in self._tables.select(cursor, "SELECT * FROM {schema}.names"):
            self._names[values[0]] = NameRow(*values)
        for values in self._tables.select(cursor, "SELECT * FROM {schema}.calendars"):
            self._calendars[values[0]] = CalendarRow(*values)
        for row in self._tables.select(cursor, "SELECT reached FROM {schema}.business_time"):
            (self._reached,) = row
        self._is_loaded = True

    def _take(self, cursor: Cursor, decoded: Decoded) -> None:
        event, position = decoded.event, decoded.position
        match event:
            case MarketMarked():
                self._marks.add_marks(event, position)
                for rate in event.rates:
                    self._meet(NameRow(f"{rate.base}/{rate.quote}", rate.quote, None))
                self._reach(event.at)
            case SessionClosed():
                self._marks.add_closes(event, position)
                row = CalendarRow(event.calendar, event.session, event.starts_at, event.ends_at)
                self._calendars[row.calendar] = row
                self._touched_calendars.add(row.calendar)
                self._reach(event.ends_at)
            case CloseCorrected():
                self._marks.correct(cursor, event, position)
            case WrittenDown():
                self._marks.add_write_down(event, position)
            case BusinessTimeReached():
                self._reach(event.at)
            case InstrumentRegistered():
                self._meet(NameRow(event.instrument, event.currency, event.calendar))
            case InstrumentSuspended():
                self._change(event.instrument, suspended_at=event.from_at)
            case InstrumentResumed():
                self._change(event.instrument, suspended_at=None)
            case InstrumentDelisted():
                self._change(event.instrument, delisted_on=event.on_date)
            case _:
                raise AssertionError(f"{type(event).__name__} is not one of the model's own")

    def _meet(self, row: NameRow) -> None:
        if row.name not in self._names:
            self._names[row.name] = row
            self._touched_names.add(row.name)

    def _change(self, name: str, **changed: Any) -> None:
        self._names[name] = replace(self._names[name], **changed)
        self._touched_names.add(name)

    def _reach(self, at: datetime) -> None:
        if self._reached is None or at > self._reached:
            self._reached, self._has_reached = at, True

    def _write(self, cursor: Cursor) -> None:
        self._marks.write(cursor)
        names = [self._names[name] for name in self._touched_names]
        self._tables.upsert(cursor, "names", names, key=("name",))
        calendars = [self._calendars[name] for name in self._touched_calendars]
        self._tables.upsert(cursor, "calendars", calendars, key=("calendar",))
        if self._has_reached and self._reached is not None:
            time = TimeRow(is_one=True, reached=self._reached)
            self._tables.upsert(cursor, "business_time", [time], key=("is_one",))
        self._touched_names, self._touched_calendars = set(), set()
        self._has_reached = False
