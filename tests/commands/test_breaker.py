"""The breaker before the log, and the watch that lets nobody wait without end."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from commands.breaker import STALLED_SECONDS, Breaker, BreakerState
from commands.command import Issued, Outcome, Status
from commands.intake import Group, Intake, Single, answer
from commands.watching import QUEUED_SECONDS_MAX, UNKNOWN_SECONDS, Watch
from eventstore.failures import LogUnavailable
from tests.commands.desks import break_line
from tests.commands.scenes import ACME, capture, issue


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


class TestTheBreaker:
    """It opens when the log does not answer, and closes when it does."""

    def test_stays_closed_when_the_log_answers_after_a_failure(self) -> None:
        """A broken line is no reason to turn callers away."""
        breaker = Breaker(clock=Hands())

        breaker.fail()
        breaker.ask(lambda: None)

        assert breaker.state is BreakerState.CLOSED

    def test_opens_when_it_does_not_and_closes_when_it_does(self) -> None:
        """In between it is half open, while it asks."""
        clock = Hands()
        breaker = Breaker(clock=clock)
        seen = []
        breaker.open("gone")
        clock.now += 3
        assert breaker.open_seconds == 3

        with pytest.raises(LogUnavailable):
            breaker.ask(break_line)
        seen.append(breaker.state)
        breaker.ask(lambda: seen.append(breaker.state))
        seen.append(breaker.state)

        assert seen == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]

    def test_opens_by_itself_when_the_desk_does_not_come_on(self) -> None:
        """A statement that does not return raises nothing."""
        clock = Hands()
        breaker = Breaker(clock=clock)
        breaker.come_on()

        seen = []
        for seconds in (STALLED_SECONDS, 0.1):
            clock.now += seconds
            seen.append(breaker.is_open)
        assert breaker.open_seconds > STALLED_SECONDS
        breaker.come_on()

        assert [*seen, breaker.is_open] == [False, True, False]

    def test_is_closed_before_the_desk_has_begun(self) -> None:
        """What comes while the log is being loaded waits."""
        clock = Hands()
        breaker = Breaker(clock=clock)

        clock.now += 100

        assert not breaker.is_open


@contextmanager
def watched() -> Iterator[tuple[Hands, Intake, Breaker, Watch]]:
    """A queue, its breaker and its watch, by one clock; nobody takes but the test."""
    clock = Hands()
    intake = Intake(clock=clock)
    breaker = Breaker(clock=clock)
    yield clock, intake, breaker, Watch(intake, breaker, clock=clock)


def accepted(issued: Issued) -> Outcome:
    """An outcome as the desk gives it."""
    return Outcome(status=Status.ACCEPTED, command_id=issued.command_id)


def batch_of(*names: str) -> Group:
    """A batch of captures."""
    return Group([issue(capture(name)) for name in names], is_atomic=False)


class TestTheWatch:
    """Whoever waits too long is answered; nothing is answered twice or decided afterwards."""

    def test_answers_what_nobody_takes_in_time(self) -> None:
        """Nothing was attempted, and nothing of it is taken later."""
        with watched() as (clock, intake, _, watch):
            early, late = Single(issue(capture("a"))), batch_of("b", "c")
            intake.put(early)
            clock.now += 1
            intake.put(late)

            clock.now += QUEUED_SECONDS_MAX - 0.5
            watch.look()

            assert early.outcome.result(0).status is Status.NOT_ATTEMPTED
            assert not late.future.done()
            assert intake.queued == 2
            assert not intake.holds(ACME, early.issued[0].command_id)
            assert [each.group for each in intake.take(9, with_atomic=True)] == [late, late]

    def test_leaves_a_batch_that_was_begun(self) -> None:
        """It is decided to its end."""
        with watched() as (clock, intake, _, watch):
            begun = batch_of("a", "b", "c")
            intake.put(begun)
            intake.take(1, with_atomic=True)

            clock.now += 10 * QUEUED_SECONDS_MAX
            watch.look()

            assert not begun.future.done()
            assert intake.queued == 2

    def test_empties_the_queue_while_the_breaker_is_open(self) -> None:
        """Nobody knows whether the log holds it from before."""
        with watched() as (_, intake, breaker, watch):
            waiting, taken = Single(issue(capture("a"))), Single(issue(capture("b")))
            intake.put(taken)
            intake.take(1, with_atomic=True)
            intake.put(waiting)

            breaker.open("gone")
            watch.look()

            assert waiting.outcome.result(0).status is Status.UNKNOWN
            assert not taken.outcome.done()
            assert intake.queued == 0

    def test_answers_for_what_is_being_decided_after_five_seconds(self) -> None:
        """Unknown, still in flight; the desk's own answer comes too late to be told."""
        with watched() as (clock, intake, breaker, watch):
            single, batch = Single(issue(capture("a"))), batch_of("b", "c")
            intake.put(single)
            intake.put(batch)
            first, *others = intake.take(9, with_atomic=True)
            answer([(others[0], accepted(others[0].issued))])

            breaker.open("gone")
            clock.now += UNKNOWN_SECONDS + 0.1
            watch.look()

            told = batch.future.result(0)
            assert single.outcome.result(0).status is Status.UNKNOWN
            assert [each.status for each in told] == [Status.ACCEPTED, Status.UNKNOWN]
            assert intake.holds(ACME, first.issued.command_id)
            answer([(first, accepted(first.issued)), (others[1], accepted(others[1].issued))])
            assert not intake.holds(ACME, first.issued.command_id)
            assert intake.held() == []
            assert single.outcome.result(0).status is Status.UNKNOWN
