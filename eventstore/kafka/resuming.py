"""Where a relay goes on: at its progress, or, where that was lost, at what the topics hold."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from eventstore.connections import Connection
from eventstore.kafka.outgoing import read_outgoing
from eventstore.kafka.parting import Chains
from eventstore.kafka.progress import Progress
from eventstore.kafka.topics import Topics, portfolio_of

_LOOKED_AT_ONCE = 2_000

_MARKET_NEXT: LiteralString = (
    "SELECT min(position) FROM log.events "
    "WHERE tenant = 'market' AND position > %s AND position <= %s"
)


def resumed(
    connection: Connection,
    topics: Topics,
    *,
    log_id: UUID,
    last: Sequence[int],
    market_after: int,
) -> Progress:
    """Find the progress that the topics prove; `last` is the last position in each chain.

    A chain's last position says that nothing of it before is missing. The market's topic is known
    to be written up to `market_after` as well.
    """
    position = min(last[:-1])
    row = connection.execute(_MARKET_NEXT, (max(last[-1], market_after), position)).fetchone()
    if row is not None and row[0] is not None:
        position = row[0] - 1
    return Progress(log_id, position, _previous(connection, topics, position))


def _previous(connection: Connection, topics: Topics, position: int) -> tuple[int, ...]:
    """Find the last event of each chain at or before a position; 0 where there is none."""
    chains = Chains(topics)
    previous = [0] * len(chains.places)
    while position and not all(previous):
        after = max(0, position - _LOOKED_AT_ONCE)
        for event in reversed(read_outgoing(connection, after=after, limit=position - after)):
            portfolio = portfolio_of(event.event_type.decode(), event.data)
            for chain in chains.of(event.tenant, portfolio, event.position)[0]:
                previous[chain] = previous[chain] or event.position
        position = after
    return tuple(previous)
