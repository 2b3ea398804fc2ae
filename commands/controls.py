"""Handlers of a tenant's controls: limits, trading states, overrides."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from commands.command import Command, Issued
from commands.control_commands import (
    ApproveLimit,
    ApproveOverride,
    AssignTradingState,
    DeclineLimit,
    DeclineOverride,
    ProposeLimit,
    ProposeOverride,
    TradeOverridden,
)
from commands.decision import Addressed, AlreadyDecided, Decision
from commands.trades import name_trade
from commands.view import View
from domain.capturing import trade_date_of
from domain.identity import controls_stream
from domain.instrument import SectorAssigned
from domain.limits import changing, halting, overriding
from domain.limits.checking import require_known
from domain.limits.controls import NOTHING, Covering, Told
from domain.limits.events import ControlEvent, LimitApproved, LimitDeclined, LimitProposed
from domain.limits.scope import Scope, sector_of
from domain.limits.terms import TradingState
from domain.trade import Capture


def propose_limit(issued: Issued, command: ProposeLimit, view: View) -> Decision | AlreadyDecided:
    """Propose a limit, a change, or an end."""
    if command.terms is not None:
        _require_known(issued, command.terms.scope, view)
    proposed = changing.propose_limit(
        view.controls(issued.tenant),
        limit=command.limit,
        terms=command.terms,
        reason=command.reason,
        by=issued.actor,
    )
    return _told(issued, proposed)


def approve_limit(issued: Issued, command: ApproveLimit, view: View) -> Decision | AlreadyDecided:
    """Put a proposal in force."""
    approved = changing.approve_limit(
        view.controls(issued.tenant),
        limit=command.limit,
        version=command.version,
        by=issued.actor,
    )
    return _told(issued, approved)


def decline_limit(issued: Issued, command: DeclineLimit, view: View) -> Decision | AlreadyDecided:
    """End a proposal."""
    declined = changing.decline_limit(
        view.controls(issued.tenant),
        limit=command.limit,
        version=command.version,
        reason=command.reason,
        by=issued.actor,
    )
    return _told(issued, declined)


def assign_trading_state(
    issued: Issued, command: AssignTradingState, view: View
) -> Decision | AlreadyDecided:
    """Halt a scope, let it reduce only, or let it trade again."""
    if command.state is not TradingState.ACTIVE:
        _require_known(issued, command.scope, view)
    assigned = halting.assign_state(
        view.controls(issued.tenant),
        scope=command.scope,
        state=command.state,
        reason=command.reason,
        by=issued.actor,
    )
    return _told(issued, assigned)


def propose_override(
    issued: Issued, command: ProposeOverride, view: View
) -> Decision | AlreadyDecided:
    """Propose that one trade may pass some rules."""
    capture = command.capture
    scope = view.source(issued.tenant, capture.source).naming_scope
    name = name_trade(issued.tenant, capture, scope)
    proposed = overriding.propose_override(
        view.controls(issued.tenant),
        trade_id=name,
        capture=capture,
        rules=command.rules,
        expires_at=command.expires_at,
        reason=command.reason,
        is_captured=view.trade(name).accepted is not None,
        covering=_covering(issued, capture, view),
        by=issued.actor,
        now=issued.received_at,
    )
    return _told(issued, proposed, name)


def approve_override(
    issued: Issued, command: ApproveOverride, view: View
) -> Decision | AlreadyDecided:
    """Let that trade pass."""
    name = _overridden(issued, command, view)
    approved = overriding.approve_override(
        view.controls(issued.tenant),
        trade_id=name,
        proposed_at=command.proposed_at,
        by=issued.actor,
        now=issued.received_at,
    )
    return _told(issued, approved, name)


def decline_override(
    issued: Issued, command: DeclineOverride, view: View
) -> Decision | AlreadyDecided:
    """Let that trade pass no more."""
    name = _overridden(issued, command, view)
    declined = overriding.decline_override(
        view.controls(issued.tenant),
        trade_id=name,
        reason=command.reason,
        is_captured=view.trade(name).accepted is not None,
        only_own=command.only_own,
        by=issued.actor,
    )
    return _told(issued, declined, name)


HANDLERS: Mapping[type[Command], Callable[[Issued, Any, View], Decision | AlreadyDecided]] = {
    ProposeLimit: propose_limit,
    ApproveLimit: approve_limit,
    DeclineLimit: decline_limit,
    AssignTradingState: assign_trading_state,
    ProposeOverride: propose_override,
    ApproveOverride: approve_override,
    DeclineOverride: decline_override,
}


def _told(
    issued: Issued, told: ControlEvent | Told[ControlEvent], trade_id: UUID | None = None
) -> Decision | AlreadyDecided:
    """Decide what is told; what was told before was decided by the command that told it."""
    stream = controls_stream(issued.tenant)
    if isinstance(told, Told):
        return AlreadyDecided(stream, told.version)
    version = None
    if isinstance(told, LimitProposed | LimitApproved | LimitDeclined):
        version = told.version
    return Decision(
        events=(Addressed(stream, issued.tenant, told),),
        of_stream=stream,
        trade_id=trade_id,
        limit_version=version,
    )


def _overridden(issued: Issued, command: TradeOverridden, view: View) -> UUID:
    scope = view.source(issued.tenant, command.source).naming_scope
    return name_trade(issued.tenant, command, scope)


def _covering(issued: Issued, capture: Capture, view: View) -> Covering:
    instrument = view.instrument(capture.instrument)
    if instrument is None:
        return NOTHING
    return view.controls(issued.tenant).covering(
        portfolio=capture.portfolio,
        instrument=capture.instrument,
        sector=sector_of(instrument, trade_date_of(capture, instrument.calendar)),
    )


def _require_known(issued: Issued, scope: Scope, view: View) -> None:
    portfolio, instrument = scope.portfolio, scope.instrument
    require_known(
        scope,
        is_portfolio_open=portfolio is not None
        and view.portfolio(issued.tenant, portfolio) is not None,
        is_registered=instrument is not None and view.instrument(instrument) is not None,
        sectors=_sectors(view) if scope.sector is not None else (),
    )


def _sectors(view: View) -> set[str]:
    """Give the sectors that any instrument ever had: all instruments are asked, but rarely."""
    sectors: set[str | None] = set()
    for each in view.instruments.values():
        if each.registered is not None:
            sectors.add(each.registered.sector)
        for change in each.terms.get(SectorAssigned, ()):
            assert isinstance(change, SectorAssigned), "terms are listed by their type"
            sectors.add(change.sector)
    return {sector for sector in sectors if sector is not None}
