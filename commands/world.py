"""What one desk has folded of the log: the state that decisions meet.

Instruments, market and sources are held whole; portfolios are loaded when asked for and forgotten
when long unused. Everything here stands at one log position.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator
from uuid import UUID

from commands import metrics
from commands.snapshots import Snapshots
from domain.event import Event
from domain.identity import MARKET_TENANT, controls_stream, usage_stream
from domain.instrument import (
    CorporateActionDeclared,
    CorporateActionReversed,
    Instrument,
    InstrumentEvent,
    SectorAssigned,
    WrittenDown,
)
from domain.limits.controls import Controls
from domain.limits.events import (
    UsageEvent,
    UsageObserved,
    is_control_event,
    is_usage_event,
)
from domain.limits.scope import sector_of
from domain.limits.terms import Binding
from domain.limits.usage import Behind, shared_limits
from domain.market import MarketEvent
from domain.marking import Market
from domain.portfolio.events import TradeBooked, TradeUnbooked, is_portfolio_event
from domain.portfolio.state import Portfolio
from domain.source import Source, SourceRegistered
from eventstore.envelope import RecordedEvent
from eventstore.log import Log
from schemas.codec import decode

PORTFOLIOS_MAX = 20_000
VERSIONS_MAX = 50_000
USAGES_MAX = 10_000
EVENTS_PER_READ = 5_000

UsageKey = tuple[UUID, str]
"""The stream of a shared limit's usage, and a trade date (ISO 8601)."""


def counted_softly(
    tenant: str, controls: Controls, event: TradeBooked | TradeUnbooked, instrument: Instrument
) -> Iterator[UsageKey]:
    """Name the soft limits that count a booking, by their streams, with its trade date."""
    day = event.fill.trade_date
    for limit in shared_limits(
        controls,
        Binding.SOFT,
        portfolio=event.portfolio,
        instrument=event.instrument,
        sector=sector_of(instrument, day),
    ):
        yield usage_stream(tenant, limit.name), day.isoformat()


class ActionsTold(dict[str, int]):
    """How many corporate actions were declared and reversed, by instrument.

    `total` counts sectors assigned, too: whatever may change what a portfolio holds, or where.
    """

    total = 0

    def note(self, event: InstrumentEvent) -> None:
        """Count an event, if it is one of those."""
        if isinstance(event, CorporateActionDeclared | CorporateActionReversed):
            self[event.instrument] = self.get(event.instrument, 0) + 1
            self.total += 1
        elif isinstance(event, SectorAssigned):
            self.total += 1

    def include(self, other: "ActionsTold") -> None:
        """Count all that another has counted."""
        for instrument, count in other.items():
            self[instrument] = self.get(instrument, 0) + count
        self.total += other.total


class World:
    """Folded state as of `position`; changed only by the desk's own thread."""

    def __init__(self, snapshots: Snapshots | None = None) -> None:
        self.position = 0
        self.snapshots = snapshots
        self.market = Market()
        self.instruments: dict[str, Instrument] = {}
        self.portfolios: OrderedDict[UUID, Portfolio] = OrderedDict()
        self.sources: dict[UUID, Source] = {}
        self.controls: dict[UUID, Controls] = {}
        self.usages: OrderedDict[UsageKey, UsageEvent | None] = OrderedDict()
        self.behind: OrderedDict[UsageKey, Behind] = OrderedDict()
        self.actions_told = ActionsTold()
        self.versions: OrderedDict[UUID, int] = OrderedDict()

    @classmethod
    def load(cls, log: Log, snapshots: Snapshots | None = None) -> "World":
        """Fold what every decision may need: instruments and market, as of the head.

        Portfolios are loaded from their snapshots; without any, from their first event on.
        """
        world = cls(snapshots)
        head = log.head().position
        after = 0
        while recorded := log.read_shared(after, EVENTS_PER_READ, until=head):
            for each in recorded:
                world.apply(each, decode(each.event_type, each.data))
            after = recorded[-1].position
        world.position = head
        return world

    def follow(self, log: Log) -> int:
        """Fold what others appended since; give how many events."""
        count = 0
        while recorded := log.read(self.position, EVENTS_PER_READ):
            self.fold(recorded)
            count += len(recorded)
        return count

    def fold(self, recorded: list[RecordedEvent]) -> None:
        """Fold events in log order."""
        for each in recorded:
            self.apply(each, decode(each.event_type, each.data))
            self.position = each.position

    def apply(self, recorded: RecordedEvent, event: Event) -> None:
        """Fold one recorded event into whatever holds its stream."""
        if recorded.tenant == MARKET_TENANT:
            self.market.position = recorded.position
        if is_portfolio_event(event):
            portfolio = self.portfolios.get(recorded.stream_id)
            if portfolio is not None:
                portfolio.apply(event)
            if isinstance(event, TradeBooked | TradeUnbooked):
                self._note_booking(recorded, event)
        elif isinstance(event, InstrumentEvent):
            self.instruments.setdefault(event.instrument, Instrument()).apply(event)
            self.actions_told.note(event)
            if isinstance(event, WrittenDown):
                self.market.write_down(event)
        elif isinstance(event, MarketEvent):
            self.market.apply(event)
        elif isinstance(event, SourceRegistered):
            self.sources.pop(recorded.stream_id, None)
        elif is_control_event(event):
            controls = self.controls.get(recorded.stream_id)
            if controls is not None:
                controls.apply(event)
        elif is_usage_event(event):
            key = event.trade_date.isoformat()
            if (recorded.stream_id, key) in self.usages:
                self.usages[recorded.stream_id, key] = event
        if recorded.stream_id in self.versions:
            self.versions[recorded.stream_id] = recorded.stream_version

    def portfolio(self, stream_id: UUID, log: Log) -> Portfolio | None:
        """Give a portfolio as of `position`, loading it if need be; None when there is none."""
        held = self.portfolios.get(stream_id)
        if held is not None:
            self.portfolios.move_to_end(stream_id)
            return held
        started = time.perf_counter()
        loaded = self._snapshot(stream_id)
        for each in self._stream(stream_id, loaded.version, log):
            loaded.apply(decode(each.event_type, each.data))  # type: ignore[arg-type]
        if loaded.opened is None:
            return None
        metrics.LOAD_SECONDS.observe(time.perf_counter() - started)
        self.keep_portfolio(stream_id, loaded)
        return loaded

    def keep_portfolio(self, stream_id: UUID, portfolio: Portfolio) -> None:
        """Hold a portfolio, forgetting the longest unused beyond the limit."""
        self.portfolios[stream_id] = portfolio
        self.portfolios.move_to_end(stream_id)
        if self.snapshots is not None:
            self.snapshots.offer(stream_id, portfolio)
        if len(self.portfolios) > PORTFOLIOS_MAX:
            gone, _ = self.portfolios.popitem(last=False)
            if self.snapshots is not None:
                self.snapshots.forget(gone)

    def rest(self) -> None:
        """Use a moment in which nothing is asked."""
        if self.snapshots is not None:
            self.snapshots.rest(self.portfolios)

    def _stream(self, stream_id: UUID, after_version: int, log: Log) -> Iterator[RecordedEvent]:
        """Read a stream behind a version, as of `position`."""
        while recorded := log.read_stream(stream_id, after_version, EVENTS_PER_READ):
            for each in recorded:
                if each.position > self.position:
                    return
                yield each
            if len(recorded) < EVENTS_PER_READ:
                return
            after_version = recorded[-1].stream_version

    def _snapshot(self, stream_id: UUID) -> Portfolio:
        """Give a portfolio as of its newest snapshot, as of nothing where there is none."""
        found = None
        if self.snapshots is not None:
            found = self.snapshots.load(stream_id, until=self.position)
        return Portfolio() if found is None else found

    def source(self, stream_id: UUID, log: Log) -> Source:
        """Give a source as of `position`, empty when it never registered."""
        held = self.sources.get(stream_id)
        if held is None:
            held = Source()
            for each in log.read_stream(stream_id):
                event = decode(each.event_type, each.data)
                if each.position <= self.position and isinstance(event, SourceRegistered):
                    held.apply(event)
            self.sources[stream_id] = held  # Only what was read whole is remembered.
        return held

    def controls_of(self, stream_id: UUID, log: Log) -> Controls:
        """Give a tenant's controls as of `position`, empty where it never had any."""
        held = self.controls.get(stream_id)
        if held is None:
            held = Controls()
            for each in self._stream(stream_id, held.version, log):
                held.apply(decode(each.event_type, each.data))  # type: ignore[arg-type]
            self.controls[stream_id] = held
        return held

    def usage(self, stream_id: UUID, key: str, log: Log) -> UsageEvent | None:
        """Give the last that was told of a shared limit on a trade date as of `position`."""
        if (stream_id, key) in self.usages:
            self.usages.move_to_end((stream_id, key))
            return self.usages[stream_id, key]
        recorded = log.last_of_key(stream_id, key, self.position)
        event = None if recorded is None else decode(recorded.event_type, recorded.data)
        assert event is None or is_usage_event(event), "the stream holds usage only"
        self.keep_usage(stream_id, key, event)
        return event

    def keep_usage(self, stream_id: UUID, key: str, event: UsageEvent | None) -> None:
        """Hold what was told last, forgetting the longest unused beyond the limit."""
        self.usages[stream_id, key] = event
        self.usages.move_to_end((stream_id, key))
        if len(self.usages) > USAGES_MAX:
            self.usages.popitem(last=False)

    def keep_behind(self, stream_id: UUID, key: str, behind: Behind) -> None:
        """Hold which bookings a soft limit has to count, forgetting the oldest beyond the limit."""
        self.behind[stream_id, key] = behind
        self.behind.move_to_end((stream_id, key))
        if len(self.behind) > USAGES_MAX:
            self.behind.popitem(last=False)

    def _note_booking(self, recorded: RecordedEvent, event: TradeBooked | TradeUnbooked) -> None:
        """Note a booking of another writer for the soft limits that count it."""
        controls = self.controls.get(controls_stream(recorded.tenant))
        instrument = self.instruments.get(event.instrument)
        if controls is None or instrument is None:
            return
        for stream_id, key in counted_softly(recorded.tenant, controls, event, instrument):
            told = self.usages.get((stream_id, key))
            observed = told if isinstance(told, UsageObserved) else None
            behind = Behind(recorded.position, recorded.recorded_at, recorded.position)
            known = self.behind.get((stream_id, key))
            if known is not None:
                behind = known.after(observed, position=recorded.position, at=recorded.recorded_at)
            self.keep_behind(stream_id, key, behind)

    def version(self, stream_id: UUID, log: Log) -> int:
        """Give the last version of a stream that no aggregate here holds; 0 when there is none."""
        held = self.versions.get(stream_id)
        if held is None:
            held = log.stream_versions([stream_id]).get(stream_id, 0)
            self.keep_version(stream_id, held)
        return held

    def keep_version(self, stream_id: UUID, version: int) -> None:
        """Hold a stream's version, forgetting the longest unused beyond the limit."""
        self.versions[stream_id] = version
        self.versions.move_to_end(stream_id)
        if len(self.versions) > VERSIONS_MAX:
            self.versions.popitem(last=False)
