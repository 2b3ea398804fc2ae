"""Watching a log: which alerts the rules of its tenants lead to, decided from its events alone.

Events are told in log order. What one command led to is folded and judged together, once its last
event is told: between a trade taken out and its amended form nothing is judged. What is due by the
time that it tells is judged before it is folded: as it stood then. So what is decided does not
depend on where a batch ends, nor on when it is decided. Tenants without rules are only folded.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, get_args
from uuid import UUID

from domain.alerts.counting import CountedEvent, Counting
from domain.alerts.events import (
    AlertAcknowledged,
    AlertResolved,
    AlertRuleDeclared,
    AlertRuleRetired,
    JudgedEvent,
)
from domain.alerts.market import WatchedMarket, told_time
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
        self._command: list[Told] = []

    def fold(self, told: Told) -> list[Judged]:
        """Take one event; give what the command before it led to, if this is of another one.

        What is not watched changes nothing, not even the position that a judging is of.
        """
        if type(told.event) not in _WATCHED:
            return []
        is_another = self._command and told.command_id != self._command[0].command_id
        judged = self.judge() if is_another else []
        self._command.append(told)
        return judged

    def judge(self) -> list[Judged]:
        """Fold the last command, and judge what it concerns; there must be no more events of it."""
        command, self._command = self._command, []
        return list(self._judge(command)) if command else []

    @property
    def reached(self) -> datetime | None:
        """How far business time has come by what was taken."""
        times = (told_time(each.event) for each in self._command)
        known = (self.market.reached, *times)
        return max((each for each in known if each is not None), default=None)

    @property
    def evaluations(self) -> int:
        """How often a rule was judged on a subject."""
        return sum(tenant.evaluations for tenant in self.tenants.values())

    @property
    def due(self) -> datetime | None:
        """When something is to be judged next though nothing happens."""
        dues = (tenant.due for tenant in self.tenants.values())
        return min((each for each in dues if each is not None), default=None)

    def _judge(self, command: list[Told]) -> Iterator[Judged]:
        position = command[-1].position
        in_order = self._concerned(command)
        for tenant in in_order:
            if tenant.is_watching:
                times = _told_times(command, tenant.tenant)
                for event in tenant.fall_due(position, times):
                    yield Judged(tenant.tenant, event)
        for each in command:
            if each.tenant == MARKET_TENANT:
                self._fold_shared(each)
            else:
                self._tenant(each.tenant).fold(each.event)
        for tenant in in_order:
            if tenant.is_watching:
                for event in tenant.judge(position):
                    yield Judged(tenant.tenant, event)

    def _concerned(self, command: list[Told]) -> list[TenantWatch]:
        """List whom a command concerns: the market's all, any other mostly one."""
        owners = {each.tenant for each in command}
        concerned = {self._tenant(each) for each in owners if each != MARKET_TENANT}
        if MARKET_TENANT in owners:
            concerned.update(self.tenants.values())
        return sorted(concerned, key=lambda each: each.tenant)

    def _tenant(self, name: str) -> TenantWatch:
        tenant = self.tenants.get(name)
        if tenant is None:
            tenant = self.tenants[name] = TenantWatch(name, self.market, self._told.pop(name, ()))
        return tenant

    def _fold_shared(self, told: Told) -> None:
        event = told.event
        assert isinstance(event, InstrumentEvent | MarketEvent), "nothing else is shared"
        before = self.market.days
        concerned = self.market.fold(event, told.position)
        for tenant in self.tenants.values():
            if self.market.days is not before:
                tenant.begin_day()
            tenant.move(concerned, rates=self.market.rates_moved)
            if isinstance(event, CloseCorrected):
                tenant.restate_all(event)


def _told_times(command: list[Told], tenant: str) -> list[datetime]:
    """Give up to when the events of a command let business time come for a tenant."""
    times: list[datetime] = []
    for _, owner, _, event in command:
        if owner == tenant:
            at = Counting.told_time(event)
        else:
            at = told_time(event) if owner == MARKET_TENANT else None
        if at is not None:
            times.append(at)
    return times
