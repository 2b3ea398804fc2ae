"""Limits of what is traded on one trade date: bought and sold, added up."""

from decimal import Decimal

from domain.limits.controls import Limit
from domain.limits.scope import sector_of
from domain.limits.terms import Binding, LimitRule
from domain.limits.usage import amount_of
from domain.money import ZERO, product
from domain.portfolio.day_counts import Total
from domain.rejection import Breach
from domain.rules.breaching import exceeded, maximum_of, not_evaluable
from domain.rules.proposal import Proposal, moment_of


def day_quantity_is_within(proposal: Proposal, limit: Limit) -> Breach | None:
    """On one trade date at most so many units are traded in all that the limit covers."""
    return _judged(proposal, limit)


def day_notional_is_within(proposal: Proposal, limit: Limit) -> Breach | None:
    """On one trade date at most so much is traded in all that the limit covers."""
    return _judged(proposal, limit)


def _judged(proposal: Proposal, limit: Limit) -> Breach | None:
    amount = amount_of(
        limit.terms,
        proposal.fill,
        currency=proposal.capture.currency,
        at=moment_of(proposal.fill),
        rate_at=proposal.rate_at,
    )
    if amount is None:
        return not_evaluable(limit, "No rate to the limit's currency is known.")
    day = proposal.fill.trade_date
    used = _used(proposal, limit)
    if used is None:
        return not_evaluable(limit, f"What was used of it on {day.isoformat()} is not known.")
    maximum, after = maximum_of(limit), used + amount
    if after <= maximum:
        return None
    message = f"{after:f} on {day.isoformat()} with this trade, at most {maximum:f}."
    return exceeded(limit, message, actual=after, headroom=maximum - used)


def _used(proposal: Proposal, limit: Limit) -> Decimal | None:
    """Give what was used before; None where that is not known, or was not lately enough."""
    if limit.terms.binding is None:
        return _counted(proposal, limit)
    usage = proposal.usage_of(limit.name, proposal.fill.trade_date)
    if usage is None or limit.terms.binding is Binding.HARD:
        return None if usage is None else usage.used
    oldest = limit.terms.usage_age_ms_max
    is_old = oldest is not None and usage.age_ms(proposal.now) > oldest
    return None if is_old else usage.used


def _counted(proposal: Proposal, limit: Limit) -> Decimal | None:
    """Add up what the portfolio itself traded; worth is read at the rates of this trade's time."""
    counted = _total(proposal, limit)
    if counted is None:
        return None
    if limit.terms.rule is LimitRule.DAY_QUANTITY:
        return counted.quantity
    assert limit.terms.currency is not None, "a notional is limited in a currency"
    total, at = ZERO, moment_of(proposal.fill)
    for currency, amount in counted.worth.items():
        rate = proposal.rate_at(currency, limit.terms.currency, at)
        if rate is None:
            return None
        total += product(amount, rate)
    return total


def _total(proposal: Proposal, limit: Limit) -> Total | None:
    scope, day = limit.terms.scope, proposal.fill.trade_date
    if scope.instrument is None and scope.sector is None:
        return proposal.counts.total_on(day)
    counts = proposal.counts.on(day)
    if counts is None:
        return None
    total = Total()
    for name, each in counts.items():
        if _covers(limit, proposal, name):
            total = total.plus(each.quantity, each.notional, each.currency)
    return total


def _covers(limit: Limit, proposal: Proposal, name: str) -> bool:
    """Say whether a limit that covers the trade covers what its portfolio trades in another."""
    scope = limit.terms.scope
    if scope.instrument is not None or scope.sector is None:
        return scope.instrument in {None, name}
    instrument = proposal.instrument_of(name)
    assert instrument is not None, "what was traded is registered"
    return scope.sector == sector_of(instrument, proposal.fill.trade_date)
