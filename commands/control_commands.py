"""What a sender may want of a tenant's controls: limits, trading states, overrides.

The person is the sender of the command; reasons are short codes.
"""

from datetime import date, datetime

from commands.command import Command
from domain.limits.scope import Scope
from domain.limits.terms import LimitTerms, TradingState
from domain.trade import Capture


class ProposeLimit(Command, frozen=True, kw_only=True, tag="propose_limit"):
    """Propose a new limit, a change of one, or (`terms` None) its end."""

    limit: str
    terms: LimitTerms | None
    reason: str | None = None


class ApproveLimit(Command, frozen=True, kw_only=True, tag="approve_limit"):
    """Approve the version of a limit that somebody else proposed."""

    limit: str
    version: int


class DeclineLimit(Command, frozen=True, kw_only=True, tag="decline_limit"):
    """Decline a proposed version of a limit, or take it back."""

    limit: str
    version: int
    reason: str


class AssignTradingState(Command, frozen=True, kw_only=True, tag="assign_trading_state"):
    """Say what proposed trades of a scope may do; an empty scope is the whole tenant."""

    scope: Scope
    state: TradingState
    reason: str


class ProposeOverride(Command, frozen=True, kw_only=True, tag="propose_override"):
    """Propose that one trade, with just this content, may pass the rules named until it expires."""

    capture: Capture
    rules: tuple[str, ...]
    expires_at: datetime
    reason: str


class TradeOverridden(Command, frozen=True, kw_only=True):
    """A decision on the override of a trade, which is named as its source names it.

    `trade_date` is a part of the name where the source names trades per date.
    """

    source: str
    external_id: str
    trade_date: date | None = None


class ApproveOverride(TradeOverridden, frozen=True, kw_only=True, tag="approve_override"):
    """Approve the override that somebody else proposed at just that moment."""

    proposed_at: datetime


class DeclineOverride(TradeOverridden, frozen=True, kw_only=True, tag="decline_override"):
    """Decline an override or take it back, before or after its approval.

    `only_own`: the sender may take back only what they proposed themselves.
    """

    reason: str
    only_own: bool = False
