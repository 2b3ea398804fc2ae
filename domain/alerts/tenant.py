"""One tenant that is watched: its rules, and which of them an event concerns.

Only what an event concerns is judged: the portfolios that hold what moved, the source whose trade
was refused, what is due by now.
"""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from operator import attrgetter
from typing import cast
from uuid import UUID

from domain.alerts.counting import Counting
from domain.alerts.declaring import OF_VALUE, AlertRules
from domain.alerts.events import (
    AlertAcknowledged,
    AlertResolved,
    AlertRuleDeclared,
    AlertRuleRetired,
    AlertSubject,
    JudgedEvent,
)
from domain.alerts.figures import AgeFigure, DayFigure, FallFigure, Figure, ToldFigure, ValueFigure
from domain.alerts.following import Following
from domain.alerts.highs import Highs
from domain.alerts.holder import HeldInstrument, Holder
from domain.alerts.market import WatchedMarket
from domain.alerts.struck import value_at_risk
from domain.alerts.terms import AlertKind, AlertTerms
from domain.alerts.watch import Place, Watch
from domain.event import Event
from domain.figures import FiguresStruck
from domain.holding import HOLDING_EVENTS
from domain.limits.events import LimitBreachClosed, LimitBreachOpened
from domain.market import CloseCorrected
from domain.portfolio.events import PortfolioOpened

_HOLDING = frozenset(HOLDING_EVENTS) - {LimitBreachOpened, LimitBreachClosed}


class TenantWatch:
    """Folds what a tenant's log tells, and judges its rules."""

    def __init__(
        self, tenant: str, market: WatchedMarket, told: Iterable[JudgedEvent] = ()
    ) -> None:
        self.tenant = tenant
        self.rules = AlertRules()
        self.watches: dict[tuple[str, AlertSubject], Watch] = {}
        self.evaluations = 0
        self._market = market
        self._counting = Counting(self.watch)
        self._by_kind: dict[AlertKind, list[AlertRuleDeclared]] = {}
        self._of_value: dict[str, list[Watch]] = {}
        self._holders: dict[str, Holder] = {}
        self._holding: defaultdict[str, set[str]] = defaultdict(set)
        self._moved: set[str] = set()
        self._concerned: set[Watch] = set()
        self._ended: list[Watch] = []
        self._open: dict[UUID | None, Watch] = {}
        self._dues: list[tuple[datetime, int, Watch]] = []
        self._sequence = itertools.count()
        self._following: Following | None = Following(told)

    def fold(self, event: Event) -> None:
        """Fold one event of the tenant's; what is usual comes first."""
        if Counting.counts(event):
            self._concerned.update(self._counting.fold(event, self._rules_of, self._at()))
            return
        if type(event) in _HOLDING:
            self._hold(event)
            return
        match event:
            case AlertRuleDeclared():
                self._declare(event)
            case AlertRuleRetired():
                self._apply(event)
                self._end(event.alert_rule)
            case AlertAcknowledged() | AlertResolved():
                watch, at = self._open.get(event.alert), self._at()
                if watch is not None and at is not None:
                    watch.tell(event, at)
                    self._await(watch)
                    self._concerned.add(watch)
            case PortfolioOpened():
                self._holders[event.portfolio] = Holder(self.tenant, event, self._market)
                self._moved.add(event.portfolio)
            case FiguresStruck():
                self._strike(event)

    def move(self, instruments: Iterable[str], *, rates: bool) -> None:
        """Note what moved on the market."""
        if not self.rules.in_force:
            return
        for name in instruments:
            held_by = self._holding.get(name)
            if held_by:
                self._moved |= held_by
                self._concern_ages(name)
        if rates:
            self._moved.update(
                name for name, holder in self._holders.items() if holder.held.is_foreign
            )

    def begin_day(self) -> None:
        """Note that a date may have begun: sectors, actions and the age of rates go by it."""
        if self.rules.in_force:
            self._moved.update(self._holders)

    def restate_all(self, event: CloseCorrected) -> None:
        """Note that a close is another for all who saw it."""
        if self.watches:
            for name, holder in self._holders.items():
                holder.restating.append(event)
                self._moved.add(name)

    def fall_due(self, position: int, told_times: Iterable[datetime]) -> Iterator[JudgedEvent]:
        """Judge what is due up to the time that is told next, as all stands before that is folded.

        What is due at that very instant is judged as it stood before it, and once more behind it.
        """
        now = self._at()
        until = max(told_times, default=now)
        if now is None or until is None or until < now:
            return
        is_told = self._is_told(position)
        if not (is_told or (self._dues and self._dues[0][0] <= until)):
            return
        place = Place(position, now, self._market.position, is_told)
        while self._dues and self._dues[0][0] <= until:
            at, _, watch = heapq.heappop(self._dues)
            if watch.due == at:
                place = place._replace(at=at)
                yield from self._judge_one(watch, place, as_it_stood=at == until)
                if at == until:
                    self._concerned.add(watch)
        if place.is_told:
            self._take_told(place, before=until)

    def judge(self, position: int) -> Iterator[JudgedEvent]:
        """Judge what was concerned since the last time, and what is due by now."""
        at = self._at()
        if at is None:
            return
        is_told = self._is_told(position)
        place = Place(position, at, self._market.position, is_told)
        if not is_told:
            yield from self._end_watches(place)
        yield from self._restate(place)
        self._follow(at)
        while self._dues and self._dues[0][0] <= at:
            until, _, watch = heapq.heappop(self._dues)
            if watch.due == until:
                self._concerned.add(watch)
        concerned, self._concerned = self._concerned, set()
        for watch in sorted(concerned, key=_order):
            yield from self._judge_one(watch, place)
        if is_told:
            self._take_told(place)

    @property
    def is_watching(self) -> bool:
        """Whether there is anything to judge."""
        return bool(self.rules.in_force or self._ended)

    def watch(self, rule: AlertRuleDeclared, subject: AlertSubject) -> Watch:
        """Give the watch of a rule on a subject, begun now if there is none."""
        key = rule.alert_rule, subject
        found = self.watches.get(key)
        if found is None:
            figure = self._figure(rule.terms, subject)
            currency = self._currency(rule.terms, subject)
            found = self.watches[key] = Watch(self.tenant, rule, subject, figure, currency)
        return found

    @property
    def due(self) -> datetime | None:
        """When something is to be judged next though nothing happens."""
        while self._dues and self._dues[0][2].due != self._dues[0][0]:
            heapq.heappop(self._dues)
        return self._dues[0][0] if self._dues else None

    def _judge_one(
        self, watch: Watch, place: Place, *, as_it_stood: bool = False
    ) -> list[JudgedEvent]:
        self.evaluations += 1
        alert, before = watch.alert, watch.due
        events = watch.judge(place, as_it_stood=as_it_stood)
        self._note_alert(watch, alert)
        if watch.due != before:
            self._await(watch)
        return events

    def _is_told(self, position: int) -> bool:
        """Say whether another evaluation judged up to there; behind it all is judged once."""
        if self._following is None:
            return False
        if position <= self._following.floor:
            return True
        if self._following.floor:
            self._concerned.update(self.watches.values())
        self._following = None
        return False

    def _take_told(self, place: Place, *, before: datetime | None = None) -> None:
        """Take what another evaluation decided up to here, and to before an instant, if any."""

        def watch_of(alert_rule: str, subject: AlertSubject) -> Watch | None:
            rule = self.rules.in_force.get(alert_rule)
            return None if rule is None else self.watch(rule, subject)

        assert self._following is not None, "it is told"
        taken = self._following.take(place.position, place.at, watch_of, before=before)
        for watch, open_before in taken:
            self._note_alert(watch, open_before)
            self._await(watch)

    def _end_watches(self, place: Place) -> Iterator[JudgedEvent]:
        """Have what is watched no longer clear."""
        self._concerned.difference_update(self._ended)
        for watch in self._ended:
            alert = watch.alert
            yield from watch.end(place)
            self._note_alert(watch, alert)
        self._ended = []

    def _await(self, watch: Watch) -> None:
        """Note when a watch is to be judged next though nothing happens."""
        if watch.due is not None:
            heapq.heappush(self._dues, (watch.due, next(self._sequence), watch))

    def _note_alert(self, watch: Watch, before: UUID | None) -> None:
        """Note whose alert is open now."""
        if watch.alert is not before:
            self._open.pop(before, None)
            if watch.alert is not None:
                self._open[watch.alert] = watch

    def _at(self) -> datetime | None:
        """How far business time has come for this tenant."""
        reached, latest = self._market.reached, self._counting.latest
        if reached is None or latest is None:
            return latest if reached is None else reached
        return max(reached, latest)

    def _declare(self, event: AlertRuleDeclared) -> None:
        before = self.rules.in_force.get(event.alert_rule)
        self._apply(event)
        if before is not None and _watched(before.terms) != _watched(event.terms):
            self._end(event.alert_rule)
        for (name, _), watch in self.watches.items():
            if name == event.alert_rule:
                watch.rule = event
                self._concerned.add(watch)
        if event.terms.kind in OF_VALUE:
            self._moved.update(self._holders)
        elif event.terms.kind is AlertKind.PRICE_STALE:
            for name in self._holding:
                self._concern_ages(name)
        else:
            self._concerned.update(self._counting.standing(event))

    def _apply(self, event: AlertRuleDeclared | AlertRuleRetired) -> None:
        """Take another set of rules, and find anew what is asked with every event."""
        self.rules.apply(event)
        self._of_value.clear()
        self._by_kind = {kind: [] for kind in AlertKind}
        for rule in self.rules.in_force.values():
            self._by_kind[rule.terms.kind].append(rule)

    def _end(self, alert_rule: str) -> None:
        """Let every watch of a rule end."""
        for key in [key for key in self.watches if key[0] == alert_rule]:
            watch = self.watches.pop(key)
            self._concerned.discard(watch)
            self._ended.append(watch)

    def _hold(self, event: Event) -> None:
        holder = self._holders[cast("PortfolioOpened", event).portfolio]
        name = holder.fold(event)
        if not self.watches:
            holder.restating = []  # Nobody has seen anything.
        self._moved.add(holder.name)
        if name is not None:
            self._holding[name].add(holder.name)
            holder.held.meet(self._market.instruments[name].currency)
            self._concern_ages(name)

    def _strike(self, event: FiguresStruck) -> None:
        for rule in self._rules_of(AlertKind.VALUE_AT_RISK):
            if rule.terms.scope.portfolio in {None, event.portfolio}:
                watch = self.watch(rule, AlertSubject(portfolio=event.portfolio))
                assert isinstance(watch.figure, ToldFigure), "it is told"
                watch.figure.measured = value_at_risk(event, rule.terms)
                self._concerned.add(watch)

    def _rules_of(self, kind: AlertKind) -> list[AlertRuleDeclared]:
        return self._by_kind.get(kind, [])

    def _value_watches(self, portfolio: str) -> list[Watch]:
        """List the watches of a portfolio's value."""
        found = self._of_value.get(portfolio)
        if found is None:
            found = self._of_value[portfolio] = [
                self.watch(rule, AlertSubject(portfolio=portfolio))
                for rule in self.rules.in_force.values()
                if rule.terms.kind in OF_VALUE and rule.terms.scope.portfolio in {None, portfolio}
            ]
        return found

    def _restate(self, place: Place) -> Iterator[JudgedEvent]:
        """Restate what was seen of those whom a late fact concerns."""
        for name in sorted(self._moved):
            holder = self._holders[name]
            if holder.restating:
                restate = holder.restate
                for watch in self._value_watches(name):
                    assert isinstance(watch.figure, ValueFigure), "it is of value"
                    watch.figure.restate(restate)
                    alert = watch.alert
                    events = watch.restate(restate, place)
                    if events:
                        yield from events
                        self._note_alert(watch, alert)
                holder.restating = []

    def _follow(self, at: datetime) -> None:
        """Value what moved, once for all rules on it; none whose books are behind."""
        behind: set[str] = set()
        by = self._market.valuing()
        for name in self._moved:
            holder = self._holders[name]
            watches = self._value_watches(name)
            if not watches:
                holder.is_flow = False
            elif holder.is_behind:
                behind.add(name)
            else:
                seen, is_flow = None if by is None else holder.see(by), holder.is_flow
                for watch in watches:
                    assert isinstance(watch.figure, ValueFigure), "it is of value"
                    watch.figure.follow(seen, is_flow=is_flow, at=at)
                self._concerned.update(watches)
                holder.is_flow = False
        self._moved = behind

    def _concern_ages(self, instrument: str) -> None:
        for rule in self._rules_of(AlertKind.PRICE_STALE):
            if rule.terms.scope.instrument in {None, instrument}:
                subject = AlertSubject(instrument=instrument)
                self._concerned.add(self.watch(rule, subject))

    def _currency(self, terms: AlertTerms, subject: AlertSubject) -> str | None:
        if terms.kind not in OF_VALUE or subject.portfolio is None:
            return None
        return self._holders[subject.portfolio].held.opened.base_currency

    def _figure(self, terms: AlertTerms, subject: AlertSubject) -> Figure:
        if terms.kind is AlertKind.DRAWDOWN:
            return FallFigure(terms, Highs())
        if terms.kind is AlertKind.LOSS_ON_DAY:
            assert subject.portfolio is not None, "it is of a portfolio"
            return DayFigure(terms, self._holders[subject.portfolio].held.opened.calendar)
        if terms.kind in OF_VALUE:
            return ValueFigure(terms)
        if terms.kind is AlertKind.PRICE_STALE:
            return self._age(subject.instrument or "", terms.scope.portfolio)
        return Counting.figure(terms)

    def _age(self, instrument: str, portfolio: str | None) -> AgeFigure:
        by = HeldInstrument(self._market, self._holders, self._holding, instrument, portfolio)
        return AgeFigure(by.marked_at, by.quantities)


_order = attrgetter("order")


def _watched(terms: AlertTerms) -> tuple[object, ...]:
    """What a version watches: with another one, what was watched ends."""
    return terms.kind, terms.scope, terms.window_seconds, terms.confidence
