"""How a query is declared: an address that answers one JSON document as of a position."""

from typing import Any

from gateway.access import Action
from gateway.interface import Endpoint, Handle
from gateway.openapi import PathParameter, json_answer
from read_api.asking import Asked, PageAsked


def query(
    path: str,
    name: str,
    summary: str,
    action: Action | tuple[Action, ...],
    parameters: type[Asked],
    kind: Any,  # noqa: ANN401 - any struct that is answered
    handle: Handle,
    *parts: PathParameter,
    problems: tuple[str, ...] = (),
) -> Endpoint:
    """Declare a query; what every one may answer is added to `problems`."""
    paged = ("cursor_invalid",) if issubclass(parameters, PageAsked) else ()
    sorts = ("sort_too_long",) if "sort" in parameters.__struct_fields__ else ()
    return Endpoint(
        "GET",
        path,
        name,
        summary,
        (action,) if isinstance(action, Action) else action,
        handle,
        (json_answer(200, kind, "As of the position it says."),),
        parameters=parameters,
        parts=parts,
        problems=("not_ready", "position_not_reached", *paged, *sorts, *problems),
    )
