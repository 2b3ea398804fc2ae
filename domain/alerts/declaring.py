"""Declaring alert rules, changing them as new versions, and retiring them."""

from collections.abc import Iterable
from decimal import Decimal

from domain.alerts.events import AlertRuleDeclared, AlertRuleEvent, AlertRuleRetired
from domain.alerts.terms import CHANNELS_MAX, STEPS_MAX, AlertKind, AlertTerms
from domain.money import ONE, ZERO
from domain.rejection import Conflict, Rejection

RULES_MAX = 200
"""Most rules in force of one tenant: each may be judged at every event."""
SECONDS_MAX = 31 * 86_400
WINDOW_SECONDS_MAX = 86_400
CONFIDENCES = frozenset({Decimal("0.95"), Decimal("0.99")})
"""Those whose value at risk is struck."""

OF_VALUE = frozenset({
    AlertKind.DRAWDOWN, AlertKind.LOSS_ON_DAY, AlertKind.EXPOSURE, AlertKind.CONCENTRATION,
    AlertKind.LEVERAGE,
})  # fmt: skip
"""Kinds that are judged by what a portfolio's positions are worth."""
WINDOWED = frozenset({AlertKind.TRADE_BURST, AlertKind.REFUSALS})
_FRACTIONS = frozenset({AlertKind.DRAWDOWN, AlertKind.LOSS_ON_DAY, AlertKind.CONCENTRATION})
_NAMING_INSTRUMENTS = frozenset({AlertKind.CONCENTRATION, AlertKind.PRICE_STALE})
_NAMING_SOURCES = WINDOWED


class AlertRules:
    """The rules of one tenant, folded from its stream: what is in force, and all versions."""

    def __init__(self) -> None:
        self.version = 0
        self.in_force: dict[str, AlertRuleDeclared] = {}
        self.versions: dict[str, int] = {}
        self.told: dict[str, tuple[int, AlertRuleEvent]] = {}

    @classmethod
    def after(cls, events: Iterable[AlertRuleEvent]) -> "AlertRules":
        """Fold what was told so far."""
        rules = cls()
        for event in events:
            rules.apply(event)
        return rules

    def apply(self, event: AlertRuleEvent) -> None:
        """Fold one event."""
        self.version += 1
        self.told[event.alert_rule] = self.version, event
        if isinstance(event, AlertRuleDeclared):
            self.in_force[event.alert_rule] = event
            self.versions[event.alert_rule] = event.version
        else:
            self.in_force.pop(event.alert_rule, None)


def declare_rule(
    rules: AlertRules, *, alert_rule: str, terms: AlertTerms, reason: str | None, by: str
) -> AlertRuleDeclared | None:
    """Decide a rule, or its next version; None where it is in force just so.

    Raises:
        Rejection: `alert_terms_invalid`, `alert_rules_too_many`.
    """
    check_terms(terms)
    known = rules.in_force.get(alert_rule)
    if known is not None and known.terms == terms:
        return None
    if known is None and len(rules.in_force) >= RULES_MAX:
        message = f"There are {RULES_MAX} alert rules in force already: retire one."
        raise Rejection("alert_rules_too_many", message)
    return AlertRuleDeclared(
        alert_rule=alert_rule,
        version=rules.versions.get(alert_rule, 0) + 1,
        declared_by=by,
        terms=terms,
        reason=reason,
    )


def retire_rule(
    rules: AlertRules, *, alert_rule: str, version: int, reason: str, by: str
) -> AlertRuleRetired | None:
    """Decide that a rule ends, by the version that was looked at; None where it has ended.

    Raises:
        Conflict: `version_stale`, where another version is the last.
        Rejection: `alert_rule_unknown`.
    """
    last = rules.versions.get(alert_rule)
    if last is None:
        raise Rejection("alert_rule_unknown", f"No alert rule {alert_rule} was ever declared.")
    if version != last:
        message = f"Version {last} of {alert_rule} is the last, not {version}: look at that one."
        raise Conflict("version_stale", message, fields=("version",))
    if alert_rule not in rules.in_force:
        return None
    return AlertRuleRetired(alert_rule=alert_rule, version=version, retired_by=by, reason=reason)


def check_terms(terms: AlertTerms) -> None:
    """Let pass terms that say all their kind needs, and nothing it does not know.

    Raises:
        Rejection: `alert_terms_invalid`.
    """
    _check_levels(terms)
    _check_scope(terms)
    _check_steps(terms)
    if not 0 <= terms.lasting_seconds <= SECONDS_MAX:
        raise _invalid(f"lasting_seconds lies between 0 and {SECONDS_MAX}.")
    if (terms.kind in WINDOWED) is (terms.window_seconds is None):
        raise _invalid(f"window_seconds is for {_listed(WINDOWED)}, and they need it.")
    if terms.window_seconds is not None and not 1 <= terms.window_seconds <= WINDOW_SECONDS_MAX:
        raise _invalid(f"window_seconds lies between 1 and {WINDOW_SECONDS_MAX}.")
    if (terms.kind is AlertKind.VALUE_AT_RISK) is (terms.confidence is None):
        raise _invalid("confidence is for value_at_risk, which needs it.")
    if terms.confidence is not None and terms.confidence not in CONFIDENCES:
        raise _invalid("Value at risk is struck with a confidence of 0.95 and of 0.99.")


def _check_levels(terms: AlertTerms) -> None:
    if terms.raise_above < 0 or terms.clear_at < 0:
        raise _invalid("No level is below zero.")
    if terms.clear_at > terms.raise_above:
        raise _invalid("clear_at lies at raise_above or below it: else it would never rest.")
    if terms.kind in _FRACTIONS and terms.raise_above >= ONE:
        raise _invalid(f"A level of {terms.kind} is a fraction below 1: 0.05 is five per cent.")
    if terms.kind is AlertKind.PRICE_STALE and not ZERO < terms.raise_above <= SECONDS_MAX:
        raise _invalid(f"A price is stale after 1 to {SECONDS_MAX} seconds.")


def _check_scope(terms: AlertTerms) -> None:
    if terms.scope.instrument is not None and terms.kind not in _NAMING_INSTRUMENTS:
        raise _invalid(f"An instrument is named for {_listed(_NAMING_INSTRUMENTS)} only.")
    if terms.scope.source is not None and terms.kind not in _NAMING_SOURCES:
        raise _invalid(f"A source is named for {_listed(_NAMING_SOURCES)} only.")


def _check_steps(terms: AlertTerms) -> None:
    steps = terms.steps
    if not 1 <= len(steps) <= STEPS_MAX:
        raise _invalid(f"An alert has 1 to {STEPS_MAX} steps.")
    if steps[0].after_seconds != 0:
        raise _invalid("The first step is that of the raise: after_seconds is 0.")
    if any(not 1 <= each.after_seconds <= SECONDS_MAX for each in steps[1:]):
        raise _invalid(f"A later step comes after 1 to {SECONDS_MAX} seconds.")
    for each in steps:
        if not len(set(each.channels)) == len(each.channels) <= CHANNELS_MAX:
            raise _invalid(f"A step names at most {CHANNELS_MAX} channels, each once.")


def _listed(kinds: Iterable[AlertKind]) -> str:
    return " and ".join(sorted(kinds))


def _invalid(message: str) -> Rejection:
    return Rejection("alert_terms_invalid", message)
