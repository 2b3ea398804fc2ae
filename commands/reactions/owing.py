"""What a reaction owes: commands asked of the desk until they are decided, a few at a time."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from itertools import islice
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from commands.command import Command, Issued, Outcome, Status, fingerprint_of
from commands.desk import Desk
from commands.world import EVENTS_PER_READ
from eventstore.envelope import RecordedEvent
from eventstore.following import ReadOn
from eventstore.log import Log

UNDECIDED = frozenset({Status.NOT_ATTEMPTED, Status.UNKNOWN})
REST_SECONDS = 0.1
"""How long a reaction that owes nothing rests between two looks: one at every append cost more
than the append of a single trade."""

LOOK_SECONDS = 0.1
"""At least so often a reaction looks that has to do with time passing; at most twice as often."""

Target = TypeVar("Target")
Cause = TypeVar("Cause")


def reacting(
    command: Command, cause: RecordedEvent, *, command_id: UUID, tenant: str, actor: str
) -> Issued:
    """Issue a command that an event led to; its name follows from the cause and the target."""
    return Issued(
        command_id=command_id,
        tenant=tenant,
        actor=actor,
        correlation_id=cause.correlation_id,
        causation_id=cause.command_id,
        received_at=cause.recorded_at,
        fingerprint=fingerprint_of(command),
        command=command,
        trace_context=cause.trace_context,
    )


class Taking(Protocol):
    """What follows the log and asks for commands."""

    def take(self, recorded: list[RecordedEvent]) -> None:
        """Fold new events, if any, and ask for what is owed."""
        ...


class Reaction(Taking, Protocol):
    """What asks for commands until they are decided."""

    @property
    def owes(self) -> bool:
        """Whether a command is asked for and not decided."""
        ...


def react_on(reaction: Reaction, log: Log, after: int, read: ReadOn, stop: threading.Event) -> None:
    """Let a reaction follow the log until `stop`: at once while it owes something, else calmly."""
    following = log.follow(
        after,
        batch_events_max=EVENTS_PER_READ,
        stop=stop,
        rest_seconds=lambda: 0.0 if reaction.owes else REST_SECONDS,
        read=read,
    )
    for recorded in following:
        reaction.take(recorded)


def keep_looking(
    reaction: Taking,
    log: Log,
    after: int,
    read: ReadOn,
    stop: threading.Event,
    *,
    rest_seconds: Callable[[], float] = lambda: LOOK_SECONDS / 2,
) -> None:
    """Let a reaction look at the log until `stop`, some times a second whatever is appended."""
    following = log.follow(
        after,
        batch_events_max=EVENTS_PER_READ,
        stop=stop,
        poll_seconds=LOOK_SECONDS,
        rest_seconds=rest_seconds,
        read=read,
    )
    for recorded in following:
        reaction.take(recorded)


class Owing(Generic[Target, Cause]):
    """Asks for one command a target, for its newest cause.

    What was not decided (the desk was full, the log away) is asked for again under the same name,
    so it is decided once.
    """

    def __init__(
        self, desk: Desk, issue: Callable[[Target, Cause], Issued], *, asked_max: int
    ) -> None:
        self._desk = desk
        self._issue = issue
        self._asked_max = asked_max
        self._owed: dict[Target, Cause] = {}
        self._asked: dict[Target, tuple[Cause, Future[Outcome]]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is owed."""
        return not self._owed

    def owe(self, target: Target, cause: Cause) -> None:
        """Owe a target its command; one owed for an earlier cause is owed no longer."""
        self._owed[target] = cause

    def ask(self) -> None:
        """Forget what was decided, and ask for what is owed still."""
        self._forget_decided()
        for target, cause in islice(self._owed.items(), self._asked_max):
            if target not in self._asked:
                self._asked[target] = (cause, self._desk.submit(self._issue(target, cause)))

    def _forget_decided(self) -> None:
        """Owe no longer what was decided, unless a newer cause came meanwhile."""
        for target, (cause, asked) in list(self._asked.items()):
            if asked.done():
                del self._asked[target]
                if asked.result().status not in UNDECIDED and self._owed[target] == cause:
                    del self._owed[target]


class FoundDue:
    """Asks for what a read model was found to lack, all of it before it is looked at again.

    What the log tells since `told_at` may not be folded yet: a look at less would find it due anew.
    """

    def __init__(self, desk: Desk) -> None:
        self.told_at = 0
        self._desk = desk
        self._asked: list[Future[Outcome]] = []

    def is_decided(self) -> bool:
        """Note what was decided; say whether all is."""
        for asked in self._asked:
            if asked.done():
                self.told_at = max(self.told_at, asked.result().position or 0)
        self._asked = [asked for asked in self._asked if not asked.done()]
        return not self._asked

    def ask(self, issued: Iterable[Issued]) -> None:
        """Ask for what is due; what is not decided is found again by the next look."""
        self._asked = [self._desk.submit(each) for each in issued]
