"""Alert rules and alerts over HTTP: addresses and permissions."""

from collections.abc import Sequence

from commands.command import Command
from gateway.access import Action
from gateway.interface import Call
from gateway.openapi import PathParameter
from write_api import alert_bodies as bodies
from write_api.control_endpoints import Control

RULE = PathParameter("alert_rule", r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}\Z", "The rule's name.")
ALERT = PathParameter(
    "alert", r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z", "The alert's id."
)


def _rule(_: Call, body: bodies.AlertRuleBody) -> Command:
    return bodies.alert_rule_command(body)


def _retirement(call: Call, body: bodies.AlertRetirementBody) -> Command:
    return bodies.retirement_command(body, call.named(RULE))


def _acknowledgement(call: Call, body: bodies.AlertAcknowledgementBody) -> Command:
    return bodies.acknowledgement_command(body, call.named(ALERT))


def _resolution(call: Call, body: bodies.AlertResolutionBody) -> Command:
    return bodies.resolution_command(body, call.named(ALERT))


def _delivery(call: Call, body: bodies.AlertDeliveryBody) -> Command:
    return bodies.delivery_command(body, call.named(ALERT))


ALERTS: Sequence[Control] = (
    Control(
        "/v1/alert-rules",
        "declare_alert_rule",
        "Put an alert rule, or a change of it, in force",
        (Action.DECLARE_ALERT_RULE,),
        bodies.AlertRuleBody,
        _rule,
        "Each change is a version of its own, in force for whatever the log tells behind it; GET "
        "/v1/alert-rules names them. Terms that are in force already are the first acceptance "
        "again. With another kind, scope, window or confidence what was open clears.",
    ),
    Control(
        "/v1/alert-rules/{alert_rule}/retirements",
        "retire_alert_rule",
        "Retire an alert rule",
        (Action.DECLARE_ALERT_RULE,),
        bodies.AlertRetirementBody,
        _retirement,
        "By its last version (else `version_stale`). What it has open clears.",
        parts=(RULE,),
    ),
    Control(
        "/v1/alerts/{alert}/acknowledgements",
        "acknowledge_alert",
        "Take an alert on",
        (Action.TAKE_ALERT,),
        bodies.AlertAcknowledgementBody,
        _acknowledgement,
        "It escalates no further. One that somebody else took on is `alert_acknowledged`, one that "
        "ended `alert_ended`.",
        parts=(ALERT,),
    ),
    Control(
        "/v1/alerts/{alert}/resolutions",
        "resolve_alert",
        "End an alert",
        (Action.TAKE_ALERT,),
        bodies.AlertResolutionBody,
        _resolution,
        "Its rule raises another about the same only once the figure has cleared.",
        parts=(ALERT,),
    ),
    Control(
        "/v1/alerts/{alert}/deliveries",
        "request_alert_delivery",
        "Have a delivery of an alert tried anew",
        (Action.TAKE_ALERT,),
        bodies.AlertDeliveryBody,
        _delivery,
        "One that is `dead` in GET /v1/alert-deliveries is due again; of one that is not, nothing "
        "comes.",
        parts=(ALERT,),
    ),
)
