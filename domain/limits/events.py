"""What is told of a tenant's controls: limits, trading states, overrides, and the use of limits.

Persons are opaque subject ids; reasons are short codes. A proposal is in force only once another
person has approved it.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import TypeGuard, get_args
from uuid import UUID

from domain.event import Event
from domain.limits.scope import Scope
from domain.limits.terms import LimitRule, LimitTerms, TradingState
from domain.trade import Capture


class LimitProposed(Event, frozen=True):
    """Somebody wants a limit to be so from its version on; `terms` absent: to be no more.

    It takes the place of a proposal of the same limit that is still open.
    """

    limit: str
    version: int
    proposed_by: str
    terms: LimitTerms | None = None
    reason: str | None = None


class LimitApproved(Event, frozen=True):
    """A second person approved a proposal: in force for whatever is decided after this event."""

    limit: str
    version: int
    proposed_by: str
    approved_by: str
    terms: LimitTerms | None = None


class LimitDeclined(Event, frozen=True):
    """A proposal was declined, or taken back by whoever made it."""

    limit: str
    version: int
    declined_by: str
    reason: str


class TradingStateAssigned(Event, frozen=True):
    """What proposed trades of a scope may do from here on."""

    scope: Scope
    state: TradingState
    assigned_by: str
    reason: str


class OverrideProposed(Event, frozen=True):
    """Somebody wants one refused trade to pass the `rules` named; not yet in force."""

    trade_id: UUID
    capture: Capture
    rules: tuple[str, ...]
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    reason: str


class OverrideApproved(Event, frozen=True):
    """A second person lets that trade, with just that content, pass the `rules` until it expires.

    What it breaches then rides on its acceptance.
    """

    trade_id: UUID
    capture: Capture
    rules: tuple[str, ...]
    proposed_by: str
    approved_by: str
    approved_at: datetime
    expires_at: datetime


class OverrideDeclined(Event, frozen=True):
    """An override was declined, or taken back, before or after its approval."""

    trade_id: UUID
    portfolio: str
    declined_by: str
    reason: str


class LimitUsed(Event, frozen=True):
    """A trade used a hard limit, or gave back what it had used; in one append with its booking.

    `amount` is the signed change in the limit's unit; `used` is what is used then on `trade_date`.
    An amend gives back and uses, in two such events. `counted_from` is the version of the limit
    since which it counts the same trades in the same unit: what was counted before counts no more.
    """

    limit: str
    trade_date: date
    portfolio: str
    instrument: str
    trade_id: UUID
    amount: Decimal
    used: Decimal
    counted_from: int = 0


class UsageObserved(Event, frozen=True):
    """What the bookings up to the log position `as_of` use of a soft limit on a trade date.

    `observed_at` is when the log recorded that position; `counted_from` is as in `LimitUsed`.
    """

    limit: str
    trade_date: date
    used: Decimal
    as_of: int
    observed_at: datetime
    counted_from: int = 0


class LimitBreachOpened(Event, frozen=True):
    """Without any trade a portfolio went beyond a limit: prices, rates or the limit moved.

    `instrument` or `sector` say where; `at` is the business time of the market it is judged by.
    """

    portfolio: str
    limit: str
    version: int
    rule: LimitRule
    maximum: Decimal
    actual: Decimal
    market_position: int
    at: datetime
    instrument: str | None = None
    sector: str | None = None


class LimitBreachClosed(Event, frozen=True):
    """A breach that was open is none any more; `actual` absent: nothing is left to judge.

    That is so where the limit ended, or what it was judged by.
    """

    portfolio: str
    limit: str
    version: int
    rule: LimitRule
    market_position: int
    at: datetime
    actual: Decimal | None = None
    instrument: str | None = None
    sector: str | None = None


ControlEvent = (
    LimitProposed
    | LimitApproved
    | LimitDeclined
    | TradingStateAssigned
    | OverrideProposed
    | OverrideApproved
    | OverrideDeclined
)
UsageEvent = LimitUsed | UsageObserved
BreachEvent = LimitBreachOpened | LimitBreachClosed

_CONTROL_EVENTS = frozenset(get_args(ControlEvent))
_USAGE_EVENTS = frozenset(get_args(UsageEvent))


def is_control_event(event: Event) -> TypeGuard[ControlEvent]:
    """Say whether an event belongs to a tenant's controls; by its type, as this is asked often."""
    return type(event) in _CONTROL_EVENTS


def is_usage_event(event: Event) -> TypeGuard[UsageEvent]:
    """Say whether an event tells the use of a shared limit; by its type, as this is asked often."""
    return type(event) in _USAGE_EVENTS
