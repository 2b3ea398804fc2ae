"""The read model `positions`: what it folds and which part of it folds what.

Positions change on bookings and corporate actions only, prices on marks only; they meet when they
are asked for, so a tick never rewrites a position, nor does a split that is declared.
"""

from collections.abc import Sequence
from typing import Any, get_args

import psycopg

from domain.event import Event
from domain.instrument import WrittenDown
from domain.market import CloseCorrected, MarketMarked, SessionClosed
from domain.portfolio.events import BookEvent, PortfolioOpened
from domain.portfolio.life import StandingEvent
from projections.positions.actions import ActionDone, Actions, ActionTold, Applications
from projections.positions.holdings import Holdings
from projections.positions.instruments import Instruments, InstrumentTold
from projections.positions.market import Market
from projections.positions.portfolios import Portfolios, PortfolioTold
from projections.positions.tables import DDL, TABLES
from projections.read_model import Decoded, Fold
from projections.rows import Tables

_BOOKINGS: frozenset[type[Event]] = frozenset(get_args(BookEvent))
_APPLIED: frozenset[type[Event]] = frozenset(get_args(ActionDone))
_ACTIONS: frozenset[type[Event]] = frozenset(get_args(ActionTold))
_MARKET: frozenset[type[Event]] = frozenset(
    {MarketMarked, SessionClosed, CloseCorrected, WrittenDown}
)
_INSTRUMENT: frozenset[type[Event]] = frozenset(get_args(InstrumentTold))
_PORTFOLIO: frozenset[type[Event]] = frozenset({PortfolioOpened, *get_args(StandingEvent)})


class Positions:
    """What each portfolio holds, with lots, prices and what is needed to value them."""

    name = "positions"
    calculation_version = 9
    event_types = _BOOKINGS | _MARKET | _INSTRUMENT | _ACTIONS | _PORTFOLIO
    compared_tables = TABLES

    def ddl(self, schema: str) -> str:
        """Give the statements that make the tables."""
        return DDL.format(schema=schema)

    def new_fold(self, schema: str) -> Fold:
        """Make a fold that knows nothing yet."""
        return PositionsFold(schema)


class PositionsFold:
    """Sorts a batch by what it concerns and has each part written once."""

    def __init__(self, schema: str) -> None:
        self._tables = Tables(schema)
        self._holdings = Holdings(self._tables)
        self._market = Market(self._tables)
        self._instruments = Instruments(self._tables)
        self._portfolios = Portfolios(self._tables)
        self._actions = Actions(self._tables)
        self._applications = Applications(self._tables)

    def defer(self, cursor: psycopg.Cursor[Any]) -> None:
        """Leave positions, their lots and prices unwritten until `settle`."""
        self._holdings.defer(cursor)
        self._market.is_deferring = True

    def settle(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write what was left."""
        self._holdings.settle(cursor)
        self._market.is_deferring = False
        self._market.write(cursor)
        self._tables.make_keys(cursor)

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Fold a batch."""
        bookings: list[Any] = []
        declared: list[Any] = []
        portfolios: list[PortfolioTold] = []
        has_marks = False
        for position, tenant, recorded_at, event, _ in batch:
            kind = type(event)
            if kind in _BOOKINGS:
                bookings.append((position, tenant, event))
            elif kind in _MARKET:
                self._market.fold(cursor, position, event)  # type: ignore[arg-type]
                has_marks = True
            elif kind in _ACTIONS:
                declared.append((position, event))
            elif kind in _INSTRUMENT:
                self._instruments.fold(cursor, position, event)  # type: ignore[arg-type]
            elif kind in _PORTFOLIO:
                told = PortfolioTold(position, tenant, recorded_at, event)  # type: ignore[arg-type]
                portfolios.append(told)
        if bookings:
            self._holdings.fold(cursor, bookings)
            self._applications.fold(
                cursor, [each for each in bookings if type(each[2]) in _APPLIED]
            )
        if declared:
            self._actions.fold(cursor, declared)
        if has_marks:
            self._market.write(cursor)
        self._instruments.write(cursor)
        if portfolios:
            self._portfolios.fold(cursor, portfolios)
