"""What readers are told of alert rules and alerts.

Positions are log positions. Persons are opaque subject ids, reasons short codes.
"""

from datetime import datetime
from uuid import UUID

from read_api.shaping import Amount, Shaped, ShapedPage


class AlertRuleScope(Shaped, frozen=True):
    """A part of the tenant: where all that is named agrees; all null is the tenant."""

    portfolio: str | None
    instrument: str | None
    source: str | None


class AlertRuleStep(Shaped, frozen=True):
    """A level, the channels told of it, and how long behind the step before it comes."""

    level: str
    channels: tuple[str, ...]
    after_seconds: int


class AlertRule(Shaped, frozen=True):
    """One version of a rule: `in_force`, `replaced` by a later one, or `retired`.

    It was in force for all behind `declared_position`, up to `until_position`. `raise_above` and
    `clear_at` are in the unit of the kind.
    """

    alert_rule: str
    version: int
    status: str
    kind: str
    scope: AlertRuleScope
    raise_above: Amount
    clear_at: Amount
    lasting_seconds: int
    window_seconds: int | None
    confidence: Amount | None
    steps: tuple[AlertRuleStep, ...]
    reason: str | None
    declared_by: str
    declared_at: datetime
    declared_position: int
    retired_by: str | None
    retired_reason: str | None
    until_position: int | None
    changed_position: int


class AlertContributor(Shaped, frozen=True):
    """What makes most of the figure: in the alert's `currency`, or a count, or a quantity."""

    contributor: str
    amount: Amount


class Alert(Shaped, frozen=True):
    """An alert, and what became of it.

    `status`: `raised`, `acknowledged`, or how it ended: `cleared` (the figure came back, or nobody
    watches it any more: then without `ended_actual`), `resolved` by a person, `retracted` (a
    restatement removed the cause: `ended_actual` is what the figure was). `limit` is what `actual`
    was above, `headroom` the difference, so below zero; the figure was beyond it `since`. `since`,
    `raised_at` and `ended_at` are business times. It was judged by the log up to `as_of`, in
    the version `calculation`; `currency` is that of whatever is money: the contributors' amounts,
    and what an `exposure` is; null where nothing is.
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
    limit: Amount
    clear_at: Amount
    actual: Amount
    headroom: Amount
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
    ended_actual: Amount | None
    ended_by: str | None
    ended_reason: str | None
    ended_position: int | None
    changed_position: int


class AlertOccurrence(Shaped, frozen=True):
    """Something told of an alert, and which channels hear of it.

    `occurrence` is `raised`, `escalated`, `acknowledged`, `cleared`, `resolved` or `retracted`; it
    is of business time `at`, judged by the log up to `as_of`, or `told_by` a person.
    """

    position: int
    occurrence: str
    at: datetime | None
    as_of: int | None
    level: str | None
    channels: tuple[str, ...]
    actual: Amount | None
    told_by: str | None
    reason: str | None
    recorded_at: datetime


class OpenAlerts(Shaped, frozen=True):
    """How many alerts of a level and kind are open, and how many of them nobody took on."""

    level: str
    kind: str
    alerts: int
    unacknowledged: int


class AlertRulesPage(ShapedPage, frozen=True):
    """Alert rules."""

    items: tuple[AlertRule, ...]


class AlertsPage(ShapedPage, frozen=True):
    """Alerts."""

    items: tuple[Alert, ...]


class OneAlert(Shaped, frozen=True):
    """One alert with all that was told of it, oldest first."""

    alert: Alert
    history: tuple[AlertOccurrence, ...]
    position: int
    market_position: int


class AlertCounts(Shaped, frozen=True):
    """Open alerts, counted."""

    items: tuple[OpenAlerts, ...]
    position: int
    market_position: int


class AlertDelivery(Shaped, frozen=True):
    """What was told of an alert at a log position, on its way to a channel.

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


class AlertDeliveriesPage(ShapedPage, frozen=True):
    """Deliveries of alerts."""

    items: tuple[AlertDelivery, ...]


class AlertHit(Shaped, frozen=True):
    """An alert that a rule would have raised; without `until` it would be open still.

    The figure was beyond its level `since`. `ended` is `cleared`, or `retracted`: a restatement
    removed its cause.
    """

    portfolio: str | None
    instrument: str | None
    source: str | None
    since: datetime
    raised_at: datetime
    as_of: int
    actual: Amount
    until: datetime | None
    ended: str | None


class AlertTrial(Shaped, frozen=True):
    """What a rule would have raised, judged from `events` of the log up to `position`.

    `items` are the first 1,000 of `hit_count`. `in_breach_seconds` is the business time from
    `since` to `until` of all that no restatement retracts, of those still open up to `reached`.
    """

    items: tuple[AlertHit, ...]
    hit_count: int
    in_breach_seconds: int
    events: int
    reached: datetime | None
    position: int
    market_position: int
