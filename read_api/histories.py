"""The version and the history of an aggregate: its stream of the log, as it was recorded."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec
from starlette.responses import Response

from domain.identity import MARKET_TENANT, instrument_stream, portfolio_stream
from eventstore.envelope import RecordedEvent
from gateway.access import Action
from gateway.interface import Call, Endpoint, Handle, json_response, not_found
from gateway.openapi import PathParameter, json_answer
from projections.asking import Readable
from projections.audit import PAGE_EVENTS_MAX, Aggregate, StreamPage, stream_head, stream_page
from read_api.asking import Asking
from read_api.parameters import INSTRUMENT, PORTFOLIO, TRADE

BLOCK = PathParameter("block_id", TRADE.pattern, "The block's id, as the drop copy tells.")
ETAG = "The version, quoted: what `If-Match` of a command to it is compared with."


class HistoryAsked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which events of a stream."""

    after_version: Annotated[
        int,
        msgspec.Meta(
            ge=0, le=2**63 - 1, description="Events behind this version; 0 from the beginning."
        ),
    ] = 0
    limit: Annotated[
        int, msgspec.Meta(ge=1, le=PAGE_EVENTS_MAX, description="The most events of one page.")
    ] = 50


class VersionTold(msgspec.Struct, frozen=True):
    """How many events an aggregate has, and where the last of them is in the log."""

    version: int
    position: int
    recorded_at: datetime


class HistoryEvent(msgspec.Struct, frozen=True):
    """An event as it was recorded; `data` is what it says, byte for byte as the log holds it."""

    position: int
    version: int
    type: str
    recorded_at: datetime
    actor: str
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    build: str
    data: msgspec.Raw


class History(msgspec.Struct, frozen=True):
    """Events in the order of their versions; `next_version` is absent on the last page.

    `version` is that of the aggregate's last event. Give `next_version` as `after_version` to go
    on.
    """

    version: int
    next_version: int | None
    items: list[HistoryEvent]


class Kept(NamedTuple):
    """What can be read so: its address, its stream, and who may ask for it."""

    aggregate: Aggregate
    path: str
    part: PathParameter
    stream: Callable[[str, str], tuple[str, UUID]]
    version_action: Action
    history_action: Action


def _of_id(tenant: str, name: str) -> tuple[str, UUID]:
    return tenant, UUID(name)


KEPT = (
    Kept(
        Aggregate.PORTFOLIO,
        "/v1/portfolios/{portfolio}",
        PORTFOLIO,
        lambda tenant, name: (tenant, portfolio_stream(tenant, name)),
        Action.READ_PORTFOLIOS,
        Action.READ_HISTORY,
    ),
    Kept(
        Aggregate.INSTRUMENT,
        "/v1/instruments/{instrument}",
        INSTRUMENT,
        lambda _, name: (MARKET_TENANT, instrument_stream(name)),
        Action.READ_INSTRUMENTS,
        Action.READ_INSTRUMENT_HISTORY,
    ),
    Kept(
        Aggregate.TRADE,
        "/v1/trades/{trade_id}",
        TRADE,
        _of_id,
        Action.READ_TRADES,
        Action.READ_HISTORY,
    ),
    Kept(
        Aggregate.BLOCK,
        "/v1/blocks/{block_id}",
        BLOCK,
        _of_id,
        Action.READ_TRADES,
        Action.READ_HISTORY,
    ),
)


def history_endpoints(asking: Asking) -> Sequence[Endpoint]:
    """Give the addresses of versions and histories."""
    return [each for kept in KEPT for each in (_version(asking, kept), _history(asking, kept))]


def _version(asking: Asking, kept: Kept) -> Endpoint:
    async def handle(call: Call) -> Response:
        tenant, stream = kept.stream(call.principal.tenant, call.named(kept.part))

        def ask(readable: Readable) -> RecordedEvent | None:
            return stream_head(readable, kept.aggregate, stream, tenant=tenant)

        last = await asking.at_once(ask)
        if last is None:
            raise not_found()
        told = VersionTold(last.stream_version, last.position, last.recorded_at)
        return json_response(told, ETag=f'"{told.version}"')

    return _endpoint(
        kept, "version", "How many events it has", kept.version_action, handle, VersionTold
    )


def _history(asking: Asking, kept: Kept) -> Endpoint:
    async def handle(call: Call) -> Response:
        asked: HistoryAsked = call.parameters
        tenant, stream = kept.stream(call.principal.tenant, call.named(kept.part))

        def ask(readable: Readable) -> StreamPage | None:
            return stream_page(
                readable,
                kept.aggregate,
                stream,
                tenant=tenant,
                after_version=asked.after_version,
                limit=asked.limit,
            )

        page = await asking.at_once(ask)
        if page is None:
            raise not_found()
        return json_response(_shaped(page), ETag=f'"{page.version}"')

    return _endpoint(
        kept,
        "history",
        "Its events as the log holds them, oldest first",
        kept.history_action,
        handle,
        History,
        HistoryAsked,
    )


def _endpoint(
    kept: Kept,
    what: str,
    summary: str,
    action: Action,
    handle: Handle,
    kind: type[msgspec.Struct],
    parameters: type[msgspec.Struct] | None = None,
) -> Endpoint:
    return Endpoint(
        "GET",
        f"{kept.path}/{what}",
        f"get_{kept.aggregate.value}_{what}",
        f"{kept.aggregate.value.capitalize()}: {summary[0].lower()}{summary[1:]}",
        (action,),
        handle,
        (json_answer(200, kind, "As the log has it now.", ETag=ETAG),),
        parameters=parameters,
        parts=(kept.part,),
        problems=("not_ready",),
    )


def _shaped(page: StreamPage) -> History:
    last = page.events[-1].stream_version if page.events else page.version
    items = [
        HistoryEvent(
            event.position,
            event.stream_version,
            event.event_type,
            event.recorded_at,
            event.actor,
            event.command_id,
            event.correlation_id,
            event.causation_id,
            event.build,
            msgspec.Raw(event.data),
        )
        for event in page.events
    ]
    return History(page.version, last if last < page.version else None, items)
