"""What callers are told of an outcome: acceptances, results of a batch, and problems.

Convention 2: 201 accepted (a replay gets the first acceptance again, with `replayed`), 422 rejected
with every breach, 409 conflict, 503 or 429 not attempted, 503 unknown with where to ask.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import msgspec
from starlette.responses import Response

from commands.command import CommandState, Outcome, Status
from commands.expecting import VERSION_MISMATCH
from domain.block import Allotment
from domain.rejection import Breach
from gateway.decoding import BodyFault
from gateway.interface import json_response
from gateway.problem import RETRY_AFTER_SECONDS, Kind, Problem

REJECTED = Kind(422, "The state of the world refuses this")
CONFLICT = Kind(409, "The name is taken by other content")
CODES_OF_NOT_ATTEMPTED = {"overloaded": "too_many_requests", "shutting_down": "shutting_down"}
"""What callers are told for the desk's own codes; `not_attempted` for all others."""


_UNDECIDED: dict[CommandState, Literal["in_flight", "never_seen"]] = {
    CommandState.IN_FLIGHT: "in_flight",
    CommandState.NEVER_SEEN: "never_seen",
}
_DECIDED: dict[Status, Literal["accepted", "rejected", "conflict"]] = {
    Status.ACCEPTED: "accepted",
    Status.REJECTED: "rejected",
    Status.CONFLICT: "conflict",
}


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An accepted command, durable in the log.

    `position` is that of its last event, for `min_position` of a query; `warnings` are the rules an
    executed trade breaches; `is_parked`: it waits for its instrument to be registered; `is_held`:
    a correction that waits for its trade; `is_superseded`: one that changes nothing, because a
    higher revision or a bust stands over it; `allotments`: what each portfolio got of a block;
    `limit_version`: the version of the limit that was proposed or decided on.
    """

    outcome: Literal["accepted"]
    replayed: bool
    command_id: UUID
    trade_id: UUID | None = None
    stream_version: int | None = None
    position: int | None = None
    recorded_at: datetime | None = None
    market_position: int | None = None
    warnings: tuple[Breach, ...] = ()
    is_parked: bool = False
    is_held: bool = False
    is_superseded: bool = False
    allotments: tuple[Allotment, ...] = ()
    limit_version: int | None = None


class ResultKind(StrEnum):
    """How one item of a batch, or one command asked for, ended."""

    ACCEPTED = "accepted"
    REPLAYED = "replayed"
    REJECTED = "rejected"
    CONFLICT = "conflict"
    MALFORMED = "malformed"
    NOT_ATTEMPTED = "not_attempted"
    UNKNOWN = "unknown"


_KINDS = {status: ResultKind(status.value) for status in Status}


class ItemResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The outcome of one item of a batch; `index` counts items from 0, in the order sent."""

    index: int
    outcome: ResultKind
    command_id: UUID
    replayed: bool = False
    code: str | None = None
    message: str | None = None
    breaches: tuple[Breach, ...] = ()
    fields: tuple[str, ...] = ()
    trade_id: UUID | None = None
    stream_version: int | None = None
    position: int | None = None
    recorded_at: datetime | None = None
    market_position: int | None = None
    warnings: tuple[Breach, ...] = ()
    is_parked: bool = False
    is_held: bool = False
    is_superseded: bool = False


class BatchResults(msgspec.Struct, frozen=True):
    """One result per item, in the order sent, how many of each kind, and the last position."""

    results: tuple[ItemResult, ...]
    counts: dict[str, int]
    position: int | None = None


class CommandOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a command: its outcome, or `in_flight`, or `never_seen`.

    `never_seen` is told only once nothing in flight can still commit it.
    """

    outcome: Literal["accepted", "rejected", "conflict", "in_flight", "never_seen"]
    command_id: UUID
    code: str | None = None
    message: str | None = None
    breaches: tuple[Breach, ...] = ()
    fields: tuple[str, ...] = ()
    trade_id: UUID | None = None
    stream_version: int | None = None
    position: int | None = None
    recorded_at: datetime | None = None
    market_position: int | None = None
    warnings: tuple[Breach, ...] = ()
    is_parked: bool = False
    is_held: bool = False
    is_superseded: bool = False
    allotments: tuple[Allotment, ...] = ()
    limit_version: int | None = None


def outcome_response(outcome: Outcome) -> Response:
    """Answer the outcome of a single command.

    Raises:
        Problem: it is anything but an acceptance.
    """
    if outcome.status is not Status.ACCEPTED:
        raise outcome_problem(outcome)
    acceptance = Acceptance(
        outcome="accepted",
        replayed=outcome.replayed,
        command_id=outcome.command_id,
        trade_id=outcome.trade_id,
        stream_version=outcome.stream_version,
        position=outcome.position,
        recorded_at=outcome.recorded_at,
        market_position=outcome.market_position,
        warnings=outcome.warnings,
        is_parked=outcome.is_parked,
        is_held=outcome.is_held,
        is_superseded=outcome.is_superseded,
        allotments=outcome.allotments,
        limit_version=outcome.limit_version,
    )
    if outcome.stream_version is None:
        return json_response(acceptance, status=201)
    return json_response(acceptance, status=201, ETag=f'"{outcome.stream_version}"')


def outcome_problem(outcome: Outcome) -> Problem:
    """Give the problem that tells an outcome other than an acceptance."""
    members: dict[str, Any] = {
        "outcome": outcome.status.value,
        "command_id": outcome.command_id,
        "replayed": outcome.replayed,
        "breaches": outcome.breaches,
        "position": outcome.position,
    }
    code, detail = outcome.code or "", outcome.message or ""
    match outcome.status:
        case Status.REJECTED:
            return Problem(code or "rejected", detail, kind=REJECTED, members=members)
        case Status.CONFLICT:
            return Problem(
                code or "conflict", detail, kind=CONFLICT, fields=outcome.fields, members=members
            )
        case Status.MALFORMED:
            return Problem("field_invalid", detail, fields=outcome.fields, members=members)
        case Status.UNKNOWN:
            return unknown_problem(outcome.command_id)
        case _:
            return not_attempted_problem(outcome, members)


def unknown_problem(command_id: UUID) -> Problem:
    """Say that a command may or may not have been written, and where that will be known."""
    return Problem(
        "outcome_unknown",
        "Ask the address in Location, or send the same command again under the same key.",
        headers={"Location": f"/v1/commands/{command_id}", "Retry-After": str(RETRY_AFTER_SECONDS)},
        members={"outcome": "unknown", "command_id": command_id},
    )


def not_attempted_problem(outcome: Outcome, members: dict[str, Any]) -> Problem:
    """Say that nothing was written and the key is unused, and what the reason was."""
    if outcome.code == VERSION_MISMATCH:
        return Problem(
            VERSION_MISMATCH,
            outcome.message or "",
            fields=("If-Match",),
            headers={"ETag": f'"{outcome.stream_version}"'},
            members=members | {"version": outcome.stream_version},
        )
    return Problem(
        CODES_OF_NOT_ATTEMPTED.get(outcome.code or "", "not_attempted"),
        outcome.message or "Nothing was written and the key is unused: send it again.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        members=members,
    )


def item_result(index: int, outcome: Outcome) -> ItemResult:
    """Tell one item's outcome."""
    again = outcome.replayed and outcome.status is Status.ACCEPTED
    return ItemResult(
        index=index,
        outcome=ResultKind.REPLAYED if again else _KINDS[outcome.status],
        command_id=outcome.command_id,
        replayed=outcome.replayed,
        code=outcome.code,
        message=outcome.message,
        breaches=outcome.breaches,
        fields=outcome.fields,
        trade_id=outcome.trade_id,
        stream_version=outcome.stream_version,
        position=outcome.position,
        recorded_at=outcome.recorded_at,
        market_position=outcome.market_position,
        warnings=outcome.warnings,
        is_parked=outcome.is_parked,
        is_held=outcome.is_held,
        is_superseded=outcome.is_superseded,
    )


def malformed_result(index: int, command_id: UUID, fault: BodyFault) -> ItemResult:
    """Tell that one line could not be understood."""
    return ItemResult(
        index=index,
        outcome=ResultKind.MALFORMED,
        command_id=command_id,
        code=fault.code,
        message=fault.detail,
        fields=() if fault.field is None else (fault.field,),
    )


def command_outcome(
    command_id: UUID, state: CommandState, outcome: Outcome | None
) -> CommandOutcome:
    """Tell what is known of a command that was asked for."""
    if outcome is None:
        return CommandOutcome(outcome=_UNDECIDED[state], command_id=command_id)
    return CommandOutcome(
        outcome=_DECIDED[outcome.status],
        command_id=command_id,
        code=outcome.code,
        message=outcome.message,
        breaches=outcome.breaches,
        fields=outcome.fields,
        trade_id=outcome.trade_id,
        stream_version=outcome.stream_version,
        position=outcome.position,
        recorded_at=outcome.recorded_at,
        market_position=outcome.market_position,
        warnings=outcome.warnings,
        is_parked=outcome.is_parked,
        is_held=outcome.is_held,
        is_superseded=outcome.is_superseded,
        allotments=outcome.allotments,
        limit_version=outcome.limit_version,
    )


def batch_results(results: Sequence[ItemResult]) -> BatchResults:
    """Put the results of a batch together."""
    counts: dict[str, int] = {}
    position: int | None = None
    for result in results:
        counts[result.outcome] = counts.get(result.outcome, 0) + 1
        if result.position is not None and (position is None or result.position > position):
            position = result.position
    return BatchResults(tuple(results), counts, position)


def batch_response(outcomes: Sequence[Outcome], results: Sequence[ItemResult]) -> Response:
    """Answer a batch that was decided, item by item.

    Raises:
        Problem: nothing at all was attempted, or some outcome is not known.
    """
    statuses = {each.status for each in outcomes}
    told = batch_results(results)
    if Status.UNKNOWN in statuses:
        unknown = next(each for each in outcomes if each.status is Status.UNKNOWN)
        raise _with_results(unknown_problem(unknown.command_id), told)
    if statuses == {Status.NOT_ATTEMPTED}:
        raise _with_results(outcome_problem(outcomes[0]), told)
    return json_response(told)


def atomic_response(outcomes: Sequence[Outcome], results: Sequence[ItemResult]) -> Response:
    """Answer a batch that is one command: all its items, or none.

    Raises:
        Problem: an item was not accepted; its status is that of the first such item.
    """
    told = batch_results(results)
    refused = [each for each in outcomes if each.status is not Status.ACCEPTED]
    if not refused:
        return json_response(told)
    # The item that stopped the batch says more than the neighbours that were not attempted.
    cause = next((each for each in refused if each.status is not Status.NOT_ATTEMPTED), refused[0])
    raise _with_results(outcome_problem(cause), told)


def _with_results(problem: Problem, told: BatchResults) -> Problem:
    raw = tuple(msgspec.Raw(msgspec.json.encode(result)) for result in told.results)
    problem.members["results"] = raw
    return problem
