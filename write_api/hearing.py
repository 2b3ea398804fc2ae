"""From the desk's thread to the event loop: all that was answered together is heard together.

Each call into a loop from another thread takes a lock and wakes the loop up; a turn of the desk
answers many callers at once, and one call is enough for them.
"""

import asyncio
import threading
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

OutcomeT = TypeVar("OutcomeT")


class Hearing:
    """Gives each future of the desk one of the running loop, with the same outcome."""

    def __init__(self) -> None:
        self._ear: _Ear | None = None

    def of(self, future: Future[OutcomeT]) -> asyncio.Future[OutcomeT]:
        """Give a future of the running loop; to cancel it does not cancel the desk's."""
        loop = asyncio.get_running_loop()
        ear = self._ear
        if ear is None or ear.loop is not loop:
            ear = self._ear = _Ear(loop)
        answered: asyncio.Future[OutcomeT] = loop.create_future()
        if future.done():
            _tell(answered, future)
        else:
            future.add_done_callback(partial(ear.hear, answered))
        return answered


class _Ear:
    """What one loop has been told by other threads and has not taken yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._lock = threading.Lock()
        self._heard: list[tuple[asyncio.Future[Any], Future[Any]]] = []

    def hear(self, answered: asyncio.Future[Any], future: Future[Any]) -> None:
        """Keep an outcome, in any thread; the first of several wakes the loop up."""
        with self._lock:
            self._heard.append((answered, future))
            is_first = len(self._heard) == 1
        if is_first and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._tell_all)

    def _tell_all(self) -> None:
        with self._lock:
            heard, self._heard = self._heard, []
        for answered, future in heard:
            _tell(answered, future)


def _tell(answered: asyncio.Future[Any], future: Future[Any]) -> None:
    """Hand on an outcome, unless its caller has gone away."""
    if answered.done():
        return
    error = future.exception()
    if error is None:
        answered.set_result(future.result())
    else:
        answered.set_exception(error)
