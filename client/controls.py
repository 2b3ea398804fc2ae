"""Commands about what trades may do: limits, trading states, overrides.

What loosens is proposed by one person and approved by another. Reasons are short codes.
"""

from typing import ClassVar, Literal
from uuid import UUID

from client.command import Command, Content, Day, Instant, Number, Side

_LIMIT = "/v1/limits/{limit}"
_OVERRIDE = "/v1/overrides/{source}/{external_id}"

LimitRule = Literal[
    "currency_not_allowed",
    "day_notional_exceeded",
    "day_quantity_exceeded",
    "instrument_restricted",
    "leverage_exceeded",
    "mark_stale",
    "outside_session",
    "position_concentration_exceeded",
    "price_far_from_mark",
    "sector_concentration_exceeded",
    "trade_notional_exceeded",
    "trade_quantity_exceeded",
]


class Scope(Content, frozen=True):
    """A part of the tenant's trades: where all that is named agrees; nothing named: all of it."""

    portfolio: str | None = None
    instrument: str | None = None
    sector: str | None = None


class LimitTerms(Content, frozen=True):
    """What a limit says; `maximum` is inclusive and in the unit of its rule."""

    rule: LimitRule
    scope: Scope
    level: Literal["warn", "block"] = "block"
    maximum: Number | None = None
    currency: str | None = None
    currencies: tuple[str, ...] = ()
    binding: Literal["hard", "soft"] | None = None
    usage_age_ms_max: int | None = None


class Limit(Command, frozen=True):
    """A limit as it should be; `terms` None: it should end. Its acceptance names its version."""

    address: ClassVar[str] = "/v1/limits"

    limit: str
    terms: LimitTerms | None
    reason: str | None = None


class LimitApproval(Command, frozen=True):
    """A version of a limit that another person proposed is approved."""

    address: ClassVar[str] = f"{_LIMIT}/approvals"

    limit: str
    version: int


class LimitDeclination(Command, frozen=True):
    """A version of a limit is declined."""

    address: ClassVar[str] = f"{_LIMIT}/declinations"

    limit: str
    version: int
    reason: str


class TradingState(Command, frozen=True):
    """What proposed trades of a scope may do from now on."""

    address: ClassVar[str] = "/v1/trading-states"

    scope: Scope
    state: Literal["active", "reduce_only", "halted"]
    reason: str


class Override(Command, frozen=True):
    """A refused trade, as it was and will be proposed, and the rules it may pass then."""

    address: ClassVar[str] = "/v1/overrides"

    external_id: str
    rules: tuple[str, ...]
    expires_at: Instant
    reason: str
    portfolio: str
    instrument: str
    side: Side
    quantity: Number
    price: Number
    currency: str
    fee: Number = "0"
    trade_date: Day | None = None
    executed_at: Instant | None = None
    source_sequence: int | None = None
    consideration: Number | None = None
    closes: tuple[UUID, ...] = ()
    source: str | None = None
    block: str | None = None


class OverrideApproval(Command, frozen=True):
    """An override that another person proposed at just that moment is approved.

    `proposed_at` is what `GET /v1/overrides` lists of the proposal that was looked at.
    """

    address: ClassVar[str] = f"{_OVERRIDE}/approvals"

    source: str
    external_id: str
    proposed_at: Instant
    trade_date: Day | None = None


class OverrideDeclination(Command, frozen=True):
    """An override is declined, or ended."""

    address: ClassVar[str] = f"{_OVERRIDE}/declinations"

    source: str
    external_id: str
    reason: str
    trade_date: Day | None = None
