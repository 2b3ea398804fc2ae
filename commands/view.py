"""What handlers see: aggregates as of now, this append's earlier decisions included."""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import cast
from uuid import UUID

import msgspec

from commands.overlay import Overlay
from commands.world import EVENTS_PER_READ
from domain.event import Event
from domain.identity import portfolio_stream, source_stream
from domain.instrument import Instrument
from domain.lots import Fill
from domain.marking import Market
from domain.portfolio.events import TradeBooked, TradeUnbooked
from domain.portfolio.state import Portfolio
from domain.source import Source
from domain.trade import TradeEvent
from domain.trade_state import Trade
from eventstore.envelope import RecordedEvent
from eventstore.log import Log
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode

_BOOKED, _UNBOOKED = EVENT_NAMES[TradeBooked], EVENT_NAMES[TradeUnbooked]


class _WithFill(msgspec.Struct, gc=False):
    """What folding history again needs of a booking; the rest is skipped, not made."""

    fill: Fill


_read_fill = msgspec.json.Decoder(_WithFill).decode


class View:
    """Read access to the world through one layer of decisions.

    `first_events` holds the first events of the trade streams that the commands at hand name,
    as the log has them.
    """

    def __init__(
        self, overlay: Overlay, log: Log, first_events: Mapping[UUID, RecordedEvent]
    ) -> None:
        self.overlay = overlay
        self.log = log
        self._first_events = first_events

    @property
    def market(self) -> Market:
        """The market as of now."""
        return self.overlay.current_market()

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """All instruments by name."""
        layers = [layer.instruments for layer in self.overlay.layers()]
        return ChainMap(*layers, self.overlay.world.instruments)

    def instrument(self, name: str) -> Instrument | None:
        """One instrument, None when it is not registered."""
        return self.overlay.current_instrument(name)

    def portfolio(self, tenant: str, name: str) -> Portfolio | None:
        """One portfolio, None when it is not open."""
        return self.overlay.current_portfolio(portfolio_stream(tenant, name), self.log)

    def source(self, tenant: str, name: str) -> Source:
        """One source, empty when it never registered."""
        return self.overlay.current_source(source_stream(tenant, name), self.log)

    def version(self, stream_id: UUID) -> int:
        """The last version of a stream."""
        return self.overlay.current_version(stream_id, self.log)

    def first_event(self, stream_id: UUID) -> Event | None:
        """The first event of a trade's stream, None when the name is free."""
        for layer in self.overlay.layers():
            pending = layer.pending.get(stream_id)
            if pending and pending[0].version == 1:
                return pending[0].event
        recorded = self._first_events.get(stream_id)
        return None if recorded is None else decode(recorded.event_type, recorded.data)

    def trade(self, name: UUID) -> Trade:
        """One trade with everything told of it, empty when the name is free."""
        return Trade.after(cast("Iterator[TradeEvent]", self.events(name)))

    def rate_at(self, base: str, quote: str, at: datetime) -> Decimal | None:
        """Units of `quote` for one of `base` in force at an instant, None when not known."""
        return self.market.rate_at(base, quote, at)

    def fills(
        self, stream_id: UUID, instrument: str, from_version: int
    ) -> Iterable[tuple[int, Fill]]:
        """Fills booked in one instrument of one portfolio at a version of its stream, or later.

        Each with its version; those taken out again are left out.
        """
        fills: dict[UUID, tuple[int, Fill]] = {}
        for recorded in self._recorded(stream_id, instrument, from_version - 1, 0):
            if recorded.event_type == _BOOKED:
                fill = _read_fill(recorded.data).fill
                fills[fill.trade_id] = (recorded.stream_version, fill)
            elif recorded.event_type == _UNBOOKED:
                fills.pop(_read_fill(recorded.data).fill.trade_id, None)
        for layer in reversed(self.overlay.layers()):
            for pending in layer.pending.get(stream_id, ()):
                if pending.version < from_version or pending.key != instrument:
                    continue
                event = pending.event
                if isinstance(event, TradeBooked):
                    fills[event.fill.trade_id] = (pending.version, event.fill)
                elif isinstance(event, TradeUnbooked):
                    fills.pop(event.fill.trade_id, None)
        return fills.values()

    def events(
        self, stream_id: UUID, *, key: str | None = None, after_version: int = 0, limit: int = 0
    ) -> Iterator[Event]:
        """Events of a stream behind a version, all or `limit`, pending ones last."""
        given = 0
        for recorded in self._recorded(stream_id, key, after_version, limit):
            yield decode(recorded.event_type, recorded.data)
            given += 1
            if given == limit:
                return
        for layer in reversed(self.overlay.layers()):
            for pending in layer.pending.get(stream_id, ()):
                if pending.version > after_version and (key is None or pending.key == key):
                    yield pending.event
                    given += 1
                    if given == limit:
                        return

    def _recorded(
        self, stream_id: UUID, key: str | None, after_version: int, limit: int
    ) -> Iterator[RecordedEvent]:
        page = limit or EVENTS_PER_READ
        while True:
            if key is None:
                recorded = self.log.read_stream(stream_id, after_version, page)
            else:
                recorded = self.log.read_key(stream_id, key, after_version, page)
            for each in recorded:
                if each.position > self.overlay.world.position:
                    return
                yield each
            if len(recorded) < page:
                return
            after_version = recorded[-1].stream_version
