"""Whose turn it is: the queue in front of the desk, and turns that end in time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from commands import turn
from commands.command import OpenPortfolio, Status
from commands.desk import Desk
from commands.intake import ATOMIC_PASSED_OVER_MAX, TURN_COMMANDS_MAX, Group, Intake, Taken
from commands.turn import Turn
from commands.world import World
from domain.identity import MARKET_TENANT
from domain.lots import CostBasis
from domain.trade import Intent
from eventstore.log import Log
from infra.database import Database
from tests.commands.desks import desk_on, wait_until
from tests.commands.scenes import (
    WAIT_SECONDS,
    capture,
    done,
    issue,
    open_alpha,
    register,
)

PLENTY = 10_000_000
LIMIT = 500
CALLERS = 8
LATE_FILLS = 1_120
ANSWERED_WITHIN_SECONDS = 2
ONE_SHARE = {"quantity": Decimal(1)}


def group_of(*names: str, is_atomic: bool = False) -> Group:
    """A group of captures of these external ids."""
    return Group([issue(capture(name)) for name in names], is_atomic=is_atomic)


def named(prefix: str, count: int) -> list[str]:
    """External ids `a000`, `a001`, ..."""
    return [f"{prefix}{number:03}" for number in range(count)]


def names_of(taken: list[Taken]) -> list[str]:
    """The external ids of what was taken, in order."""
    return [each.issued.command.capture.external_id for each in taken]  # type: ignore[attr-defined]


def filled(*groups: Group) -> Intake:
    """A queue of these groups."""
    intake = Intake()
    for group in groups:
        intake.put(group)
    return intake


class TestGivingBack:
    """What was taken and not decided comes again, in its order."""

    def test_keeps_the_order_of_singles(self) -> None:
        """Two of four are decided; the others come before one that arrived meanwhile."""
        intake = filled(*(group_of(name) for name in "abcd"))
        taken = intake.take(LIMIT, with_atomic=True)
        intake.put(group_of("e"))

        intake.give_back(taken[2:])

        assert names_of(intake.take(LIMIT, with_atomic=True)) == ["c", "d", "e"]

    @pytest.mark.parametrize("decided", [0, 1, 30, 99])
    def test_keeps_the_order_of_a_group_taken_whole(self, decided: int) -> None:
        """The rest of a batch comes again, each item once."""
        names = named("a", TURN_COMMANDS_MAX)
        intake = filled(group_of(*names))
        taken = intake.take(LIMIT, with_atomic=True)

        intake.give_back(taken[decided:])

        assert intake.queued == len(names) - decided
        assert names_of(intake.take(LIMIT, with_atomic=True)) == names[decided:]
        assert intake.queued == 0

    @pytest.mark.parametrize("decided", [0, 150, 250, 449])
    def test_keeps_the_order_of_groups_taken_in_turns(self, decided: int) -> None:
        """Two batches, each taken in several parts: given back, each goes on where it stood."""
        one, other = named("a", 250), named("b", 300)
        intake = filled(group_of(*one), group_of(*other))
        taken = intake.take(450, with_atomic=True)
        before = names_of(taken[:decided])

        intake.give_back(taken[decided:])

        came = before + names_of(intake.take(PLENTY, with_atomic=True))
        assert [name for name in came if name in set(one)] == one
        assert [name for name in came if name in set(other)] == other
        assert len(came) == len(one) + len(other)

    def test_puts_singles_before_batches_again(self) -> None:
        """Given back together, they come as they were taken."""
        intake = filled(group_of("a", "b"), group_of("s"), group_of("t"))
        taken = intake.take(LIMIT, with_atomic=True)

        intake.give_back(taken)

        assert names_of(taken) == ["s", "t", "a", "b"]
        assert names_of(intake.take(LIMIT, with_atomic=True)) == ["s", "t", "a", "b"]


class TestWaitingAtomically:
    """An atomic batch is taken alone, and is passed over only so often."""

    def test_is_passed_over_twice_and_then_due(self) -> None:
        """Singles go first as long as they may; then the batch goes, whole and alone."""
        intake = filled(group_of("x", "y", is_atomic=True))
        for number in range(ATOMIC_PASSED_OVER_MAX):
            intake.put(group_of(f"s{number}"))
            assert names_of(intake.take(LIMIT, with_atomic=True)) == [f"s{number}"]
        intake.put(group_of("late"))

        assert names_of(intake.take(LIMIT, with_atomic=True)) == ["x", "y"]
        assert names_of(intake.take(LIMIT, with_atomic=True)) == ["late"]

    def test_is_decided_while_callers_never_pause(self, log: Log) -> None:
        """Eight callers send one after the other's answer; both batches are decided."""
        stop = threading.Event()
        counts = [0] * CALLERS

        def call(desk: Desk, caller: int) -> None:
            while not stop.is_set():
                done(desk, capture(f"c{caller}-{counts[caller]}", **ONE_SHARE))
                counts[caller] += 1

        with desk_on(log) as desk, ThreadPoolExecutor(CALLERS) as pool:
            open_alpha(desk, cash=PLENTY)
            for caller in range(CALLERS):
                pool.submit(call, desk, caller)
            try:
                wait_until(lambda: min(counts) > 0)
                atomic = [issue(capture(f"a-{number}", **ONE_SHARE)) for number in range(3)]
                plain = [issue(capture(f"b-{number}", **ONE_SHARE)) for number in range(3)]
                waiting = [
                    desk.submit_batch(atomic, is_atomic=True),
                    desk.submit_batch(plain, is_atomic=False),
                ]

                outcomes = [each for future in waiting for each in future.result(WAIT_SECONDS)]
            finally:
                stop.set()

        assert {each.status for each in outcomes} == {Status.ACCEPTED}


class TestCancelling:
    """What is queued is decided: a caller that gives up takes nothing back."""

    def test_of_a_batch_leaves_others_answered(self, log: Log) -> None:
        """The batch cannot be cancelled, and those behind it are answered."""
        opening = OpenPortfolio(
            portfolio="alpha", base_currency="USD", cost_basis=CostBasis.FIFO, allows_leverage=True
        )
        desk = Desk(log)
        given_up = desk.submit_batch(
            [issue(opening), issue(register(), tenant=MARKET_TENANT)], is_atomic=False
        )
        behind = desk.submit_batch([issue(capture("t-1")), issue(capture("t-2"))], is_atomic=False)

        is_cancelled = given_up.cancel()
        desk.start()

        assert not is_cancelled
        assert {each.status for each in behind.result(WAIT_SECONDS)} == {Status.ACCEPTED}
        assert {each.status for each in given_up.result(0)} == {Status.ACCEPTED}
        desk.stop(WAIT_SECONDS)

    def test_of_a_single_leaves_others_answered(self, log: Log) -> None:
        """Nor can a single be."""
        desk = Desk(log)
        given_up = desk.submit(issue(register(), tenant=MARKET_TENANT))
        behind = desk.submit(issue(register("MSFT"), tenant=MARKET_TENANT))

        is_cancelled = given_up.cancel()
        desk.start()

        assert not is_cancelled
        assert behind.result(WAIT_SECONDS).status is Status.ACCEPTED
        assert given_up.result(WAIT_SECONDS).status is Status.ACCEPTED
        desk.stop(WAIT_SECONDS)


class TestDecidingSlowly:
    """A turn ends after `DECIDE_SECONDS_MAX`: what is slow delays nobody else for long."""

    def test_leaves_what_there_was_no_time_for(
        self, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without any time one command is decided all the same, so the desk always advances."""
        monkeypatch.setattr(turn, "DECIDE_SECONDS_MAX", -1.0)
        taken = filled(group_of(*named("a", 5))).take(LIMIT, with_atomic=True)
        one = Turn(log, World(), None)

        one.decide(taken)

        assert one.take_left() == taken[1:]
        assert one.size == 1
        assert one.room(LIMIT) == 0

    def test_answers_another_caller_meanwhile(self, log: Log) -> None:
        """Hundreds of late fills in one instrument; a single elsewhere is answered long before."""
        told = {"intent": Intent.EXECUTED, "quantity": Decimal(1)}
        late = [issue(capture(f"c{number}", **told)) for number in range(1, LATE_FILLS + 1)]
        beta = OpenPortfolio(
            portfolio="beta",
            base_currency="USD",
            cost_basis=CostBasis.FIFO,
            allows_leverage=True,
        )
        with desk_on(log) as desk:
            open_alpha(desk, cash=PLENTY)
            done(desk, beta)
            batch = desk.submit_batch(late, is_atomic=False)
            wait_until(lambda: 0 < desk.queued < LATE_FILLS)
            begun = time.monotonic()

            single = done(desk, capture("single", portfolio="beta"))

            seconds = time.monotonic() - begun
            assert single.status is Status.ACCEPTED
            assert seconds < ANSWERED_WITHIN_SECONDS
            assert not batch.done()
            outcomes = batch.result(60)
        assert {each.status for each in outcomes} == {Status.ACCEPTED}

    def test_books_a_batch_whole_and_in_order_one_command_per_turn(
        self, log_database: Database, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Given back after every command, nothing is lost, doubled or overtaken."""
        monkeypatch.setattr(turn, "DECIDE_SECONDS_MAX", -1.0)
        items = [issue(capture(name, **ONE_SHARE)) for name in named("t", 40)]
        with desk_on(log) as desk:
            open_alpha(desk, cash=PLENTY)

            outcomes = desk.submit_batch(items, is_atomic=False).result(WAIT_SECONDS)

        positions = [each.position or 0 for each in outcomes]
        assert {each.status for each in outcomes} == {Status.ACCEPTED}
        assert positions == sorted(set(positions))
