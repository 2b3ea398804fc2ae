"""One rule watching one subject: when an alert is raised, escalated, cleared or retracted.

What it decides follows from the figure at each judging, from business time, and from what persons
told of its alert; nothing else.
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

CALCULATION = "alerts 1"
"""The evaluation that figures of alerts are by: raised with whatever gives another figure."""

EVIDENCE_MAX = 8
"""Alerts of a watch, the last ones, that a restatement may retract."""


class Place(NamedTuple):
    """Where in the log a rule is judged, at which business time, by the newest of which prices."""

    position: int
    at: datetime
    market_position: int


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
        self.figure = figure
        self._currency = currency
        self.alert: UUID | None = None
        self.due: datetime | None = None
        self._since: datetime | None = None
        self._step = 0
        self._stepped_at: datetime | None = None
        self._is_acknowledged = False
        self._is_muted = False
        self._raised: deque[_Raised] = deque(maxlen=EVIDENCE_MAX)

    @property
    def order(self) -> tuple[str, str, str, str, str]:
        """What puts watches in order."""
        subject = self.subject
        names = subject.portfolio or "", subject.instrument or "", subject.source or ""
        return self.tenant, self.rule.alert_rule, *names

    @property
    def _terms(self) -> AlertTerms:
        return self.rule.terms

    @property
    def _currency_of_actual(self) -> str | None:
        """That of the figure and its levels: all but one are fractions, counts or seconds."""
        return self._currency if self._terms.kind is AlertKind.EXPOSURE else None

    def judge(self, place: Place) -> list[JudgedEvent]:
        """Judge the figure as it stands, and what is due by now."""
        events: list[JudgedEvent] = []
        measured = self.figure.now(place.at)
        if measured is not None:
            events += self._judge(measured, place)
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
        alert, self.alert, self.due = self.alert, None, None
        if alert is None:
            return []
        at, as_of = place.at, place.position
        return [AlertCleared(alert=alert, calculation=CALCULATION, at=at, as_of=as_of)]

    def restate(self, restate: Restate, place: Place) -> list[JudgedEvent]:
        """Retract those of the last alerts for which, as is known now, there was no cause."""
        events: list[JudgedEvent] = []
        for raised in tuple(self._raised):
            actual = raised.evidence.restate(restate)
            if actual is None or actual > raised.raise_above:
                continue
            self._raised.remove(raised)
            if raised.alert == self.alert:
                self.alert, self._since = None, None
            events.append(
                AlertRetracted(
                    alert=raised.alert,
                    actual=actual,
                    calculation=CALCULATION,
                    at=place.at,
                    as_of=place.position,
                    currency=self._currency_of_actual,
                )
            )
        return events

    def _judge(self, measured: Measured, place: Place) -> list[JudgedEvent]:
        terms, actual = self._terms, measured.actual
        has_cleared = actual <= terms.clear_at
        if self.alert is not None:
            if not has_cleared:
                return []
            alert, self.alert, self._since = self.alert, None, None
            return [
                AlertCleared(
                    alert=alert,
                    calculation=CALCULATION,
                    at=place.at,
                    as_of=place.position,
                    actual=actual,
                    currency=self._currency_of_actual,
                )
            ]
        if self._is_muted:
            self._is_muted = not has_cleared
            return []
        if actual <= terms.raise_above:
            self._since = None
            return []
        if self._since is None:
            self._since = place.at
        if place.at - self._since < timedelta(seconds=terms.lasting_seconds):
            return []
        return [self._raise(measured, self._since, place)]

    def _raise(self, measured: Measured, since: datetime, place: Place) -> AlertRaised:
        terms, rule = self._terms, self.rule
        self.alert = derive("alert", *self.order, str(place.position))
        self._step, self._stepped_at, self._is_acknowledged = 0, place.at, False
        evidence = self.figure.evidence()
        if evidence is not None:
            self._raised.append(_Raised(self.alert, terms.raise_above, evidence))
        return AlertRaised(
            alert=self.alert,
            alert_rule=rule.alert_rule,
            version=rule.version,
            kind=terms.kind,
            subject=self.subject,
            level=terms.steps[0].level,
            channels=terms.steps[0].channels,
            raise_above=terms.raise_above,
            clear_at=terms.clear_at,
            actual=measured.actual,
            headroom=terms.raise_above - measured.actual,
            contributors=measured.contributors(),
            calculation=CALCULATION,
            since=since,
            at=place.at,
            as_of=place.position,
            market_position=place.market_position,
            currency=self._currency,
        )

    def _escalate(self, place: Place) -> list[JudgedEvent]:
        events: list[JudgedEvent] = []
        while (due := self._escalation_due()) is not None and due <= place.at:
            assert self.alert is not None, "only what is open escalates"
            self._step, self._stepped_at = self._step + 1, due
            step = self._terms.steps[self._step]
            events.append(
                AlertEscalated(
                    alert=self.alert,
                    step=self._step,
                    level=step.level,
                    channels=step.channels,
                    at=place.at,
                    as_of=place.position,
                )
            )
        return events

    def _escalation_due(self) -> datetime | None:
        steps = self._terms.steps
        if self.alert is None or self._is_acknowledged or self._step + 1 >= len(steps):
            return None
        assert self._stepped_at is not None, "what is open was raised"
        return self._stepped_at + timedelta(seconds=steps[self._step + 1].after_seconds)

    def _next_due(self, at: datetime) -> datetime | None:
        """Say when it is to be judged though nothing happens; always later than now."""
        dues = [self._escalation_due(), self.figure.due(self._terms)]
        if self.alert is None and self._since is not None:
            dues.append(self._since + timedelta(seconds=self._terms.lasting_seconds))
        return min((each for each in dues if each is not None and each > at), default=None)
