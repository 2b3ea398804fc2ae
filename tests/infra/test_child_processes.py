"""Child processes hear what they are stopped with, whoever started us."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from infra.child_processes import run_child, start_child, stop_child


class Interrupted(Exception):
    """What a signal's handler raises."""


@pytest.fixture(params=[signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def unheard(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal this process does not hear, as a shell's job (`&`) does not hear Ctrl-C."""
    number: signal.Signals = request.param
    before = signal.signal(number, signal.SIG_IGN)
    yield number
    signal.signal(number, before)


class TestStoppingAChild:
    """The signal is heard from the first instant of its program on."""

    def test_works_though_we_are_deaf_to_the_signal(self, unheard: signal.Signals) -> None:
        """The child has no handler of its own, as a server has none while it is being loaded."""
        child = start_child(["sleep", "60"], death_signal=signal.SIGKILL)

        assert stop_child(child, first=unheard, patience_seconds=10.0)


class TestRunningAChild:
    """It runs to its end, or ends with us, and with it whatever it has started."""

    def test_returns_its_status_and_its_complaints(self) -> None:
        """What it says to its output is not kept."""
        assert run_child(["sh", "-c", "echo fine; echo bad >&2; exit 3"]) == (3, "bad\n")

    def test_ends_its_whole_family_when_interrupted(self) -> None:
        """At once as it begins: we come back when the last is gone, which alone would take long."""

        def interrupt(_number: int, _frame: FrameType | None) -> None:
            raise Interrupted

        before = signal.signal(signal.SIGHUP, interrupt)
        try:
            with pytest.raises(Interrupted):
                run_child(["sh", "-c", "kill -HUP $PPID; sleep 1000 & sleep 1000"])
        finally:
            signal.signal(signal.SIGHUP, before)
