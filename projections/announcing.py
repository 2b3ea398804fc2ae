"""Announcing checkpoints on Valkey: a hint to whoever waits for a position, and nothing more.

A thread of its own publishes the newest checkpoint of each read model, so a slow or absent Valkey
costs the projector nothing; readers compare checkpoints themselves every 250 ms.
"""

import contextlib
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import msgspec
import redis

CHANNEL = "pms:checkpoints"

_ANSWER_SECONDS = 1.0
_PAUSE_SECONDS = 1.0


class Announcement(msgspec.Struct, frozen=True):
    """A read model has committed everything up to `position`.

    What is published is a JSON array of them: models that stand together are told together, as a
    message costs each of its readers more than what it says.
    """

    model: str
    position: int
    market_position: int


class Announcer:
    """Publishes the newest checkpoints; does nothing at all without an address."""

    def __init__(self, redis_url: str | None) -> None:
        self._redis_url = redis_url
        self._waiting: dict[str, Announcement] = {}
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._publish_all, name="announcer", daemon=True)

    def __enter__(self) -> Self:
        if self._redis_url is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        with self._changed:
            self._changed.notify()
        if self._redis_url is not None:
            self._thread.join(timeout=2 * _ANSWER_SECONDS)

    def announce(self, announcements: Iterable[Announcement]) -> None:
        """Hand in checkpoints to be published soon; older ones still waiting are forgotten."""
        if self._redis_url is None:
            return
        with self._changed:
            self._waiting.update((each.model, each) for each in announcements)
            self._changed.notify()

    def _publish_all(self) -> None:
        assert self._redis_url is not None, "the thread runs only with an address"
        client = redis.Redis.from_url(
            self._redis_url,
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
        )
        with contextlib.closing(client):
            while not self._closing.is_set():
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
                    announcements = list(self._waiting.values())
                    self._waiting.clear()
                if announcements and not _publish(client, announcements):
                    # The next checkpoint makes this one worthless, so nothing is kept.
                    self._closing.wait(_PAUSE_SECONDS)


def _publish(client: redis.Redis, announcements: list[Announcement]) -> bool:
    """Publish on a connection that the client opens again when it was lost."""
    try:
        client.publish(CHANNEL, msgspec.json.encode(announcements))
    except redis.RedisError:
        return False
    return True
