"""Golden samples of alert rules and alerts; `golden_samples` writes and keeps them."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from domain.alerts.events import (
    AlertAcknowledged,
    AlertCleared,
    AlertDeliveryRequested,
    AlertEscalated,
    AlertRaised,
    AlertResolved,
    AlertRetracted,
    AlertRuleDeclared,
    AlertRuleRetired,
    AlertSubject,
    Contributor,
)
from domain.alerts.terms import AlertKind, AlertLevel, AlertScope, AlertStep, AlertTerms
from domain.event import Event

ALERT = UUID("20212223-2425-5627-9829-2a2b2c2d2e2f")
AT = datetime(2024, 3, 4, 15, 30, 0, 250_000, tzinfo=UTC)
FULL_ALERT_TERMS = AlertTerms(
    kind=AlertKind.VALUE_AT_RISK,
    raise_above=Decimal("0.05"),
    clear_at=Decimal("0.04"),
    steps=(
        AlertStep(level=AlertLevel.WARNING, channels=("desk", "mail")),
        AlertStep(level=AlertLevel.CRITICAL, channels=("head",), after_seconds=900),
    ),
    scope=AlertScope(portfolio="growth", instrument="AAPL", source="oms"),
    lasting_seconds=60,
    window_seconds=300,
    confidence=Decimal("0.99"),
)
LEAST_ALERT_TERMS = AlertTerms(
    kind=AlertKind.LEVERAGE,
    scope=AlertScope(),
    raise_above=Decimal(2),
    clear_at=Decimal("1.8"),
    steps=(AlertStep(level=AlertLevel.INFO),),
)

ALERT_SAMPLES: dict[str, tuple[Event, ...]] = {
    "alert_rule.declared.v1": (
        AlertRuleDeclared(
            alert_rule="var-growth",
            version=2,
            declared_by="subject-1",
            terms=FULL_ALERT_TERMS,
            reason="new_mandate",
        ),
        AlertRuleDeclared(
            alert_rule="leverage", version=1, declared_by="subject-1", terms=LEAST_ALERT_TERMS
        ),
    ),
    "alert_rule.retired.v1": (
        AlertRuleRetired(
            alert_rule="var-growth", version=2, retired_by="subject-1", reason="noise"
        ),
    ),
    "alert.raised.v1": (
        AlertRaised(
            alert=ALERT,
            alert_rule="one-name",
            version=3,
            kind=AlertKind.CONCENTRATION,
            subject=AlertSubject(portfolio="growth", instrument="AAPL", source="oms"),
            level=AlertLevel.WARNING,
            channels=("desk", "mail"),
            raise_above=Decimal("0.7"),
            clear_at=Decimal("0.6"),
            actual=Decimal("0.75"),
            headroom=Decimal("-0.05"),
            contributors=(
                Contributor("AAPL", Decimal("3000.5")),
                Contributor("MSFT", Decimal(-1000)),
            ),
            calculation="alerts 1",
            since=AT,
            at=AT,
            as_of=1_200,
            market_position=1_198,
            currency="USD",
        ),
        AlertRaised(
            alert=ALERT,
            alert_rule="refusals",
            version=1,
            kind=AlertKind.REFUSALS,
            subject=AlertSubject(),
            level=AlertLevel.INFO,
            channels=(),
            raise_above=Decimal(10),
            clear_at=Decimal(0),
            actual=Decimal(11),
            headroom=Decimal(-1),
            contributors=(),
            calculation="alerts 1",
            since=AT,
            at=AT,
            as_of=1_200,
            market_position=0,
        ),
    ),
    "alert.escalated.v1": (
        AlertEscalated(
            alert=ALERT,
            step=1,
            level=AlertLevel.CRITICAL,
            channels=("head",),
            at=AT,
            as_of=1_300,
        ),
    ),
    "alert.acknowledged.v1": (AlertAcknowledged(alert=ALERT, acknowledged_by="subject-2"),),
    "alert.cleared.v1": (
        AlertCleared(
            alert=ALERT,
            calculation="alerts 1",
            at=AT,
            as_of=1_400,
            actual=Decimal(2900),
            currency="USD",
        ),
        AlertCleared(alert=ALERT, calculation="alerts 1", at=AT, as_of=1_400),
    ),
    "alert.resolved.v1": (AlertResolved(alert=ALERT, resolved_by="subject-2", reason="hedged"),),
    "alert.delivery_requested.v1": (
        AlertDeliveryRequested(
            alert=ALERT, told_position=1_300, channel="head", requested_by="subject-2"
        ),
    ),
    "alert.retracted.v1": (
        AlertRetracted(
            alert=ALERT,
            actual=Decimal("2950.5"),
            calculation="alerts 1",
            at=AT,
            as_of=1_500,
            currency="USD",
        ),
        AlertRetracted(
            alert=ALERT, actual=Decimal("0.5"), calculation="alerts 1", at=AT, as_of=1_500
        ),
    ),
}
