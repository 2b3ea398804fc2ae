"""How far rebuilds of read models are: what an operator watches, and no tenant's data."""

import msgspec
from starlette.responses import Response

from gateway.access import Action
from gateway.interface import Call, Endpoint, json_response
from gateway.openapi import json_answer
from projections.asking import Readable
from projections.rebuilds import Rebuilt, rebuilds
from read_api.asking import Asking


class Rebuilds(msgspec.Struct, frozen=True):
    """The last rebuild of each read model's tables, by name; none where none was rebuilt yet."""

    items: list[Rebuilt]


def rebuilds_endpoint(asking: Asking) -> Endpoint:
    """Declare the endpoint."""

    async def answer(_: Call) -> Response:
        def ask(readable: Readable) -> Rebuilds:
            return Rebuilds(rebuilds(readable.connection))

        return json_response(await asking.at_once(ask))

    return Endpoint(
        "GET",
        "/v1/rebuilds",
        "list_rebuilds",
        "The last rebuild of each read model",
        (Action.READ_SYSTEM,),
        answer,
        (json_answer(200, Rebuilds, "As they stand now."),),
        description="Live tables are served meanwhile, and are replaced when the state is swapped.",
        problems=("not_ready",),
    )
