"""Folding portfolios: how each was opened, what it is called and how it stands."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, assert_never

from msgspec.structs import replace

from domain.portfolio.events import PortfolioOpened
from domain.portfolio.life import (
    BenchmarkAssigned,
    CostBasisAssigned,
    OwnerAssigned,
    PeriodClosed,
    PeriodReopened,
    PortfolioClosed,
    PortfolioFrozen,
    PortfolioRenamed,
    PortfolioUnfrozen,
    StandingEvent,
)
from projections.arrays import looked_up
from projections.positions.tables import PortfolioRow, PortfolioState
from projections.rows import Cursor, Tables

_KEY = ("tenant", "portfolio")
_PORTFOLIOS = looked_up("portfolios", **dict.fromkeys(_KEY, "text"))


class PortfolioTold(NamedTuple):
    """An event of a portfolio, with where and when it was recorded."""

    position: int
    tenant: str
    recorded_at: datetime
    event: PortfolioOpened | StandingEvent


class Portfolios:
    """The portfolios of one schema; they change so seldom that each batch loads what it needs."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def fold(self, cursor: Cursor, batch: Sequence[PortfolioTold]) -> None:
        """Fold a batch, and write each portfolio it changes once."""
        keys = {(told.tenant, told.event.portfolio) for told in batch}
        asked = [list(column) for column in zip(*keys, strict=True)]
        rows: dict[tuple[str, str], PortfolioRow] = {}
        for values in self._tables.select(cursor, _PORTFOLIOS, asked):
            row = PortfolioRow(*values)
            rows[row.tenant, row.portfolio] = row
        for told in batch:
            key, event = (told.tenant, told.event.portfolio), told.event
            if isinstance(event, PortfolioOpened):
                rows[key] = _opened(told, event)
            else:
                changed = _after(rows[key], event)
                rows[key] = replace(changed, state=_state(changed), changed_position=told.position)
        self._tables.upsert(cursor, "portfolios", list(rows.values()), key=_KEY)


def _opened(told: PortfolioTold, event: PortfolioOpened) -> PortfolioRow:
    return PortfolioRow(
        told.tenant,
        event.portfolio,
        event.base_currency,
        event.cost_basis,
        event.calendar,
        event.allows_leverage,
        event.allows_short,
        told.recorded_at,
        told.position,
    )


def _after(row: PortfolioRow, event: StandingEvent) -> PortfolioRow:
    match event:
        case PortfolioRenamed():
            return replace(row, title=event.title)
        case OwnerAssigned():
            return replace(row, owner=event.owner)
        case BenchmarkAssigned():
            if row.benchmark_from is not None and event.from_date < row.benchmark_from:
                return row  # It tells of the past; the last one stays the last.
            return replace(row, benchmark=event.benchmark, benchmark_from=event.from_date)
        case CostBasisAssigned():
            return replace(
                row, changed_cost_basis=event.cost_basis, cost_basis_from=event.from_date
            )
        case PortfolioFrozen():
            return replace(row, frozen_reason=event.reason)
        case PortfolioUnfrozen():
            return replace(row, frozen_reason=None)
        case PortfolioClosed():
            return replace(row, closed_on=event.on_date)
        case PeriodClosed():
            return replace(row, period_closed_until=event.until)
        case PeriodReopened():
            return replace(row, period_closed_until=event.from_date - timedelta(days=1))
        case _:
            assert_never(event)


def _state(row: PortfolioRow) -> PortfolioState:
    if row.closed_on is not None:
        return PortfolioState.CLOSED
    return PortfolioState.OPEN if row.frozen_reason is None else PortfolioState.FROZEN
