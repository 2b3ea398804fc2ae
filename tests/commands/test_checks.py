"""Checking at the desk: what would become of trades, bounded, and without a trace."""

import threading
from concurrent.futures import Future
from decimal import Decimal

import pytest

from commands import checks
from commands.checks import CHECKS_WAITING_MAX, Answer, Checks, ChecksRefused
from commands.command import Status
from commands.desk import Desk
from commands.world import World
from domain.lots import Side
from eventstore.log import Log
from tests.commands.limit_scenes import approve, terms
from tests.commands.scenes import WAIT_SECONDS, capture, done, issue, open_alpha

SALE = {"side": Side.SELL}


def checked(desk: Desk, *external_ids: str, **changes: object) -> Answer:
    """What would become of captures with the same changes."""
    issued = [issue(capture(name, **changes)) for name in external_ids]
    return desk.check(issued).result(WAIT_SECONDS)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give checks all the time that a loaded machine may take."""
    monkeypatch.setattr(checks, "SECONDS_MAX", 10.0)


class TestChecking:
    """On the state of the log, as if it were decided next."""

    def test_leaves_everything_as_it_was(self, desk: Desk, log: Log) -> None:
        """Neither the log, nor what the next trade is decided on."""
        open_alpha(desk, cash=1_500)
        before = log.head()

        first = checked(desk, "t-1", "t-2")
        again = checked(desk, "t-1", "t-2")

        assert log.head() == before
        assert [each.outcome for each in first.results] == [Status.ACCEPTED, Status.REJECTED]
        assert again == first
        assert first.position == before.position
        assert done(desk, capture("t-1")).status is Status.ACCEPTED

    def test_tells_what_a_limit_would_refuse_with_its_headroom(self, desk: Desk, log: Log) -> None:
        """A hard limit of several portfolios, which the first item would use up."""
        open_alpha(desk)
        approve(log, terms(maximum=Decimal(150)))

        first, second = checked(desk, "t-1", "t-2").results

        assert first.outcome is Status.ACCEPTED
        assert [(each.rule, each.headroom) for each in second.breaches] == [
            ("day_quantity_exceeded", "50")
        ]
        assert done(desk, capture("t-2")).status is Status.ACCEPTED  # Nothing was used.

    def test_tells_what_would_be_realised(self, desk: Desk) -> None:
        """100 bought at 10 and sold at 12."""
        open_alpha(desk)
        done(desk, capture("t-1"))

        (sold,) = checked(desk, "t-2", price=Decimal(12), **SALE).results

        assert (sold.quantity_after, sold.realised_gross) == (Decimal(0), Decimal(200))

    def test_sees_what_another_writer_told(self, desk: Desk, log: Log) -> None:
        """An idle desk reads the log first."""
        open_alpha(desk)
        other = Desk(log)
        other.start()
        accepted = done(other, capture("t-1"))
        other.stop(WAIT_SECONDS)

        (again,) = checked(desk, "t-1").results

        assert (again.replayed, again.trade_id) == (True, accepted.trade_id)

    def test_goes_on_beside_a_flood_of_trades(self, desk: Desk) -> None:
        """Trades are answered, and so is a check, while more come."""
        open_alpha(desk)
        flood = [desk.submit(issue(capture(f"t-{number}", **SALE))) for number in range(400)]

        answer = checked(desk, "c-1")

        assert answer.results[0].outcome is Status.ACCEPTED
        assert all(each.result(WAIT_SECONDS).position for each in flood)


class TestItsBounds:
    """Few wait, each is short, and none is left without an answer."""

    def test_few_wait(self, log: Log) -> None:
        """One more than fit is refused at once."""
        waiting = Checks(log, lambda: None)
        for _ in range(CHECKS_WAITING_MAX):
            waiting.put([issue(capture("t-1"))])
        with pytest.raises(ChecksRefused):
            waiting.put([issue(capture("t-1"))])

    def test_those_that_wait_are_refused_when_the_desk_ends(self, log: Log) -> None:
        """And no more are taken."""
        waiting = Checks(log, lambda: None)
        future = waiting.put([issue(capture("t-1"))])

        waiting.close()

        with pytest.raises(ChecksRefused):
            future.result(0)
        with pytest.raises(ChecksRefused):
            waiting.put([issue(capture("t-1"))])

    def test_what_takes_too_long_is_left_out(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first is always told."""
        open_alpha(desk)
        monkeypatch.setattr(checks, "SECONDS_MAX", 0.0)

        first, second = checked(desk, "t-1", "t-2").results

        assert first.outcome is Status.ACCEPTED
        assert (second.outcome, second.code) == (Status.NOT_ATTEMPTED, "check_too_long")

    def test_a_busy_desk_pauses_between_two(self, log: Log) -> None:
        """The second waits while trades do; once nobody does, it is answered."""
        waiting, world = Checks(log, lambda: None), World.load(log)
        futures: list[Future[Answer]] = [
            waiting.put([issue(capture(name))]) for name in ("t-1", "t-2")
        ]

        waiting.run_next(world, is_desk_idle=False)
        waiting.run_next(world, is_desk_idle=False)
        assert [each.done() for each in futures] == [True, False]

        waiting.run_next(world, is_desk_idle=True)
        assert futures[1].done()

    def test_are_asked_from_many_threads(self, desk: Desk) -> None:
        """Each gets its own answer."""
        open_alpha(desk)
        told: list[Answer] = []
        asking = [
            threading.Thread(target=lambda name=f"t-{n}": told.append(checked(desk, name)))
            for n in range(8)
        ]
        for each in asking:
            each.start()
        for each in asking:
            each.join(WAIT_SECONDS)
        assert [each.results[0].outcome for each in told] == [Status.ACCEPTED] * 8
