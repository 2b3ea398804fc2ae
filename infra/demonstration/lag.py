"""Lag, measured live: how long after its recording a trade is in every read model.

Each accepted trade is one sample: the log position of its last event and that event's recorded_at,
both as its acceptance told. After each commit the projector announces on Valkey how far each read
model has come; the first moment, on this process's clock, at which the slowest of all read models
stands at the sample's position or beyond is when the trade is current. The lag is that moment minus
recorded_at: append, reading, folding, commit and announcement are all within it, so it can only be
overstated. Announcements are hints and may be lost; the next one then counts, later.
"""

from __future__ import annotations

import contextlib
import math
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Collection
from datetime import datetime
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
import redis

from projections.announcing import CHANNEL, Announcement
from projections.listening import heard_of

SAMPLES_MAX = 200_000
LEVELS_MAX = 20_000
HEAR_SECONDS = 0.2


class Lag(NamedTuple):
    """Percentiles in milliseconds, None without a sample; `waiting` trades are not current yet."""

    p50_ms: float | None
    p95_ms: float | None
    samples: int
    waiting: int


class LagMeter:
    """Takes samples from any thread and hears announcements on a thread of its own."""

    def __init__(
        self, redis_url: str, models: Collection[str], *, clock: Callable[[], datetime]
    ) -> None:
        self._redis_url = redis_url
        self._models = dict.fromkeys(models, 0)
        self._clock = clock
        self._lock = threading.Lock()
        self._levels: deque[tuple[int, datetime]] = deque(maxlen=LEVELS_MAX)
        self._waiting: deque[tuple[int, datetime]] = deque()
        self._seconds: deque[float] = deque(maxlen=SAMPLES_MAX)
        self._count = 0
        self._stop = threading.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="lag", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._listening.wait(timeout=10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def level(self) -> int:
        """The position that every read model has reached, as far as heard."""
        return min(self._models.values())

    def accepted(self, position: int, recorded_at: datetime) -> None:
        """Take a sample: an accepted trade."""
        with self._lock:
            self._waiting.append((position, recorded_at))

    def heard(self, announcement: Announcement) -> None:
        """Take note of how far a read model has come."""
        with self._lock:
            before = self.level
            if announcement.model in self._models:
                self._models[announcement.model] = announcement.position
            if self.level > before:
                self._levels.append((self.level, self._clock()))

    def measure(self) -> Lag:
        """Give the percentiles of everything that is current by now."""
        with self._lock:
            self._settle()
            ordered = sorted(self._seconds)
            return Lag(
                _percentile_ms(ordered, 0.50),
                _percentile_ms(ordered, 0.95),
                self._count,
                len(self._waiting),
            )

    def _settle(self) -> None:
        """Find for each waiting sample the first announcement at or beyond it."""
        levels = [level for level, _ in self._levels]
        still: deque[tuple[int, datetime]] = deque()
        for position, recorded_at in self._waiting:
            index = bisect_left(levels, position)
            if index == len(levels):
                still.append((position, recorded_at))
                continue
            current_at = self._levels[index][1]
            self._seconds.append(max(0.0, (current_at - recorded_at).total_seconds()))
            self._count += 1
        self._waiting = still

    def _listen(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(redis.RedisError, OSError):
                self._listen_once()
            self._stop.wait(HEAR_SECONDS)

    def _listen_once(self) -> None:
        with (
            redis.Redis.from_url(self._redis_url) as client,
            client.pubsub(ignore_subscribe_messages=True) as channel,
        ):
            channel.subscribe(CHANNEL)
            self._listening.set()
            while not self._stop.is_set():
                message = channel.get_message(timeout=HEAR_SECONDS)
                if message is not None:
                    with contextlib.suppress(msgspec.DecodeError):
                        for announcement in heard_of(message["data"]):
                            self.heard(announcement)


def _percentile_ms(ordered: list[float], part: float) -> float | None:
    """Give the nearest-rank percentile."""
    if not ordered:
        return None
    index = math.ceil(part * len(ordered)) - 1
    return round(ordered[index] * 1_000, 1)
