"""Alerts: rules that are declared and tried, and alerts that are listed and taken on.

Levels are in the unit of a rule's kind and inclusive, durations in seconds of business time,
positions those of the log. Reasons are short codes.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec

from client.command import Command, Content, Instant, Number
from client.queries import ListQuery, Query

Kind = Literal[
    "concentration",
    "drawdown",
    "exposure",
    "leverage",
    "loss_on_day",
    "price_stale",
    "refusals",
    "settlement_fails",
    "trade_burst",
    "value_at_risk",
    "waiting_amends",
]
Level = Literal["critical", "info", "warning"]

_RULE = "/v1/alert-rules/{alert_rule}"
_ALERT = "/v1/alerts/{alert}"


class AlertScope(Content, frozen=True):
    """A part of the tenant: where all that is named agrees; nothing named: all of it."""

    portfolio: str | None = None
    instrument: str | None = None
    source: str | None = None


class AlertStep(Content, frozen=True):
    """A level, the channels told of it, and how long behind the step before it comes."""

    level: Level
    channels: tuple[str, ...] = ()
    after_seconds: int = 0


class AlertRuleDeclaration(Command, frozen=True):
    """A rule, or a change of it, to be in force from now on."""

    address: ClassVar[str] = "/v1/alert-rules"

    alert_rule: str
    kind: Kind
    scope: AlertScope
    raise_above: Number
    clear_at: Number
    steps: tuple[AlertStep, ...]
    lasting_seconds: int = 0
    window_seconds: int | None = None
    confidence: Number | None = None
    reason: str | None = None


class AlertRuleRetirement(Command, frozen=True):
    """The end of a rule, whose last `version` was looked at."""

    address: ClassVar[str] = f"{_RULE}/retirements"

    alert_rule: str
    version: int
    reason: str


class Acknowledgement(Command, frozen=True):
    """An alert is taken on by whoever sends this; it escalates no further."""

    address: ClassVar[str] = f"{_ALERT}/acknowledgements"

    alert: UUID


class Resolution(Command, frozen=True):
    """The end of an alert; it comes again only once the figure has cleared."""

    address: ClassVar[str] = f"{_ALERT}/resolutions"

    alert: UUID
    reason: str


class DeliveryRequest(Command, frozen=True):
    """A dead delivery, of what was told of an alert at a position, is to be tried anew."""

    address: ClassVar[str] = f"{_ALERT}/deliveries"

    alert: UUID
    told_position: int
    channel: str


class AlertRuleScope(msgspec.Struct, frozen=True):
    """A part of the tenant: where all that is named agrees; all None is the tenant."""

    portfolio: str | None
    instrument: str | None
    source: str | None


class AlertRuleStep(msgspec.Struct, frozen=True):
    """A level, the channels told of it, and how long behind the step before it comes."""

    level: str
    channels: tuple[str, ...]
    after_seconds: int


class AlertRule(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a rule: `in_force`, `replaced` by a later one, or `retired`."""

    alert_rule: str
    version: int
    status: str
    kind: str
    scope: AlertRuleScope
    raise_above: Decimal
    clear_at: Decimal
    lasting_seconds: int
    window_seconds: int | None
    confidence: Decimal | None
    steps: tuple[AlertRuleStep, ...]
    reason: str | None
    declared_by: str
    declared_at: datetime
    declared_position: int
    retired_by: str | None
    retired_reason: str | None
    until_position: int | None
    changed_position: int


class AlertContributor(msgspec.Struct, frozen=True):
    """What makes most of a figure: in the alert's `currency`, or a count, or a quantity."""

    contributor: str
    amount: Decimal


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert, and what became of it.

    `status`: `raised`, `acknowledged`, or how it ended: `cleared`, `resolved` (by a person) or
    `retracted` (a restatement removed its cause). `actual` was above `limit` by minus `headroom`,
    beyond it `since`; `since`, `raised_at` and `ended_at` are business times.
    """

    alert: UUID
    position: int
    status: str
    alert_rule: str
    version: int
    kind: str
    portfolio: str | None
    instrument: str | None
    source: str | None
    level: str
    step: int
    limit: Decimal
    clear_at: Decimal
    actual: Decimal
    headroom: Decimal
    contributors: tuple[AlertContributor, ...]
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


class AlertOccurrence(msgspec.Struct, frozen=True, kw_only=True):
    """Something told of an alert: of business time `at`, or `told_by` a person."""

    position: int
    occurrence: str
    at: datetime | None
    as_of: int | None
    level: str | None
    channels: tuple[str, ...]
    actual: Decimal | None
    told_by: str | None
    reason: str | None
    recorded_at: datetime


class OneAlert(msgspec.Struct, frozen=True):
    """One alert with all that was told of it, oldest first."""

    alert: Alert
    history: tuple[AlertOccurrence, ...]
    position: int
    market_position: int


class OpenAlerts(msgspec.Struct, frozen=True):
    """How many alerts of a level and kind are open, and how many of them nobody took on."""

    level: str
    kind: str
    alerts: int
    unacknowledged: int


class AlertCounts(msgspec.Struct, frozen=True):
    """Open alerts, counted."""

    items: tuple[OpenAlerts, ...]
    position: int
    market_position: int


class AlertDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """What was told of an alert at `position`, on its way to a channel.

    `status`: `due` (tried again at `next_at`), `delivered`, or `dead`: given up.
    """

    channel: str
    position: int
    alert: UUID
    occurrence: str
    status: str
    attempts: int
    next_at: datetime
    last_error: str | None
    delivered_at: datetime | None


class AlertHit(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that a rule would have raised; without `until` it would be open still."""

    portfolio: str | None
    instrument: str | None
    source: str | None
    since: datetime
    raised_at: datetime
    as_of: int
    actual: Decimal
    until: datetime | None
    ended: str | None


class AlertTrial(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would have raised; `items` are the first 1,000 of `hit_count`."""

    items: tuple[AlertHit, ...]
    hit_count: int
    in_breach_seconds: int
    events: int
    reached: datetime | None
    position: int
    market_position: int


class AlertRules(ListQuery[AlertRule], frozen=True):
    """Alert rules in force, by name."""

    address: ClassVar[str] = "/v1/alert-rules"
    item: ClassVar[Any] = AlertRule


class AlertRuleVersions(ListQuery[AlertRule], frozen=True):
    """Every version of an alert rule, newest first."""

    address: ClassVar[str] = _RULE
    item: ClassVar[Any] = AlertRule

    alert_rule: str


class AlertRuleTrial(Query[AlertTrial], frozen=True):
    """What a rule would have raised between two business times, judged from the log."""

    address: ClassVar[str] = "/v1/alert-rules:try"
    item: ClassVar[Any] = AlertTrial
    is_whole: ClassVar[bool] = True

    kind: Kind
    raise_above: Number
    clear_at: Number
    portfolio: str | None = None
    instrument: str | None = None
    source: str | None = None
    lasting_seconds: int = 0
    window_seconds: int | None = None
    confidence: Number | None = None
    since: Instant | None = None
    until: Instant | None = None


class Alerts(ListQuery[Alert], frozen=True):
    """Alerts, newest first."""

    address: ClassVar[str] = "/v1/alerts"
    item: ClassVar[Any] = Alert

    is_open: bool | None = None
    status: str | None = None
    level: Level | None = None
    kind: Kind | None = None
    alert_rule: str | None = None
    portfolio: str | None = None


class AlertHistory(Query[OneAlert], frozen=True):
    """One alert with all that was told of it."""

    address: ClassVar[str] = _ALERT
    item: ClassVar[Any] = OneAlert
    is_whole: ClassVar[bool] = True

    alert: UUID


class AlertsCounted(Query[AlertCounts], frozen=True):
    """How many alerts are open, by level and kind."""

    address: ClassVar[str] = "/v1/alerts/counts"
    item: ClassVar[Any] = AlertCounts
    is_whole: ClassVar[bool] = True


class AlertDeliveries(ListQuery[AlertDelivery], frozen=True):
    """Deliveries of alerts, newest first."""

    address: ClassVar[str] = "/v1/alert-deliveries"
    item: ClassVar[Any] = AlertDelivery

    status: Literal["dead", "delivered", "due"] | None = None
    channel: str | None = None
