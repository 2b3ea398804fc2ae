"""Releases that were not decided are asked for again (a full queue, a log that hiccups)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from commands.command import Outcome, Status
from commands.desk import Desk
from commands.reactions.release import run_releases
from domain.identity import MARKET_TENANT
from domain.trade import Intent
from eventstore.log import Log
from infra.database import Database
from tests.commands.desks import InterruptedLog, booked_external_ids, desk_on, wait_until
from tests.commands.scenes import WAIT_SECONDS, capture, done, open_alpha, register

LATER = "LATER"
QUEUED_MAX = 2
PARKED = 6


@contextmanager
def releasing(desk: Desk, log: Log) -> Iterator[None]:
    """The release reaction, running beside the desk."""
    stop = threading.Event()
    thread = threading.Thread(target=run_releases, args=(desk, log, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


def park(desk: Desk, name: str) -> Outcome:
    """Tell of a trade in an instrument nobody knows yet."""
    parked = done(desk, capture(name, instrument=LATER, intent=Intent.EXECUTED))
    assert parked.is_parked
    return parked


def register_later(desk: Desk) -> None:
    """Register that instrument, however often it takes beside the releases."""

    def is_registered() -> bool:
        return done(desk, register(LATER), tenant=MARKET_TENANT).status is Status.ACCEPTED

    wait_until(is_registered)


class TestReleasingAgain:
    """A parked trade is booked once, whatever became of the first asking."""

    def test_asks_again_after_overload(self, log: Log) -> None:
        """More is released than the queue holds: all of it is booked, each once."""
        with desk_on(log, queued_max=QUEUED_MAX) as desk:
            open_alpha(desk)
            names = [f"t-{number}" for number in range(PARKED)]
            for name in names:
                park(desk, name)

            with releasing(desk, log):
                register_later(desk)
                wait_until(lambda: len(booked_external_ids(log)) == PARKED)

        assert booked_external_ids(log) == dict.fromkeys(names, 1)

    def test_asks_again_for_what_was_owed_before_it_started(self, log: Log) -> None:
        """Registered while nobody released; the queue is as small."""
        with desk_on(log, queued_max=QUEUED_MAX) as desk:
            open_alpha(desk)
            for number in range(PARKED):
                park(desk, f"t-{number}")
            register_later(desk)

            with releasing(desk, log):
                wait_until(lambda: len(booked_external_ids(log)) == PARKED)

        assert set(booked_external_ids(log).values()) == {1}

    def test_asks_again_after_the_log_was_away(self, log_database: Database, log: Log) -> None:
        """The line breaks while the release is decided: it is asked for again, booked once."""
        with InterruptedLog(log_database.app_conninfo) as broken, desk_on(broken) as desk:
            open_alpha(desk)
            park(desk, "t-1")
            register_later(desk)
            broken.fail_next("known")

            with releasing(desk, log):
                wait_until(lambda: booked_external_ids(log)["t-1"] == 1)

            assert broken.has_met("known")
        assert booked_external_ids(log) == {"t-1": 1}
