"""The circuit breaker before the log: while it does not answer, nobody is let wait for it.

`closed`: the log answers. `open`: it was asked and did not, or the desk has not come on for some
seconds because a statement does not return; callers are refused at once. `half_open`: it is being
asked again. One success closes it. Times are seconds of a clock that only goes forward.
"""

import time
from collections.abc import Callable
from enum import StrEnum

import structlog

from commands import metrics

STALLED_SECONDS = 2.5
"""A desk that has not come on for so long waits for the log; deciding takes at most 2 s."""

_log = structlog.get_logger("commands.breaker")


class BreakerState(StrEnum):
    """Whether commands are let through."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Breaker:
    """Told by the desk's thread what it meets; asked by any thread whether to wait for the desk."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        stalled_seconds: float = STALLED_SECONDS,
    ) -> None:
        self._clock = clock
        self._stalled_seconds = stalled_seconds
        self._came_on_at: float | None = None
        self._lost_at: float | None = None
        self._is_asking = False
        self._has_failed = False

    @property
    def is_open(self) -> bool:
        """Whether callers are refused now."""
        return self._lost_at is not None or self._is_stalled()

    @property
    def state(self) -> BreakerState:
        """What to show to operators."""
        if not self.is_open:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if self._is_asking else BreakerState.OPEN

    @property
    def open_seconds(self) -> float:
        """For how long callers have been refused, or would have been."""
        begun = self._lost_at
        if begun is None and self._is_stalled():
            begun = self._came_on_at
        return 0.0 if begun is None else self._clock() - begun

    def _is_stalled(self) -> bool:
        came_on_at = self._came_on_at
        return came_on_at is not None and self._clock() - came_on_at > self._stalled_seconds

    def come_on(self) -> None:
        """The desk goes on: what it asked of the log was answered, well or not."""
        self._came_on_at = self._clock()

    def fail(self) -> None:
        """The log failed once; it is to be asked before anything else is tried."""
        self._has_failed = True

    def open(self, reason: str) -> None:
        """The log does not answer: refuse callers until it does."""
        if self._lost_at is None:
            self._lost_at = self._clock()
            metrics.BREAKER_OPENED.inc()
            _log.warning("desk.breaker_opened", reason=reason)

    def ask(self, log_answers: Callable[[], object]) -> None:
        """After a failure, ask the log whether it is there; where it is, let callers through.

        Raises:
            LogUnavailable: it is not, as `log_answers` says.
        """
        if self._lost_at is None and not self._has_failed:
            return
        self._is_asking = True
        try:
            log_answers()
        finally:
            self._is_asking = False
        self._has_failed = False
        self.come_on()
        if self._lost_at is not None:
            _log.warning("desk.breaker_closed", open_seconds=round(self.open_seconds, 3))
            self._lost_at = None
