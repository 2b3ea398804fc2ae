"""POST /v1/trades:check: what would become of trades, without a trace in the log.

One trade or an array of them, in the bodies of `/v1/trades`; no key is asked for and none is used.
"""

import asyncio
from collections.abc import Sequence

from starlette.responses import Response

from commands.checks import TRADES_MAX, Answer, ChecksRefused
from commands.command import CaptureTrade
from domain.identity import derive
from gateway.access import Action
from gateway.interface import Call, Endpoint, Handle, json_response
from gateway.openapi import json_answer
from gateway.problem import RETRY_AFTER_SECONDS, Problem
from write_api.bodies import TradeBody
from write_api.issuing import Issuing

CHECK_SECONDS_MAX = 10.0


def check_endpoint(
    handle: Handle, actions: tuple[Action, ...], problems: tuple[str, ...]
) -> Endpoint:
    """Declare the address: for whoever may capture, with the problems a capture has."""
    return Endpoint(
        "POST",
        "/v1/trades:check",
        "check_trades",
        "Tell what would become of trades, without a trace",
        actions,
        handle,
        (json_answer(200, Answer, "What would become of them, in their order."),),
        bodies=(("application/json", TradeBody | list[TradeBody]),),
        problems=(
            "batch_empty",
            "batch_too_long",
            "too_many_requests",
            "not_attempted",
            *problems,
        ),
        description="One trade, or an array of at most 500, each seeing those before it, in "
        "the body of `/v1/trades`. Judged by every rule on the state of the log at `position`; "
        "nothing is written and no key is used, so nothing of it is promised either.",
    )


async def answer_check(issuing: Issuing, call: Call, captures: Sequence[CaptureTrade]) -> Response:
    """Answer what would become of captures, in their order, each seeing those before it.

    Raises:
        Problem: `too_many_requests` or `not_attempted`: nothing was checked.
    """
    issued = [
        issuing.issued(call, derive("check", call.principal.tenant, str(index)), capture)
        for index, capture in enumerate(captures)
    ]
    try:
        future = issuing.desk.check(issued)
    except ChecksRefused:
        raise _refused("too_many_requests", "Too many checks wait; ask again later.") from None
    try:
        told = await asyncio.wait_for(asyncio.wrap_future(future), CHECK_SECONDS_MAX)
    except (ChecksRefused, TimeoutError):
        raise _refused("not_attempted", "The desk cannot say now; ask again later.") from None
    return json_response(told)


def require_few(count: int) -> None:
    """Refuse more trades than one check takes.

    Raises:
        Problem: `batch_too_long`.
    """
    if count > TRADES_MAX:
        message = f"Check at most {TRADES_MAX:,} trades at once; yours are {count:,}."
        raise Problem("batch_too_long", message)


def _refused(code: str, message: str) -> Problem:
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Problem(code, message, headers=retry, members={"outcome": "not_attempted"})
