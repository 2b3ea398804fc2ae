"""Limits, trading states and overrides over HTTP: one table of addresses and permissions."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from starlette.responses import Response

from commands.command import Command
from domain.limits.terms import TradingState
from gateway.access import Action, permits, require
from gateway.interface import Call, Handle
from gateway.openapi import PathParameter
from write_api import control_bodies as bodies
from write_api.bodies import Body
from write_api.issuing import Issuing, own_source
from write_api.reading_bodies import BodyReader
from write_api.resources import EXTERNAL_ID

LIMIT = PathParameter("limit", r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}\Z", "The limit's name.")
TRADE_SOURCE = PathParameter(
    "source", r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}\Z", "The source of the trade."
)
STATES = {
    TradingState.HALTED: (Action.HALT_TRADING, Action.LOOSEN_TRADING),
    TradingState.REDUCE_ONLY: (Action.LOOSEN_TRADING,),
    TradingState.ACTIVE: (Action.LOOSEN_TRADING,),
}
"""Who may halt may not let trading go on; a scope that may only reduce may have been halted."""


class Control(NamedTuple):
    """One address; `build` makes the command of a request and its body."""

    path: str
    name: str
    summary: str
    actions: tuple[Action, ...]
    body: type[Body]
    build: Callable[[Call, Any], Command]
    description: str
    problems: tuple[str, ...] = ()
    parts: tuple[PathParameter, ...] = ()

    def handle(self, issuing: Issuing) -> Handle:
        """Make the endpoint's coroutine."""
        reader = BodyReader(self.body)

        async def handle(call: Call) -> Response:
            body = await reader.read(call)
            return await issuing.single(call, self.build(call, body))

        return handle


def _limit(_: Call, body: bodies.LimitBody) -> Command:
    return bodies.limit_command(body)


def _approval(call: Call, body: bodies.ApprovalBody) -> Command:
    return bodies.approval_command(body, call.named(LIMIT))


def _declination(call: Call, body: bodies.DeclinationBody) -> Command:
    return bodies.declination_command(body, call.named(LIMIT))


def _trading_state(call: Call, body: bodies.TradingStateBody) -> Command:
    require(call.principal, *STATES[body.state])
    return bodies.trading_state_command(body)


def _override(call: Call, body: bodies.OverrideBody) -> Command:
    is_for_another = call.principal.source is None and permits(
        call.principal, Action.DECIDE_OVERRIDE
    )
    if is_for_another and body.source is not None:
        return bodies.override_command(body, body.source)
    return bodies.override_command(body, own_source(call, body.source))


def _override_approval(call: Call, body: bodies.OverrideApprovalBody) -> Command:
    source, external_id = call.named(TRADE_SOURCE), call.named(EXTERNAL_ID)
    return bodies.override_approval_command(body, source, external_id)


def _override_declination(call: Call, body: bodies.OverrideDeclinationBody) -> Command:
    source, external_id = call.named(TRADE_SOURCE), call.named(EXTERNAL_ID)
    only_own = not permits(call.principal, Action.DECIDE_OVERRIDE)
    return bodies.override_declination_command(body, source, external_id, only_own=only_own)


_OVERRIDE = "/v1/overrides/{source}/{external_id:path}"
_FOUR_EYES = (
    "In force only once another person approved it. The answer's `limit_version` is what they "
    "approve. A proposal takes the place of one that is still open."
)

CONTROLS: Sequence[Control] = (
    Control(
        "/v1/limits",
        "propose_limit",
        "Propose a limit, a change of it, or its end",
        (Action.PROPOSE_LIMIT,),
        bodies.LimitBody,
        _limit,
        _FOUR_EYES,
    ),
    Control(
        "/v1/limits/{limit}/approvals",
        "approve_limit",
        "Approve a proposed version of a limit",
        (Action.DECIDE_LIMIT,),
        bodies.ApprovalBody,
        _approval,
        "By another person than who proposed it (else `same_person`), and only the version that "
        "was proposed last (else `version_stale`). In force for whatever is decided after it.",
        parts=(LIMIT,),
    ),
    Control(
        "/v1/limits/{limit}/declinations",
        "decline_limit",
        "Decline a proposed version of a limit, or take it back",
        (Action.DECIDE_LIMIT,),
        bodies.DeclinationBody,
        _declination,
        "What was in force stays so.",
        parts=(LIMIT,),
    ),
    Control(
        "/v1/trading-states",
        "assign_trading_state",
        "Halt trading, let it reduce only, or let it go on",
        (Action.HALT_TRADING, Action.LOOSEN_TRADING),
        bodies.TradingStateBody,
        _trading_state,
        "Once a halt is answered, no later position of the log holds an accepted proposed trade of "
        "its scope; the scope `{}` is the whole tenant. A state that the scope has already is the "
        "first acceptance again, whatever the reason. The strictest state that covers a trade "
        "counts. Letting trading go on, or reduce only, is for fewer roles than halting it.",
    ),
    Control(
        "/v1/overrides",
        "propose_override",
        "Propose that a refused trade may pass some rules",
        (Action.PROPOSE_OVERRIDE,),
        bodies.OverrideBody,
        _override,
        "For that trade, with just that content, until it expires; in force once another person "
        "approved it, naming its `proposed_at`. The trade is then proposed again, and "
        "what it breaches rides on its acceptance.",
        problems=("source_missing", "source_not_yours", "date_missing"),
    ),
    Control(
        f"{_OVERRIDE}/approvals",
        "approve_override",
        "Approve an override",
        (Action.DECIDE_OVERRIDE,),
        bodies.OverrideApprovalBody,
        _override_approval,
        "By another person than who proposed it (else `same_person`), and only the proposal that "
        "was looked at (else `proposal_stale`).",
        parts=(TRADE_SOURCE, EXTERNAL_ID),
    ),
    Control(
        f"{_OVERRIDE}/declinations",
        "decline_override",
        "Decline an override, or take it back, before or after its approval",
        (Action.DECIDE_OVERRIDE, Action.PROPOSE_OVERRIDE),
        bodies.OverrideDeclinationBody,
        _override_declination,
        "Who may not approve overrides takes back their own only (else `not_your_proposal`).",
        parts=(TRADE_SOURCE, EXTERNAL_ID),
    ),
)
