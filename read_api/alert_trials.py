"""The endpoint that tries an alert rule on history."""

from datetime import timedelta
from decimal import Decimal
from threading import BoundedSemaphore
from typing import Annotated

import msgspec
from starlette.responses import Response

from domain.alerts.declaring import check_terms
from domain.alerts.terms import AlertKind, AlertLevel, AlertScope, AlertStep, AlertTerms
from domain.rejection import Rejection
from gateway.access import Action
from gateway.decoding import Instant, Name, Number, not_negative
from gateway.interface import Call, Endpoint
from gateway.problem import Problem
from projections.alerts.trying import Hit, Tried, try_rule
from projections.asking import HistoryTooLong, Readable
from read_api import alert_shapes as shapes
from read_api.asking import Asked, Asking
from read_api.declaring import query
from read_api.shaping import plain, shaped

Seconds = Annotated[int, msgspec.Meta(ge=0, le=31 * 86_400)]
TRIALS_MAX = 1
"""At a time, of a process: each folds for seconds, and the others' questions wait beside it."""

STEPS = (AlertStep(level=AlertLevel.INFO),)


class TrialAsked(Asked, kw_only=True):
    """A rule, as POST /v1/alert-rules takes it, without steps; from and to which business time."""

    kind: AlertKind
    raise_above: Number
    clear_at: Number
    portfolio: Name | None = None
    instrument: Name | None = None
    source: Name | None = None
    lasting_seconds: Seconds = 0
    window_seconds: Seconds | None = None
    confidence: Number | None = None
    since: Instant | None = None
    until: Instant | None = None


def trial_endpoint(asking: Asking) -> Endpoint:
    """Give the address."""
    free = BoundedSemaphore(TRIALS_MAX)

    async def handle(call: Call) -> Response:
        asked: TrialAsked = call.parameters
        terms, tenant = _terms(asked), call.principal.tenant

        def answer(readable: Readable) -> shapes.AlertTrial:
            # In the thread that folds: who asked may have left before it ends.
            if not free.acquire(blocking=False):
                raise _too_many()
            try:
                tried = try_rule(
                    readable, tenant=tenant, terms=terms, since=asked.since, until=asked.until
                )
            except HistoryTooLong as error:
                raise _too_long(error.facts_max) from None
            finally:
                free.release()
            return _shaped(tried)

        one = asking.any_partition
        return await asking.answer(call, "alerts", answer, one)

    return query(
        "/v1/alert-rules:try",
        "try_alert_rule",
        "What an alert rule would have raised, judged from the log",
        Action.TRY_ALERT_RULE,
        TrialAsked,
        shapes.AlertTrial,
        handle,
        problems=("parameter_invalid", "history_too_long", "too_many_requests"),
    )


def _too_many() -> Problem:
    return Problem(
        "too_many_requests",
        "Another rule is being tried; ask again shortly.",
        headers={"Retry-After": "1"},
    )


def _too_long(events_max: int) -> Problem:
    return Problem(
        "history_too_long",
        f"A rule is tried on the first {events_max:,} events of the tenant and the market at most, "
        "and the log tells more: give a business time `until` that comes earlier.",
        fields=("until",),
    )


def _terms(asked: TrialAsked) -> AlertTerms:
    terms = AlertTerms(
        kind=asked.kind,
        scope=AlertScope(
            portfolio=asked.portfolio, instrument=asked.instrument, source=asked.source
        ),
        raise_above=not_negative("raise_above", asked.raise_above),
        clear_at=not_negative("clear_at", asked.clear_at),
        steps=STEPS,
        lasting_seconds=asked.lasting_seconds,
        window_seconds=asked.window_seconds,
        confidence=None if asked.confidence is None else Decimal(asked.confidence),
    )
    try:
        check_terms(terms)
    except Rejection as rejection:
        raise Problem("parameter_invalid", rejection.message) from None
    return terms


def _shaped(tried: Tried) -> shapes.AlertTrial:
    return shaped(
        shapes.AlertTrial,
        tried,
        items=tuple(_hit(each) for each in tried.hits),
        in_breach_seconds=tried.in_breach // timedelta(seconds=1),
    )


def _hit(hit: Hit) -> shapes.AlertHit:
    subject = hit.subject
    return shaped(
        shapes.AlertHit,
        hit,
        portfolio=subject.portfolio,
        instrument=subject.instrument,
        source=subject.source,
        actual=plain(hit.actual),
    )
