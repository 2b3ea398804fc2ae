"""Waiting until read models have folded up to a position: read your writes.

Announcements wake the waiters early; every 250 ms the checkpoints themselves are compared, however
many announcements come. What is known here is a hint too: whoever asks afterwards compares the
position of the answer itself, or where there is none, the checkpoints (`stands_at`).
"""

import asyncio
import contextlib
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
        self._polling: dict[frozenset[str], asyncio.Task[Mapping[str, int]]] = {}

    def heard(self, model: str, position: int) -> None:
        """Take note of where a model stands, and wake whoever waits; called in the event loop."""
        self._known[model] = position
        self._changed.set()
        self._changed = asyncio.Event()

    async def reach(self, models: frozenset[str], position: int, deadline: float) -> bool:
        """Wait until all models stand at a position or beyond; False at the deadline.

        `deadline` is a time of `time.monotonic`.
        """
        while not self._is_reached(models, position):
            await self._poll(models)
            looked_at = time.monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(POLL_SECONDS, deadline - looked_at)):
                    while not self._is_reached(models, position):
                        await self._changed.wait()
            if looked_at >= deadline:
                return self._is_reached(models, position)
        return True

    async def stands_at(self, models: frozenset[str], position: int) -> bool:
        """Look whether the checkpoints of all models are at a position or beyond; believe no hint.

        What is lower is taken note of, so that `reach` waits for it.
        """
        found = await self._poll(models)
        return all(found[model] >= position for model in models)

    def _is_reached(self, models: frozenset[str], position: int) -> bool:
        return all(self._known.get(model, 0) >= position for model in models)

    async def _poll(self, models: frozenset[str]) -> Mapping[str, int]:
        """Read the checkpoints, once for all who wait for the same models now."""
        task = self._polling.get(models)
        if task is None:
            task = asyncio.create_task(self._read(models))
            self._polling[models] = task
            task.add_done_callback(lambda _: self._polling.pop(models, None))
        return await asyncio.shield(task)

    async def _read(self, models: frozenset[str]) -> Mapping[str, int]:
        told = await self._read_positions(models)
        found = {model: told[model] or 0 for model in models}
        for model, position in found.items():
            self.heard(model, position)
        return found
