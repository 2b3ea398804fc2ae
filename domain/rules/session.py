"""The limit that keeps trades within sessions of the instrument's exchange.

A trade without a time of day is judged by its date alone; markets that never close never refuse.
"""

from msgspec.structs import replace

from domain.calendars import local_time
from domain.limits.controls import Limit
from domain.rejection import Breach
from domain.rules.breaching import exceeded, not_evaluable
from domain.rules.proposal import Proposal
from domain.sessions import has_session, hours_on, is_in_session


def trade_is_in_session(proposal: Proposal, limit: Limit) -> Breach | None:
    """A trade is executed while its instrument's exchange has a session."""
    calendar, fill = proposal.instrument.calendar, proposal.fill
    at = fill.executed_at
    fits = has_session(calendar, fill.trade_date) if at is None else is_in_session(calendar, at)
    if fits:
        return None
    if fits is None:
        return not_evaluable(limit, f"When {calendar} has sessions is not known so far away.")
    day = fill.trade_date if at is None else local_time(calendar, at).date()
    actual = day.isoformat() if at is None else at.isoformat()
    hours = None
    message = f"{calendar} has no session on {day.isoformat()}."
    if at is not None and has_session(calendar, day):
        spans = hours_on(calendar, day)
        hours = ", ".join(f"{opens:%H:%M}-{closes:%H:%M}" for opens, closes in spans)
        message = f"{actual} is outside of the session of {calendar}, {hours} of local time."
    breach = exceeded(limit, message, actual=None, headroom=None)
    return replace(breach, limit=hours, actual=actual)
