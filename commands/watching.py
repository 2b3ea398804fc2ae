"""Nobody waits without end: what the desk cannot take up in time is answered by another thread.

While the breaker is open the queue is emptied at once, and after 5 s also those whose commands are
being decided or appended hear that nobody knows. While it is closed nothing waits in the queue for
longer than 10 s. What was taken goes on: its outcome is in the log, and `GET /v1/commands` tells.
"""

import math
import threading
import time
from collections.abc import Callable

from commands import metrics
from commands.breaker import Breaker
from commands.command import Issued, Outcome, Status, refusal
from commands.intake import Group, Intake
from commands.turn import UNKNOWN

LOOK_SECONDS = 0.1
QUEUED_SECONDS_MAX = 10.0
UNKNOWN_SECONDS = 5.0

Failure = tuple[str, str]
LOST: Failure = ("log_unavailable", "The log cannot be reached; nothing was written, try again.")
CLOSED: Failure = ("shutting_down", "The desk is stopping; try again later.")
BROKEN: Failure = ("internal_error", "This command met a defect; nothing was written.")
OVERLOADED: Failure = ("overloaded", "Too many commands wait; try again later.")


class Watch:
    """Looks at a queue and its breaker ten times a second, in a thread of its own."""

    def __init__(
        self, intake: Intake, breaker: Breaker, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._intake = intake
        self._breaker = breaker
        self._clock = clock
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="desk-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Answer whoever has waited long enough."""
        is_open = self._breaker.is_open
        metrics.BREAKER.set(is_open)
        if not is_open:
            late = self._intake.abandon(since=self._clock() - QUEUED_SECONDS_MAX)
            _give_up(late, lambda each: refusal(each, Status.NOT_ATTEMPTED, *OVERLOADED))
            return
        _give_up(self._intake.abandon(since=math.inf), _unknown)
        if self._breaker.open_seconds > UNKNOWN_SECONDS:
            _give_up([each for each in self._intake.held() if not each.is_told], _unknown)


def _unknown(issued: Issued) -> Outcome:
    """Nobody has asked the log whether it was there before."""
    return refusal(issued, Status.UNKNOWN, *UNKNOWN)


def _give_up(groups: list[Group], refuse: Callable[[Issued], Outcome]) -> None:
    for group in groups:
        metrics.ABANDONED.inc(len(group.issued))
        group.give_up(refuse)
