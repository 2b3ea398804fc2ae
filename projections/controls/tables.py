"""Tables and rows of the read model `controls`.

What all portfolios of a tenant share (limits, trading states, usage that was observed) is in every
partition; overrides, breaches and what trades use are in that of their portfolio.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

DDL = """
CREATE TABLE {schema}.limits (
    tenant text COLLATE "C" NOT NULL,
    limit_name text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    status text NOT NULL,
    rule text,
    scope_portfolio text COLLATE "C",
    scope_instrument text COLLATE "C",
    scope_sector text COLLATE "C",
    level text,
    maximum numeric,
    currency text,
    currencies text NOT NULL,
    binding text,
    usage_age_ms_max integer,
    reason text,
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    proposed_position bigint NOT NULL,
    decided_by text,
    decided_at timestamptz,
    decided_position bigint,
    declined_reason text,
    until_position bigint,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, limit_name, version)
);
CREATE INDEX ON {schema}.limits (tenant, limit_name, version)
    WHERE status IN ('in_force', 'proposed');
CREATE TABLE {schema}.trading_states (
    tenant text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    scope_portfolio text COLLATE "C",
    scope_instrument text COLLATE "C",
    scope_sector text COLLATE "C",
    state text NOT NULL,
    assigned_by text NOT NULL,
    reason text NOT NULL,
    recorded_at timestamptz NOT NULL,
    until_position bigint,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, position)
);
CREATE INDEX ON {schema}.trading_states (tenant, position)
    WHERE until_position IS NULL AND state <> 'active';
CREATE TABLE {schema}.overrides (
    tenant text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    trade_id uuid NOT NULL,
    status text NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    instrument text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    side text NOT NULL,
    quantity numeric NOT NULL,
    price numeric NOT NULL,
    currency text NOT NULL,
    trade_date date,
    executed_at timestamptz,
    rules text NOT NULL,
    reason text NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    approved_by text,
    approved_at timestamptz,
    declined_by text,
    declined_reason text,
    used_position bigint,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, position)
);
CREATE INDEX ON {schema}.overrides (tenant, portfolio, position);
CREATE TABLE {schema}.breaches (
    tenant text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    portfolio text COLLATE "C" NOT NULL,
    limit_name text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    rule text NOT NULL,
    instrument text COLLATE "C",
    sector text COLLATE "C",
    maximum numeric NOT NULL,
    actual numeric NOT NULL,
    opened_at timestamptz NOT NULL,
    market_position bigint NOT NULL,
    closed_position bigint,
    closed_at timestamptz,
    closed_actual numeric,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, position)
);
CREATE INDEX ON {schema}.breaches (tenant, portfolio, position);
CREATE INDEX ON {schema}.breaches (tenant, position) WHERE closed_position IS NULL;
CREATE TABLE {schema}.usage (
    tenant text COLLATE "C" NOT NULL,
    limit_name text COLLATE "C" NOT NULL,
    trade_date date NOT NULL,
    used numeric NOT NULL,
    as_of bigint NOT NULL,
    observed_at timestamptz NOT NULL,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, limit_name, trade_date)
);
"""
TABLES = ("limits", "trading_states", "overrides", "breaches", "usage")


class LimitStatus(StrEnum):
    """What became of one version of a limit."""

    PROPOSED = "proposed"
    """Somebody proposed it, and nobody decided yet."""
    SUPERSEDED = "superseded"
    """Another proposal took its place before anybody decided."""
    DECLINED = "declined"
    IN_FORCE = "in_force"
    REPLACED = "replaced"
    """It was in force until a later version was approved."""
    ENDED = "ended"
    """The approved version that says that the limit is no more."""


class OverrideStatus(StrEnum):
    """What became of an override; one that is `expired` is still proposed or approved here."""

    PROPOSED = "proposed"
    SUPERSEDED = "superseded"
    DECLINED = "declined"
    APPROVED = "approved"
    REVOKED = "revoked"
    """Declined after its approval."""
    USED = "used"
    """Its trade was accepted by it, at `used_position`."""
    EXPIRED = "expired"


class LimitRow(msgspec.Struct, frozen=True, gc=False):
    """One version of a limit; without `rule` it says that the limit ends.

    `currencies` is a JSON array; `decided_…` tell of the approval or the declination. It was in
    force from `decided_position` to `until_position`.
    """

    tenant: str
    limit_name: str
    version: int
    status: str
    rule: str | None
    scope_portfolio: str | None
    scope_instrument: str | None
    scope_sector: str | None
    level: str | None
    maximum: Decimal | None
    currency: str | None
    currencies: str
    binding: str | None
    usage_age_ms_max: int | None
    reason: str | None
    proposed_by: str
    proposed_at: datetime
    proposed_position: int
    decided_by: str | None
    decided_at: datetime | None
    decided_position: int | None
    declined_reason: str | None
    until_position: int | None
    changed_position: int


class StateRow(msgspec.Struct, frozen=True, gc=False):
    """One assignment of a trading state; it stood until the position of the next of its scope."""

    tenant: str
    position: int
    scope_portfolio: str | None
    scope_instrument: str | None
    scope_sector: str | None
    state: str
    assigned_by: str
    reason: str
    recorded_at: datetime
    until_position: int | None
    changed_position: int

    @property
    def scope(self) -> tuple[str | None, str | None, str | None]:
        """What it was assigned to."""
        return self.scope_portfolio, self.scope_instrument, self.scope_sector


class OverrideRow(msgspec.Struct, frozen=True, gc=False):
    """One proposal of an override, by its position; `rules` is a JSON array."""

    tenant: str
    position: int
    trade_id: UUID
    status: str
    portfolio: str
    instrument: str
    source: str
    external_id: str
    side: str
    quantity: Decimal
    price: Decimal
    currency: str
    trade_date: date | None
    executed_at: datetime | None
    rules: str
    reason: str
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    declined_by: str | None
    declined_reason: str | None
    used_position: int | None
    changed_position: int


class BreachRow(msgspec.Struct, frozen=True, gc=False):
    """A limit that a portfolio went beyond without a trade, by the position it opened at.

    `opened_at` and `closed_at` are business times. `closed_actual` is absent where nothing was left
    to judge.
    """

    tenant: str
    position: int
    portfolio: str
    limit_name: str
    version: int
    rule: str
    instrument: str | None
    sector: str | None
    maximum: Decimal
    actual: Decimal
    opened_at: datetime
    market_position: int
    closed_position: int | None
    closed_at: datetime | None
    closed_actual: Decimal | None
    changed_position: int


class UsageRow(msgspec.Struct, frozen=True, gc=False):
    """What is used of a shared limit on a trade date, by the bookings up to position `as_of`."""

    tenant: str
    limit_name: str
    trade_date: date
    used: Decimal
    as_of: int
    observed_at: datetime
    changed_position: int
