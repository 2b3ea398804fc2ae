"""Trading states: what proposed trades of a scope may do, from one command on."""

from domain.limits.controls import Controls, Told
from domain.limits.events import TradingStateAssigned
from domain.limits.scope import Scope
from domain.limits.terms import TradingState
from domain.rejection import Rejection


def assign_state(
    controls: Controls, *, scope: Scope, state: TradingState, reason: str, by: str
) -> TradingStateAssigned | Told[TradingStateAssigned]:
    """Decide a state; where the scope has it already, give where that was told.

    A second alarm has reasons of its own and must not be refused for them: the scope is halted.

    Raises:
        Rejection: `trading_not_restricted`, where what is to be active again was never otherwise.
    """
    told = controls.told_states.get(scope)
    if told is None:
        if state is TradingState.ACTIVE:
            message = "Nothing was assigned to just this scope: it is active, or covered by others."
            raise Rejection("trading_not_restricted", message)
    elif told.event.state is state:
        return told
    return TradingStateAssigned(scope=scope, state=state, assigned_by=by, reason=reason)
