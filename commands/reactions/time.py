"""Business time: it comes to the start of a date once something waits for that date.

Marks and closed sessions tell the time as well; this is for the hours before them, so that what is
effective in the morning is applied in the morning. Where nothing waits, nothing is told.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime

from commands.command import Issued, Outcome, ReachTime, fingerprint_of
from commands.desk import Desk
from commands.reactions.awaited import Awaited
from commands.reactions.owing import react_on
from commands.world import EVENTS_PER_READ
from domain.calendars import start_of
from domain.identity import MARKET_TENANT, derive
from eventstore.envelope import RecordedEvent
from eventstore.following import read_settling
from eventstore.log import Log

ACTOR = "reaction:time"


class TimeThatIsAwaited:
    """Folds what waits for which date, and tells the desk once the clock has come there."""

    def __init__(self, desk: Desk, clock: Callable[[], datetime]) -> None:
        self._desk = desk
        self._clock = clock
        self._awaited = Awaited()
        self._asked: Future[Outcome] | None = None

    @property
    def owes(self) -> bool:
        """Whether a command is asked for and not decided."""
        return False  # It waits for the clock only.

    def load(self, log: Log) -> int:
        """Fold the past and give the position reached."""
        head = log.head().position
        after = 0
        while recorded := log.read_shared(after, EVENTS_PER_READ, head):
            for each in recorded:
                self._awaited.fold(each)
            after = recorded[-1].position
        return head

    def take(self, recorded: list[RecordedEvent]) -> None:
        """Fold new events, if any, and tell the newest date that has begun and is waited for."""
        for each in recorded:
            self._awaited.fold(each)
        if not self._awaited.waiting or (self._asked is not None and not self._asked.done()):
            return
        now = self._clock()
        starts = {start_of(each.calendar, each.ex_date) for each in self._awaited.waiting.values()}
        begun = max((each for each in starts if each <= now), default=None)
        if begun is not None:
            self._asked = self._desk.submit(reaching(begun, now))


def reaching(at: datetime, now: datetime) -> Issued:
    """Issue the command; its name follows from the instant, so several leaders tell it once."""
    name = derive("reaction", "time", at.isoformat())
    command = ReachTime(at=at)
    return Issued(
        command_id=name,
        tenant=MARKET_TENANT,
        actor=ACTOR,
        correlation_id=name,
        received_at=now,
        fingerprint=fingerprint_of(command),
        command=command,
    )


def run_time(desk: Desk, log: Log, stop: threading.Event, *, clock: Callable[[], datetime]) -> None:
    """Tell business time until `stop`."""
    reaction = TimeThatIsAwaited(desk, clock)
    after = reaction.load(log)
    react_on(reaction, log, after, read_settling, stop)
