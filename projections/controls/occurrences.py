"""Folding what happens under controls: trading states, breaches by prices, usage of limits."""

from datetime import date
from typing import TypeAlias

from msgspec.structs import replace

from domain.limits.events import (
    LimitBreachClosed,
    LimitBreachOpened,
    LimitUsed,
    TradingStateAssigned,
    UsageObserved,
)
from projections.controls.tables import BreachRow, StateRow, UsageRow
from projections.read_model import Decoded
from projections.rows import Cursor, Tables

_KEY = ("tenant", "position")
_USAGE_KEY = ("tenant", "limit_name", "trade_date")
_STANDING = "SELECT * FROM {schema}.trading_states WHERE until_position IS NULL"
_OPEN = "SELECT * FROM {schema}.breaches WHERE closed_position IS NULL"

Place: TypeAlias = tuple[str, str, str, str | None, str | None]
"""Tenant, portfolio, limit, and the instrument or sector where it is breached."""


class States:
    """The trading states of one schema; in memory is what stands for each scope."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._is_loaded = False
        self._standing: dict[tuple[str, object], StateRow] = {}
        self._touched: dict[tuple[str, int], StateRow] = {}

    def load(self, cursor: Cursor) -> None:
        """Load what stands, if it is not there yet."""
        if self._is_loaded:
            return
        self._is_loaded = True
        for values in self._tables.select(cursor, _STANDING):
            row = StateRow(*values)
            self._standing[row.tenant, row.scope] = row

    def take(self, decoded: Decoded, event: TradingStateAssigned) -> None:
        """Fold one event."""
        position, scope = decoded.position, event.scope
        row = StateRow(
            tenant=decoded.tenant,
            position=position,
            scope_portfolio=scope.portfolio,
            scope_instrument=scope.instrument,
            scope_sector=scope.sector,
            state=event.state,
            assigned_by=event.assigned_by,
            reason=event.reason,
            recorded_at=decoded.recorded_at,
            until_position=None,
            changed_position=position,
        )
        before = self._standing.get((row.tenant, row.scope))
        if before is not None:
            ended = replace(before, until_position=position, changed_position=position)
            self._touched[ended.tenant, ended.position] = ended
        self._standing[row.tenant, row.scope] = self._touched[row.tenant, row.position] = row

    def write(self, cursor: Cursor) -> None:
        """Write what was touched since the last time."""
        self._tables.upsert(cursor, "trading_states", list(self._touched.values()), key=_KEY)
        self._touched = {}


class Breaches:
    """The breaches of one schema; in memory are the open ones."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._is_loaded = False
        self._open: dict[Place, BreachRow] = {}
        self._touched: dict[tuple[str, int], BreachRow] = {}

    def load(self, cursor: Cursor) -> None:
        """Load what is open, if it is not there yet."""
        if self._is_loaded:
            return
        self._is_loaded = True
        for values in self._tables.select(cursor, _OPEN):
            row = BreachRow(*values)
            place = (row.tenant, row.portfolio, row.limit_name, row.instrument, row.sector)
            self._open[place] = row

    def take(self, decoded: Decoded, event: LimitBreachOpened | LimitBreachClosed) -> None:
        """Fold one event."""
        place = (decoded.tenant, event.portfolio, event.limit, event.instrument, event.sector)
        if isinstance(event, LimitBreachOpened):
            row = self._open[place] = _opened(decoded, event)
        else:
            row = replace(
                self._open.pop(place),
                closed_position=decoded.position,
                closed_at=event.at,
                closed_actual=event.actual,
                changed_position=decoded.position,
            )
        self._touched[row.tenant, row.position] = row

    def write(self, cursor: Cursor) -> None:
        """Write what was touched since the last time."""
        self._tables.upsert(cursor, "breaches", list(self._touched.values()), key=_KEY)
        self._touched = {}


class Usages:
    """What is used of the limits of one schema: the last word of each trade date."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._touched: dict[tuple[str, str, date], UsageRow] = {}

    def load(self, cursor: Cursor) -> None:
        """Need nothing: what is told is absolute."""

    def take(self, decoded: Decoded, event: LimitUsed | UsageObserved) -> None:
        """Fold one event."""
        as_of, observed_at = decoded.position, decoded.recorded_at
        if isinstance(event, UsageObserved):
            as_of, observed_at = event.as_of, event.observed_at
        self._touched[decoded.tenant, event.limit, event.trade_date] = UsageRow(
            tenant=decoded.tenant,
            limit_name=event.limit,
            trade_date=event.trade_date,
            used=event.used,
            as_of=as_of,
            observed_at=observed_at,
            changed_position=decoded.position,
        )

    def write(self, cursor: Cursor) -> None:
        """Write what was touched since the last time."""
        self._tables.upsert(cursor, "usage", list(self._touched.values()), key=_USAGE_KEY)
        self._touched = {}


def _opened(decoded: Decoded, event: LimitBreachOpened) -> BreachRow:
    return BreachRow(
        tenant=decoded.tenant,
        position=decoded.position,
        portfolio=event.portfolio,
        limit_name=event.limit,
        version=event.version,
        rule=event.rule,
        instrument=event.instrument,
        sector=event.sector,
        maximum=event.maximum,
        actual=event.actual,
        opened_at=event.at,
        market_position=event.market_position,
        closed_position=None,
        closed_at=None,
        closed_actual=None,
        changed_position=decoded.position,
    )
