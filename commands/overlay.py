"""Decisions not yet in the log: a layer over the folded world, merged after a known commit.

A layer may stand on another one whose commit is in flight; positions are gapless, so it knows
where its own events will stand if that commit holds.
"""

from collections import defaultdict
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import get_args
from uuid import UUID

from commands.decision import Addressed
from commands.world import ActionsTold, UsageKey, World, counted_softly
from domain.event import Event
from domain.identity import MARKET_TENANT, controls_stream
from domain.instrument import (
    Instrument,
    InstrumentEvent,
    WrittenDown,
)
from domain.limits.controls import Controls
from domain.limits.events import (
    UsageEvent,
    UsageObserved,
    is_control_event,
    is_usage_event,
)
from domain.limits.terms import Binding
from domain.limits.usage import Behind
from domain.market import MarketEvent
from domain.marking import Market
from domain.portfolio.events import TradeBooked, TradeUnbooked, is_portfolio_event
from domain.portfolio.state import Portfolio
from domain.source import Source, SourceRegistered
from domain.trade import TradeEvent
from eventstore.envelope import NewReceipt
from eventstore.log import Log

_OF_TRADES_ALONE = frozenset(get_args(TradeEvent))


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
        self._below: tuple[Overlay, ...] = (
            () if parent is None else parent.layers()
        )  # With itself it would be a ring.
        self.base = world.position if parent is None else parent.head
        self.count = 0
        self.market: Market | None = None
        self.instruments: dict[str, Instrument] = {}
        self.portfolios: dict[UUID, Portfolio] = {}
        self.sources: dict[UUID, Source] = {}
        self.controls: dict[UUID, Controls] = {}
        self.usages: dict[UsageKey, UsageEvent] = {}
        self.behind: dict[UsageKey, Behind] = {}
        self.pending: defaultdict[UUID, list[Pending]] = defaultdict(list)
        self.receipts: dict[UUID, NewReceipt] = {}
        self.actions_told = ActionsTold()

    @property
    def head(self) -> int:
        """The position of its last event, once appended."""
        return self.base + self.count

    def layers(self) -> "tuple[Overlay, ...]":
        """Give this layer and those below it, newest first."""
        return (self, *self._below)

    def stand_on_world(self) -> None:
        """The layer below was merged into the world: this one now stands on the world itself."""
        self.parent = None
        self._below = ()

    def actions(self) -> tuple[AbstractSet[str], int]:
        """Name the instruments with corporate actions, and count what was told of any."""
        told = self.world.actions_told
        names: AbstractSet[str] = told.keys()
        total = told.total
        for layer in (self, *self._below):
            if layer.actions_told.total:
                names |= layer.actions_told.keys()
                total += layer.actions_told.total
        return names, total

    def current_market(self) -> Market:
        """Give the market as this layer sees it; not for changing."""
        for layer in (self, *self._below):
            if layer.market is not None:
                return layer.market
        return self.world.market

    def current_portfolio(self, stream_id: UUID, log: Log) -> Portfolio | None:
        """Give a portfolio as this layer sees it; not for changing."""
        for layer in (self, *self._below):
            held = layer.portfolios.get(stream_id)
            if held is not None:
                return held
        return self.world.portfolio(stream_id, log)

    def current_instrument(self, name: str) -> Instrument | None:
        """Give an instrument as this layer sees it."""
        for layer in (self, *self._below):
            held = layer.instruments.get(name)
            if held is not None:
                return held
        return self.world.instruments.get(name)

    def current_source(self, stream_id: UUID, log: Log) -> Source:
        """Give a source as this layer sees it."""
        for layer in (self, *self._below):
            held = layer.sources.get(stream_id)
            if held is not None:
                return held
        return self.world.source(stream_id, log)

    def current_controls(self, stream_id: UUID, log: Log) -> Controls:
        """Give a tenant's controls as this layer sees them; not for changing."""
        for layer in (self, *self._below):
            held = layer.controls.get(stream_id)
            if held is not None:
                return held
        return self.world.controls_of(stream_id, log)

    def current_usage(self, stream_id: UUID, key: str, log: Log) -> UsageEvent | None:
        """Give the last that was told of a shared limit on a trade date, as this layer sees it."""
        for layer in (self, *self._below):
            held = layer.usages.get((stream_id, key))
            if held is not None:
                return held
        return self.world.usage(stream_id, key, log)

    def current_behind(self, stream_id: UUID, key: str) -> Behind | None:
        """Give which bookings a soft limit has to count, as far as this layer knows."""
        for layer in (self, *self._below):
            held = layer.behind.get((stream_id, key))
            if held is not None:
                return held
        return self.world.behind.get((stream_id, key))

    def note_booking(
        self, tenant: str, event: TradeBooked | TradeUnbooked, at: datetime, log: Log
    ) -> None:
        """Note the booking admitted last, received at an instant, for the soft limits over it."""
        controls = self.current_controls(controls_stream(tenant), log)
        if not controls.has_shared(Binding.SOFT):
            return
        instrument = self.current_instrument(event.instrument)
        assert instrument is not None, "what is booked is registered"
        for stream_id, key in counted_softly(tenant, controls, event, instrument):
            told = self.current_usage(stream_id, key, log)
            observed = told if isinstance(told, UsageObserved) else None
            known = self.current_behind(stream_id, key) or Behind(self.head, at, 0)
            behind = known.after(observed, position=self.head, at=at)
            self.behind[stream_id, key] = behind

    @property
    def usage_streams(self) -> set[UUID]:
        """The streams of limits whose usage this layer changes."""
        return {stream_id for stream_id, _ in self.usages}

    def current_version(self, stream_id: UUID, log: Log) -> int:
        """Give the last version of a stream that no aggregate holds."""
        for layer in (self, *self._below):
            pending = layer.pending.get(stream_id)
            if pending:
                return pending[-1].version
        return self.world.version(stream_id, log)

    def admit(self, addressed: Addressed, command_id: UUID, log: Log) -> int:
        """Fold one decided event into this layer, next in its stream; give its version there."""
        stream_id, event = addressed.stream_id, addressed.event
        if addressed.begins_stream:
            version = 1
        elif is_portfolio_event(event):
            version = self.own_portfolio(stream_id, log).version + 1
        elif is_control_event(event):
            version = self.own_controls(stream_id, log).version + 1
        else:
            version = self.current_version(stream_id, log) + 1
        self.take(addressed, version, command_id)
        return version

    def take(self, addressed: Addressed, version: int, command_id: UUID) -> None:
        """Fold one decided event into this layer, at `version` of its stream."""
        stream_id, event = addressed.stream_id, addressed.event
        self.pending[stream_id].append(Pending(event, version, addressed.key, command_id))
        self.count += 1
        if addressed.tenant == MARKET_TENANT:
            self._own_market().position = self.head
        if is_portfolio_event(event):
            self.portfolios[stream_id].apply(event)
        elif is_usage_event(event):
            self.usages[stream_id, event.trade_date.isoformat()] = event
        elif is_control_event(event):
            self.controls[stream_id].apply(event)
        elif type(event) not in _OF_TRADES_ALONE:
            self._take_shared(stream_id, event)

    def _take_shared(self, stream_id: UUID, event: Event) -> None:
        """Fold what instruments, the market or a source tell."""
        if isinstance(event, MarketEvent):
            self._own_market().apply(event)
        elif isinstance(event, InstrumentEvent):
            self._own_instrument(event.instrument).apply(event)
            self.actions_told.note(event)
            if isinstance(event, WrittenDown):
                self._own_market().write_down(event)
        elif isinstance(event, SourceRegistered):
            source = Source()
            source.apply(event)
            self.sources[stream_id] = source

    def own_portfolio(self, stream_id: UUID, log: Log) -> Portfolio:
        """Fork a portfolio into this layer, or start a new one, for changing."""
        held = self.portfolios.get(stream_id)
        if held is None:
            below = self.current_portfolio(stream_id, log)
            held = self.portfolios[stream_id] = Portfolio() if below is None else below.fork()
            if below is not None:
                held.take_values(below)  # This layer is nearly always merged.
        return held

    def own_controls(self, stream_id: UUID, log: Log) -> Controls:
        """Fork a tenant's controls into this layer, for changing."""
        held = self.controls.get(stream_id)
        if held is None:
            held = self.controls[stream_id] = self.current_controls(stream_id, log).fork()
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
        self.world.actions_told.include(self.actions_told)
        self.world.sources.update(self.sources)
        self.world.controls.update(self.controls)
        for (stream_id, key), event in self.usages.items():
            self.world.keep_usage(stream_id, key, event)
        for (stream_id, key), behind in self.behind.items():
            self.world.keep_behind(stream_id, key, behind)
        if self.market is not None:
            self.world.market = self.market
        self.world.position = self.head
