"""Reading the log for an answer: what of one portfolio was known at a position or a moment.

The one place from which events of the log come to an endpoint: by stream, and bounded.
"""

from datetime import datetime

import msgspec

from domain.identity import portfolio_stream
from eventstore.reading import (
    read_head,
    read_last_shared,
    read_position_at,
    read_stream_until,
)
from projections.asking import HistoryTooLong, Readable
from projections.read_model import Decoded
from schemas.codec import decode

FACTS_MAX = 20_000
"""Events of a portfolio read for one answer; folding so many takes about half a second."""


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
    decoded = [
        Decoded(each.position, tenant, each.recorded_at, decode(each.event_type, each.data))
        for each in events
    ]
    return Known(position, read_last_shared(connection, position), decoded)
