"""How commands are declared: an address that takes one, an address that takes many."""

from gateway.access import Action
from gateway.interface import Endpoint, Handle
from gateway.openapi import ETAG_HEADER, Answer, PathParameter, json_answer
from write_api.answers import Acceptance, BatchResults
from write_api.batches import BatchParameters
from write_api.bodies import Body

NAMED_ONCE = "Sent again under the same key it gets the same outcome, with `replayed`."
ACCEPTED = (Answer(201, "Accepted, now or before.", {"application/json": Acceptance}, ETAG_HEADER),)
RESULTS = (json_answer(200, BatchResults, "Decided, item by item."),)
REFUSALS = (
    (409, "Conflict: the key or the name is taken by other content, named in `fields`."),
    (422, "Rejected by the state of the world: every breach is listed."),
)


def single(
    path: str,
    name: str,
    summary: str,
    actions: tuple[Action, ...],
    body: type[Body],
    handle: Handle,
    *,
    description: str = NAMED_ONCE,
    problems: tuple[str, ...] = (),
    parts: tuple[PathParameter, ...] = (),
    version_of: str = "",
) -> Endpoint:
    """Declare an address that takes one command; `version_of` says what it acts on."""
    return Endpoint(
        "POST",
        path,
        name,
        summary,
        actions,
        handle,
        ACCEPTED,
        bodies=(("application/json", body),),
        refusals=REFUSALS,
        is_write=True,
        description=description,
        problems=problems,
        parts=parts,
        version_of=version_of,
    )


def batch(
    path: str,
    name: str,
    summary: str,
    actions: tuple[Action, ...],
    body: type[Body],
    handle: Handle,
    *,
    problems: tuple[str, ...] = (),
) -> Endpoint:
    """Declare an address that takes many commands, answered one by one."""
    return Endpoint(
        "POST",
        path,
        name,
        summary,
        actions,
        handle,
        RESULTS,
        bodies=(("application/json", list[body]), ("application/x-ndjson", str)),  # type: ignore[valid-type]
        parameters=BatchParameters,
        refusals=REFUSALS,
        problems=("batch_empty", "batch_too_long", *problems),
        is_write=True,
        description="A JSON array (malformed: 400, nothing decided) or NDJSON (a malformed line is "
        "that item's own result). The body is read whole before the first decision; items are "
        "decided in order, later ones seeing earlier ones, with one result each. "
        "`atomic=true` accepts all or none.",
    )
