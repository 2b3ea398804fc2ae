"""Observing what bookings use of a soft limit: the command of the reaction, and its handler."""

from datetime import date, datetime
from decimal import Decimal

import msgspec

from commands.command import Command, Issued
from commands.decision import Addressed, Decision
from commands.view import View
from domain.identity import usage_stream
from domain.limits.events import UsageObserved
from domain.limits.terms import Binding
from domain.rejection import Rejection


class UsedOn(msgspec.Struct, frozen=True, gc=False):
    """What is used on one trade date, in the limit's unit."""

    trade_date: date
    used: Decimal


class ObserveUsage(Command, frozen=True, kw_only=True, tag="observe_usage"):
    """Tell what the bookings up to a log position use of a soft limit; by a reaction only.

    `used` has every date on which that changed since the last such command of the limit.
    """

    limit: str
    counted_from: int
    used: tuple[UsedOn, ...]
    as_of: int
    observed_at: datetime


def observe_usage(issued: Issued, command: ObserveUsage, view: View) -> Decision:
    """Tell it, one event a date.

    Raises:
        Rejection: `limit_not_counted`, where the limit is no soft one any more, or counts something
            else; `usage_observed_already`, as of this position or a later one.
    """
    limit = view.controls(issued.tenant).limits.get(command.limit)
    if (
        limit is None
        or limit.terms.binding is not Binding.SOFT
        or limit.counted_from != command.counted_from
    ):
        raise Rejection("limit_not_counted", f"{command.limit} is no such soft limit now.")
    events: list[Addressed] = []
    stream = usage_stream(issued.tenant, command.limit)
    for each in command.used:
        told = view.last_usage(issued.tenant, limit, each.trade_date)
        if isinstance(told, UsageObserved) and told.as_of >= command.as_of:
            message = f"{command.limit} was observed as of {told.as_of} already."
            raise Rejection("usage_observed_already", message)
        event = UsageObserved(
            limit=command.limit,
            trade_date=each.trade_date,
            used=each.used,
            as_of=command.as_of,
            observed_at=command.observed_at,
            counted_from=command.counted_from,
        )
        events.append(Addressed(stream, issued.tenant, event, each.trade_date.isoformat()))
    return Decision(events=tuple(events), of_stream=stream)
