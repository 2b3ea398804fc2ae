"""One turn of the desk: commands decided together, appended as one transaction, answered together.

A turn ends in exactly one of three ways: landed (durable, every command answered with its
outcome), failed (certainly nothing written), or unknown (nobody could say in time).
"""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from uuid import UUID

import msgspec

from commands import metrics
from commands.ahead import Aside
from commands.command import Issued, Outcome, Status, refusal
from commands.deciding import (
    Decided,
    Judgement,
    Layer,
    Probe,
    judge,
    names_of,
    probe,
    probe_of,
    told_again,
    write,
)
from commands.intake import Taken, answer
from commands.overlay import Overlay
from commands.world import EVENTS_PER_READ, World
from domain.refolding import TakesLong
from eventstore.envelope import Appended, Receipt
from eventstore.failures import LogUnavailable
from eventstore.log import Log
from eventstore.writing import WritingTransaction

Entry = tuple[Taken, Decided]


DECIDE_SECONDS_MAX = 0.05
"""After so long a turn takes no more: what is slow to decide delays nobody else for long."""

ATOMIC_SECONDS_MAX = 2.0
REFUSED = (
    "atomic_batch_refused",
    "Another item of this atomic batch was refused; nothing of it was booked.",
)
TOO_SLOW = (
    "atomic_batch_too_slow",
    "This atomic batch takes too long to decide at once; nothing of it was booked, send less.",
)
UNKNOWN = ("unknown", "Nobody can say yet whether it was written; ask by its command id.")


class HeadMoved(Exception):
    """Another writer appended since these commands were decided; nothing was written."""


class Turn:
    """Commands and what was decided for them, on top of the turn in flight if there is one."""

    def __init__(
        self,
        log: Log,
        world: World,
        parent: Overlay | None,
        *,
        entries_max: Callable[[UUID], float] = lambda _: math.inf,
    ) -> None:
        self._log = log
        self._entries_max = entries_max
        self._aside: list[Aside] = []
        self._entries: list[Entry] = []
        self._undecided: list[Taken] = []
        self._appending: Future[Appended] | None = None
        self._is_full = False
        self._is_held = False
        self.has_met_others = False
        self.world = world
        self.layer = Layer.over(Overlay(world, parent))

    @property
    def is_empty(self) -> bool:
        """Whether it has taken no command."""
        return not self._entries and not self._undecided

    @property
    def size(self) -> int:
        """How many commands it holds, decided or not."""
        return len(self._entries) + len(self._undecided)

    @property
    def callers(self) -> int:
        """How many callers are told what becomes of them."""
        taken = [*(each for each, _ in self._entries), *self._undecided]
        return len({id(each.group) for each in taken})

    @property
    def is_held(self) -> bool:
        """Whether it is decided and appended at once, under the append lock."""
        return self._is_held

    def has_landed(self) -> bool:
        """Say whether no append of it is under way beside the desk's thread any more."""
        return self._appending is None or self._appending.done()

    @property
    def writes(self) -> bool:
        """Whether there is anything to append, or may be, or whether the head must be looked at."""
        return (
            self._is_held
            or bool(self.layer.receipts)
            or any(decided.holds_at_head for _, decided in self._entries)
        )

    @property
    def command_ids(self) -> list[UUID]:
        """The commands that get receipts in its append."""
        return [receipt.command_id for receipt in self.layer.receipts]

    def room(self, limit: int) -> int:
        """How many more commands it may take; none beside an atomic batch or out of time."""
        return 0 if self._is_full else limit - len(self._entries)

    def decide(self, taken: Sequence[Taken]) -> None:
        """Decide commands in order, each on top of those before; `take_left` has the rest."""
        self._undecided = list(taken)
        known = probe(self._log, [each.issued for each in taken], self.layer.overlay)
        self._decide(taken, known, time.perf_counter() + DECIDE_SECONDS_MAX)

    def hold(self, taken: Sequence[Taken]) -> None:
        """Take a few commands to be decided and appended at once, under the append lock."""
        self._undecided = list(taken)
        self._is_held = True

    def take_left(self) -> list[Taken]:
        """Give up those commands that there was no time for; the turn takes no more."""
        left, self._undecided = self._undecided, []
        self._is_full = self._is_full or bool(left)
        return left

    def take_aside(self) -> list[Aside]:
        """Give up what takes long to decide."""
        aside, self._aside = self._aside, []
        return aside

    def decide_anew(self) -> None:
        """Decide everything again on the world as it now is, no turn in flight below."""
        issued = self._begin_anew()
        self._decide(self._undecided, probe(self._log, issued, self.layer.overlay), math.inf)

    def _begin_anew(self) -> list[Issued]:
        self._undecided = [*(each for each, _ in self._entries), *self._undecided]
        self._entries = []
        self.layer = Layer.over(Overlay(self.world))
        return [each.issued for each in self._undecided]

    def stand_on_world(self) -> None:
        """The turn below has landed as decided: this one now stands on the world itself."""
        self.layer.overlay.stand_on_world()

    def _decide(self, taken: Sequence[Taken], known: Probe, deadline: float) -> None:
        if taken and taken[0].group.is_atomic:
            self._is_full = True
            self._undecided = []
            try:
                self._entries += self._decide_atomic(taken, known)
            except TakesLong as long:
                self._put_aside(taken, long)
            return
        left = deque(taken)
        done = 0
        try:
            while left and (done == 0 or time.perf_counter() <= deadline):
                try:
                    self._entries.append((left[0], self._decide_one(left[0], known)))
                    left.popleft()
                except TakesLong as long:
                    group = left[0].group
                    self._put_aside([each for each in left if each.group is group], long)
                    left = deque(each for each in left if each.group is not group)
                done += 1
        finally:
            self._undecided = list(left)  # Also when the line breaks: none stands twice.

    def _put_aside(self, taken: Sequence[Taken], long: TakesLong) -> None:
        """Put a command aside with those behind it in its batch, which are to see what it did."""
        rest = taken[0].intake.withdraw(taken[0].group)
        self._aside.append(Aside([*taken, *rest], long))

    def _decide_one(self, taken: Taken, known: Probe) -> Decided:
        most = self._entries_max(taken.issued.command_id)
        judged = judge(taken.issued, self.layer.overlay, self._log, known, entries_max=most)
        if isinstance(judged, Decided):
            return judged
        return write(taken.issued, judged, self.layer, self._log)

    def _decide_atomic(self, taken: Sequence[Taken], known: Probe) -> list[Entry]:
        """Decide all; on the first refusal keep only its record, the others are not attempted."""
        below = self.layer.overlay.parent
        entries: list[Entry] = []
        deadline = time.perf_counter() + ATOMIC_SECONDS_MAX
        for each in taken:
            if time.perf_counter() > deadline:
                self.layer = Layer.over(Overlay(self.world, below))
                return [(other, _not_attempted(other, *TOO_SLOW)) for other in taken]
            most = self._entries_max(each.issued.command_id)
            try:
                judged = judge(each.issued, self.layer.overlay, self._log, known, entries_max=most)
            except TakesLong:
                self.layer = Layer.over(Overlay(self.world, below))
                raise
            refused = _is_refusal(judged)
            if refused:
                self.layer = Layer.over(Overlay(self.world, below))
            if isinstance(judged, Judgement):
                decided = write(each.issued, judged, self.layer, self._log)
            else:
                decided = judged
            if refused:
                return [
                    (other, decided if other is each else _not_attempted(other, *REFUSED))
                    for other in taken
                ]
            entries.append((each, decided))
        return entries

    def send(self, appending: "Future[Appended]") -> None:
        """Remember the append under way."""
        self._appending = appending

    def append(self) -> Appended:
        """Append in one transaction if the head is where this turn was decided.

        Raises:
            HeadMoved: it is not; nothing was written.
            LogFailure: as `Log.writing` says.
        """
        started = time.perf_counter()
        with self._log.writing() as transaction:
            if transaction.head.position != self.layer.overlay.base:
                raise HeadMoved
            appended = self._append_to(transaction)
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
        return appended

    def append_under_lock(self) -> Appended:
        """Fold what others appended, decide anew and append, all under the append lock.

        What the log knows of the commands comes with the lock, in one round trip. What there is
        no time for is left; see `take_left`.
        """
        started = time.perf_counter()
        issued = self._begin_anew()
        asked = names_of(self._log, issued, self.layer.overlay)
        with self._log.writing(known_of=asked) as transaction:
            if transaction.head.position == self.world.position:
                known = probe_of(self._log, transaction.known)
            else:
                self.has_met_others = True
                while recorded := transaction.read(self.world.position, EVENTS_PER_READ):
                    self.world.fold(recorded)
                self.layer = Layer.over(Overlay(self.world))
                known = probe(self._log, issued, self.layer.overlay)
            patience = DECIDE_SECONDS_MAX if self._is_held else math.inf
            self._decide(self._undecided, known, time.perf_counter() + patience)
            appended = self._append_to(transaction)
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
        return appended

    def _append_to(self, transaction: WritingTransaction) -> Appended:
        metrics.COMMIT_COMMANDS.observe(len(self._entries))
        metrics.COMMIT_EVENTS.observe(len(self.layer.events))
        return transaction.append(self.layer.events, self.layer.receipts, is_last=True)

    def appended(self) -> Appended:
        """Give the result of the append under way, or append now; raise its failure."""
        if self._appending is not None:
            return self._appending.result()
        return self.append_under_lock() if self._is_held else self.append()

    def land(self, appended: Appended | None) -> None:
        """Merge what is now in the log into the world, and answer every caller."""
        if self.layer.receipts:
            self.layer.overlay.merge()
        receipts = self._receipts_told_again()
        answer(
            [
                (taken, self._outcome(decided, taken, appended, receipts))
                for taken, decided in self._entries
            ]
        )
        metrics.POSITION.set(self.world.position)

    def fail(self, status: Status, code: str, message: str) -> None:
        """Answer every caller that nothing was written, or that nobody knows.

        Nobody knows of a command that was not probed: it may have been written before.
        """
        answers = [
            (
                taken,
                self._told_without_append(taken.issued, decided)
                or refusal(taken.issued, status, code, message),
            )
            for taken, decided in self._entries
        ]
        unknown = [
            (each, refusal(each.issued, Status.UNKNOWN, *UNKNOWN)) for each in self._undecided
        ]
        answer(answers + unknown)

    def _told_without_append(self, issued: Issued, decided: Decided) -> Outcome | None:
        """Give what holds of a command whether or not this turn is in the log, if anything does.

        What the log told of it stays told; what stands in another append is not for us to deny.
        """
        ours = self.layer.overlay.receipts
        if decided.told_again is not None and decided.told_again not in ours:
            return refusal(issued, Status.UNKNOWN, *UNKNOWN)
        if decided.outcome.replayed and issued.command_id not in ours:
            return decided.outcome
        return None

    def found(self, receipts: dict[UUID, Receipt]) -> Appended:
        """Say where the append stands, from the receipts it left in the log.

        Raises:
            HeadMoved: it is not there. Receipts of the same commands at other positions are not
                ours: their caller tried again through another writer meanwhile.
        """
        base = self.layer.overlay.base
        for ours in self.layer.receipts:
            found = receipts.get(ours.command_id)
            expected = base if ours.last_event is None else base + 1 + ours.last_event
            if found is None or found.position != expected:
                raise HeadMoved
        one = receipts[self.layer.receipts[0].command_id]
        return Appended(base + 1, self.layer.overlay.head, one.recorded_at)

    def _receipts_told_again(self) -> dict[UUID, Receipt]:
        told = [each.told_again for _, each in self._entries if each.told_again is not None]
        if not told:
            return {}
        try:
            return self._log.receipts(told)
        except LogUnavailable:
            return {}

    def _outcome(
        self,
        decided: Decided,
        taken: Taken,
        appended: Appended | None,
        receipts: dict[UUID, Receipt],
    ) -> Outcome:
        outcome = decided.outcome
        if decided.told_again is not None:
            receipt = receipts.get(decided.told_again)
            if receipt is None:
                message = "It is durable, but the log cannot be asked for it now; ask by its id."
                return refusal(taken.issued, Status.UNKNOWN, "unknown", message)
            outcome = told_again(receipt)
        elif decided.last_event is not None and appended is not None:
            outcome = msgspec.structs.replace(
                outcome,
                position=appended.first_position + decided.last_event,
                recorded_at=appended.recorded_at,
            )
        return outcome


def _is_refusal(judged: Decided | Judgement) -> bool:
    if isinstance(judged, Judgement):
        return judged.rejection is not None
    return judged.outcome.status is not Status.ACCEPTED


def _not_attempted(taken: Taken, code: str, message: str) -> Decided:
    return Decided(refusal(taken.issued, Status.NOT_ATTEMPTED, code, message))
