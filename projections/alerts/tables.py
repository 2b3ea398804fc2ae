"""Tables and rows of the read model `alerts`; each is the same in every partition.

Business times are `since`, `raised_at`, `at` and `ended_at`; what is recorded is the log's time.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

DDL = """
CREATE TABLE {schema}.rules (
    tenant text COLLATE "C" NOT NULL,
    alert_rule text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    status text NOT NULL,
    kind text NOT NULL,
    terms text NOT NULL,
    reason text,
    declared_by text NOT NULL,
    declared_at timestamptz NOT NULL,
    declared_position bigint NOT NULL,
    retired_by text,
    retired_reason text,
    until_position bigint,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, alert_rule, version)
);
CREATE TABLE {schema}.alerts (
    tenant text COLLATE "C" NOT NULL,
    alert uuid NOT NULL,
    position bigint NOT NULL,
    status text NOT NULL,
    alert_rule text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    kind text NOT NULL,
    subject_portfolio text COLLATE "C",
    subject_instrument text COLLATE "C",
    subject_source text COLLATE "C",
    level text NOT NULL,
    step integer NOT NULL,
    raise_above numeric NOT NULL,
    clear_at numeric NOT NULL,
    actual numeric NOT NULL,
    headroom numeric NOT NULL,
    contributors text NOT NULL,
    calculation text NOT NULL,
    currency text,
    since timestamptz NOT NULL,
    raised_at timestamptz NOT NULL,
    as_of bigint NOT NULL,
    market_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    acknowledged_by text,
    acknowledged_position bigint,
    ended_at timestamptz,
    ended_actual numeric,
    ended_by text,
    ended_reason text,
    ended_position bigint,
    changed_position bigint NOT NULL,
    PRIMARY KEY (tenant, alert)
);
CREATE INDEX ON {schema}.alerts (tenant, position);
CREATE INDEX ON {schema}.alerts (changed_position);
CREATE INDEX ON {schema}.alerts (tenant, level) WHERE ended_position IS NULL;
CREATE TABLE {schema}.occurrences (
    tenant text COLLATE "C" NOT NULL,
    alert uuid NOT NULL,
    position bigint NOT NULL,
    occurrence text NOT NULL,
    at timestamptz,
    as_of bigint,
    level text,
    channels text NOT NULL,
    actual numeric,
    told_by text,
    reason text,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, position)
);
CREATE INDEX ON {schema}.occurrences (tenant, alert, position);
"""
TABLES = ("rules", "alerts", "occurrences")


class RuleRow(msgspec.Struct, frozen=True, gc=False):
    """One version of a rule: `in_force`, `replaced` or `retired`; `terms` is a JSON object."""

    tenant: str
    alert_rule: str
    version: int
    status: str
    kind: str
    terms: str
    reason: str | None
    declared_by: str
    declared_at: datetime
    declared_position: int
    retired_by: str | None
    retired_reason: str | None
    until_position: int | None
    changed_position: int


class AlertRow(msgspec.Struct, frozen=True, gc=False):
    """One alert, as it was raised, and what became of it; `contributors` is a JSON array."""

    tenant: str
    alert: UUID
    position: int
    status: str
    alert_rule: str
    version: int
    kind: str
    subject_portfolio: str | None
    subject_instrument: str | None
    subject_source: str | None
    level: str
    step: int
    raise_above: Decimal
    clear_at: Decimal
    actual: Decimal
    headroom: Decimal
    contributors: str
    calculation: str
    currency: str | None
    since: datetime
    raised_at: datetime
    as_of: int
    market_position: int
    recorded_at: datetime
    acknowledged_by: str | None
    acknowledged_position: int | None
    ended_at: datetime | None
    ended_actual: Decimal | None
    ended_by: str | None
    ended_reason: str | None
    ended_position: int | None
    changed_position: int


class OccurrenceRow(msgspec.Struct, frozen=True, gc=False):
    """What was told of an alert; `channels` is a JSON array, `told_by` a person's subject."""

    tenant: str
    alert: UUID
    position: int
    occurrence: str
    at: datetime | None
    as_of: int | None
    level: str | None
    channels: str
    actual: Decimal | None
    told_by: str | None
    reason: str | None
    recorded_at: datetime
