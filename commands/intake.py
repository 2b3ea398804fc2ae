"""The bounded queue in front of the desk: singles before batches, the tenants in turn.

An atomic batch is taken alone. Past the bound nothing is queued, so a caller hears at once that it
was not attempted instead of waiting without end. This bound is one of memory; how long the wait may
be is judged at the door (`commands.admission`).
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TypeAlias, TypeVar
from uuid import UUID

from commands import metrics
from commands.command import Issued, Outcome
from commands.fairness import KEPT_FOR_NEWCOMERS, Turns

QUEUED_MAX = 50_000
TURN_COMMANDS_MAX = 100
ATOMIC_PASSED_OVER_MAX = 2
KEPT_FOR_BATCHES = 0.2
"""The part of a turn that singles leave to batches that wait."""

OutcomeT = TypeVar("OutcomeT")
Name: TypeAlias = tuple[str, UUID]
"""Tenant and command id: ids can be derived by anybody who knows a tenant's name."""


class DeskOverloaded(Exception):
    """The queue is full; nothing was attempted."""


class DeskClosed(Exception):
    """The desk is stopping; nothing was attempted."""


class Group:
    """Commands that came together and are answered together, in their order."""

    __slots__ = ("future", "is_atomic", "issued", "left", "missing", "outcomes", "since", "taken")

    def __init__(self, issued: Sequence[Issued], *, is_atomic: bool) -> None:
        self.issued = issued
        self.is_atomic = is_atomic
        self.future: Future[list[Outcome]] = Future()
        self.future.set_running_or_notify_cancel()  # What is queued is decided: no cancelling.
        self.outcomes: list[Outcome | None] = [None] * len(issued)
        self.missing = len(issued)
        self.left = len(issued)
        self.taken = 0
        self.since = 0.0

    @property
    def tenant(self) -> str:
        """Whose commands they are: a request is of one tenant."""
        return self.issued[0].tenant

    def answer(self, index: int, outcome: Outcome) -> None:
        """Give one command's outcome; the last one answers the group."""
        assert self.outcomes[index] is None, "a command is answered once"
        self.outcomes[index] = outcome
        self.missing -= 1
        if self.missing == 0:
            tell(self.future, [each for each in self.outcomes if each is not None])

    @property
    def is_told(self) -> bool:
        """Whether its caller has been answered."""
        return self.future.done()

    def give_up(self, refuse: Callable[[Issued], Outcome]) -> None:
        """Answer the caller now, whose patience ends before the desk's; what comes is not told."""
        known = zip(self.issued, list(self.outcomes), strict=True)
        tell(self.future, [outcome or refuse(issued) for issued, outcome in known])


class Single(Group):
    """One command, answered by its outcome alone."""

    __slots__ = ("outcome",)

    def __init__(self, issued: Issued) -> None:
        self.issued = (issued,)
        self.is_atomic = False
        self.outcome: Future[Outcome] = Future()
        self.outcome.set_running_or_notify_cancel()
        self.left = 1
        self.taken = 0
        self.since = 0.0

    def answer(self, index: int, outcome: Outcome) -> None:
        """Give the outcome."""
        assert index == 0, "there is one command"
        tell(self.outcome, outcome)

    @property
    def is_told(self) -> bool:
        """Whether its caller has been answered."""
        return self.outcome.done()

    def give_up(self, refuse: Callable[[Issued], Outcome]) -> None:
        """Answer the caller now; see `Group.give_up`."""
        tell(self.outcome, refuse(self.issued[0]))


def tell(future: Future[OutcomeT], outcome: OutcomeT) -> None:
    """Answer a caller, unless it has been told before that nobody knows."""
    with suppress(InvalidStateError):
        future.set_result(outcome)


class Taken:
    """One command taken from the queue, and where its answer goes."""

    __slots__ = ("group", "index", "intake", "issued")

    def __init__(self, intake: "Intake", group: Group, index: int) -> None:
        self.intake = intake
        self.group = group
        self.index = index
        self.issued = group.issued[index]


def answer(answers: Sequence[tuple[Taken, Outcome]]) -> None:
    """Answer callers whose commands were taken from one intake; what is booked is booked once."""
    if not answers:
        return
    answers[0][0].intake.forget([taken for taken, _ in answers])
    counts = Counter([(type(taken.issued.command), told.status) for taken, told in answers])
    for (kind, status), count in counts.items():
        metrics.answered(kind.__name__, status.value).inc(count)
    for taken, outcome in answers:
        taken.group.answer(taken.index, outcome)


class Intake:
    """Thread-safe; any thread puts, the desk's thread takes."""

    def __init__(
        self, queued_max: int = QUEUED_MAX, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._condition = threading.Condition()
        self._clock = clock
        self._singles: Turns[Group] = Turns()
        self._batches: Turns[Group] = Turns()
        self._atomics: Turns[Group] = Turns()
        self._atomic_passed_over = 0
        self._queued_max = queued_max
        self._queued = 0
        self._queued_of: dict[str, int] = {}
        self._in_flight: dict[Name, int] = {}
        self._held: dict[int, Group] = {}
        self._is_closed = False

    @property
    def queued(self) -> int:
        """How many commands wait."""
        return self._queued

    def put(self, group: Group) -> None:
        """Queue a group.

        Raises:
            DeskOverloaded: it does not fit, or not in what its tenant may hold of the queue.
            DeskClosed: the desk is stopping.
        """
        size = len(group.issued)
        tenant = group.tenant
        with self._condition:
            if self._is_closed:
                raise DeskClosed
            own = self._queued_of.get(tenant, 0)
            tenants = len(self._queued_of) + (own == 0)
            share = self._queued_max * (1 - KEPT_FOR_NEWCOMERS) / tenants
            if self._queued + size > self._queued_max or (own and own + size > share):
                raise DeskOverloaded
            self._count(tenant, size)
            group.since = self._clock()
            self._held[id(group)] = group
            for issued in group.issued:
                name = (issued.tenant, issued.command_id)
                self._in_flight[name] = self._in_flight.get(name, 0) + 1
            self._queue_of(group).put(group)
            self._condition.notify()

    def _queue_of(self, group: Group) -> Turns[Group]:
        if group.is_atomic:
            return self._atomics
        return self._singles if len(group.issued) == 1 else self._batches

    def _count(self, tenant: str, commands: int) -> None:
        """Count what is queued, or no longer."""
        self._queued += commands
        own = self._queued_of.get(tenant, 0) + commands
        if own:
            self._queued_of[tenant] = own
        else:
            del self._queued_of[tenant]

    def wait(
        self, count: int, timeout: float, *, until: Callable[[], bool] = lambda: False
    ) -> bool:
        """Wait for `count` queued commands, `until` something (see `nudge`), or the end.

        False: none of them came within `timeout` seconds.
        """
        with self._condition:
            return self._condition.wait_for(
                lambda: self._queued >= count or until() or self._is_closed, timeout
            )

    def take(self, limit: int, *, with_atomic: bool) -> list[Taken]:
        """Take up to `limit` queued commands without waiting.

        An atomic batch whose turn it is is taken whole and alone, if `with_atomic`.
        """
        with self._condition:
            taken: list[Taken] = []
            if self._is_atomics_turn(with_atomic=with_atomic):
                group = self._atomics.take()
                taken = [Taken(self, group, index) for index in range(len(group.issued))]
                group.taken = len(taken)
                self._count(group.tenant, -len(taken))
            else:
                self._atomic_passed_over += bool(self._atomics)
                taken = self._take_singles(limit)
                self._take_turns(taken, limit)
            return taken

    def give_back(self, taken: Sequence[Taken]) -> None:
        """Queue again what was taken and not decided, in its order: singles first, as before.

        What was taken goes before what was not, else it would be overtaken by what came later.
        """
        with self._condition:
            for each in reversed(taken):
                group = each.group
                self._count(group.tenant, 1)
                was_whole = group.taken == len(group.issued)
                group.taken = each.index
                if len(group.issued) == 1:
                    self._singles.put_first(group)
                elif group.is_atomic:
                    if each.index == 0:
                        self._atomics.put_first(group)
                elif was_whole:
                    self._batches.put_first(group)

    def withdraw(self, group: Group) -> list[Taken]:
        """Take all that is left of a batch out of its turn; `give_back` puts it there again."""
        with self._condition:
            if not self._batches.remove(group):
                return []
            left = [Taken(self, group, index) for index in range(group.taken, len(group.issued))]
            group.taken = len(group.issued)
            self._count(group.tenant, -len(left))
            return left

    def held(self) -> list[Group]:
        """List every group without all its outcomes, the longest held first."""
        with self._condition:
            return list(self._held.values())

    def abandon(self, *, since: float) -> list[Group]:
        """Take out for good what has waited since `since` or longer and nothing of which is taken.

        Whoever calls answers them; nothing of them will ever be decided.
        """
        with self._condition:
            late: list[Group] = []
            for group in self._held.values():
                if group.since > since:
                    break
                if group.taken == 0 and self._queue_of(group).remove(group):
                    late.append(group)
            for group in late:
                self._count(group.tenant, -len(group.issued))
                self._forget([Taken(self, group, index) for index in range(len(group.issued))])
            return late

    def nudge(self) -> None:
        """Let the waiting taker look at what it waits for."""
        with self._condition:
            self._condition.notify()

    def close(self) -> None:
        """Take no more in; what is queued is still given out."""
        with self._condition:
            self._is_closed = True
            self._condition.notify()

    def forget(self, answered: Sequence[Taken]) -> None:
        """Forget commands that have their outcomes."""
        with self._condition:
            self._forget(answered)

    def _forget(self, answered: Sequence[Taken]) -> None:
        for each in answered:
            issued = each.issued
            name = (issued.tenant, issued.command_id)
            count = self._in_flight.pop(name)
            if count > 1:
                self._in_flight[name] = count - 1
            group = each.group
            group.left -= 1
            if group.left == 0:
                del self._held[id(group)]

    def holds(self, tenant: str, command_id: UUID) -> bool:
        """Say whether a tenant's command is queued or being decided."""
        with self._condition:
            return (tenant, command_id) in self._in_flight

    def _is_atomics_turn(self, *, with_atomic: bool) -> bool:
        """Say whether an atomic batch goes now: nothing else waits, or it was passed over twice."""
        if not with_atomic or not self._atomics:
            return False
        is_due = self._atomic_passed_over >= ATOMIC_PASSED_OVER_MAX
        if is_due or not (self._singles or self._batches):
            self._atomic_passed_over = 0
            return True
        return False

    def _take_singles(self, limit: int) -> list[Taken]:
        """Take singles, one of each tenant in turn; where batches wait, leave them some room."""
        most = limit - int(limit * KEPT_FOR_BATCHES) if self._batches else limit
        taken: list[Taken] = []
        while self._singles and len(taken) < most:
            single = self._singles.take()
            single.taken = 1
            self._count(single.tenant, -1)
            taken.append(Taken(self, single, 0))
        return taken

    def _take_turns(self, taken: list[Taken], limit: int) -> None:
        """Fill up from the batches: so many commands of each tenant, each batch in its turn."""
        while (tenant := self._batches.turn) is not None and len(taken) < limit:
            before = len(taken)
            until = min(before + TURN_COMMANDS_MAX, limit)
            partly: Group | None = None
            while len(taken) < until and (group := self._batches.take_of_turn()) is not None:
                end = min(group.taken + until - len(taken), len(group.issued))
                taken += [Taken(self, group, index) for index in range(group.taken, end)]
                group.taken = end
                partly = group if end < len(group.issued) else None
            self._count(tenant, before - len(taken))
            self._batches.end_turn(tenant)
            if partly is not None:
                self._batches.put(partly)
