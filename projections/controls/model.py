"""The read model `controls`: limits, trading states, overrides, breaches by prices, usage.

All of it is little beside trades: what is still open stays in memory, the rest is only written.
"""

from collections.abc import Sequence
from typing import Any

import psycopg

from domain.event import Event
from domain.limits.events import (
    LimitApproved,
    LimitBreachClosed,
    LimitBreachOpened,
    LimitDeclined,
    LimitProposed,
    LimitUsed,
    OverrideApproved,
    OverrideDeclined,
    OverrideProposed,
    TradingStateAssigned,
    UsageObserved,
)
from domain.trade import TradeCaptured
from projections.controls.limits import Limits
from projections.controls.occurrences import Breaches, States, Usages
from projections.controls.overrides import Overrides
from projections.controls.tables import DDL, TABLES
from projections.read_model import Decoded, Fold
from projections.rows import Tables


class Controls:
    """What limits a tenant's trades: who proposed it, who approved it, and what it came to."""

    name = "controls"
    calculation_version = 1
    event_types: frozenset[type[Event]] = frozenset({
        LimitProposed, LimitApproved, LimitDeclined, TradingStateAssigned,
        OverrideProposed, OverrideApproved, OverrideDeclined, TradeCaptured,
        LimitBreachOpened, LimitBreachClosed, LimitUsed, UsageObserved,
    })  # fmt: skip
    compared_tables = TABLES

    def ddl(self, schema: str) -> str:
        """Give the statements that make the tables."""
        return DDL.format(schema=schema)

    def new_fold(self, schema: str) -> Fold:
        """Make a fold that knows nothing yet."""
        return ControlsFold(schema)


class ControlsFold:
    """Hands each event to the part it concerns, and has each part write once."""

    def __init__(self, schema: str) -> None:
        tables = Tables(schema)
        self._limits = Limits(tables)
        self._states = States(tables)
        self._overrides = Overrides(tables)
        self._breaches = Breaches(tables)
        self._usages = Usages(tables)
        self._parts = (
            self._limits, self._states, self._overrides, self._breaches, self._usages,
        )  # fmt: skip

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Fold a batch."""
        is_touched = False
        for decoded in batch:
            event = decoded.event
            if isinstance(event, TradeCaptured) and not event.breaches:
                continue  # So are nearly all: nothing of them was overridden.
            if not is_touched:
                for part in self._parts:
                    part.load(cursor)
                is_touched = True
            match event:
                case LimitProposed() | LimitApproved() | LimitDeclined():
                    self._limits.take(decoded, event)
                case TradingStateAssigned():
                    self._states.take(decoded, event)
                case OverrideProposed() | OverrideApproved() | OverrideDeclined() | TradeCaptured():
                    self._overrides.take(decoded, event)
                case LimitBreachOpened() | LimitBreachClosed():
                    self._breaches.take(decoded, event)
                case LimitUsed() | UsageObserved():
                    self._usages.take(decoded, event)
                case _:
                    raise AssertionError(f"{type(event).__name__} is not one of the model's own")
        if is_touched:
            for part in self._parts:
                part.write(cursor)
