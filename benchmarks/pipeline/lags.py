"""How late each read model was, for every trade: heard while it runs, worked out afterwards.

A trade's lag is the time from its recorded_at to the first announcement, on this machine's clock,
with which every partition of the read model stands at the trade's position or beyond. Announcements
are hints; a lost one makes the next one count, so a lag can only be overstated. Times are seconds
since the epoch, lags are seconds.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from benchmarks.pipeline.sending import Recorded
from projections.announcing import Announcement
from projections.listening import listen


class Weighted(NamedTuple):
    """A figure that so many trades share, and when it arose."""

    at: float
    seconds: float
    trades: int


class Levels:
    """How far one schema has been announced to be, and when; positions ascend."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.heard_at: list[float] = []

    def hear(self, position: int, at: float) -> None:
        """Take note of an announcement; one that brings nothing new is dropped."""
        if not self.positions or position > self.positions[-1]:
            self.positions.append(position)
            self.heard_at.append(at)

    def reached(self, position: int, *, otherwise: float) -> float:
        """Say when a position was reached; `otherwise` where that was never heard."""
        index = bisect_left(self.positions, position)
        return self.heard_at[index] if index < len(self.positions) else otherwise

    def position_at(self, moment: float) -> int:
        """Say how far it was heard to be at a moment."""
        index = bisect_left(self.heard_at, moment)
        return self.positions[index - 1] if index else 0


class Listener:
    """Hears announcements on a thread of its own; `models` names the schemas of each model."""

    def __init__(self, redis_url: str, models: Mapping[str, Sequence[str]]) -> None:
        self.models = models
        self._levels = {schema: Levels() for each in models.values() for schema in each}
        self._redis_url = redis_url
        self._thread = threading.Thread(target=self._listen, name="lags", daemon=True)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(listen(self._redis_url, self._hear))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def _listen(self) -> None:
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()

    def _hear(self, announcement: Announcement) -> None:
        levels = self._levels.get(announcement.model)
        if levels is not None:
            levels.hear(announcement.position, time.time())

    def lags(self, model: str, recorded: Sequence[Recorded]) -> list[Weighted]:
        """Give the lag of each, in the order given; what was never heard of is current now."""
        levels = [self._levels[schema] for schema in self.models[model]]
        now = time.time()
        return [
            Weighted(
                each.recorded_at,
                max(of.reached(each.position, otherwise=now) for of in levels) - each.recorded_at,
                each.trades,
            )
            for each in recorded
        ]

    def position_at(self, model: str, moment: float) -> int:
        """Say how far the last partition of a model was heard to be at a moment."""
        return min(self._levels[schema].position_at(moment) for schema in self.models[model])


def percentile(points: Sequence[Weighted], part: float) -> float | None:
    """Give the nearest-rank percentile over trades, in seconds; None without any."""
    ordered = sorted(points, key=lambda point: point.seconds)
    total = sum(point.trades for point in ordered)
    rank = max(1, math.ceil(part * total))
    seen = 0
    for point in ordered:
        seen += point.trades
        if seen >= rank:
            return point.seconds
    return None


def slowest(series: Sequence[Sequence[Weighted]]) -> list[Weighted]:
    """Give for each trade the lag of the model that was last; all series are of the same trades."""
    return [max(each, key=lambda point: point.seconds) for each in zip(*series, strict=True)]
