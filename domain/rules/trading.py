"""The trading state a proposed trade meets: active, reduce only, halted."""

from domain.limits.scope import Scope
from domain.limits.terms import TradingState
from domain.rejection import Breach
from domain.rules.proposal import Proposal

TRADING_HALTED = "trading_halted"
REDUCE_ONLY = "reduce_only"


def trading_is_allowed(proposal: Proposal) -> Breach | None:
    """While halted nothing is traded; while reduce only, what brings a position nearer to zero."""
    covering = proposal.covering
    if covering.state is TradingState.ACTIVE:
        return None
    where = _named(covering.state_of)
    if covering.state is TradingState.HALTED:
        return Breach(TRADING_HALTED, f"Trading is halted for {where}.", actual=where)
    before, after = proposal.quantity_before, proposal.quantity_after
    if abs(after) < abs(before) and before * after >= 0:
        return None
    message = f"Positions may only be reduced for {where}: from {before:f} to {after:f} is not."
    return Breach(REDUCE_ONLY, message, limit=f"{before:f}", actual=f"{after:f}")


def _named(scope: Scope | None) -> str:
    assert scope is not None, "a state other than active was assigned to a scope"
    parts = (
        ("portfolio", scope.portfolio),
        ("instrument", scope.instrument),
        ("sector", scope.sector),
    )
    named = [f"{kind} {name}" for kind, name in parts if name is not None]
    return ", ".join(named) or "the tenant"
