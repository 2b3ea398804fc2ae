"""What callers send of limits, trading states and overrides, and the commands it becomes."""

from datetime import date
from typing import Annotated

import msgspec

from commands.control_commands import (
    ApproveLimit,
    ApproveOverride,
    AssignTradingState,
    DeclineLimit,
    DeclineOverride,
    ProposeLimit,
    ProposeOverride,
)
from domain.limits.scope import Scope
from domain.limits.terms import (
    CURRENCIES_MAX,
    RULES_MAX,
    Binding,
    LimitRule,
    LimitTerms,
    TradingState,
)
from domain.rejection import Level
from domain.trade import Intent
from gateway.decoding import CurrencyCode, ExternalId, Instant, Line, Name, Number, positive, utc
from write_api.block_bodies import BlockName
from write_api.bodies import Body, ContentBody, Reason, capture_from, optional_day

VERSION_MAX = 2**63 - 1
Version = Annotated[
    int,
    msgspec.Meta(
        ge=1,
        le=VERSION_MAX,
        description="The version that was looked at; another one meanwhile is a conflict.",
    ),
]
RuleCode = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z][a-z0-9_]{0,63}\Z",
        description="The `rule` of a breach, as the refusal lists it.",
        examples=["price_far_from_mark"],
    ),
]


class ScopeBody(Body, frozen=True):
    """A part of the tenant's trades: where all that is named agrees; `{}` is the whole tenant."""

    portfolio: Name | None = None
    instrument: Name | None = None
    sector: Line | None = None


class TermsBody(Body, frozen=True, kw_only=True):
    """What a limit says; every limit is inclusive.

    `maximum` is in the unit of the rule: a fraction (price_far_from_mark and the concentrations),
    seconds (mark_stale), units (quantities), `currency` (notionals), or gross value / net asset
    value (leverage). `binding` for counters of a date that several portfolios share, with
    `usage_age_ms_max` where it is `soft`.
    """

    rule: LimitRule
    scope: ScopeBody
    level: Level = Level.BLOCK
    maximum: Number | None = None
    currency: CurrencyCode | None = None
    currencies: Annotated[tuple[CurrencyCode, ...], msgspec.Meta(max_length=CURRENCIES_MAX)] = ()
    binding: Binding | None = None
    usage_age_ms_max: Annotated[int, msgspec.Meta(ge=1, le=60_000)] | None = None


class LimitBody(Body, frozen=True, kw_only=True):
    """A limit as it should be; `terms` null: it should end."""

    limit: Name
    terms: TermsBody | None
    reason: Reason | None = None


class ApprovalBody(Body, frozen=True):
    """The version that is approved."""

    version: Version


class DeclinationBody(Body, frozen=True):
    """The version that is declined, and why."""

    version: Version
    reason: Reason


class TradingStateBody(Body, frozen=True, kw_only=True):
    """What proposed trades of a scope may do from now on, and why; `{}` is the whole tenant."""

    scope: ScopeBody
    state: TradingState
    reason: Reason


class OverrideBody(ContentBody, frozen=True, kw_only=True):
    """A refused trade, with just the content it was and will be proposed with, and what it may do.

    `rules` are those it may pass, of the breaches that refused it; `expires_at` is at most 24 hours
    ahead. `source` may be left out where the token names one. `block` is the block it is of.
    """

    external_id: ExternalId
    rules: Annotated[tuple[RuleCode, ...], msgspec.Meta(min_length=1, max_length=RULES_MAX)]
    expires_at: Instant
    reason: Reason
    source: Name | None = None
    block: BlockName | None = None


class OverrideApprovalBody(Body, frozen=True, kw_only=True):
    """The proposal that was looked at, by its `proposed_at`, as GET /v1/overrides lists it.

    `trade_date` where the source names its trades per date.
    """

    proposed_at: Instant
    trade_date: date | None = None


class OverrideDeclinationBody(Body, frozen=True, kw_only=True):
    """Why an override is declined, or ended; `trade_date` where names are per date."""

    reason: Reason
    trade_date: date | None = None


def limit_command(body: LimitBody) -> ProposeLimit:
    """Build the proposal of a limit; currencies are put in order, as theirs means nothing.

    Raises:
        BodyFaulty: the maximum is out of range.
    """
    given = body.terms
    if given is None:
        return ProposeLimit(limit=body.limit, terms=None, reason=body.reason)
    terms = LimitTerms(
        rule=given.rule,
        scope=_scope(given.scope),
        level=given.level,
        maximum=None if given.maximum is None else positive("terms.maximum", given.maximum),
        currency=given.currency,
        currencies=tuple(sorted(given.currencies)),
        binding=given.binding,
        usage_age_ms_max=given.usage_age_ms_max,
    )
    return ProposeLimit(limit=body.limit, terms=terms, reason=body.reason)


def approval_command(body: ApprovalBody, limit: str) -> ApproveLimit:
    """Build the approval of a limit."""
    return ApproveLimit(limit=limit, version=body.version)


def declination_command(body: DeclinationBody, limit: str) -> DeclineLimit:
    """Build the declination of a limit."""
    return DeclineLimit(limit=limit, version=body.version, reason=body.reason)


def trading_state_command(body: TradingStateBody) -> AssignTradingState:
    """Build the assignment of a trading state."""
    return AssignTradingState(scope=_scope(body.scope), state=body.state, reason=body.reason)


def override_command(body: OverrideBody, source: str) -> ProposeOverride:
    """Build the proposal of an override for a trade of a source; rules are put in order.

    Raises:
        BodyFaulty: a value is out of range, or there is no date.
    """
    capture = capture_from(body, source, body.external_id, Intent.PROPOSED)
    return ProposeOverride(
        capture=msgspec.structs.replace(capture, block=body.block),
        rules=tuple(sorted(body.rules)),
        expires_at=utc("expires_at", body.expires_at),
        reason=body.reason,
    )


def override_approval_command(
    body: OverrideApprovalBody, source: str, external_id: str
) -> ApproveOverride:
    """Build the approval of an override.

    Raises:
        BodyFaulty: a date is out of range.
    """
    return ApproveOverride(
        source=source,
        external_id=external_id,
        trade_date=optional_day("trade_date", body.trade_date),
        proposed_at=utc("proposed_at", body.proposed_at),
    )


def override_declination_command(
    body: OverrideDeclinationBody, source: str, external_id: str, *, only_own: bool
) -> DeclineOverride:
    """Build the declination of an override.

    Raises:
        BodyFaulty: the date is out of range.
    """
    return DeclineOverride(
        source=source,
        external_id=external_id,
        trade_date=optional_day("trade_date", body.trade_date),
        reason=body.reason,
        only_own=only_own,
    )


def _scope(body: ScopeBody) -> Scope:
    return Scope(portfolio=body.portfolio, instrument=body.instrument, sector=body.sector)
