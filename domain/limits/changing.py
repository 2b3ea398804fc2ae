"""Changing limits with four eyes: proposed by one person, approved or declined by another.

Each proposal of a limit is its next version. What is in force stays so until an approval. A repeat
of what was told last is no event: its first telling is given.
"""

from domain.limits.checking import check_terms
from domain.limits.controls import Controls, LimitEvent, Told
from domain.limits.events import LimitApproved, LimitDeclined, LimitProposed
from domain.limits.terms import LimitTerms
from domain.rejection import Conflict, Rejection

LIMITS_MAX = 500
"""Most limits of one tenant, in force or proposed: each is looked at for every trade."""


def propose_limit(
    controls: Controls, *, limit: str, terms: LimitTerms | None, reason: str | None, by: str
) -> LimitProposed | Told[LimitEvent]:
    """Decide a proposal; `terms` None: that the limit ends. It replaces one that is still open.

    Raises:
        Rejection: `terms_invalid`, `currency_unknown`, `limits_too_many`, `limit_unknown` where
            what should end is not in force, or `limit_unchanged`.
    """
    told = controls.told_limits.get(limit)
    if told is not None and isinstance(told.event, LimitProposed):
        last = told.event
        if (last.terms, last.reason, last.proposed_by) == (terms, reason, by):
            return told
    in_force = controls.limits.get(limit)
    if terms is None:
        if in_force is None:
            raise Rejection("limit_unknown", f"No limit {limit} is in force.")
    else:
        check_terms(terms)
        if in_force is None and limit not in controls.proposals:
            _require_room(controls)
    if in_force is not None and in_force.terms == terms:
        message = f"{limit} says just that, since its version {in_force.version}."
        raise Rejection("limit_unchanged", message)
    version = controls.versions.get(limit, 0) + 1
    return LimitProposed(limit=limit, version=version, proposed_by=by, terms=terms, reason=reason)


def approve_limit(
    controls: Controls, *, limit: str, version: int, by: str
) -> LimitApproved | Told[LimitEvent]:
    """Decide an approval of just the version that was looked at.

    Raises:
        Conflict: `version_stale`, where another version is the last that was proposed.
        Rejection: `limit_unknown`, `limit_declined`, or `same_person`.
    """
    event = _last_told(controls, limit, version).event
    if isinstance(event, LimitDeclined):
        message = f"Version {version} of {limit} was declined; propose it again."
        raise Rejection("limit_declined", message)
    require_second_person(event.proposed_by, by)
    if isinstance(event, LimitApproved):
        return controls.told_limits[limit]
    return LimitApproved(
        limit=limit,
        version=version,
        proposed_by=event.proposed_by,
        approved_by=by,
        terms=event.terms,
    )


def decline_limit(
    controls: Controls, *, limit: str, version: int, reason: str, by: str
) -> LimitDeclined | Told[LimitEvent]:
    """Decide that a proposal is declined, by anybody, or taken back by whoever made it.

    Raises:
        Conflict: `version_stale`, where another version is the last that was proposed.
        Rejection: `limit_unknown`, or `limit_approved` where it is in force: propose its end.
    """
    told = _last_told(controls, limit, version)
    if isinstance(told.event, LimitDeclined):
        return told
    if isinstance(told.event, LimitApproved):
        message = f"Version {version} of {limit} was approved; propose another one."
        raise Rejection("limit_approved", message)
    return LimitDeclined(limit=limit, version=version, declined_by=by, reason=reason)


def require_second_person(proposed_by: str, by: str) -> None:
    """Let pass whoever is not the proposer.

    Raises:
        Rejection: `same_person`.
    """
    if proposed_by == by:
        raise Rejection("same_person", "Whoever proposed it cannot approve it: ask somebody else.")


def _last_told(controls: Controls, limit: str, version: int) -> Told[LimitEvent]:
    told, last = controls.told_limits.get(limit), controls.versions.get(limit)
    if told is None or last is None:
        raise Rejection("limit_unknown", f"No limit {limit} was ever proposed.")
    if version != last:
        message = f"Version {last} of {limit} was proposed last, not {version}: look at that one."
        raise Conflict("version_stale", message, fields=("version",))
    return told


def _require_room(controls: Controls) -> None:
    if len(controls.limits.keys() | controls.proposals.keys()) >= LIMITS_MAX:
        message = f"There are {LIMITS_MAX} limits already: end one, or decline a proposal."
        raise Rejection("limits_too_many", message)
