"""Folding the life of instruments: what they were registered as, their terms by date, what trades.

Instruments are few and stay in memory.
"""

from typing import TypeAlias, assert_never

import msgspec

from domain.instrument import (
    InstrumentDelisted,
    InstrumentRegistered,
    InstrumentRenamed,
    InstrumentResumed,
    InstrumentSuspended,
    SectorAssigned,
    SymbolChanged,
    TermsChange,
    TradingChange,
)
from projections.positions.tables import InstrumentRow, TermRow
from projections.rows import Cursor, Tables

TITLE, SYMBOL, SECTOR = "title", "symbol", "sector"

InstrumentTold: TypeAlias = InstrumentRegistered | TermsChange | TradingChange | InstrumentDelisted
"""What is told of an instrument; a write-down is a price, and the market's."""

_INSTRUMENTS = "SELECT * FROM {schema}.instruments"


class Instruments:
    """The instruments of one schema."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._rows: dict[str, InstrumentRow] = {}
        self._is_loaded = False
        self._touched: set[str] = set()
        self._terms: dict[tuple[str, str, object], TermRow] = {}

    def fold(self, cursor: Cursor, position: int, event: InstrumentTold) -> None:
        """Fold one event; `write` must follow before the batch ends."""
        if not self._is_loaded:
            rows = (InstrumentRow(*row) for row in self._tables.select(cursor, _INSTRUMENTS))
            self._rows = {row.instrument: row for row in rows}
            self._is_loaded = True
        name = event.instrument
        self._rows[name] = self._changed(event, position)
        self._touched.add(name)

    def _changed(self, event: InstrumentTold, position: int) -> InstrumentRow:
        if isinstance(event, InstrumentRegistered):
            return _registered_row(event, position)
        row = msgspec.structs.replace(self._rows[event.instrument], changed_position=position)
        match event:
            case InstrumentRenamed() | SymbolChanged() | SectorAssigned():
                term = _term_row(event, position)
                self._terms[term.instrument, term.term, term.from_date] = term
            case InstrumentSuspended():
                return msgspec.structs.replace(row, suspended_at=event.from_at)
            case InstrumentResumed():
                return msgspec.structs.replace(row, suspended_at=None)
            case InstrumentDelisted():
                return msgspec.structs.replace(row, delisted_on=event.on_date)
            case _:
                assert_never(event)
        return row

    def write(self, cursor: Cursor) -> None:
        """Write what was touched since the last time."""
        rows = [self._rows[name] for name in self._touched]
        self._tables.upsert(cursor, "instruments", rows, key=("instrument",))
        terms = list(self._terms.values())
        self._tables.upsert(cursor, "terms", terms, key=("instrument", "term", "from_date"))
        self._touched.clear()
        self._terms.clear()


def _registered_row(event: InstrumentRegistered, position: int) -> InstrumentRow:
    return InstrumentRow(
        event.instrument,
        event.symbol,
        event.currency,
        event.asset_class,
        event.calendar,
        event.sector,
        None,
        None,
        position,
    )


def _term_row(event: TermsChange, position: int) -> TermRow:
    match event:
        case InstrumentRenamed():
            told: tuple[str, str | None] = TITLE, event.title
        case SymbolChanged():
            told = SYMBOL, event.symbol
        case SectorAssigned():
            told = SECTOR, event.sector
        case _:
            assert_never(event)
    return TermRow(event.instrument, told[0], event.from_date, told[1], position)
