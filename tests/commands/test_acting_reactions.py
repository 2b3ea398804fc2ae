"""The reactions of corporate actions and time: what nobody asks for happens once, when due."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial

import pytest

from commands.command import Status
from commands.desk import Desk
from commands.reactions.corporate_actions import run_corporate_actions
from commands.reactions.time import run_time
from domain.market import BusinessTimeReached
from domain.portfolio.corporate_events import CorporateActionApplied, CorporateActionUnapplied
from eventstore.log import Log
from tests.commands.desks import desk_on, wait_until
from tests.commands.scenes import ACME, APPLE, NOON, WAIT_SECONDS, capture, done, open_alpha
from tests.commands.test_corporate_actions import (
    DIVIDEND,
    SPLIT,
    TUESDAY_MORNING,
    alpha,
    declare,
    events_of,
    reach,
    reverse,
)


@contextmanager
def reacting(
    react: Callable[[Desk, Log, threading.Event], None], desk: Desk, log: Log
) -> Iterator[None]:
    """A reaction, running beside the desk."""
    stop = threading.Event()
    thread = threading.Thread(target=react, args=(desk, log, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


class TestTheReaction:
    """It reaches the holders that do not trade."""

    def test_applies_to_every_holder_once(self, desk: Desk, log: Log) -> None:
        """Two tenants hold it, one does not; started again it applies nothing again."""
        for tenant in (ACME, "other", "without"):
            open_alpha(desk, tenant=tenant)
            if tenant != "without":
                done(desk, capture("t-1"), tenant=tenant)

        with reacting(run_corporate_actions, desk, log):
            declare(desk, SPLIT)
            reach(desk)
            wait_until(lambda: len(events_of(log, CorporateActionApplied)) == 2)
        with reacting(run_corporate_actions, desk, log):
            declare(desk, DIVIDEND)
            wait_until(lambda: len(events_of(log, CorporateActionApplied)) == 4)

        assert alpha(log).book(APPLE).quantity == 700

    def test_takes_back_what_is_reversed(self, desk: Desk, log: Log) -> None:
        """As it was before."""
        open_alpha(desk)
        done(desk, capture("t-1"))
        declare(desk, SPLIT)
        reach(desk)

        with reacting(run_corporate_actions, desk, log):
            wait_until(lambda: bool(events_of(log, CorporateActionApplied)))
            reverse(desk, SPLIT)
            wait_until(lambda: bool(events_of(log, CorporateActionUnapplied)))

        assert alpha(log).book(APPLE).quantity == 100

    def test_applies_what_was_due_before_it_started(self, log: Log) -> None:
        """Under a desk whose queue is short, it asks again."""
        with desk_on(log, queued_max=2) as desk:
            open_alpha(desk)
            done(desk, capture("t-1"))
            declare(desk, SPLIT)
            reach(desk)

            with reacting(run_corporate_actions, desk, log):
                wait_until(lambda: bool(events_of(log, CorporateActionApplied)))

        assert alpha(log).book(APPLE).quantity == 700


class TestTime:
    """Told where something waits for it, and only there."""

    @pytest.mark.parametrize("is_waited_for", [True, False])
    def test_is_told_when_the_clock_has_come_there(
        self, desk: Desk, log: Log, *, is_waited_for: bool
    ) -> None:
        """Midnight of Tuesday in New York; a second reaction tells nothing more."""
        open_alpha(desk)
        if is_waited_for:
            declare(desk, SPLIT)
        clock: Callable[[], datetime] = lambda: NOON  # noqa: E731

        for _ in range(2):
            with reacting(partial(run_time, clock=clock), desk, log):
                if is_waited_for:
                    wait_until(lambda: bool(events_of(log, BusinessTimeReached)))

        expected = [BusinessTimeReached(at=TUESDAY_MORNING)] if is_waited_for else []
        assert events_of(log, BusinessTimeReached) == expected

    def test_never_goes_back(self, desk: Desk, log: Log) -> None:
        """An earlier instant is no news; one to come is refused."""
        reach(desk)

        assert reach(desk, TUESDAY_MORNING - timedelta(days=1)).status is Status.ACCEPTED
        assert reach(desk, NOON + timedelta(days=1)).code == "time_from_the_future"
        assert len(events_of(log, BusinessTimeReached)) == 1
