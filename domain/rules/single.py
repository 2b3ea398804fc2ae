"""Limits of one trade by itself: its size, what and in what it trades, and its price.

A price is compared with the mark in force at the trade's time, read in the units of its date.
"""

from datetime import timedelta
from decimal import Decimal

from domain.calendars import local_date
from domain.corporate_actions import Scale, scale_between
from domain.instrument import Instrument
from domain.limits.controls import Limit
from domain.limits.usage import amount_of
from domain.marks import Quote
from domain.money import ratio
from domain.rejection import Breach
from domain.rules.breaching import exceeded, maximum_of, not_evaluable
from domain.rules.proposal import Proposal, moment_of

_UNSCALED = Scale()
_SECOND = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)


def trade_quantity_is_within(proposal: Proposal, limit: Limit) -> Breach | None:
    """One trade is of at most so many units."""
    maximum, quantity = maximum_of(limit), proposal.fill.quantity
    if quantity <= maximum:
        return None
    message = f"{quantity:f} in one trade, at most {maximum:f}."
    return exceeded(limit, message, actual=quantity, headroom=maximum)


def trade_notional_is_within(proposal: Proposal, limit: Limit) -> Breach | None:
    """One trade is worth at most so much, in the currency of the limit."""
    notional = notional_of(proposal, limit)
    if notional is None:
        return _without_rate(proposal, limit)
    maximum = maximum_of(limit)
    if notional <= maximum:
        return None
    currency = limit.terms.currency
    message = f"{notional:f} {currency} in one trade, at most {maximum:f}."
    return exceeded(limit, message, actual=notional, headroom=maximum)


def notional_of(proposal: Proposal, limit: Limit) -> Decimal | None:
    """Give a trade's consideration in the limit's currency; None where no rate is known."""
    return amount_of(
        limit.terms,
        proposal.fill,
        currency=proposal.capture.currency,
        at=moment_of(proposal.fill),
        rate_at=proposal.rate_at,
    )


def _without_rate(proposal: Proposal, limit: Limit) -> Breach:
    message = f"No rate from {proposal.capture.currency} to {limit.terms.currency} is known."
    return not_evaluable(limit, message)


def price_is_near_mark(proposal: Proposal, limit: Limit) -> Breach | None:
    """A price differs from the mark in force by at most a fraction of that mark, either way."""
    name, price = proposal.capture.instrument, proposal.fill.price
    mark = proposal.marks.in_force(name, proposal.moment)
    if mark is None or not mark.price:
        return _without_mark(proposal, limit)
    scale = scale_since(proposal.instrument, mark, proposal)
    # Compared before dividing: just at the limit is within it, whatever the split's ratio.
    marked = abs(mark.price) * scale.old
    away = abs(price * scale.new - mark.price * scale.old)
    maximum = maximum_of(limit)
    if away <= maximum * marked:
        return None
    read = ratio(mark.price * scale.old, Decimal(scale.new))
    message = f"{price:f} is too far from the mark of {read:f} of {mark.at.isoformat()}."
    return exceeded(
        limit,
        message,
        actual=ratio(away, marked),
        headroom=maximum,
        mark_position=mark.position,
    )


def scale_since(instrument: Instrument, mark: Quote, proposal: Proposal) -> Scale:
    """Give by how much units multiplied from a mark to a trade."""
    if not instrument.actions:
        return _UNSCALED
    actions = [
        action
        for action in instrument.actions.values()
        if action.action not in instrument.reversed_actions
    ]
    marked_on = local_date(instrument.calendar, mark.at)
    return scale_between(actions, marked_on=marked_on, valued_on=proposal.fill.trade_date)


def mark_is_fresh(proposal: Proposal, limit: Limit) -> Breach | None:
    """The mark in force is at most so many seconds old when the trade is executed."""
    mark = proposal.marks.in_force(proposal.capture.instrument, proposal.moment)
    if mark is None:
        return _without_mark(proposal, limit)
    age = Decimal((proposal.moment - mark.at) // _MICROSECOND) / (_SECOND // _MICROSECOND)
    maximum = maximum_of(limit)
    if age <= maximum:
        return None
    message = f"The mark in force, of {mark.at.isoformat()}, is {age:f} s old."
    return exceeded(limit, message, actual=age, headroom=maximum, mark_position=mark.position)


def _without_mark(proposal: Proposal, limit: Limit) -> Breach:
    name, at = proposal.capture.instrument, proposal.moment.isoformat()
    return not_evaluable(limit, f"No mark of {name} in force at {at} is known.")


def instrument_is_not_restricted(proposal: Proposal, limit: Limit) -> Breach | None:
    """What is on a restricted list is not traded; what is on a watch list warns."""
    name = proposal.capture.instrument
    message = f"{name} is on the list {limit.name}."
    return exceeded(limit, message, actual=None, headroom=None)


def currency_is_allowed(proposal: Proposal, limit: Limit) -> Breach | None:
    """Only some currencies are traded in."""
    currency, allowed = proposal.capture.currency, limit.terms.currencies
    if currency in allowed:
        return None
    return Breach(
        limit.terms.rule.value,
        f"{currency} is not one of the currencies that may be traded in.",
        limit=", ".join(allowed),
        actual=currency,
        level=limit.terms.level,
        limited_by=limit.name,
        limit_version=limit.version,
    )
