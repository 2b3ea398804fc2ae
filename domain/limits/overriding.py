"""Overrides with four eyes: one refused trade, with just its content, may pass some rules.

Two persons agree, whoever sends the trade then. What can be overridden is what a tenant's own
judgement limits; never what makes a trade understood, what others share, or a halt.
"""

from datetime import datetime, timedelta
from uuid import UUID

from domain.limits.changing import require_second_person
from domain.limits.controls import Controls, Covering, OverrideEvent, Told
from domain.limits.events import OverrideApproved, OverrideDeclined, OverrideProposed
from domain.limits.terms import RULES_MAX, Binding, LimitRule
from domain.rejection import Conflict, Rejection
from domain.trade import Capture

OVERRIDE_HOURS_MAX = 24
OVERRIDES_MAX = 1_000
"""Most overrides of one tenant that are proposed or in force at once."""

OVERRIDABLE = frozenset({*(rule.value for rule in LimitRule), "insufficient_cash",
                         "short_not_allowed"})  # fmt: skip
"""Codes of breaches that two persons may let pass for one trade.

Even so the breach of a hard limit is never let pass: others count on it.
"""


def propose_override(
    controls: Controls,
    *,
    trade_id: UUID,
    capture: Capture,
    rules: tuple[str, ...],
    expires_at: datetime,
    reason: str,
    is_captured: bool,
    covering: Covering,
    by: str,
    now: datetime,
) -> OverrideProposed | Told[OverrideEvent]:
    """Decide a proposal for one trade; it replaces one that is still open.

    `is_captured` says that the trade was accepted already; `covering` is what covers it.

    Raises:
        Conflict: `override_in_force`, for the same trade with other content or rules, or
            `override_proposed`, for the same trade in another portfolio.
        Rejection: `trade_captured`, `rules_invalid`, `rule_not_overridable`, `expiry_invalid`, or
            `overrides_too_many`.
    """
    wanted = OverrideProposed(
        trade_id=trade_id,
        capture=capture,
        rules=rules,
        proposed_by=by,
        proposed_at=now,
        expires_at=expires_at,
        reason=reason,
    )
    told = controls.told_overrides.get(trade_id)
    if told is not None and _is_repeat(told, wanted):
        return told
    in_force = controls.overrides.get(trade_id)
    if in_force is not None and in_force.expires_at >= now:
        message = "Another override of this trade is in force: decline that first."
        raise Conflict("override_in_force", message, fields=("external_id",))
    open_one = controls.proposed_overrides.get(trade_id)
    if open_one is not None and open_one.capture.portfolio != capture.portfolio:
        message = f"An override in {open_one.capture.portfolio} is proposed: decline that first."
        raise Conflict("override_proposed", message, fields=("portfolio",))
    if is_captured:
        raise Rejection("trade_captured", "The trade was accepted: there is nothing to override.")
    _check_rules(rules, covering)
    if not now < expires_at <= now + timedelta(hours=OVERRIDE_HOURS_MAX):
        message = f"An override expires within {OVERRIDE_HOURS_MAX} hours from now."
        raise Rejection("expiry_invalid", message)
    if trade_id not in controls.proposed_overrides:
        _require_room(controls, now)
    return wanted


def approve_override(
    controls: Controls, *, trade_id: UUID, proposed_at: datetime, by: str, now: datetime
) -> OverrideApproved | Told[OverrideEvent]:
    """Decide an approval of just the proposal that was looked at: that which was made then.

    Raises:
        Conflict: `proposal_stale`, where another proposal took its place.
        Rejection: `override_unknown`, `override_declined`, `override_expired` or `same_person`.
    """
    told = _told_of(controls, trade_id)
    event = told.event
    if isinstance(event, OverrideDeclined):
        raise Rejection("override_declined", "The override was declined; propose it again.")
    if event.expires_at < now:
        raise Rejection("override_expired", "The override has expired; propose it again.")
    require_second_person(event.proposed_by, by)
    if told.proposed_at is not None and proposed_at != told.proposed_at:
        message = f"The last proposal is of {told.proposed_at.isoformat()}: look at that one."
        raise Conflict("proposal_stale", message, fields=("proposed_at",))
    if isinstance(event, OverrideApproved):
        return told
    return OverrideApproved(
        trade_id=trade_id,
        capture=event.capture,
        rules=event.rules,
        proposed_by=event.proposed_by,
        approved_by=by,
        approved_at=now,
        expires_at=event.expires_at,
    )


def decline_override(
    controls: Controls, *, trade_id: UUID, reason: str, is_captured: bool, only_own: bool, by: str
) -> OverrideDeclined | Told[OverrideEvent]:
    """Decide that an override is declined or taken back, before or after its approval.

    `is_captured` says that the trade was accepted already, so that one in force cannot be taken
    back. `only_own`: its sender may take back what they proposed, and nothing else.

    Raises:
        Rejection: `override_unknown`, `not_your_proposal`, or `trade_captured`.
    """
    told = _told_of(controls, trade_id)
    event = told.event
    if isinstance(event, OverrideDeclined):
        return told
    if only_own and event.proposed_by != by:
        message = "Somebody else proposed it; whoever may approve overrides may decline it."
        raise Rejection("not_your_proposal", message)
    if is_captured and isinstance(event, OverrideApproved):
        raise Rejection("trade_captured", "The trade was accepted: it passed what it had to pass.")
    return OverrideDeclined(
        trade_id=trade_id, portfolio=event.capture.portfolio, declined_by=by, reason=reason
    )


def _told_of(controls: Controls, trade_id: UUID) -> Told[OverrideEvent]:
    told = controls.told_overrides.get(trade_id)
    if told is None:
        message = "No override of this trade is proposed; what has expired is forgotten."
        raise Rejection("override_unknown", message)
    return told


def _is_repeat(told: Told[OverrideEvent], wanted: OverrideProposed) -> bool:
    event = told.event
    if isinstance(event, OverrideDeclined):
        return False
    is_of_same_person = event.proposed_by == wanted.proposed_by
    has_same_content = (event.capture, event.rules) == (wanted.capture, wanted.rules)
    return is_of_same_person and has_same_content and event.expires_at == wanted.expires_at


def _check_rules(rules: tuple[str, ...], covering: Covering) -> None:
    if not 1 <= len(set(rules)) == len(rules) <= RULES_MAX:
        raise Rejection("rules_invalid", f"Name 1 to {RULES_MAX} rules, each once.")
    for rule in rules:
        bindings = {each.terms.binding for each in covering.limits if each.terms.rule == rule}
        if rule not in OVERRIDABLE or bindings == {Binding.HARD}:
            message = f"{rule} cannot be overridden; these can: {', '.join(sorted(OVERRIDABLE))}."
            if rule in OVERRIDABLE:
                message = f"{rule} is a hard limit of several portfolios; nobody overrides those."
            raise Rejection("rule_not_overridable", message)


def _require_room(controls: Controls, now: datetime) -> None:
    kept = [each.expires_at for each in controls.proposed_overrides.values()]
    kept += [each.expires_at for each in controls.overrides.values()]
    if sum(expires_at >= now for expires_at in kept) >= OVERRIDES_MAX:
        message = f"{OVERRIDES_MAX} overrides are proposed or in force; decline some."
        raise Rejection("overrides_too_many", message)
