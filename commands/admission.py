"""The door: who is let in to wait for the desk, judged before anything of a request is read.

Each of the two kinds of request has a room: single commands, and batches, which are counted in
commands. A room takes what can be done within a stated time at the rate seen while it was full;
a short burst may be larger. Times are seconds of a clock that only goes forward.
"""

import math
import threading
import time
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from commands.fairness import has_room

WINDOW_SECONDS = 0.25
NEWEST_PART = 0.3
CALM_SECONDS = 1.0
BURST = 2.0
RETRY_SECONDS_MAX = 30


class Reason(Enum):
    """Why a request is not let in."""

    OVERLOADED = "overloaded"
    SHUTTING_DOWN = "shutting_down"
    LOG_AWAY = "log_away"


class Refused(NamedTuple):
    """A request that is not let in, and after how many seconds it may come again (at least 1)."""

    reason: Reason
    retry_seconds: int


class Size(NamedTuple):
    """How a room is measured.

    `seconds` is the wait that is meant; `own_times` what a request may wait besides, in times of
    what it takes itself; `least` is let in however slow the machine, and `rate` in a second where
    nothing was measured yet.
    """

    seconds: float
    own_times: float
    least: float
    rate: float


SINGLES = Size(seconds=0.04, own_times=0.0, least=80.0, rate=1_000.0)
"""64 callers of one tenant, with one command each, are always let in; no more of them than can be
read and decoded before the next look at the sockets, or refusals would wait for that."""

BATCHES = Size(seconds=0.1, own_times=4.0, least=1_000.0, rate=5_000.0)


class Room:
    """What was let in and is not answered yet, by tenant; not for several threads at once."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self.rate = size.rate
        self.held = 0.0
        self._held_of: dict[str, float] = {}
        self._calm_at = -math.inf
        self._window_at = -math.inf
        self._done = 0.0
        self._least_held = 0.0
        self._refused = 0.0

    def enter(self, tenant: str, weight: float, now: float) -> int | None:
        """Let a request in, or say after how many seconds it may come again."""
        self._look_back(now)
        own = self._held_of.get(tenant, 0.0)
        tenants = len(self._held_of) + (own == 0)
        limit = self._limit(weight, now)
        if not has_room(limit, held=self.held, own=own, tenants=tenants):
            self._refused += weight
            return self._retry_seconds()
        self.held += weight
        self._held_of[tenant] = own + weight
        return None

    def leave(self, tenant: str, weight: float, now: float) -> None:
        """A request that was let in is answered."""
        self.held -= weight
        own = self._held_of[tenant] - weight
        if own > 0:
            self._held_of[tenant] = own
        else:
            del self._held_of[tenant]
        self._done += weight
        self._least_held = min(self._least_held, self.held)
        self._look_back(now)

    def _limit(self, weight: float, now: float) -> float:
        """Say how much may be held before this request; more, if it has not been full for long."""
        size = self._size
        standing = max(size.least, self.rate * size.seconds)
        if self.held < standing / 2:
            self._calm_at = now
        limit = standing + size.own_times * weight
        return limit * BURST if now - self._calm_at < CALM_SECONDS else limit

    def _look_back(self, now: float) -> None:
        """Every quarter of a second: learn the rate, if there was enough to do all the time."""
        seconds = now - self._window_at
        if seconds < WINDOW_SECONDS:
            return
        if seconds < 2 * WINDOW_SECONDS and self._least_held >= self._size.least / 2:
            self.rate += NEWEST_PART * (self._done / seconds - self.rate)
        self._window_at = now
        self._done = 0.0
        self._refused *= 1 - min(1.0, seconds)
        self._least_held = self.held

    def _retry_seconds(self) -> int:
        """Estimate when all that is held, and was refused of late, will have been done."""
        seconds = (self.held + self._refused) / max(self.rate, 1.0)
        return max(1, min(math.ceil(seconds), RETRY_SECONDS_MAX))


class Admission:
    """Lets requests in or refuses them at once; any thread may ask."""

    def __init__(
        self,
        is_log_away: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
        singles: Size = SINGLES,
        batches: Size = BATCHES,
    ) -> None:
        self._is_log_away = is_log_away
        self._clock = clock
        self._rooms = {False: Room(singles), True: Room(batches)}
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def is_empty(self) -> bool:
        """Whether everything that was let in has been answered."""
        return not any(room.held for room in self._rooms.values())

    @property
    def is_closed(self) -> bool:
        """Whether nobody is let in any more."""
        return self._is_closed

    def close(self) -> None:
        """Let nobody in any more; what was let in is answered."""
        self._is_closed = True

    def enter(self, tenant: str, *, commands: int, is_batch: bool) -> Refused | None:
        """Let a request in, which `leave` must follow, or refuse it."""
        if self._is_closed:
            return Refused(Reason.SHUTTING_DOWN, 1)
        if self._is_log_away():
            return Refused(Reason.LOG_AWAY, 1)
        with self._lock:
            seconds = self._rooms[is_batch].enter(tenant, commands, self._clock())
        return None if seconds is None else Refused(Reason.OVERLOADED, seconds)

    def leave(self, tenant: str, *, commands: int, is_batch: bool) -> None:
        """A request that was let in is answered, whatever the answer."""
        with self._lock:
            self._rooms[is_batch].leave(tenant, commands, self._clock())
