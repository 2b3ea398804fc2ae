"""Watching a log: which alerts the rules of its tenants lead to, decided from its events alone.

Events are told in log order. What one command led to is judged together, once its last event is
told: between a trade taken out and its amended form nothing is judged. So what is decided does not
depend on where a batch ends, nor on when it is decided. Tenants without rules are only folded.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, get_args
from uuid import UUID

from domain.alerts.counting import CountedEvent
from domain.alerts.events import (
    AlertAcknowledged,
    AlertResolved,
    AlertRuleDeclared,
    AlertRuleRetired,
    JudgedEvent,
)
from domain.alerts.market import WatchedMarket
from domain.alerts.tenant import TenantWatch
from domain.event import Event
from domain.figures import FiguresStruck
from domain.holding import HOLDING_EVENTS
from domain.identity import MARKET_TENANT
from domain.instrument import InstrumentEvent
from domain.market import CloseCorrected, MarketEvent
from domain.portfolio.events import PortfolioOpened


class Told(NamedTuple):
    """An event as the log tells it."""

    position: int
    tenant: str
    command_id: UUID
    event: Event


class Judged(NamedTuple):
    """What a rule of a tenant leads to."""

    tenant: str
    event: JudgedEvent


PERSONS_EVENTS = (AlertAcknowledged, AlertResolved)
RULE_EVENTS = (AlertRuleDeclared, AlertRuleRetired)
WATCHED_EVENTS: tuple[type[Event], ...] = (
    *HOLDING_EVENTS,
    *get_args(CountedEvent),
    *PERSONS_EVENTS,
    *RULE_EVENTS,
    PortfolioOpened,
    FiguresStruck,
)
"""What is folded of a tenant, beside all that the tenant `market` tells."""


_WATCHED = frozenset((*WATCHED_EVENTS, *get_args(InstrumentEvent), *get_args(MarketEvent)))


class Watching:
    """Folds a log, or the parts of it that belong to some tenants and to the market.

    `told` is, by tenant, all that the log tells of alerts up to the last position that another
    evaluation judged (see `following`).
    """

    def __init__(self, told: Mapping[str, Sequence[JudgedEvent]] | None = None) -> None:
        self.market = WatchedMarket()
        self.tenants: dict[str, TenantWatch] = {}
        self._told = dict(told or {})
        self._concerned: set[str] = set()
        self._command: UUID | None = None
        self._position = 0

    def fold(self, told: Told) -> list[Judged]:
        """Fold one event; give what the command before it led to, if this is of another one.

        What is not watched changes nothing, not even the position that a judging is of.
        """
        if type(told.event) not in _WATCHED:
            return []
        judged = self.judge() if told.command_id != self._command else []
        self._command, self._position = told.command_id, told.position
        if told.tenant == MARKET_TENANT:
            self._fold_shared(told.event)
            self._concerned.update(self.tenants)
        else:
            self._tenant(told.tenant).fold(told.event)
            self._concerned.add(told.tenant)
        return judged

    def judge(self) -> list[Judged]:
        """Judge what the last command concerns; there must be no more events of it."""
        if self._command is None:
            return []
        self._command = None
        return list(self._judge())

    @property
    def due(self) -> datetime | None:
        """When something is to be judged next though nothing happens."""
        dues = (tenant.due for tenant in self.tenants.values())
        return min((each for each in dues if each is not None), default=None)

    def _judge(self) -> Iterator[Judged]:
        concerned, self._concerned = self._concerned, set()
        for name in sorted(concerned):
            tenant = self.tenants[name]
            if tenant.is_watching:
                for event in tenant.judge(self._position):
                    yield Judged(name, event)

    def _tenant(self, name: str) -> TenantWatch:
        tenant = self.tenants.get(name)
        if tenant is None:
            tenant = self.tenants[name] = TenantWatch(name, self.market, self._told.pop(name, ()))
        return tenant

    def _fold_shared(self, event: Event) -> None:
        assert isinstance(event, InstrumentEvent | MarketEvent), "nothing else is shared"
        before = self.market.days
        concerned = self.market.fold(event, self._position)
        for tenant in self.tenants.values():
            if self.market.days is not before:
                tenant.begin_day()
            tenant.move(concerned, rates=self.market.rates_moved)
            if isinstance(event, CloseCorrected):
                tenant.restate_all(event)
