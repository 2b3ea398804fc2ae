"""Contractual settlement: when a session closes, its portfolios settle what is due by then."""

import threading
from collections import defaultdict
from datetime import date
from typing import NamedTuple
from uuid import UUID

from commands.command import Issued, SettleCash
from commands.desk import Desk
from commands.reactions.owing import Owing, react_on, reacting
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
        self._owners: defaultdict[str, list[Owner]] = defaultdict(list)
        self._closings: dict[str, Closing] = {}
        self._owing: Owing[Owner, Closing] = Owing(desk, settlement, asked_max=ASKED_MAX)

    @property
    def owes(self) -> bool:
        """Whether a command is asked for and not decided."""
        return not self._owing.is_empty

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
        self._owing.ask()

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
                for owner in self._owners[event.calendar]:
                    self._owing.owe(owner, closing)


def settlement_id(owner: Owner, *, closed_at: int) -> UUID:
    """Name the settlement of a portfolio that follows from the session's end at a log position."""
    return derive("reaction", "settlement", str(closed_at), *owner)


def settlement(owner: Owner, closing: Closing) -> Issued:
    """Issue the settlement of a portfolio; its name follows from the cause and the target."""
    session, cause = closing
    return reacting(
        SettleCash(portfolio=owner.portfolio, until=session),
        cause,
        command_id=settlement_id(owner, closed_at=cause.position),
        tenant=owner.tenant,
        actor=ACTOR,
    )


def run_settlements(desk: Desk, log: Log, stop: threading.Event) -> None:
    """Settle on value dates until `stop`: the past first, then as the log goes on."""
    reaction = SettlementOnValueDate(desk)
    after = reaction.load(log)
    react_on(reaction, log, after, read_settling, stop)
