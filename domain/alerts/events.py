"""What is told of alert rules, and of alerts; persons are opaque subject ids, reasons short codes.

`as_of` is the log position at which a rule was judged, `at` the business time there. What a rule
leads to follows from the log up to `as_of` alone, so it can be decided again and compared.
`calculation` is the version of the evaluation that gave the figures; `currency` is that of whatever
in an event is money, absent where nothing is.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.alerts.terms import AlertKind, AlertLevel, AlertTerms
from domain.event import Event

CONTRIBUTORS_MAX = 5


class AlertRuleDeclared(Event, frozen=True):
    """A version of a rule is in force for whatever the log tells behind this event."""

    alert_rule: str
    version: int
    declared_by: str
    terms: AlertTerms
    reason: str | None = None


class AlertRuleRetired(Event, frozen=True):
    """A rule raises nothing any more, and what it has raised ends; `version` was the last."""

    alert_rule: str
    version: int
    retired_by: str
    reason: str


class AlertSubject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an alert is about: of a rule at most one alert about a subject is open."""

    portfolio: str | None = None
    instrument: str | None = None
    source: str | None = None


class Contributor(msgspec.Struct, frozen=True, gc=False):
    """What makes most of a figure: an instrument, a rule that refused, a portfolio that holds.

    `amount` is, for the kinds `exposure`, `leverage` and `concentration`, the instrument's signed
    value; for `drawdown` and `loss_on_day` what was lost on it, below zero: both in the event's
    `currency`. For `trade_burst` it counts the trades in an instrument, for `refusals` those that
    a rule refused; for `price_stale` it is the quantity that a portfolio holds. The other kinds
    name none.
    """

    contributor: str
    amount: Decimal


class AlertRaised(Event, frozen=True):
    """A figure was beyond the rule's level for as long as the rule says.

    `headroom` is `raise_above` less the `actual` figure, so below zero. It was beyond `since`.
    `market_position` is that of the newest price among its inputs.
    """

    alert: UUID
    alert_rule: str
    version: int
    kind: AlertKind
    subject: AlertSubject
    level: AlertLevel
    channels: tuple[str, ...]
    raise_above: Decimal
    clear_at: Decimal
    actual: Decimal
    headroom: Decimal
    contributors: tuple[Contributor, ...]
    calculation: str
    since: datetime
    at: datetime
    as_of: int
    market_position: int
    currency: str | None = None


class AlertEscalated(Event, frozen=True):
    """Nobody acknowledged an alert in time: it went on to the next step, counted from 0."""

    alert: UUID
    step: int
    level: AlertLevel
    channels: tuple[str, ...]
    at: datetime
    as_of: int


class AlertCleared(Event, frozen=True):
    """The figure was at or below the level that clears; `actual` absent: nobody watches it now."""

    alert: UUID
    calculation: str
    at: datetime
    as_of: int
    actual: Decimal | None = None
    currency: str | None = None


class AlertRetracted(Event, frozen=True):
    """A restatement at `as_of` removed the cause: known so, the figure was not beyond.

    `actual` is what the figure was when the alert was raised, by what is known now.
    """

    alert: UUID
    actual: Decimal
    calculation: str
    at: datetime
    as_of: int
    currency: str | None = None


class AlertAcknowledged(Event, frozen=True):
    """Somebody took an alert on: it escalates no further."""

    alert: UUID
    acknowledged_by: str


class AlertResolved(Event, frozen=True):
    """Somebody ended an alert; the rule raises another only once the figure has cleared."""

    alert: UUID
    resolved_by: str
    reason: str


class AlertDeliveryRequested(Event, frozen=True):
    """Somebody wants a delivery tried anew that was given up: of what was told at a position."""

    alert: UUID
    told_position: int
    channel: str
    requested_by: str


AlertRuleEvent = AlertRuleDeclared | AlertRuleRetired
JudgedEvent = AlertRaised | AlertEscalated | AlertCleared | AlertRetracted
AlertEvent = JudgedEvent | AlertAcknowledged | AlertResolved | AlertDeliveryRequested
