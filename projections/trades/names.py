"""What trades can be searched by: the few names they go by, and the symbols of instruments.

External ids are many, and have an index of their own.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from domain.event import Event
from domain.instrument import InstrumentRegistered, SymbolChanged
from domain.trade import Capture, TradeAmended, TradeCaptured, TradeParked, TradeRefused
from projections.read_model import Decoded
from projections.rows import Cursor, Tables

_NAMES = "SELECT * FROM {schema}.names"
_SYMBOLS = "SELECT * FROM {schema}.symbols"
_CAPTURING: frozenset[type[Event]] = frozenset(
    {TradeCaptured, TradeParked, TradeRefused, TradeAmended}
)
SYMBOL_EVENTS: frozenset[type[Event]] = frozenset({InstrumentRegistered, SymbolChanged})


class NameKind(StrEnum):
    """What a name is of: the column of `trades` that holds it."""

    INSTRUMENT = "instrument"
    SOURCE = "source"


class NameRow(msgspec.Struct, frozen=True, gc=False):
    """A name that a capture of the tenant ever told, also one that was amended since."""

    tenant: str
    kind: str
    name: str


class SymbolRow(msgspec.Struct, frozen=True, gc=False):
    """A symbol that an instrument has or had."""

    instrument: str
    symbol: str


class Names:
    """The names of one schema; they only become more."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._names: set[NameRow] | None = None
        self._symbols: set[SymbolRow] = set()
        self._pairs: set[tuple[str, str, str]] = set()

    def fold(self, cursor: Cursor, batch: Sequence[Decoded]) -> None:
        """Fold a batch, and write what it is the first to name."""
        if self._names is None:
            self._names = {NameRow(*row) for row in self._tables.select(cursor, _NAMES)}
            self._symbols = {SymbolRow(*row) for row in self._tables.select(cursor, _SYMBOLS)}
        names: set[NameRow] = set()
        symbols: set[SymbolRow] = set()
        for _, tenant, _, event, _ in batch:
            kind = type(event)
            if kind in _CAPTURING:
                capture: Capture = event.capture  # type: ignore[attr-defined]
                pair = (tenant, capture.instrument, capture.source)
                if pair not in self._pairs:
                    self._pairs.add(pair)
                    names.add(NameRow(tenant, NameKind.INSTRUMENT, capture.instrument))
                    names.add(NameRow(tenant, NameKind.SOURCE, capture.source))
            elif kind in SYMBOL_EVENTS:
                symbols.add(SymbolRow(event.instrument, event.symbol))  # type: ignore[attr-defined]
        self._tables.insert(cursor, "names", [*(names - self._names)])
        self._tables.insert(cursor, "symbols", [*(symbols - self._symbols)])
        self._names |= names
        self._symbols |= symbols
