"""Reading the log for an answer: what of one portfolio was known when, and streams page by page.

The one place from which events of the log come to an endpoint: by stream, and bounded.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import get_args
from uuid import UUID

import msgspec

from domain.block import BlockAllocated
from domain.event import Event
from domain.identity import portfolio_stream
from domain.instrument import InstrumentRegistered
from domain.portfolio.events import PortfolioOpened
from domain.trade import TradeEvent, TradeRefused
from eventstore.envelope import RecordedEvent
from eventstore.reading import (
    read_first_events,
    read_head,
    read_last_shared,
    read_position_at,
    read_stream,
    read_stream_until,
    read_types_until,
    read_versions,
)
from projections.asking import HistoryTooLong, Readable
from projections.read_model import Decoded
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode

FACTS_MAX = 20_000
"""Events of a portfolio read for one answer; folding so many takes about half a second."""

READ_EVENTS = 5_000
"""Events in memory at a time, where a history is read as far as it goes."""


class Known(msgspec.Struct, frozen=True):
    """A portfolio's events up to `position`, in the order in which they became known."""

    position: int
    market_position: int
    events: list[Decoded]


def known_of(
    readable: Readable, *, tenant: str, portfolio: str, known_at: int | datetime | None
) -> Known:
    """Read what was known of a portfolio at a position or a moment, or is known now.

    Raises:
        HistoryTooLong: that are more than `FACTS_MAX` events.
    """
    connection = readable.connection
    if isinstance(known_at, datetime):
        position = read_position_at(connection, known_at)
    else:
        head = read_head(connection).position
        position = head if known_at is None else min(known_at, head)
    stream = portfolio_stream(tenant, portfolio)
    events = read_stream_until(connection, stream, until=position, limit=FACTS_MAX + 1)
    if len(events) > FACTS_MAX:
        raise HistoryTooLong(FACTS_MAX)
    decoded = [_decoded(tenant, each) for each in events]
    return Known(position, read_last_shared(connection, position), decoded)


def told_until(
    readable: Readable,
    position: int,
    *,
    tenant: str,
    portfolio: str,
    kinds: Iterable[type[Event]],
    instrument: str | None = None,
) -> Iterator[Decoded]:
    """Read what was told of a portfolio by events of some kinds up to a position, in order.

    Of one instrument: what concerns its book. So many are in memory at a time, however many it is.
    """
    stream, types = portfolio_stream(tenant, portfolio), [EVENT_NAMES[kind] for kind in kinds]
    version = 0
    while True:
        events = read_types_until(
            readable.connection,
            stream,
            event_types=types,
            until=position,
            after_version=version,
            limit=READ_EVENTS,
            keys=None if instrument is None else [instrument],
        )
        for each in events:
            yield _decoded(tenant, each)
        if len(events) < READ_EVENTS:
            return
        version = events[-1].stream_version


def told_of_books(
    readable: Readable,
    position: int,
    *,
    tenant: str,
    portfolio: str,
    kinds: Iterable[type[Event]],
    instruments: Iterable[str],
    most: int,
) -> dict[str, list[Decoded]] | None:
    """Read at once what `told_until` reads of each of some instruments; None if more than `most`.

    An instrument of which nothing was told is left out.
    """
    events = read_types_until(
        readable.connection,
        portfolio_stream(tenant, portfolio),
        event_types=[EVENT_NAMES[kind] for kind in kinds],
        until=position,
        after_version=0,
        limit=most + 1,
        keys=instruments,
    )
    if len(events) > most:
        return None
    found: dict[str, list[Decoded]] = {}
    for each in events:
        assert each.key is not None, "it was found by its key"
        found.setdefault(each.key, []).append(_decoded(tenant, each))
    return found


def market_position_at(readable: Readable, position: int) -> int:
    """Give the position of the last event up to one that all tenants share."""
    return read_last_shared(readable.connection, position)


def _decoded(tenant: str, event: RecordedEvent) -> Decoded:
    assert event.tenant == tenant, "a stream is of one tenant"
    content = decode(event.event_type, event.data)
    return Decoded(event.position, tenant, event.recorded_at, content, event.command_id)


PAGE_EVENTS_MAX = 100
"""Most events of one page of a stream: as each has at most 256 KiB, some 25 MB."""


class Aggregate(StrEnum):
    """What has a stream that can be read page by page."""

    PORTFOLIO = "portfolio"
    INSTRUMENT = "instrument"
    TRADE = "trade"
    BLOCK = "block"


# The id alone does not say what it names: a stream that begins otherwise is not found.
_BEGINNINGS: dict[Aggregate, tuple[type[Event], ...]] = {
    Aggregate.PORTFOLIO: (PortfolioOpened,),
    Aggregate.INSTRUMENT: (InstrumentRegistered,),
    Aggregate.TRADE: tuple(kind for kind in get_args(TradeEvent) if kind is not TradeRefused),
    Aggregate.BLOCK: (BlockAllocated,),
}
_FIRST_NAMES = {
    aggregate: frozenset(EVENT_NAMES[kind] for kind in kinds)
    for aggregate, kinds in _BEGINNINGS.items()
}


class StreamPage(msgspec.Struct, frozen=True):
    """Events of a stream in its order; `version` is that of its last event, here or further on."""

    version: int
    events: list[RecordedEvent]


def stream_page(
    readable: Readable,
    aggregate: Aggregate,
    stream_id: UUID,
    *,
    tenant: str,
    after_version: int,
    limit: int,
) -> StreamPage | None:
    """Read the events of a stream behind a version; None where the tenant has no such stream.

    The id names the tenant already; that its events are the tenant's is checked all the same.
    """
    assert 1 <= limit <= PAGE_EVENTS_MAX, "the caller has checked the limit"
    if not _is_of(readable, aggregate, stream_id, tenant):
        return None
    connection = readable.connection
    events = read_stream(connection, stream_id, after_version=after_version, limit=limit)
    assert all(event.tenant == tenant for event in events), "a stream is of one tenant"
    return StreamPage(read_versions(connection, [stream_id])[stream_id], events)


def stream_head(
    readable: Readable, aggregate: Aggregate, stream_id: UUID, *, tenant: str
) -> RecordedEvent | None:
    """Read the last event of a stream; None where the tenant has no such stream."""
    if not _is_of(readable, aggregate, stream_id, tenant):
        return None
    version = read_versions(readable.connection, [stream_id])[stream_id]
    (last,) = read_stream(readable.connection, stream_id, after_version=version - 1, limit=1)
    return last


def _is_of(readable: Readable, aggregate: Aggregate, stream_id: UUID, tenant: str) -> bool:
    first = read_first_events(readable.connection, [stream_id]).get(stream_id)
    if first is None or first.tenant != tenant:
        return False
    return first.event_type in _FIRST_NAMES[aggregate]
