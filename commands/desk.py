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
from commands.admission import Admission
from commands.ahead import Ahead
from commands.breaker import Breaker
from commands.checks import Answer, Checks
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
from commands.snapshots import Snapshots
from commands.turn import UNKNOWN, HeadMoved, Turn
from commands.watching import BROKEN, CLOSED, LOST, OVERLOADED, Failure, Watch
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
TURN_BESIDE_SINGLES = 100
SINGLES_ADDED_MAX = 100
BESIDE_SECONDS = 0.25
"""While single commands have come within so long, a turn takes fewer of the batches: a single waits
for one turn and goes with the next, so that turns are short is what makes it quick."""

IDLE_SECONDS = 0.25
OVERLAPPED_COMMANDS_MIN = 64
GATHER_SECONDS = 0.003
RESOLVE_SECONDS = 5.0
RETRY_SECONDS = 0.1
CONTENDED_SECONDS = 1.0
ATTEMPTS_MAX = 3

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
        self._ahead = Ahead(log, self._intake.nudge)
        self._snapshots = Snapshots(log)
        self._checks = Checks(log, self._intake.nudge)
        self._single_at = -BESIDE_SECONDS
        self.breaker = Breaker()
        self.admission = Admission(lambda: self.breaker.is_open)
        self._watch = Watch(self._intake, self.breaker)
        self._contended_until = 0.0
        self.loaded = threading.Event()

    def start(self) -> None:
        """Begin to decide."""
        self._thread.start()
        self._watch.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Refuse new commands, decide and append those queued, then end.

        False: it did not end within `timeout` seconds, because the log does not answer.
        """
        self._closing.set()
        self.admission.close()
        self._intake.close()
        self._checks.close()
        self._thread.join(timeout)
        has_ended = not self._thread.is_alive()
        self._watch.stop()
        self._appender.shutdown(wait=has_ended)
        self._ahead.stop(wait=has_ended)
        if has_ended:
            self._snapshots.close()  # It waits for what is being kept.
        return has_ended

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
            single.answer(0, refusal(issued, *refused))
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
                group.answer(index, refusal(each, *refused))
        return group.future

    def check(self, issued: Sequence[Issued]) -> "Future[Answer]":
        """Tell what would become of trades, without a trace; the future may raise as this does.

        Raises:
            ChecksRefused: nothing was checked.
        """
        return self._checks.put(issued)

    def _put(self, group: Group) -> tuple[Status, str, str] | None:
        """Queue a group; where it cannot be, count that and say what its caller is told."""
        refused = (Status.UNKNOWN, *UNKNOWN)  # The log may hold it from before.
        try:
            if not self.breaker.is_open:
                self._intake.put(group)
                metrics.QUEUED.set(self._intake.queued)
                return None
        except DeskOverloaded:
            refused = (Status.NOT_ATTEMPTED, *OVERLOADED)
        except DeskClosed:
            refused = (Status.NOT_ATTEMPTED, *CLOSED)
        for issued in group.issued:
            metrics.answered(type(issued.command).__name__, refused[0].value).inc()
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
        while not (self._closing.is_set() and self._is_idle()):
            try:
                self.breaker.ask(self._log.require_there)
                if self._world is None:
                    self._log.resolve(())  # No commit of an earlier process is in doubt after this.
                    self._world = World.load(self._log, self._snapshots)
                    self.loaded.set()
                self.breaker.come_on()
                self._go_on(self._world)
            except LogUnavailable as error:
                self.breaker.open(str(error))
                self._refuse_queued()
                self._closing.wait(RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - a log that cannot be folded is told to every caller
                self._refuse_queued()
                self._world = None
                _log.exception("desk.failed")
                self._closing.wait(IDLE_SECONDS)

    def _is_idle(self) -> bool:
        return self._flight is None and not self._intake.queued and self._ahead.is_idle

    def _go_on(self, world: World) -> None:
        """Decide one turn while the last one is in flight, land that, send this off."""
        flight = self._flight
        if self._checks.are_waiting():  # One is answered; alone, on the newest state there is.
            is_idle = flight is None and not self._intake.queued
            self._checks.run_next(world, is_desk_idle=is_idle)
        self._flight = None
        parent = None if flight is None else flight.layer.overlay
        self._intake.give_back(self._ahead.take_ready(world, parent))
        turn = Turn(self._log, world, parent, entries_max=self._ahead.entries_max)
        failure: Failure | None = None
        expected = 0
        if flight is not None:
            failure = self._attempt(lambda: self._decide_meanwhile(turn, flight))
            expected = self._intake.queued + flight.size
            if self._land(flight):
                turn.stand_on_world()
                if flight.callers == 1 and turn.is_empty and not self._intake.queued:
                    expected = 0  # Whoever is alone meets nobody, so nobody is waited for.
            elif failure is None and self._world is not None:
                failure = self._attempt(turn.decide_anew)
        if failure is None and self._world is not None:
            failure = self._attempt(lambda: self._top_up(turn, expected))
        self._ahead.put(turn.world, turn.take_aside())
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
        if turn.size < OVERLAPPED_COMMANDS_MIN or turn.is_held:
            return
        appending = self._appender.submit(turn.append)
        turn.send(appending)
        appending.add_done_callback(lambda _: self._intake.nudge())

    def _decide_meanwhile(self, turn: Turn, flight: Turn) -> None:
        """While a commit is in flight, decide what comes in numbers worth a probe of the log."""
        while not flight.has_landed() and (room := turn.room(self._turn_commands())) > 0:
            enough = min(room, OVERLAPPED_COMMANDS_MIN)
            self._intake.wait(enough, IDLE_SECONDS, until=flight.has_landed)
            if flight.has_landed() or self._intake.queued < enough:
                continue
            taken = self._take(room, with_atomic=turn.is_empty)
            if not taken:
                return
            self._decide(turn, taken)

    def _decide(self, turn: Turn, taken: Sequence[Taken]) -> None:
        turn.decide(taken)
        self._collect(turn)

    def _collect(self, turn: Turn) -> None:
        """Queue again what a turn had no time for, and have prepared what takes long."""
        self._intake.give_back(turn.take_left())
        self._ahead.put(turn.world, turn.take_aside())

    def _top_up(self, turn: Turn, expected: int) -> None:
        """Take what has arrived by now; idle, wait for the first command, following the log.

        `expected` counts the callers just answered and those who waited meanwhile. If there are
        few of them, but more than one, they are given a moment to meet in one turn; else they
        would split into turns that take turns.
        """
        if expected == 0:
            if not self._intake.wait(
                1, IDLE_SECONDS, until=lambda: self._checks.are_waiting() or self._ahead.is_ready
            ):
                turn.world.follow(self._log)
                metrics.POSITION.set(turn.world.position)
                turn.world.rest()
                return
        elif self._intake.queued < expected < OVERLAPPED_COMMANDS_MIN and expected > 1:
            self._intake.wait(expected, GATHER_SECONDS)
        room = turn.room(min(self._turn_commands() + SINGLES_ADDED_MAX, COMMANDS_PER_TURN_MAX))
        taken = self._take(room, with_atomic=turn.is_empty)
        # Beside another writer what is decided without the lock would be decided twice.
        is_alone = time.monotonic() > self._contended_until
        is_held = len(taken) < OVERLAPPED_COMMANDS_MIN or not is_alone
        if is_held and turn.is_empty and not is_atomic(taken):
            turn.hold(taken)
        elif taken:
            self._decide(turn, taken)

    def _take(self, room: int, *, with_atomic: bool) -> list[Taken]:
        """Take what goes next, and remember when a single was among it."""
        taken = self._intake.take(room, with_atomic=with_atomic)
        metrics.QUEUED.set(self._intake.queued)
        if taken and len(taken[0].group.issued) == 1:  # Singles come first.
            self._single_at = time.monotonic()
        return taken

    def _turn_commands(self) -> int:
        """Say how many commands a turn takes before what comes while the last one lands."""
        is_beside = time.monotonic() - self._single_at < BESIDE_SECONDS
        return TURN_BESIDE_SINGLES if is_beside else COMMANDS_PER_TURN_MAX

    def _attempt(self, act: Callable[[], None]) -> Failure | None:
        """Do something that may fail with nothing written; give the code and message to answer."""
        try:
            act()
        except LogUnavailable as error:
            self.breaker.fail()
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
                self.breaker.fail()
                _log.warning("desk.log_unavailable", error=str(error))
                turn.fail(Status.NOT_ATTEMPTED, *LOST)
                return False
            except Exception:  # noqa: BLE001 - a bug answers its callers and does not end the desk
                _log.exception("desk.failed")
                self._world = None
                turn.fail(Status.NOT_ATTEMPTED, *BROKEN)
                return False
            if turn.has_met_others or attempt > 0:
                self._contended_until = time.monotonic() + CONTENDED_SECONDS
            turn.land(appended)
            self._collect(turn)
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
            self.breaker.fail()
            _log.warning("desk.commit_unknown", error=str(error))
        deadline = time.monotonic() + RESOLVE_SECONDS
        while True:
            try:
                left = max(deadline - time.monotonic(), RETRY_SECONDS)
                receipts = self._log.resolve(turn.command_ids, wait_seconds=left)
                break
            except LogUnavailable as error:
                self.breaker.open(str(error))
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
