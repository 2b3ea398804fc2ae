"""The bounded queue in front of the desk: singles before batches, batches in turn.

An atomic batch is taken alone. Past the bound nothing is queued, so a caller hears at once that it
was not attempted instead of waiting without end.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeAlias
from uuid import UUID

from commands import metrics
from commands.command import Issued, Outcome

QUEUED_MAX = 50_000
TURN_COMMANDS_MAX = 100
ATOMIC_PASSED_OVER_MAX = 2

Name: TypeAlias = tuple[str, UUID]
"""Tenant and command id: ids can be derived by anybody who knows a tenant's name."""


class DeskOverloaded(Exception):
    """The queue is full; nothing was attempted."""


class DeskClosed(Exception):
    """The desk is stopping; nothing was attempted."""


class Group:
    """Commands that came together and are answered together, in their order."""

    __slots__ = ("future", "is_atomic", "issued", "missing", "outcomes", "taken")

    def __init__(self, issued: Sequence[Issued], *, is_atomic: bool) -> None:
        self.issued = issued
        self.is_atomic = is_atomic
        self.future: Future[list[Outcome]] = Future()
        self.future.set_running_or_notify_cancel()  # What is queued is decided: no cancelling.
        self.outcomes: list[Outcome | None] = [None] * len(issued)
        self.missing = len(issued)
        self.taken = 0

    def answer(self, index: int, outcome: Outcome) -> None:
        """Give one command's outcome; the last one answers the group."""
        assert self.outcomes[index] is None, "a command is answered once"
        self.outcomes[index] = outcome
        self.missing -= 1
        if self.missing == 0:
            self.future.set_result([each for each in self.outcomes if each is not None])


class Single(Group):
    """One command, answered by its outcome alone."""

    __slots__ = ("outcome",)

    def __init__(self, issued: Issued) -> None:
        self.issued = (issued,)
        self.is_atomic = False
        self.outcome: Future[Outcome] = Future()
        self.outcome.set_running_or_notify_cancel()

    def answer(self, index: int, outcome: Outcome) -> None:
        """Give the outcome."""
        assert index == 0, "there is one command"
        self.outcome.set_result(outcome)


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
    answers[0][0].intake.forget([taken.issued for taken, _ in answers])
    counts = Counter([(type(taken.issued.command), told.status) for taken, told in answers])
    for (kind, status), count in counts.items():
        metrics.answered(kind.__name__, status.value).inc(count)
    for taken, outcome in answers:
        taken.group.answer(taken.index, outcome)


class Intake:
    """Thread-safe; any thread puts, the desk's thread takes."""

    def __init__(self, queued_max: int = QUEUED_MAX) -> None:
        self._condition = threading.Condition()
        self._singles: deque[Group] = deque()
        self._batches: deque[Group] = deque()
        self._atomics: deque[Group] = deque()
        self._atomic_passed_over = 0
        self._queued_max = queued_max
        self._queued = 0
        self._in_flight: dict[Name, int] = {}
        self._is_closed = False

    @property
    def queued(self) -> int:
        """How many commands wait."""
        return self._queued

    def put(self, group: Group) -> None:
        """Queue a group.

        Raises:
            DeskOverloaded: it does not fit.
            DeskClosed: the desk is stopping.
        """
        size = len(group.issued)
        with self._condition:
            if self._is_closed:
                raise DeskClosed
            if self._queued + size > self._queued_max:
                raise DeskOverloaded
            self._queued += size
            for issued in group.issued:
                name = (issued.tenant, issued.command_id)
                self._in_flight[name] = self._in_flight.get(name, 0) + 1
            queue = self._singles if size == 1 else self._batches
            (self._atomics if group.is_atomic else queue).append(group)
            self._condition.notify()

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
                group = self._atomics.popleft()
                taken = [Taken(self, group, index) for index in range(len(group.issued))]
            else:
                self._atomic_passed_over += bool(self._atomics)
                taken = self._take_singles(limit)
                self._take_turns(taken, limit)
            self._queued -= len(taken)
            return taken

    def give_back(self, taken: Sequence[Taken]) -> None:
        """Queue again what was taken and not decided, in its order: singles first, as before."""
        with self._condition:
            self._queued += len(taken)
            for each in reversed(taken):
                group = each.group
                if len(group.issued) == 1:
                    self._singles.appendleft(group)
                    continue
                was_whole = group.taken == len(group.issued)
                group.taken = each.index
                if was_whole:
                    self._batches.append(group)

    def nudge(self) -> None:
        """Let the waiting taker look at what it waits for."""
        with self._condition:
            self._condition.notify()

    def close(self) -> None:
        """Take no more in; what is queued is still given out."""
        with self._condition:
            self._is_closed = True
            self._condition.notify()

    def forget(self, answered: Sequence[Issued]) -> None:
        """Forget commands that have their outcomes."""
        with self._condition:
            for issued in answered:
                name = (issued.tenant, issued.command_id)
                count = self._in_flight.pop(name)
                if count > 1:
                    self._in_flight[name] = count - 1

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
        taken: list[Taken] = []
        while self._singles and len(taken) < limit:
            taken.append(Taken(self, self._singles.popleft(), 0))
        return taken

    def _take_turns(self, taken: list[Taken], limit: int) -> None:
        """Fill up from the batches, each in its turn."""
        while self._batches and len(taken) < limit:
            group = self._batches.popleft()
            end = min(group.taken + min(TURN_COMMANDS_MAX, limit - len(taken)), len(group.issued))
            taken += [Taken(self, group, index) for index in range(group.taken, end)]
            group.taken = end
            if end < len(group.issued):
                self._batches.append(group)
