"""Corporate actions: once one is effective, or reversed, it is applied to each of its holders.

Whoever trades in a portfolio applies them first anyway; this reaches those who do not trade.
"""

import threading
from typing import NamedTuple
from uuid import UUID

from commands.command import ApplyCorporateActions, Issued
from commands.desk import Desk
from commands.reactions.awaited import Awaited
from commands.reactions.owing import Owing, react_on, reacting
from commands.world import EVENTS_PER_READ
from domain.identity import derive, portfolio_stream
from domain.portfolio.events import PortfolioOpened
from eventstore.envelope import RecordedEvent
from eventstore.following import read_settling
from eventstore.log import Log
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode

ACTOR = "reaction:corporate_actions"
ASKED_MAX = 25
"""Applications under way at a time: trades that wait beside them wait for so many at most."""

_OPENED = EVENT_NAMES[PortfolioOpened]


class Holder(NamedTuple):
    """A portfolio by tenant and name."""

    tenant: str
    portfolio: str


class ActionsOnHolders:
    """Folds which actions are in force, finds who may hold their instruments, and asks the desk.

    One command brings all books of a portfolio up to date, so a portfolio is asked for the newest
    cause only.
    """

    def __init__(self, desk: Desk, log: Log) -> None:
        self._log = log
        self._awaited = Awaited()
        self._holders: dict[UUID, Holder] = {}
        self._due: dict[str, RecordedEvent] = {}
        self._owing: Owing[Holder, RecordedEvent] = Owing(desk, application, asked_max=ASKED_MAX)

    @property
    def owes(self) -> bool:
        """Whether a command is asked for and not decided."""
        return not self._owing.is_empty

    def load(self) -> int:
        """Fold the past and give the position reached; what is owed is asked for by `take`."""
        head = self._log.head().position
        for read in (self._log.read_opened, self._log.read_shared):
            after = 0
            while recorded := read(after, EVENTS_PER_READ, head):
                for each in recorded:
                    self._fold(each)
                after = recorded[-1].position
        return head

    def take(self, recorded: list[RecordedEvent]) -> None:
        """Fold new events, if any, and ask for what is owed."""
        for each in recorded:
            self._fold(each)
        if self._due:
            traded = self._log.streams_with(self._holders, list(self._due))
            for instrument, stream in traded:
                self._owing.owe(self._holders[stream], self._due[instrument])
            self._due.clear()
        self._owing.ask()

    def _fold(self, recorded: RecordedEvent) -> None:
        if recorded.event_type == _OPENED:
            event = decode(recorded.event_type, recorded.data)
            assert isinstance(event, PortfolioOpened), "an event is of its type"
            stream = portfolio_stream(recorded.tenant, event.portfolio)
            self._holders[stream] = Holder(recorded.tenant, event.portfolio)
        for instrument in self._awaited.fold(recorded):
            self._due[instrument] = recorded


def application(holder: Holder, cause: RecordedEvent) -> Issued:
    """Issue the application to one holder; its name follows from the cause and the target."""
    return reacting(
        ApplyCorporateActions(portfolio=holder.portfolio),
        cause,
        command_id=derive("reaction", "corporate_actions", str(cause.position), *holder),
        tenant=holder.tenant,
        actor=ACTOR,
    )


def run_corporate_actions(desk: Desk, log: Log, stop: threading.Event) -> None:
    """Apply corporate actions until `stop`: the past first, then as the log goes on."""
    reaction = ActionsOnHolders(desk, log)
    after = reaction.load()
    react_on(reaction, log, after, read_settling, stop)
