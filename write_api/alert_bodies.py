"""What callers send of alert rules and alerts, and the commands it becomes."""

from typing import Annotated
from uuid import UUID

import msgspec

from commands.alerts import (
    AcknowledgeAlert,
    DeclareAlertRule,
    RequestAlertDelivery,
    ResolveAlert,
    RetireAlertRule,
)
from domain.alerts.terms import (
    CHANNELS_MAX,
    STEPS_MAX,
    AlertKind,
    AlertLevel,
    AlertScope,
    AlertStep,
    AlertTerms,
)
from gateway.decoding import Name, Number, not_negative
from write_api.bodies import Body, Reason
from write_api.control_bodies import Version

Seconds = Annotated[int, msgspec.Meta(ge=0, le=31 * 86_400)]


class AlertScopeBody(Body, frozen=True, kw_only=True):
    """A part of the tenant; `{}` is all of it, each portfolio or source by itself."""

    portfolio: Name | None = None
    instrument: Name | None = None
    source: Name | None = None


class AlertStepBody(Body, frozen=True, kw_only=True):
    """A level, and the channels told of it; a later one comes so long behind the one before it."""

    level: AlertLevel
    channels: Annotated[tuple[Name, ...], msgspec.Meta(max_length=CHANNELS_MAX)] = ()
    after_seconds: Seconds = 0


class AlertRuleBody(Body, frozen=True, kw_only=True):
    """A rule as it should be from now on.

    It raises once the figure was above `raise_above` for `lasting_seconds`, and clears at or below
    `clear_at`; both are in the unit of the kind: fractions (drawdown, loss_on_day, value_at_risk,
    concentration), base currency (exposure), gross / NAV (leverage), seconds (price_stale), counts.
    `window_seconds` for trade_burst and refusals, `confidence` for value_at_risk.
    """

    alert_rule: Name
    kind: AlertKind
    scope: AlertScopeBody
    raise_above: Number
    clear_at: Number
    steps: Annotated[tuple[AlertStepBody, ...], msgspec.Meta(min_length=1, max_length=STEPS_MAX)]
    lasting_seconds: Seconds = 0
    window_seconds: Seconds | None = None
    confidence: Number | None = None
    reason: Reason | None = None


class AlertRetirementBody(Body, frozen=True):
    """The last version, which was looked at, and why the rule ends."""

    version: Version
    reason: Reason


class AlertAcknowledgementBody(Body, frozen=True):
    """Nothing is to be said: `{}`."""


class AlertResolutionBody(Body, frozen=True):
    """Why the alert ends."""

    reason: Reason


class AlertDeliveryBody(Body, frozen=True, kw_only=True):
    """What was told of the alert, by its log position, and the channel that is to hear of it."""

    told_position: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    channel: Name


def alert_terms(body: AlertRuleBody) -> AlertTerms:
    """Build the terms of a rule.

    Raises:
        BodyFaulty: a number is out of range.
    """
    scope, confidence = body.scope, body.confidence
    return AlertTerms(
        kind=body.kind,
        scope=AlertScope(
            portfolio=scope.portfolio, instrument=scope.instrument, source=scope.source
        ),
        raise_above=not_negative("raise_above", body.raise_above),
        clear_at=not_negative("clear_at", body.clear_at),
        steps=tuple(
            AlertStep(level=each.level, channels=each.channels, after_seconds=each.after_seconds)
            for each in body.steps
        ),
        lasting_seconds=body.lasting_seconds,
        window_seconds=body.window_seconds,
        confidence=None if confidence is None else not_negative("confidence", confidence),
    )


def alert_rule_command(body: AlertRuleBody) -> DeclareAlertRule:
    """Build the declaration of a rule."""
    return DeclareAlertRule(alert_rule=body.alert_rule, terms=alert_terms(body), reason=body.reason)


def retirement_command(body: AlertRetirementBody, alert_rule: str) -> RetireAlertRule:
    """Build the retirement of a rule."""
    return RetireAlertRule(alert_rule=alert_rule, version=body.version, reason=body.reason)


def acknowledgement_command(_: AlertAcknowledgementBody, alert: str) -> AcknowledgeAlert:
    """Build the acknowledgement of an alert."""
    return AcknowledgeAlert(UUID(alert))


def resolution_command(body: AlertResolutionBody, alert: str) -> ResolveAlert:
    """Build the end of an alert."""
    return ResolveAlert(alert=UUID(alert), reason=body.reason)


def delivery_command(body: AlertDeliveryBody, alert: str) -> RequestAlertDelivery:
    """Build the wish to have a delivery tried anew."""
    return RequestAlertDelivery(
        alert=UUID(alert), told_position=body.told_position, channel=body.channel
    )
