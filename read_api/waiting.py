"""Waiting until read models have folded up to a position: read your writes.

Announcements wake the waiters early; every 250 ms the checkpoints themselves are compared. What is
known here is a hint too: whoever asks afterwards compares the position of the answer itself.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping

POLL_SECONDS = 0.25

ReadPositions = Callable[[Iterable[str]], Awaitable[Mapping[str, int | None]]]


class PositionWatch:
    """Where the read models of this process's database stand, as far as is known."""

    def __init__(self, read_positions: ReadPositions) -> None:
        self._read_positions = read_positions
        self._known: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._polling: dict[frozenset[str], asyncio.Task[None]] = {}

    def heard(self, model: str, position: int) -> None:
        """Take note of where a model stands, and wake whoever waits; called in the event loop."""
        self._known[model] = position
        self._changed.set()
        self._changed = asyncio.Event()

    async def reach(self, models: frozenset[str], position: int, deadline: float) -> bool:
        """Wait until all models stand at a position or beyond; False at the deadline.

        `deadline` is a time of `time.monotonic`.
        """
        if self._is_reached(models, position):
            return True
        await self._poll(models)
        while not self._is_reached(models, position):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            changed = self._changed
            try:
                await asyncio.wait_for(changed.wait(), min(left, POLL_SECONDS))
            except TimeoutError:
                await self._poll(models)
        return True

    def _is_reached(self, models: frozenset[str], position: int) -> bool:
        return all(self._known.get(model, 0) >= position for model in models)

    async def _poll(self, models: frozenset[str]) -> None:
        """Read the checkpoints, once for all who wait for the same models now."""
        task = self._polling.get(models)
        if task is None:
            task = asyncio.create_task(self._read(models))
            self._polling[models] = task
            task.add_done_callback(lambda _: self._polling.pop(models, None))
        await asyncio.shield(task)

    async def _read(self, models: frozenset[str]) -> None:
        for model, position in (await self._read_positions(models)).items():
            self.heard(model, position or 0)
