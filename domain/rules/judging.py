"""Judging a trade: every rule is run, and every breach listed."""

from collections.abc import Callable

from msgspec.structs import replace

from domain.limits.controls import Covering, Limit
from domain.limits.events import OverrideApproved
from domain.limits.terms import Binding, LimitRule
from domain.rejection import BREACHES_MAX, Breach, Level
from domain.rules.always import RULES
from domain.rules.daily import day_notional_is_within, day_quantity_is_within
from domain.rules.exposure import (
    leverage_is_within,
    position_is_not_concentrated,
    sector_is_not_concentrated,
)
from domain.rules.proposal import Proposal
from domain.rules.session import trade_is_in_session
from domain.rules.single import (
    currency_is_allowed,
    instrument_is_not_restricted,
    mark_is_fresh,
    price_is_near_mark,
    trade_notional_is_within,
    trade_quantity_is_within,
)
from domain.rules.trading import TRADING_HALTED, trading_is_allowed

LimitedRule = Callable[[Proposal, Limit], Breach | None]

LIMITED: dict[LimitRule, LimitedRule] = {
    LimitRule.PRICE_FAR_FROM_MARK: price_is_near_mark,
    LimitRule.MARK_STALE: mark_is_fresh,
    LimitRule.TRADE_QUANTITY: trade_quantity_is_within,
    LimitRule.TRADE_NOTIONAL: trade_notional_is_within,
    LimitRule.DAY_QUANTITY: day_quantity_is_within,
    LimitRule.DAY_NOTIONAL: day_notional_is_within,
    LimitRule.LEVERAGE: leverage_is_within,
    LimitRule.POSITION_CONCENTRATION: position_is_not_concentrated,
    LimitRule.SECTOR_CONCENTRATION: sector_is_not_concentrated,
    LimitRule.INSTRUMENT_RESTRICTED: instrument_is_not_restricted,
    LimitRule.CURRENCY_NOT_ALLOWED: currency_is_allowed,
    LimitRule.OUTSIDE_SESSION: trade_is_in_session,
}
"""The rule of each kind of limit: to add one is one function, and one line here."""


def breaches_of(proposal: Proposal) -> tuple[Breach, ...]:
    """Run every rule and list the breaches, those that refuse first, else in the order of rules."""
    found = [breach for rule in RULES if (breach := rule(proposal)) is not None]
    covering = proposal.covering
    if covering.state_of is not None and (breach := trading_is_allowed(proposal)) is not None:
        found.append(breach)
    for limit in covering.limits:
        breach = LIMITED[limit.terms.rule](proposal, limit)
        if breach is not None:
            found.append(breach)
    if not found:
        return ()
    if proposal.override is not None:
        found = [_let_pass(breach, proposal.override, covering) for breach in found]
    found.sort(key=refuses, reverse=True)
    return tuple(found[:BREACHES_MAX])


def refuses(breach: Breach) -> bool:
    """Say whether a breach refuses a proposed trade."""
    return breach.level is Level.BLOCK and not breach.is_overridden


def _let_pass(breach: Breach, override: OverrideApproved, covering: Covering) -> Breach:
    """Mark what two persons let pass: never a halt, nor a hard limit, on which others count."""
    if breach.rule not in override.rules or breach.rule == TRADING_HALTED:
        return breach
    hard = (each.name for each in covering.limits if each.terms.binding is Binding.HARD)
    if breach.limited_by is not None and breach.limited_by in hard:
        return breach
    return replace(breach, is_overridden=True)
