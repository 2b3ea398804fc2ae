"""What a handler decides: events for streams, or that it was decided before."""

from uuid import UUID

import msgspec

from domain.block import Allotment
from domain.event import Event
from domain.rejection import Breach, Rejection


class Addressed(msgspec.Struct, frozen=True, gc=False):
    """An event and the stream it belongs to; `key` is the instrument of a booking.

    `begins_stream` says that the stream is known to be empty: nobody need ask for its version.
    """

    stream_id: UUID
    tenant: str
    event: Event
    key: str | None = None
    begins_stream: bool = False


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The events of one command; `rejection` is set where they record a refusal.

    `of_stream` is the stream whose version the acceptance names.
    """

    events: tuple[Addressed, ...]
    of_stream: UUID
    rejection: Rejection | None = None
    trade_id: UUID | None = None
    market_position: int | None = None
    warnings: tuple[Breach, ...] = ()
    is_parked: bool = False
    is_held: bool = False
    is_superseded: bool = False
    allotments: tuple[Allotment, ...] = ()
    limit_version: int | None = None


class AlreadyDecided(msgspec.Struct, frozen=True):
    """The same content was accepted before, by the command that wrote this stream version."""

    stream_id: UUID
    version: int = 1
