"""The command desk: one loop that decides what arrived while the last commit was in flight.

Everything decided in one turn is appended as one transaction and answered when that is durable;
while it is in flight, the next turn is decided on top of it. Alone, a command waits for nobody.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import UUID

import structlog

from commands import metrics
from commands.command import CommandState, Issued, Outcome, Status, refusal
from commands.deciding import outcome_of
from commands.intake import (
    QUEUED_MAX,
    DeskClosed,
    DeskOverloaded,
    Group,
    Intake,
    Single,
    Taken,
    answer,
)
from commands.turn import UNKNOWN, HeadMoved, Turn
from commands.world import World
from eventstore.envelope import Appended
from eventstore.failures import (
    CommitUnknown,
    LogUnavailable,
    ReceiptConflict,
    VersionConflict,
)
from eventstore.log import Log

COMMANDS_PER_TURN_MAX = 500
IDLE_SECONDS = 0.25
OVERLAPPED_COMMANDS_MIN = 64
GATHER_SECONDS = 0.003
RESOLVE_SECONDS = 5.0
RETRY_SECONDS = 0.1
ATTEMPTS_MAX = 3

Failure = tuple[str, str]
LOST: Failure = ("log_unavailable", "The log cannot be reached; nothing was written, try again.")
OVERLOADED: Failure = ("overloaded", "Too many commands wait; try again later.")
CLOSED: Failure = ("shutting_down", "The desk is stopping; try again later.")
BROKEN: Failure = ("internal_error", "This command met a defect; nothing was written.")

_log = structlog.get_logger("commands.desk")


def is_atomic(taken: Sequence[Taken]) -> bool:
    """Say whether what was taken is one atomic batch."""
    return bool(taken) and taken[0].group.is_atomic


class StillUnknown(Exception):
    """The answer to a COMMIT was lost, and the log could not say in time what became of it."""


class Desk:
    """Takes commands from any thread; decides and appends them on its own."""

    def __init__(self, log: Log, *, queued_max: int = QUEUED_MAX) -> None:
        self._log = log
        self._intake = Intake(queued_max)
        self._world: World | None = None
        self._flight: Turn | None = None
        self._appender = ThreadPoolExecutor(1, thread_name_prefix="desk-append")
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)
        self._closing = threading.Event()
        self.loaded = threading.Event()

    def start(self) -> None:
        """Begin to decide."""
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Refuse new commands, decide and append those queued, then end."""
        self._closing.set()
        self._intake.close()
        self._thread.join(timeout)
        self._appender.shutdown()

    @property
    def position(self) -> int:
        """The log position folded so far."""
        return 0 if self._world is None else self._world.position

    @property
    def queued(self) -> int:
        """How many commands wait."""
        return self._intake.queued

    def submit(self, issued: Issued) -> "Future[Outcome]":
        """Queue one command; the future never raises, every ending is an outcome."""
        single = Single(issued)
        refused = self._put(single)
        if refused is not None:
            single.answer(0, refusal(issued, Status.NOT_ATTEMPTED, *refused))
        return single.outcome

    def submit_batch(self, issued: Sequence[Issued], *, is_atomic: bool) -> "Future[list[Outcome]]":
        """Queue commands that are decided in order and answered together, one outcome each."""
        group = Group(issued, is_atomic=is_atomic and len(issued) > 1)
        if not issued:
            group.future.set_result([])
            return group.future
        refused = self._put(group)
        if refused is not None:
            for index, each in enumerate(issued):
                group.answer(index, refusal(each, Status.NOT_ATTEMPTED, *refused))
        return group.future

    def _put(self, group: Group) -> Failure | None:
        """Queue a group; where nothing is attempted, count that and give the code and message."""
        try:
            self._intake.put(group)
        except DeskOverloaded:
            refused = OVERLOADED
        except DeskClosed:
            refused = CLOSED
        else:
            metrics.QUEUED.set(self._intake.queued)
            return None
        for issued in group.issued:
            kind = type(issued.command).__name__
            metrics.answered(kind, Status.NOT_ATTEMPTED.value).inc()
        return refused

    def state_of(self, tenant: str, command_id: UUID) -> tuple[CommandState, Outcome | None]:
        """Tell what became of a command, `never_seen` only once nothing can still commit it.

        Raises:
            LogUnavailable: the log cannot say now.
        """
        if self._intake.holds(tenant, command_id):
            return CommandState.IN_FLIGHT, None
        receipts = self._log.receipts([command_id])
        if not receipts and not self.loaded.is_set():
            # A commit of this or of an earlier process may be in doubt: only the lock tells.
            receipts = self._log.resolve([command_id])
        receipt = receipts.get(command_id)
        if receipt is None or receipt.tenant != tenant:
            return CommandState.NEVER_SEEN, None
        return CommandState.DECIDED, outcome_of(receipt)

    def _run(self) -> None:
        while not (self._closing.is_set() and self._flight is None and not self._intake.queued):
            try:
                if self._world is None:
                    self._log.resolve(())  # No commit of an earlier process is in doubt after this.
                    self._world = World.load(self._log)
                    self.loaded.set()
                self._go_on(self._world)
            except LogUnavailable as error:
                self._refuse_queued()
                _log.warning("desk.log_unavailable", error=str(error))
                self._closing.wait(RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - a log that cannot be folded is told to every caller
                self._refuse_queued()
                self._world = None
                _log.exception("desk.failed")
                self._closing.wait(IDLE_SECONDS)

    def _go_on(self, world: World) -> None:
        """Decide one turn while the last one is in flight, land that, send this off."""
        flight = self._flight
        self._flight = None
        turn = Turn(self._log, world, None if flight is None else flight.layer.overlay)
        failure: Failure | None = None
        expected = 0
        if flight is not None:
            failure = self._attempt(lambda: self._decide_meanwhile(turn, flight))
            expected = self._intake.queued + flight.size
            if self._land(flight):
                turn.stand_on_world()
            elif failure is None and self._world is not None:
                failure = self._attempt(turn.decide_anew)
        if failure is None and self._world is not None:
            failure = self._attempt(lambda: self._top_up(turn, expected))
        if turn.is_empty:
            return
        if failure is not None:
            turn.fail(Status.NOT_ATTEMPTED, *failure)
        elif self._world is None:
            turn.fail(Status.NOT_ATTEMPTED, *LOST)
        elif turn.writes:
            self._send(turn)
        else:
            turn.land(None)

    def _send(self, turn: Turn) -> None:
        """Append a turn: beside this thread, or in it if it holds only a few commands."""
        self._flight = turn
        if turn.size < OVERLAPPED_COMMANDS_MIN:
            return
        appending = self._appender.submit(turn.append)
        turn.send(appending)
        appending.add_done_callback(lambda _: self._intake.nudge())

    def _decide_meanwhile(self, turn: Turn, flight: Turn) -> None:
        """While a commit is in flight, decide what comes in numbers worth a probe of the log."""
        while not flight.has_landed() and (room := turn.room(COMMANDS_PER_TURN_MAX)) > 0:
            enough = min(room, OVERLAPPED_COMMANDS_MIN)
            self._intake.wait(enough, IDLE_SECONDS, until=flight.has_landed)
            if flight.has_landed() or self._intake.queued < enough:
                continue
            taken = self._intake.take(room, with_atomic=turn.is_empty)
            metrics.QUEUED.set(self._intake.queued)
            if not taken:
                return
            self._decide(turn, taken)

    def _decide(self, turn: Turn, taken: Sequence[Taken]) -> None:
        turn.decide(taken)
        self._intake.give_back(turn.take_left())

    def _top_up(self, turn: Turn, expected: int) -> None:
        """Take what has arrived by now; idle, wait for the first command, following the log.

        `expected` counts the callers just answered and those who waited meanwhile. If there are
        few of them, but more than one, they are given a moment to meet in one turn; else they
        would split into turns that take turns.
        """
        if expected == 0:
            if not self._intake.wait(1, IDLE_SECONDS):
                turn.world.follow(self._log)
                metrics.POSITION.set(turn.world.position)
                return
        elif self._intake.queued < expected < OVERLAPPED_COMMANDS_MIN and expected > 1:
            self._intake.wait(expected, GATHER_SECONDS)
        room = turn.room(COMMANDS_PER_TURN_MAX)
        taken = self._intake.take(room, with_atomic=turn.is_empty)
        metrics.QUEUED.set(self._intake.queued)
        if len(taken) < OVERLAPPED_COMMANDS_MIN and turn.is_empty and not is_atomic(taken):
            turn.hold(taken)
        elif taken:
            self._decide(turn, taken)

    def _attempt(self, act: Callable[[], None]) -> Failure | None:
        """Do something that may fail with nothing written; give the code and message to answer."""
        try:
            act()
        except LogUnavailable as error:
            _log.warning("desk.log_unavailable", error=str(error))
            return LOST
        except Exception:  # noqa: BLE001 - a bug answers its callers and does not end the desk
            _log.exception("desk.failed")
            self._world = None
            return BROKEN
        return None

    def _land(self, turn: Turn) -> bool:
        """End a turn in flight. True: it is in the log exactly as it was decided."""
        append = turn.appended
        for attempt in range(ATTEMPTS_MAX):
            try:
                appended = self._appended_for_certain(append, turn)
            except HeadMoved:
                metrics.REDECIDED.inc()
                append = turn.append_under_lock
                continue
            except (ReceiptConflict, VersionConflict) as error:
                # Another writer decided one of these commands without moving the head.
                _log.warning("desk.conflict", error=str(error))
                append = turn.append_under_lock
                continue
            except StillUnknown:
                self.loaded.clear()
                self._world = None
                turn.fail(Status.UNKNOWN, *UNKNOWN)
                return False
            except LogUnavailable as error:
                _log.warning("desk.log_unavailable", error=str(error))
                turn.fail(Status.NOT_ATTEMPTED, *LOST)
                return False
            except Exception:  # noqa: BLE001 - a bug answers its callers and does not end the desk
                _log.exception("desk.failed")
                self._world = None
                turn.fail(Status.NOT_ATTEMPTED, *BROKEN)
                return False
            turn.land(appended)
            self._intake.give_back(turn.take_left())
            return attempt == 0
        self._world = None
        turn.fail(Status.NOT_ATTEMPTED, *LOST)
        return False

    def _appended_for_certain(self, append: Callable[[], Appended], turn: Turn) -> Appended:
        """Append; where the answer to COMMIT was lost, find the truth in the log.

        Raises:
            HeadMoved: nothing was written, and the turn is to be decided anew.
            StillUnknown: nobody could say within 5 s.
        """
        try:
            return append()
        except CommitUnknown as error:
            metrics.UNKNOWN.inc()
            _log.warning("desk.commit_unknown", error=str(error))
        deadline = time.monotonic() + RESOLVE_SECONDS
        while True:
            try:
                left = max(deadline - time.monotonic(), RETRY_SECONDS)
                receipts = self._log.resolve(turn.command_ids, wait_seconds=left)
                break
            except LogUnavailable as error:
                if time.monotonic() > deadline:
                    raise StillUnknown from error
                time.sleep(RETRY_SECONDS)
        if not receipts:
            raise HeadMoved
        return turn.found(receipts)

    def _refuse_queued(self) -> None:
        """Answer those who wait: without the log nobody knows what was written before."""
        while taken := self._intake.take(COMMANDS_PER_TURN_MAX, with_atomic=True):
            answer([(each, refusal(each.issued, Status.UNKNOWN, *UNKNOWN)) for each in taken])
