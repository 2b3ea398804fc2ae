"""Contractual settlement: when a session closes, its portfolios settle what is due by then."""

import threading
from collections import defaultdict
from concurrent.futures import Future
from datetime import date
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from commands.command import Issued, Outcome, SettleCash, Status, fingerprint_of
from commands.desk import Desk
from commands.world import EVENTS_PER_READ
from domain.identity import derive
from domain.market import SessionClosed
from domain.portfolio.events import PortfolioOpened
from eventstore.envelope import RecordedEvent
from eventstore.following import read_settling
from eventstore.log import Log
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode

ACTOR = "reaction:settlement"
ASKED_MAX = 25
"""Settlements under way at a time: trades that wait beside them wait for so many at most."""

UNDECIDED = frozenset({Status.NOT_ATTEMPTED, Status.UNKNOWN})
_FOLDED = {EVENT_NAMES[kind] for kind in (PortfolioOpened, SessionClosed)}


class Owner(NamedTuple):
    """A portfolio by tenant and name."""

    tenant: str
    portfolio: str


class Closing(NamedTuple):
    """The end of a session, and the event that told of it."""

    session: date
    cause: RecordedEvent


class SettlementOnValueDate:
    """Folds which portfolios each calendar values, and asks the desk to settle what is due.

    One command covers all value dates up to a session, so only the newest session of a calendar is
    asked for. A command that was not decided is asked for again under the same name. What is booked
    for a value date that has passed is settled with the next session.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._owners: defaultdict[str, list[Owner]] = defaultdict(list)
        self._closings: dict[str, Closing] = {}
        self._owed: dict[Owner, Closing] = {}
        self._asked: dict[Owner, tuple[Closing, Future[Outcome]]] = {}

    def load(self, log: Log) -> int:
        """Fold the past and give the position reached; what is owed is asked for by `take`."""
        head = log.head().position
        for read in (log.read_opened, log.read_shared):
            after = 0
            while recorded := read(after, EVENTS_PER_READ, head):
                for each in recorded:
                    self._fold(each)
                after = recorded[-1].position
        return head

    def take(self, recorded: list[RecordedEvent]) -> None:
        """Fold new events, if any, and ask for the settlements still owed."""
        for each in recorded:
            self._fold(each)
        self._forget_decided()
        for owner, closing in islice(self._owed.items(), ASKED_MAX):
            if owner not in self._asked:
                self._asked[owner] = (closing, self._desk.submit(settlement(owner, closing)))

    def _fold(self, recorded: RecordedEvent) -> None:
        if recorded.event_type not in _FOLDED:
            return
        event = decode(recorded.event_type, recorded.data)
        if isinstance(event, PortfolioOpened):
            self._owners[event.calendar].append(Owner(recorded.tenant, event.portfolio))
        elif isinstance(event, SessionClosed):
            newest = self._closings.get(event.calendar)
            if newest is None or newest.session < event.session:
                closing = Closing(event.session, recorded)
                self._closings[event.calendar] = closing
                self._owed.update(dict.fromkeys(self._owners[event.calendar], closing))

    def _forget_decided(self) -> None:
        """Owe no longer what was decided, unless a newer session closed meanwhile."""
        for owner, (closing, asked) in list(self._asked.items()):
            if asked.done():
                del self._asked[owner]
                decided = asked.result().status not in UNDECIDED
                if decided and self._owed[owner] == closing:
                    del self._owed[owner]


def settlement_id(owner: Owner, *, closed_at: int) -> UUID:
    """Name the settlement of a portfolio that follows from the session's end at a log position."""
    return derive("reaction", "settlement", str(closed_at), *owner)


def settlement(owner: Owner, closing: Closing) -> Issued:
    """Issue the settlement of a portfolio; its name follows from the cause and the target."""
    session, cause = closing
    command = SettleCash(portfolio=owner.portfolio, until=session)
    return Issued(
        command_id=settlement_id(owner, closed_at=cause.position),
        tenant=owner.tenant,
        actor=ACTOR,
        correlation_id=cause.correlation_id,
        causation_id=cause.command_id,
        received_at=cause.recorded_at,
        fingerprint=fingerprint_of(command),
        command=command,
        trace_context=cause.trace_context,
    )


def run_settlements(desk: Desk, log: Log, stop: threading.Event) -> None:
    """Settle on value dates until `stop`: the past first, then as the log goes on."""
    reaction = SettlementOnValueDate(desk)
    after = reaction.load(log)
    following = log.follow(after, batch_events_max=EVENTS_PER_READ, stop=stop, read=read_settling)
    for recorded in following:
        reaction.take(recorded)
