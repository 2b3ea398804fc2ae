"""One rule watching one subject: when an alert is raised, escalated, cleared or retracted.

What it decides follows from the figure at each judging, from business time, and from what persons
told of its alert; nothing else. How its alert stands is the fold of what was decided: of what
another evaluation decided just so.
"""

from collections import deque
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from domain.alerts.events import (
    AlertAcknowledged,
    AlertCleared,
    AlertEscalated,
    AlertRaised,
    AlertResolved,
    AlertRetracted,
    AlertRuleDeclared,
    AlertSubject,
    JudgedEvent,
)
from domain.alerts.figures import Evidence, Figure, Measured
from domain.alerts.highs import Restate
from domain.alerts.terms import AlertKind, AlertTerms
from domain.identity import derive
from domain.money import canonical

CALCULATION = "alerts 4"
"""The evaluation that figures of alerts are by: raised with whatever gives another figure."""

EVIDENCE_MAX = 8
"""Alerts of a watch, the last ones, that a restatement may retract."""


class Place(NamedTuple):
    """Where in the log a rule is judged, at which business time, by the newest of which prices.

    Where it `is_told` what was decided up to there, nothing is decided.
    """

    position: int
    at: datetime
    market_position: int
    is_told: bool = False


class _Raised(NamedTuple):
    """An alert, the level that it was beyond, and what it was raised on."""

    alert: UUID
    raise_above: Decimal
    evidence: Evidence


class Watch:
    """A rule on a subject, and the alert that it has open, if any.

    It `is_muted` from when somebody resolved its alert until the figure clears. The evidence of the
    last alerts is kept when they have ended: a restatement may still retract each. `currency` is
    that in which its subject is valued, if it is.
    """

    def __init__(
        self,
        tenant: str,
        rule: AlertRuleDeclared,
        subject: AlertSubject,
        figure: Figure,
        currency: str | None = None,
    ) -> None:
        self.tenant = tenant
        self.rule = rule
        self.subject = subject
        self.order = _order(tenant, rule, subject)
        """What puts watches in order: no later version of the rule changes it."""
        self.figure = figure
        self._currency = currency
        self.alert: UUID | None = None
        self.due: datetime | None = None
        self._measured: Measured | None = None
        self._since: datetime | None = None
        self._step = 0
        self._stepped_at: datetime | None = None
        self._is_acknowledged = False
        self._is_muted = False
        self._raised: deque[_Raised] = deque(maxlen=EVIDENCE_MAX)

    @property
    def _terms(self) -> AlertTerms:
        return self.rule.terms

    @property
    def _currency_of_actual(self) -> str | None:
        """That of the figure and its levels: all but one are fractions, counts or seconds."""
        return self._currency if self._terms.kind is AlertKind.EXPOSURE else None

    def judge(self, place: Place, *, as_it_stood: bool = False) -> list[JudgedEvent]:
        """Judge the figure as it stands, or stood when judged last, and what is due by now."""
        events: list[JudgedEvent] = []
        measured = self._measured if as_it_stood else self._measure(place.at)
        if not place.is_told:
            if measured is not None and (self.alert is not None or self._since is not None):
                events += self._decide(measured, place)
            if self.alert is not None and len(self.rule.terms.steps) > 1:
                events += self._escalate(place)
        self.due = self._next_due(place.at)
        return events

    def tell(self, event: AlertAcknowledged | AlertResolved, at: datetime) -> None:
        """Fold what a person did to its alert; nothing where that has ended."""
        if event.alert != self.alert:
            return
        if isinstance(event, AlertAcknowledged):
            self._is_acknowledged = True
        else:
            self.alert, self._is_muted, self._since = None, True, None
        self.due = self._next_due(at)

    def end(self, place: Place) -> list[JudgedEvent]:
        """Watch no longer: an open alert clears."""
        self.due = None
        return [] if self.alert is None else [self._clear(self.alert, None, place)]

    def take(self, event: JudgedEvent, at: datetime) -> None:
        """Take what another evaluation decided as how its alert stands."""
        self._apply(event)
        self.due = self._next_due(at)

    def restate(self, restate: Restate, place: Place) -> list[JudgedEvent]:
        """Retract those of the last alerts for which, as is known now, there was no cause."""
        events: list[JudgedEvent] = []
        for raised in tuple(self._raised):
            actual = raised.evidence.restate(restate)
            if place.is_told or actual is None or actual > raised.raise_above:
                continue
            retracted = AlertRetracted(
                alert=raised.alert,
                actual=canonical(actual),
                calculation=CALCULATION,
                at=place.at,
                as_of=place.position,
                currency=self._currency_of_actual,
            )
            self._apply(retracted)
            events.append(retracted)
        return events

    def _apply(self, event: JudgedEvent) -> None:
        """Fold what was decided."""
        match event:
            case AlertRaised():
                self.alert, self._since, self._is_muted = event.alert, event.since, False
                self._step, self._stepped_at, self._is_acknowledged = 0, event.at, False
                self._keep_evidence(event)
                return
            case AlertRetracted():
                self._raised = deque(
                    (each for each in self._raised if each.alert != event.alert), EVIDENCE_MAX
                )
        if event.alert != self.alert:
            return
        if isinstance(event, AlertEscalated):
            self._step, self._stepped_at = event.step, self._escalation_due() or event.at
        else:
            self.alert, self._since = None, None

    def _measure(self, at: datetime) -> Measured | None:
        """Measure the figure, and note since when it is beyond, or that it has cleared."""
        self._measured = measured = self.figure.now(at)
        if measured is None or self.alert is not None:
            return measured
        terms = self.rule.terms
        if self._is_muted and measured.actual > terms.clear_at:
            return measured
        self._is_muted = False
        if measured.actual <= terms.raise_above:
            self._since = None
        elif self._since is None:
            self._since = at
        return measured

    def _decide(self, measured: Measured, place: Place) -> list[JudgedEvent]:
        terms = self.rule.terms
        if self.alert is not None:
            has_cleared = measured.actual <= terms.clear_at
            return [self._clear(self.alert, measured.actual, place)] if has_cleared else []
        since, lasting = self._since, timedelta(seconds=terms.lasting_seconds)
        if since is None or place.at - since < lasting:
            return []
        return [self._raise(measured, since, place)]

    def _clear(self, alert: UUID, actual: Decimal | None, place: Place) -> AlertCleared:
        cleared = AlertCleared(
            alert=alert,
            calculation=CALCULATION,
            at=place.at,
            as_of=place.position,
            actual=None if actual is None else canonical(actual),
            currency=None if actual is None else self._currency_of_actual,
        )
        self._apply(cleared)
        return cleared

    def _raise(self, measured: Measured, since: datetime, place: Place) -> AlertRaised:
        terms, rule = self._terms, self.rule
        actual = canonical(measured.actual)
        raised = AlertRaised(
            alert=derive("alert", *self.order, str(place.position)),
            alert_rule=rule.alert_rule,
            version=rule.version,
            kind=terms.kind,
            subject=self.subject,
            level=terms.steps[0].level,
            channels=terms.steps[0].channels,
            raise_above=terms.raise_above,
            clear_at=terms.clear_at,
            actual=actual,
            headroom=terms.raise_above - actual,
            contributors=measured.contributors(),
            calculation=CALCULATION,
            since=since,
            at=place.at,
            as_of=place.position,
            market_position=place.market_position,
            currency=self._currency,
        )
        self._apply(raised)
        return raised

    def _keep_evidence(self, raised: AlertRaised) -> None:
        """Keep what it was raised on, unless the figure says here that it was not beyond."""
        evidence = self.figure.evidence()
        if evidence is None:
            return
        measured = self.figure.now(raised.at)
        if measured is not None and measured.actual > raised.raise_above:
            self._raised.append(_Raised(raised.alert, raised.raise_above, evidence))

    def _escalate(self, place: Place) -> list[JudgedEvent]:
        events: list[JudgedEvent] = []
        while (due := self._escalation_due()) is not None and due <= place.at:
            assert self.alert is not None, "only what is open escalates"
            step = self._terms.steps[self._step + 1]
            escalated = AlertEscalated(
                alert=self.alert,
                step=self._step + 1,
                level=step.level,
                channels=step.channels,
                at=place.at,
                as_of=place.position,
            )
            self._apply(escalated)
            events.append(escalated)
        return events

    def _escalation_due(self) -> datetime | None:
        if self.alert is None or self._is_acknowledged:
            return None
        steps = self.rule.terms.steps
        if self._step + 1 >= len(steps):
            return None
        assert self._stepped_at is not None, "what is open was raised"
        return self._stepped_at + timedelta(seconds=steps[self._step + 1].after_seconds)

    def _next_due(self, at: datetime) -> datetime | None:
        """Say when it is to be judged though nothing happens; always later than now."""
        due = self.figure.due(self.rule.terms)
        other = None
        if self.alert is not None:
            other = self._escalation_due()
        elif self._since is not None:
            other = self._since + timedelta(seconds=self._terms.lasting_seconds)
        if due is None and other is None:  # So it is nearly always.
            return None
        return min((each for each in (due, other) if each is not None and each > at), default=None)


def _order(
    tenant: str, rule: AlertRuleDeclared, subject: AlertSubject
) -> tuple[str, str, str, str, str]:
    names = subject.portfolio or "", subject.instrument or "", subject.source or ""
    return tenant, rule.alert_rule, *names
