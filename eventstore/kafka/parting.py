"""Parting the log into chains of records: one for each partition, and one for the market's topic.

An event of a portfolio is one record, in its partition; a shared event is one in every partition;
an event of the tenant `market` is one more in the market's topic. Each record names the position of
the event before it in its chain, and the last one of a command there says so.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias
from uuid import UUID

from domain.identity import MARKET_TENANT
from eventstore.kafka.outgoing import (
    COMMAND_ID,
    POSITION,
    OutgoingEvent,
    PreparedEvent,
    Row,
    stored,
)
from eventstore.kafka.records import Headers, HeaderWriter, add_place, milliseconds
from eventstore.kafka.topics import Topics, partition_of
from schemas.avro_codec import AvroEncoder

_MARKET = MARKET_TENANT.encode()
_NOWHERE: Collection[int] = ()
_TEXT, _TENANT, _PORTFOLIO, _VALUE = map(
    PreparedEvent._fields.index, ("position_text", "tenant", "portfolio", "value")
)


OutgoingRecord: TypeAlias = tuple[str, int, bytes | None, bytes, int, Headers, int]
"""Topic, partition, key, value, timestamp in milliseconds since 1970, headers: as a producer takes
them. Then, for the last record of a partition among those made together, how many of them are in
that partition; 0 for others. A plain tuple: a named one costs as much to make as its headers."""


class Chains:
    """Which chains an event belongs to; they are numbered as partitions, the market's comes last.

    The market's topic has been written up to `market_after` already.
    """

    def __init__(self, topics: Topics, *, market_after: int = 0) -> None:
        self.places = [(topics.portfolios, number) for number in range(topics.partitions)]
        self.places.append((topics.market, 0))
        self._partitions = topics.partitions
        self._market_after = market_after
        self._everywhere = tuple(range(topics.partitions))
        self._and_market = tuple(range(topics.partitions + 1))
        self._home = lru_cache(maxsize=65_536)(self._of_portfolio)

    def of(
        self, tenant: bytes, portfolio: str | None, position: int
    ) -> tuple[Collection[int], bytes]:
        """Give the chains of an event, and the key of its records."""
        if portfolio is not None:
            return self._home(tenant, portfolio)
        if tenant == _MARKET and position > self._market_after:
            return self._and_market, tenant
        return self._everywhere, tenant

    def _of_portfolio(self, tenant: bytes, portfolio: str) -> tuple[Collection[int], bytes]:
        partition = partition_of(tenant.decode(), portfolio, self._partitions)
        return (partition,), tenant + b"/" + portfolio.encode()


class Parting:
    """Parts one log into records; `previous` is the position of the last event in each chain."""

    def __init__(
        self,
        chains: Chains,
        *,
        log_id: UUID,
        encoder: AvroEncoder,
        previous: Sequence[int],
    ) -> None:
        assert len(previous) == len(chains.places), "a chain for each partition, and the market"
        self.previous = list(previous)
        self._previous_texts = [b"%d" % each for each in previous]
        self._chains = chains
        self._headers = HeaderWriter(log_id)
        self._encoder = encoder

    def records(self, events: Sequence[Row], *, is_whole: bool) -> Iterator[OutgoingRecord]:
        """Make the records of prepared events, in log order, one by one as they are taken.

        Unless the events are `is_whole`, their last command goes on behind them.
        """
        chains_of = self._chains.of
        parted = [chains_of(row[_TENANT], row[_PORTFOLIO], row[POSITION]) for row in events]
        ends = _command_ends(events, [chains for chains, _ in parted], is_whole=is_whole)
        last = _last_positions(events, parted, len(self.previous))
        counts = [0] * len(self.previous)
        previous, texts = self.previous, self._previous_texts
        places, head = self._chains.places, self._headers.event
        for event, (chains, key), ended in zip(events, parted, ends, strict=True):
            headers, timestamp = head(event)
            position, text, value = event[POSITION], event[_TEXT], event[_VALUE]
            is_shared = len(chains) > 1
            for chain in chains:
                own = headers.copy() if is_shared else headers
                add_place(own, texts[chain], is_command_end=chain in ended)
                previous[chain], texts[chain] = position, text
                counts[chain] += 1
                count = counts[chain] if last[chain] == position else 0
                topic, partition = places[chain]
                yield topic, partition, key, value, timestamp, own, count

    def watermark(self, partition: int, event: OutgoingEvent | PreparedEvent) -> OutgoingRecord:
        """Say in a partition that nothing of it up to this event is missing."""
        topic, number = self._chains.places[partition]
        at = stored(event.stored_moment)
        value = self._encoder.encode_watermark(event.position, at)
        headers = self._headers.watermark(event.position, at, self.previous[partition])
        return topic, number, None, value, milliseconds(at), headers, 1


def _last_positions(
    events: Sequence[Row],
    parted: Sequence[tuple[Collection[int], bytes]],
    chain_count: int,
) -> list[int]:
    """Find the last event of each chain; 0 where there is none."""
    last = [0] * chain_count
    missing = chain_count
    for event, (chains, _) in zip(reversed(events), reversed(parted), strict=True):
        for chain in chains:
            if not last[chain]:
                last[chain] = event[POSITION]
                missing -= 1
        if not missing:
            break
    return last


def _command_ends(
    events: Sequence[Row], chains: Sequence[Collection[int]], *, is_whole: bool
) -> list[Collection[int]]:
    """Say for each event in which of its chains it is the last of its command."""
    ends: list[Collection[int]] = [_NOWHERE] * len(events)
    command_id = None if is_whole else events[-1][COMMAND_ID]
    later: Collection[int] | None = None  # the chains with a later event of the command; None: all
    for index in range(len(events) - 1, -1, -1):
        here = chains[index]
        if events[index][COMMAND_ID] != command_id:
            command_id = events[index][COMMAND_ID]
            ends[index] = later = here
        elif later is not None and here is not later:
            ends[index] = [chain for chain in here if chain not in later]
            later = {*later, *here}
    return ends
