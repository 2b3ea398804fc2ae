"""What one desk has folded of the log: the state that decisions meet.

Instruments, market and sources are held whole; portfolios are loaded when asked for and forgotten
when long unused. Everything here stands at one log position.
"""

from collections import OrderedDict
from uuid import UUID

from domain.event import Event
from domain.identity import MARKET_TENANT
from domain.instrument import Instrument, InstrumentEvent
from domain.market import MarketEvent
from domain.marking import Market
from domain.portfolio.events import is_portfolio_event
from domain.portfolio.state import Portfolio
from domain.source import Source, SourceRegistered
from eventstore.envelope import RecordedEvent
from eventstore.log import Log
from schemas.codec import decode

PORTFOLIOS_MAX = 20_000
VERSIONS_MAX = 50_000
EVENTS_PER_READ = 5_000


class World:
    """Folded state as of `position`; changed only by the desk's own thread."""

    def __init__(self) -> None:
        self.position = 0
        self.market = Market()
        self.instruments: dict[str, Instrument] = {}
        self.portfolios: OrderedDict[UUID, Portfolio] = OrderedDict()
        self.sources: dict[UUID, Source] = {}
        self.versions: OrderedDict[UUID, int] = OrderedDict()

    @classmethod
    def load(cls, log: Log) -> "World":
        """Fold what every decision may need: instruments and market, as of the head."""
        world = cls()
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
        if is_portfolio_event(event):
            portfolio = self.portfolios.get(recorded.stream_id)
            if portfolio is not None:
                portfolio.apply(event)
        elif isinstance(event, InstrumentEvent):
            self.instruments.setdefault(event.instrument, Instrument()).apply(event)
        elif isinstance(event, MarketEvent):
            self.market.apply(event)
        elif isinstance(event, SourceRegistered):
            self.sources.pop(recorded.stream_id, None)
        if recorded.stream_id in self.versions:
            self.versions[recorded.stream_id] = recorded.stream_version
        if recorded.tenant == MARKET_TENANT:
            self.market.position = recorded.position

    def portfolio(self, stream_id: UUID, log: Log) -> Portfolio | None:
        """Give a portfolio as of `position`, loading it if need be; None when there is none."""
        held = self.portfolios.get(stream_id)
        if held is not None:
            self.portfolios.move_to_end(stream_id)
            return held
        loaded = Portfolio()
        while recorded := log.read_stream(stream_id, loaded.version, EVENTS_PER_READ):
            for each in recorded:
                if each.position > self.position:
                    break
                loaded.apply(decode(each.event_type, each.data))  # type: ignore[arg-type]
            if len(recorded) < EVENTS_PER_READ or recorded[-1].position > self.position:
                break
        if loaded.opened is None:
            return None
        self.keep_portfolio(stream_id, loaded)
        return loaded

    def keep_portfolio(self, stream_id: UUID, portfolio: Portfolio) -> None:
        """Hold a portfolio, forgetting the longest unused beyond the limit."""
        self.portfolios[stream_id] = portfolio
        self.portfolios.move_to_end(stream_id)
        if len(self.portfolios) > PORTFOLIOS_MAX:
            self.portfolios.popitem(last=False)

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
