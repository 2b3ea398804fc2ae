"""The wish to end a short command: heard wherever it comes, and heard to the end."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.infra.up import PATIENCE_SECONDS

ENDED = 128 + signal.SIGTERM
WAITS = """
import sys, time
from contextlib import contextmanager
from infra.stopping import ending_in_order, signals_held

def say(word):
    print(word, flush=True)

def wait_for_ever():
    while True:
        time.sleep(0.01)

@contextmanager
def clearing_up(seconds=0.0):
    try:
        yield
    finally:
        say("clearing up")
        time.sleep(seconds)
        say("all is clear")
"""
Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program that says `here` where the wish is to meet it."""
    started: list[subprocess.Popen[str]] = []

    def begin(program: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", WAITS + program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        hear(process, "here")
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def hear(process: subprocess.Popen[str], word: str) -> None:
    """Wait until the program says the word."""
    assert process.stdout is not None
    assert process.stdout.readline() == f"{word}\n"


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end: the status, what was said from here on, and the complaints."""
    said, complaints = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, said, complaints


class TestAskingAShortCommandToEnd:
    """SIGTERM unwinds it, and every `with` clears up."""

    def test_clears_up(self, start: Start) -> None:
        """What is open is closed; the status says which signal it was."""
        process = start("""
with ending_in_order(), clearing_up():
    say("here")
    wait_for_ever()
""")

        process.terminate()

        assert end(process) == (ENDED, "clearing up\nall is clear\n", "")

    def test_is_not_lost_where_python_ignores_exceptions(self, start: Start) -> None:
        """Met in a `__del__`, where no exception gets out, it is asked again."""
        process = start("""
class Slow:
    def __del__(self):
        say("here")
        time.sleep(60)

with ending_in_order(), clearing_up():
    Slow()
    wait_for_ever()
""")

        process.terminate()
        status, said, complaints = end(process)

        assert (status, said) == (ENDED, "clearing up\nall is clear\n")
        assert "Exception ignored in" in complaints

    def test_is_not_lost_where_somebody_swallows_it(self, start: Start) -> None:
        """Nor in code that catches everything and goes on."""
        process = start("""
with ending_in_order(), clearing_up():
    try:
        say("here")
        time.sleep(60)
    except BaseException:
        say("never mind")
    wait_for_ever()
""")

        process.terminate()

        assert end(process) == (ENDED, "never mind\nclearing up\nall is clear\n", "")

    def test_a_second_time_does_not_cut_the_clearing_up_short(self, start: Start) -> None:
        """Neither another wish nor our own alarm disturbs it, however long it takes."""
        process = start("""
with ending_in_order(), clearing_up(seconds=1.0):
    say("here")
    wait_for_ever()
""")

        process.terminate()
        hear(process, "clearing up")
        process.terminate()

        assert end(process) == (ENDED, "all is clear\n", "")


class TestHoldingSignals:
    """What is begun is known to whoever clears up."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_lets_the_wish_wait(self, start: Start, number: signal.Signals) -> None:
        """It is heard at the end of the block, not in its midst, and not lost."""
        process = start("""
with ending_in_order(), clearing_up():
    with signals_held():
        say("here")
        time.sleep(0.5)
        say("begun")
    wait_for_ever()
""")

        process.send_signal(number)
        status, said, _ = end(process)

        assert status in {ENDED, -signal.SIGINT}
        assert said == "begun\nclearing up\nall is clear\n"
