"""Batches: up to 5,000 commands in one request, decided in order, one result per item.

Item i is named by the request's idempotency key and i, so a batch sent again is replayed item by
item, and a batch cut off by a lost connection can be sent again whole.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from starlette.responses import Response

from commands.command import Command, Issued, Outcome
from domain.identity import item_names
from gateway.decoding import BodyFault, BodyFaulty
from gateway.interface import Call
from write_api.answers import (
    ItemResult,
    atomic_response,
    batch_response,
    item_result,
    malformed_result,
)
from write_api.issuing import Issuing, idempotency_key
from write_api.reading_bodies import Item, breathe, ends_slice


class BatchParameters(msgspec.Struct, forbid_unknown_fields=True):
    """How a batch is decided: `atomic` accepts all items or none."""

    atomic: bool = False


async def issue_batch(issuing: Issuing, call: Call, items: Sequence[Item]) -> Response:
    """Issue a batch under the request's key and answer its outcomes.

    Raises:
        Problem: the key is missing, an atomic batch is not accepted, or nothing was attempted.
        BodyFaulty: an item of an atomic batch could not be understood.
    """
    key = idempotency_key(call)
    is_atomic: bool = call.parameters.atomic
    if is_atomic:
        _require_all_understood(items)
    name_of = item_names(call.principal.tenant, key)
    names: list[UUID] = []
    issued: list[Issued] = []
    for index, item in enumerate(items):
        if ends_slice(index):
            await breathe()
        names.append(name_of(index))
        if isinstance(item, Command):
            issued.append(issuing.issued(call, names[index], item))
    call.exchange.command_id = names[0]
    outcomes = await issuing.decided(
        issuing.desk.submit_batch(issued, is_atomic=is_atomic), names[0]
    )
    results = await _results(items, names, outcomes)
    if is_atomic:
        return atomic_response(outcomes, results)
    return batch_response(outcomes, results)


def _require_all_understood(items: Sequence[Item]) -> None:
    for index, item in enumerate(items):
        if isinstance(item, BodyFault):
            raise BodyFaulty(item.within(f"[{index}]."))


async def _results(
    items: Sequence[Item], names: Sequence[UUID], outcomes: Sequence[Outcome]
) -> list[ItemResult]:
    """Put outcomes and faults back into the order sent."""
    told = iter(outcomes)
    results: list[ItemResult] = []
    for index, item in enumerate(items):
        if ends_slice(index):
            await breathe()
        if isinstance(item, BodyFault):
            results.append(malformed_result(index, names[index], item))
        else:
            results.append(item_result(index, next(told)))
    assert next(told, None) is None, "one outcome for each command"
    return results
