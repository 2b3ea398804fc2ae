"""Release of parked trades: when an instrument is registered, what waited for it is booked."""

import threading
from collections import defaultdict
from concurrent.futures import Future
from itertools import islice
from uuid import UUID

from commands.command import Issued, Outcome, ReleaseTrade
from commands.desk import Desk
from commands.reactions.owing import UNDECIDED, react_on, reacting
from commands.world import EVENTS_PER_READ
from domain.identity import derive
from domain.instrument import InstrumentRegistered
from domain.trade import TradeParked, TradeReleased
from eventstore.envelope import RecordedEvent
from eventstore.following import read_releasing
from eventstore.log import Log
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode

ACTOR = "reaction:release"
ASKED_MAX = 1_000
Waiting = dict[UUID, str]
_FOLDED = {EVENT_NAMES[kind] for kind in (TradeParked, TradeReleased, InstrumentRegistered)}


class ReleaseOfParked:
    """Folds who waits for which instrument, and asks the desk to release them when it appears.

    A release that was not decided (the desk was full, the log away) is asked for again; its name
    is the same, so it is decided once. A trade that was amended or busted meanwhile need not wait
    any more: then the release is refused, which changes nothing.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._waiting: defaultdict[str, Waiting] = defaultdict(dict)
        self._instruments: dict[UUID, str] = {}
        self._registered: dict[str, RecordedEvent] = {}
        self._owed: dict[UUID, str] = {}
        self._asked: dict[UUID, Future[Outcome]] = {}

    @property
    def owes(self) -> bool:
        """Whether a command is asked for and not decided."""
        return bool(self._owed)

    def load(self, log: Log) -> int:
        """Fold the past and give the position reached; what is owed is asked for by `take`."""
        head = log.head().position
        for read in (log.read_shared, log.read_parking):
            after = 0
            while recorded := read(after, EVENTS_PER_READ, head):
                for each in recorded:
                    self._fold(each)
                after = recorded[-1].position
        for instrument in self._registered.keys() & self._waiting.keys():
            self._owed.update(dict.fromkeys(self._waiting[instrument], instrument))
        return head

    def take(self, recorded: list[RecordedEvent]) -> None:
        """Fold new events, if any, and ask for the releases still owed."""
        for each in recorded:
            instrument = self._fold(each)
            if instrument is not None:
                self._owed.update(dict.fromkeys(self._waiting[instrument], instrument))
        self._forget_decided()
        for trade_id, instrument in islice(self._owed.items(), ASKED_MAX):
            if trade_id not in self._asked:
                tenant, cause = self._waiting[instrument][trade_id], self._registered[instrument]
                issued = release(trade_id, tenant=tenant, cause=cause)
                self._asked[trade_id] = self._desk.submit(issued)

    def _fold(self, recorded: RecordedEvent) -> str | None:
        """Fold one event; give the instrument it registers, if it does."""
        if recorded.event_type not in _FOLDED:
            return None
        event = decode(recorded.event_type, recorded.data)
        if isinstance(event, TradeParked):
            self._forget(event.trade_id)  # Amended, a trade may wait for another one.
            self._instruments[event.trade_id] = event.capture.instrument
            self._waiting[event.capture.instrument][event.trade_id] = recorded.tenant
        elif isinstance(event, TradeReleased):
            self._forget(event.trade_id)
        elif isinstance(event, InstrumentRegistered):
            self._registered[event.instrument] = recorded
            return event.instrument
        return None

    def _forget(self, trade_id: UUID) -> None:
        instrument = self._instruments.pop(trade_id, None)
        if instrument is not None:
            self._waiting[instrument].pop(trade_id, None)
        self._owed.pop(trade_id, None)

    def _forget_decided(self) -> None:
        """Owe no longer what was decided; what was not is asked for again."""
        for trade_id, asked in list(self._asked.items()):
            if asked.done():
                del self._asked[trade_id]
                if asked.result().status not in UNDECIDED:
                    self._owed.pop(trade_id, None)


def release(trade_id: UUID, *, tenant: str, cause: RecordedEvent) -> Issued:
    """Issue the release of one trade; its name follows from the cause and the target."""
    return reacting(
        ReleaseTrade(trade_id),
        cause,
        command_id=derive("reaction", "release", str(cause.position), str(trade_id)),
        tenant=tenant,
        actor=ACTOR,
    )


def run_releases(desk: Desk, log: Log, stop: threading.Event) -> None:
    """Release parked trades until `stop`: the past first, then as the log goes on."""
    reaction = ReleaseOfParked(desk)
    after = reaction.load(log)
    react_on(reaction, log, after, read_releasing, stop)
