"""Alert rules and alerts: the commands, and their handlers.

Persons declare and retire rules, acknowledge and resolve alerts. What the rules lead to is told by
a reaction, as it was decided from the log up to a position: a fact, which nothing can refuse.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast
from uuid import UUID

from commands.command import Command, Issued
from commands.decision import Addressed, AlreadyDecided, Decision
from commands.view import View
from domain.alerts import alert as alerts
from domain.alerts import declaring
from domain.alerts.alert import Alert
from domain.alerts.declaring import AlertRules
from domain.alerts.events import (
    AlertDeliveryRequested,
    AlertEvent,
    AlertRaised,
    AlertRuleEvent,
    JudgedEvent,
)
from domain.alerts.terms import AlertTerms
from domain.identity import alert_rules_stream, alert_stream
from domain.rejection import Rejection


class DeclareAlertRule(Command, frozen=True, kw_only=True, tag="declare_alert_rule"):
    """Put a rule, or its next version, in force."""

    alert_rule: str
    terms: AlertTerms
    reason: str | None = None


class RetireAlertRule(Command, frozen=True, kw_only=True, tag="retire_alert_rule"):
    """End a rule, by the version that was looked at."""

    alert_rule: str
    version: int
    reason: str


class AcknowledgeAlert(Command, frozen=True, tag="acknowledge_alert"):
    """Take an alert on."""

    alert: UUID


class ResolveAlert(Command, frozen=True, kw_only=True, tag="resolve_alert"):
    """End an alert; `reason` is a short code."""

    alert: UUID
    reason: str


class RequestAlertDelivery(Command, frozen=True, kw_only=True, tag="request_alert_delivery"):
    """Have a delivery tried anew: of what was told of an alert at a log position, to a channel."""

    alert: UUID
    told_position: int
    channel: str


class TellAlert(Command, frozen=True, tag="tell_alert"):
    """Tell what a rule led to: the fact itself; by a reaction only.

    No two kinds of it have the same fields, so their fingerprints differ.
    """

    judged: JudgedEvent


def declare_alert_rule(
    issued: Issued, command: DeclareAlertRule, view: View
) -> Decision | AlreadyDecided:
    """Tell a version of a rule; one that is in force just so is not told again."""
    scope = command.terms.scope
    if scope.portfolio is not None and view.portfolio(issued.tenant, scope.portfolio) is None:
        raise Rejection("portfolio_unknown", f"Portfolio {scope.portfolio} is not open.")
    if scope.instrument is not None and view.instrument(scope.instrument) is None:
        message = f"Instrument {scope.instrument} is not registered."
        raise Rejection("instrument_unknown", message)
    rules = _rules(issued.tenant, view)
    declared = declaring.declare_rule(
        rules,
        alert_rule=command.alert_rule,
        terms=command.terms,
        reason=command.reason,
        by=issued.actor,
    )
    return _of_rules(issued, rules, command.alert_rule, declared)


def retire_alert_rule(
    issued: Issued, command: RetireAlertRule, view: View
) -> Decision | AlreadyDecided:
    """Tell that a rule ended."""
    rules = _rules(issued.tenant, view)
    retired = declaring.retire_rule(
        rules,
        alert_rule=command.alert_rule,
        version=command.version,
        reason=command.reason,
        by=issued.actor,
    )
    return _of_rules(issued, rules, command.alert_rule, retired)


def acknowledge_alert(
    issued: Issued, command: AcknowledgeAlert, view: View
) -> Decision | AlreadyDecided:
    """Tell that somebody took an alert on."""
    stream = alert_stream(issued.tenant, command.alert)
    alert = _alert(stream, view)
    told = alerts.acknowledge(alert, by=issued.actor)
    if told is None:
        assert alert.acknowledged is not None, "the same person did before"
        return AlreadyDecided(stream, alert.acknowledged[0])
    return Decision(events=(Addressed(stream, issued.tenant, told),), of_stream=stream)


def resolve_alert(issued: Issued, command: ResolveAlert, view: View) -> Decision | AlreadyDecided:
    """Tell that somebody ended an alert."""
    stream = alert_stream(issued.tenant, command.alert)
    alert = _alert(stream, view)
    told = alerts.resolve(alert, reason=command.reason, by=issued.actor)
    if told is None:
        assert alert.resolved is not None, "the same person did before"
        return AlreadyDecided(stream, alert.resolved[0])
    return Decision(events=(Addressed(stream, issued.tenant, told),), of_stream=stream)


def request_alert_delivery(issued: Issued, command: RequestAlertDelivery, view: View) -> Decision:
    """Tell that somebody wants it tried anew.

    Raises:
        Rejection: `alert_unknown`, or `occurrence_unknown`.
    """
    stream = alert_stream(issued.tenant, command.alert)
    positions = {each.position for each in view.recorded(stream)}
    if not positions:
        raise Rejection("alert_unknown", "No such alert was ever raised.")
    if command.told_position not in positions:
        message = f"Nothing was told of this alert at position {command.told_position}."
        raise Rejection("occurrence_unknown", message)
    told = AlertDeliveryRequested(
        alert=command.alert,
        told_position=command.told_position,
        channel=command.channel,
        requested_by=issued.actor,
    )
    return Decision(events=(Addressed(stream, issued.tenant, told),), of_stream=stream)


def tell_alert(issued: Issued, command: TellAlert, view: View) -> Decision:
    """Tell it; an alert begins as it is raised."""
    judged = command.judged
    stream = alert_stream(issued.tenant, judged.alert)
    begins = isinstance(judged, AlertRaised) and view.first_event(stream) is None
    told = Addressed(stream, issued.tenant, judged, begins_stream=begins)
    return Decision(events=(told,), of_stream=stream)


HANDLERS: Mapping[type[Command], Callable[[Issued, Any, View], Decision | AlreadyDecided]] = {
    DeclareAlertRule: declare_alert_rule,
    RetireAlertRule: retire_alert_rule,
    AcknowledgeAlert: acknowledge_alert,
    ResolveAlert: resolve_alert,
    RequestAlertDelivery: request_alert_delivery,
    TellAlert: tell_alert,
}


def _rules(tenant: str, view: View) -> AlertRules:
    events = view.events(alert_rules_stream(tenant))
    return AlertRules.after(cast("AlertRuleEvent", each) for each in events)


def _alert(stream: UUID, view: View) -> Alert:
    return Alert.after(cast("AlertEvent", each) for each in view.events(stream))


def _of_rules(
    issued: Issued, rules: AlertRules, alert_rule: str, told: AlertRuleEvent | None
) -> Decision | AlreadyDecided:
    """Decide what is told of a rule; what was told before was decided by the command before."""
    stream = alert_rules_stream(issued.tenant)
    if told is None:
        return AlreadyDecided(stream, rules.told[alert_rule][0])
    return Decision(events=(Addressed(stream, issued.tenant, told),), of_stream=stream)
