"""What rules count: trades and refusals in a window, settlements that fail, amends that wait."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import TypeGuard, get_args
from uuid import UUID

from domain.alerts.events import AlertRuleDeclared, AlertSubject
from domain.alerts.figures import Figure, Measured, ToldFigure, WindowFigure
from domain.alerts.terms import AlertKind, AlertTerms
from domain.alerts.watch import Watch
from domain.event import Event
from domain.rules.proposal import CLOCK_SKEW
from domain.trade import (
    Capture,
    Intent,
    SettlementStatus,
    TradeAmended,
    TradeAmendHeld,
    TradeBusted,
    TradeBustHeld,
    TradeCaptured,
    TradeRefused,
    TradeReleased,
    TradeSettled,
    TradeSettlementFailed,
    TradeSettlementResumed,
)

CountedEvent = (
    TradeCaptured
    | TradeReleased
    | TradeRefused
    | TradeAmendHeld
    | TradeBustHeld
    | TradeAmended
    | TradeBusted
    | TradeSettled
    | TradeSettlementFailed
    | TradeSettlementResumed
)
_COUNTED = frozenset(get_args(CountedEvent))
_WAITING = (TradeAmendHeld, TradeBustHeld)
_SETTLING = (TradeSettled, TradeSettlementFailed, TradeSettlementResumed)
STANDING = frozenset({AlertKind.SETTLEMENT_FAILS, AlertKind.WAITING_AMENDS})

WatchOf = Callable[[AlertRuleDeclared, AlertSubject], Watch]
RulesOf = Callable[[AlertKind], list[AlertRuleDeclared]]


class Counting:
    """Folds what a tenant's trades tell; `latest` is the newest instant at which one was done.

    A trade counts in a window at its time; a proposed one without at the business time at which it
    came. An executed one that has a date only counts in none: it is no news. No time is taken to be
    later than when the trade came, clocks apart; and what was refused moves no time.
    """

    def __init__(self, watch_of: WatchOf) -> None:
        self.latest: datetime | None = None
        self._watch_of = watch_of
        self._portfolios: dict[AlertKind, dict[UUID, str]] = {kind: {} for kind in STANDING}

    @staticmethod
    def counts(event: Event) -> TypeGuard[CountedEvent]:
        """Say whether an event is counted."""
        return type(event) in _COUNTED

    @staticmethod
    def told_time(event: Event) -> datetime | None:
        """Say up to when business time comes with an event of the tenant's, if it tells that."""
        return _done_at(event) if isinstance(event, TradeCaptured) else None

    @staticmethod
    def figure(terms: AlertTerms) -> Figure:
        """Make the figure of a rule that counts, or is told."""
        return ToldFigure() if terms.window_seconds is None else WindowFigure(terms)

    def fold(self, event: CountedEvent, rules_of: RulesOf, now: datetime | None) -> Iterator[Watch]:
        """Fold one event; give the watches it concerns."""
        if isinstance(event, TradeCaptured):
            at = self.told_time(event)
            if at is not None:
                self.latest = at if self.latest is None else max(at, self.latest)
            names = [event.capture.instrument]
            yield from self._in_window(AlertKind.TRADE_BURST, event, names, rules_of, now)
        elif isinstance(event, TradeRefused):
            rules = [each.rule for each in event.breaches] or ["refused"]
            yield from self._in_window(AlertKind.REFUSALS, event, rules, rules_of, now)
        for kind, portfolio in self._note_standing(event):
            for rule in rules_of(kind):
                if rule.terms.scope.portfolio in {None, portfolio}:
                    yield self._told(rule, portfolio)

    def standing(self, rule: AlertRuleDeclared) -> Iterator[Watch]:
        """Give the watches that a new rule of what stands begins with."""
        known = self._portfolios.get(rule.terms.kind, {})
        for portfolio in sorted(set(known.values())):
            if rule.terms.scope.portfolio in {None, portfolio}:
                yield self._told(rule, portfolio)

    def _in_window(
        self,
        kind: AlertKind,
        event: TradeCaptured | TradeRefused,
        names: list[str],
        rules_of: RulesOf,
        now: datetime | None,
    ) -> Iterator[Watch]:
        rules = rules_of(kind)
        if not rules:
            return
        capture, at = event.capture, _done_at(event)
        if at is None and capture.intent is Intent.PROPOSED:
            at = now
        if at is None:
            return
        for rule in rules:
            scope = rule.terms.scope
            is_covered = scope.portfolio in {None, capture.portfolio} and scope.source in {
                None,
                capture.source,
            }
            if is_covered:
                watch = self._watch_of(rule, _subject(kind, rule.terms, capture))
                assert isinstance(watch.figure, WindowFigure), "it counts in a window"
                watch.figure.count(at, names[0])
                yield watch

    def _note_standing(self, event: CountedEvent) -> Iterator[tuple[AlertKind, str]]:
        """Note what begins or ends to wait or to fail; give whose count changed."""
        if isinstance(event, TradeRefused):
            return
        owner = event.portfolio if hasattr(event, "portfolio") else event.capture.portfolio
        waits = isinstance(event, _WAITING)
        if waits or not isinstance(event, _SETTLING):
            yield from self._note(AlertKind.WAITING_AMENDS, event.trade_id, owner, stands=waits)
        settlement = getattr(event, "settlement", None)
        fails = settlement is not None and settlement.status is SettlementStatus.FAILED
        yield from self._note(AlertKind.SETTLEMENT_FAILS, event.trade_id, owner, stands=fails)

    def _note(
        self, kind: AlertKind, trade_id: UUID, owner: str, *, stands: bool
    ) -> Iterator[tuple[AlertKind, str]]:
        known = self._portfolios[kind]
        before = known.pop(trade_id, None)
        if stands:
            known[trade_id] = owner
        if before is not None:
            yield kind, before
        if stands and before != owner:
            yield kind, owner

    def _told(self, rule: AlertRuleDeclared, portfolio: str) -> Watch:
        watch = self._watch_of(rule, AlertSubject(portfolio=portfolio))
        assert isinstance(watch.figure, ToldFigure), "it is told"
        owners = self._portfolios[rule.terms.kind].values()
        watch.figure.measured = Measured(Decimal(sum(each == portfolio for each in owners)))
        return watch


def _done_at(event: TradeCaptured | TradeRefused) -> datetime | None:
    """Give when a trade was done, at most when it came: a mistyped time is none to wait for."""
    at, received_at = event.capture.executed_at, event.received_at
    if at is None or received_at is None:
        return at
    return min(at, received_at + CLOCK_SKEW)


def _subject(kind: AlertKind, terms: AlertTerms, capture: Capture) -> AlertSubject:
    """Say whom a window counts for: the source of refusals, and of trades where one is named."""
    if kind is AlertKind.REFUSALS or terms.scope.source is not None:
        return AlertSubject(portfolio=terms.scope.portfolio, source=capture.source)
    return AlertSubject(portfolio=capture.portfolio)
