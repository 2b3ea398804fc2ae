"""Announcing checkpoints on Valkey: a hint to whoever waits for a position, and nothing more.

A thread of its own publishes the newest checkpoint of each read model, so a slow or absent Valkey
costs the projector nothing; readers compare checkpoints themselves every 250 ms.
"""

import contextlib
import threading
from types import TracebackType
from typing import Self

import msgspec
import redis

CHANNEL = "pms:checkpoints"

_ANSWER_SECONDS = 1.0
_PAUSE_SECONDS = 1.0


class Announcement(msgspec.Struct, frozen=True):
    """What is published, as JSON: a read model has committed everything up to `position`."""

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

    def announce(self, announcement: Announcement) -> None:
        """Hand in a checkpoint to be published soon; an older one still waiting is forgotten."""
        if self._redis_url is None:
            return
        with self._changed:
            self._waiting[announcement.model] = announcement
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
        with client.pipeline(transaction=False) as pipeline:
            for announcement in announcements:
                pipeline.publish(CHANNEL, msgspec.json.encode(announcement))
            pipeline.execute()
    except redis.RedisError:
        return False
    return True
