"""Hearing the checkpoints that projectors announce on Valkey: hints, never facts.

One task per process listens; while Valkey is away it tries again, and readers compare checkpoints
themselves every 250 ms, so nothing depends on it.
"""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
import redis.asyncio
from redis.exceptions import RedisError

from projections.announcing import CHANNEL, Announcement

PAUSE_SECONDS = 1.0

heard_of = msgspec.json.Decoder(list[Announcement]).decode
"""Read what one message says."""


async def listen(redis_url: str, heard: Callable[[Announcement], None]) -> None:
    """Call `heard` for every announcement, until cancelled."""
    while True:
        with contextlib.suppress(RedisError, OSError):
            await _listen_once(redis_url, heard)
        await asyncio.sleep(PAUSE_SECONDS)


async def _listen_once(redis_url: str, heard: Callable[[Announcement], None]) -> None:
    client = redis.asyncio.Redis.from_url(redis_url)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(client.aclose)
        channel = client.pubsub(ignore_subscribe_messages=True)
        stack.push_async_callback(channel.aclose)
        await channel.subscribe(CHANNEL)
        async for message in channel.listen():
            with contextlib.suppress(msgspec.DecodeError):
                for announcement in heard_of(message["data"]):
                    heard(announcement)
