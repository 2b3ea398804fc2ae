"""One alert: raised, acknowledged, ended; and what persons may do to it."""

from collections.abc import Iterable
from enum import StrEnum

from domain.alerts.events import (
    AlertAcknowledged,
    AlertCleared,
    AlertDeliveryRequested,
    AlertEscalated,
    AlertEvent,
    AlertRaised,
    AlertResolved,
    AlertRetracted,
)
from domain.rejection import Rejection


class AlertStatus(StrEnum):
    """What became of an alert; the last three are ends, of which `retracted` is the final one."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"
    RESOLVED = "resolved"
    RETRACTED = "retracted"


OPEN = frozenset({AlertStatus.RAISED, AlertStatus.ACKNOWLEDGED})


def status_after(status: AlertStatus | None, event: AlertEvent) -> AlertStatus:
    """Give what became of an alert; the first end stays, but a retraction stands over all."""
    match event:
        case AlertRaised():
            return AlertStatus.RAISED
        case AlertRetracted():
            return AlertStatus.RETRACTED
    assert status is not None, "an alert begins by being raised"
    if status not in OPEN:
        return status
    match event:
        case AlertAcknowledged():
            return AlertStatus.ACKNOWLEDGED
        case AlertCleared():
            return AlertStatus.CLEARED
        case AlertResolved():
            return AlertStatus.RESOLVED
        case AlertEscalated() | AlertDeliveryRequested():
            return status


class Alert:
    """An alert, folded from its stream; without events there is none."""

    def __init__(self) -> None:
        self.version = 0
        self.status: AlertStatus | None = None
        self.raised: AlertRaised | None = None
        self.acknowledged: tuple[int, AlertAcknowledged] | None = None
        self.resolved: tuple[int, AlertResolved] | None = None

    @classmethod
    def after(cls, events: Iterable[AlertEvent]) -> "Alert":
        """Fold what was told so far."""
        alert = cls()
        for event in events:
            alert.apply(event)
        return alert

    def apply(self, event: AlertEvent) -> None:
        """Fold one event."""
        self.version += 1
        self.status = status_after(self.status, event)
        match event:
            case AlertRaised():
                self.raised = event
            case AlertAcknowledged():
                self.acknowledged = self.version, event
            case AlertResolved():
                self.resolved = self.version, event


def acknowledge(alert: Alert, *, by: str) -> AlertAcknowledged | None:
    """Decide that somebody takes an alert on; None where the same person did.

    Raises:
        Rejection: `alert_unknown`, `alert_ended`, or `alert_acknowledged` by another person.
    """
    raised = _require_raised(alert)
    if alert.acknowledged is not None and alert.acknowledged[1].acknowledged_by == by:
        return None
    _require_open(alert)
    if alert.acknowledged is not None:
        raise Rejection("alert_acknowledged", "Somebody else has acknowledged it already.")
    return AlertAcknowledged(alert=raised.alert, acknowledged_by=by)


def resolve(alert: Alert, *, reason: str, by: str) -> AlertResolved | None:
    """Decide that somebody ends an alert; None where the same person did.

    Raises:
        Rejection: `alert_unknown` or `alert_ended`.
    """
    raised = _require_raised(alert)
    if alert.resolved is not None and alert.resolved[1].resolved_by == by:
        return None
    _require_open(alert)
    return AlertResolved(alert=raised.alert, resolved_by=by, reason=reason)


def _require_raised(alert: Alert) -> AlertRaised:
    if alert.raised is None:
        raise Rejection("alert_unknown", "No such alert was ever raised.")
    return alert.raised


def _require_open(alert: Alert) -> None:
    assert alert.status is not None, "it was raised"
    if alert.status not in OPEN:
        raise Rejection("alert_ended", f"It is {alert.status} already: nothing is left to do.")
