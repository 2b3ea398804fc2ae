"""Decisions not yet in the log: a layer over the folded world, merged after a known commit.

A layer may stand on another one whose commit is in flight; positions are gapless, so it knows
where its own events will stand if that commit holds.
"""

from collections import defaultdict
from uuid import UUID

from commands.decision import Addressed
from commands.world import World
from domain.event import Event
from domain.identity import MARKET_TENANT
from domain.instrument import Instrument, InstrumentEvent
from domain.market import MarketEvent
from domain.marking import Market
from domain.portfolio.events import is_portfolio_event
from domain.portfolio.state import Portfolio
from domain.source import Source, SourceRegistered
from eventstore.envelope import NewReceipt
from eventstore.log import Log


class Pending:
    """An event of a layer, with the place it will take in its stream."""

    __slots__ = ("command_id", "event", "key", "version")

    def __init__(self, event: Event, version: int, key: str | None, command_id: UUID) -> None:
        self.event = event
        self.version = version
        self.key = key
        self.command_id = command_id


class Overlay:
    """Forked aggregates and pending events of one append."""

    def __init__(self, world: World, parent: "Overlay | None" = None) -> None:
        self.world = world
        self.parent = parent
        self.base = world.position if parent is None else parent.head
        self.count = 0
        self.market: Market | None = None
        self.instruments: dict[str, Instrument] = {}
        self.portfolios: dict[UUID, Portfolio] = {}
        self.sources: dict[UUID, Source] = {}
        self.pending: defaultdict[UUID, list[Pending]] = defaultdict(list)
        self.receipts: dict[UUID, NewReceipt] = {}

    @property
    def head(self) -> int:
        """The position of its last event, once appended."""
        return self.base + self.count

    def layers(self) -> "tuple[Overlay, ...]":
        """Give this layer and those below it, newest first."""
        return (self,) if self.parent is None else (self, *self.parent.layers())

    def current_market(self) -> Market:
        """Give the market as this layer sees it; not for changing."""
        for layer in self.layers():
            if layer.market is not None:
                return layer.market
        return self.world.market

    def current_portfolio(self, stream_id: UUID, log: Log) -> Portfolio | None:
        """Give a portfolio as this layer sees it; not for changing."""
        for layer in self.layers():
            held = layer.portfolios.get(stream_id)
            if held is not None:
                return held
        return self.world.portfolio(stream_id, log)

    def current_instrument(self, name: str) -> Instrument | None:
        """Give an instrument as this layer sees it."""
        for layer in self.layers():
            held = layer.instruments.get(name)
            if held is not None:
                return held
        return self.world.instruments.get(name)

    def current_source(self, stream_id: UUID, log: Log) -> Source:
        """Give a source as this layer sees it."""
        for layer in self.layers():
            held = layer.sources.get(stream_id)
            if held is not None:
                return held
        return self.world.source(stream_id, log)

    def current_version(self, stream_id: UUID, log: Log) -> int:
        """Give the last version of a stream that no aggregate holds."""
        for layer in self.layers():
            pending = layer.pending.get(stream_id)
            if pending:
                return pending[-1].version
        return self.world.version(stream_id, log)

    def take(self, addressed: Addressed, version: int, command_id: UUID) -> None:
        """Fold one decided event into this layer, at `version` of its stream."""
        stream_id, event = addressed.stream_id, addressed.event
        self.pending[stream_id].append(Pending(event, version, addressed.key, command_id))
        self.count += 1
        if is_portfolio_event(event):
            self.portfolios[stream_id].apply(event)
        elif isinstance(event, MarketEvent):
            self._own_market().apply(event)
        elif isinstance(event, InstrumentEvent):
            self._own_instrument(event.instrument).apply(event)
        elif isinstance(event, SourceRegistered):
            source = Source()
            source.apply(event)
            self.sources[stream_id] = source
        if addressed.tenant == MARKET_TENANT:
            self._own_market().position = self.head

    def own_portfolio(self, stream_id: UUID, log: Log) -> Portfolio:
        """Fork a portfolio into this layer, or start a new one, for changing."""
        held = self.portfolios.get(stream_id)
        if held is None:
            below = self.current_portfolio(stream_id, log)
            held = self.portfolios[stream_id] = Portfolio() if below is None else below.fork()
        return held

    def _own_instrument(self, name: str) -> Instrument:
        held = self.instruments.get(name)
        if held is None:
            below = self.current_instrument(name)
            held = self.instruments[name] = Instrument() if below is None else below.fork()
        return held

    def _own_market(self) -> Market:
        if self.market is None:
            self.market = self.current_market().fork()
        return self.market

    def merge(self) -> None:
        """Fold this layer, whose append is known to be in the log, into the world."""
        assert self.parent is None, "layers merge from the bottom"
        for stream_id, portfolio in self.portfolios.items():
            self.world.keep_portfolio(stream_id, portfolio)
        for stream_id in self.pending.keys() & self.world.versions.keys():
            self.world.keep_version(stream_id, self.pending[stream_id][-1].version)
        self.world.instruments.update(self.instruments)
        self.world.sources.update(self.sources)
        if self.market is not None:
            self.world.market = self.market
        self.world.position = self.head
