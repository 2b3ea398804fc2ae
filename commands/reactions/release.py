"""Release of parked trades: when an instrument is registered, what waited for it is booked."""

import threading
from collections import defaultdict
from uuid import UUID

from commands.command import Issued, ReleaseTrade, fingerprint_of
from commands.desk import Desk
from commands.world import EVENTS_PER_READ
from domain.identity import derive
from domain.instrument import InstrumentRegistered
from domain.trade import TradeParked, TradeReleased
from eventstore.envelope import RecordedEvent
from eventstore.log import Log
from schemas.codec import decode

ACTOR = "reaction:release"
Waiting = dict[UUID, str]


class ReleaseOfParked:
    """Folds who waits for which instrument, and asks the desk to release them when it appears."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._waiting: defaultdict[str, Waiting] = defaultdict(dict)
        self._registered: dict[str, RecordedEvent] = {}

    def load(self, log: Log) -> int:
        """Fold the past, ask for every release still owed, and give the position reached."""
        head = log.head().position
        for read in (log.read_shared, log.read_parking):
            after = 0
            while recorded := read(after, EVENTS_PER_READ, head):
                for each in recorded:
                    self._fold(each)
                after = recorded[-1].position
        for instrument in self._registered.keys() & self._waiting.keys():
            self._release(instrument)
        return head

    def take(self, recorded: list[RecordedEvent]) -> None:
        """Fold new events and ask for the releases they call for."""
        for each in recorded:
            instrument = self._fold(each)
            if instrument is not None and self._waiting.get(instrument):
                self._release(instrument)

    def _fold(self, recorded: RecordedEvent) -> str | None:
        """Fold one event; give the instrument it registers, if it does."""
        event = decode(recorded.event_type, recorded.data)
        if isinstance(event, TradeParked):
            self._waiting[event.capture.instrument][event.trade_id] = recorded.tenant
        elif isinstance(event, TradeReleased):
            self._waiting[event.instrument].pop(event.trade_id, None)
        elif isinstance(event, InstrumentRegistered):
            self._registered[event.instrument] = recorded
            return event.instrument
        return None

    def _release(self, instrument: str) -> None:
        cause = self._registered[instrument]
        for trade_id, tenant in self._waiting[instrument].items():
            self._desk.submit(release(trade_id, tenant=tenant, cause=cause))


def release(trade_id: UUID, *, tenant: str, cause: RecordedEvent) -> Issued:
    """Issue the release of one trade; its name follows from the cause and the target."""
    command = ReleaseTrade(trade_id)
    return Issued(
        command_id=derive("reaction", "release", str(cause.position), str(trade_id)),
        tenant=tenant,
        actor=ACTOR,
        correlation_id=cause.correlation_id,
        causation_id=cause.command_id,
        received_at=cause.recorded_at,
        fingerprint=fingerprint_of(command),
        command=command,
        trace_context=cause.trace_context,
    )


def run_releases(desk: Desk, log: Log, stop: threading.Event) -> None:
    """Release parked trades until `stop`: the past first, then as the log goes on."""
    reaction = ReleaseOfParked(desk)
    after = reaction.load(log)
    for recorded in log.follow(after, batch_events_max=EVENTS_PER_READ, stop=stop):
        reaction.take(recorded)
