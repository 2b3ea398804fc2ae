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
PING_SECONDS = 2.0
SILENT_SECONDS = 5.0
"""A connection on which nothing comes for so long, not even what answers a ping, is given up."""

heard_of = msgspec.json.Decoder(list[Announcement]).decode
"""Read what one message says."""


async def listen(redis_url: str, heard: Callable[[Announcement], None]) -> None:
    """Call `heard` for every announcement, until cancelled."""
    while True:
        with contextlib.suppress(RedisError, OSError):
            await _listen_once(redis_url, heard)
        await asyncio.sleep(PAUSE_SECONDS)


async def _listen_once(redis_url: str, heard: Callable[[Announcement], None]) -> None:
    client = redis.asyncio.Redis.from_url(redis_url, socket_connect_timeout=SILENT_SECONDS)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(client.aclose)
        channel = client.pubsub(ignore_subscribe_messages=True)
        stack.push_async_callback(channel.aclose)
        silence = await stack.enter_async_context(asyncio.timeout(SILENT_SECONDS))
        await channel.subscribe(CHANNEL)
        pinging = asyncio.ensure_future(_ping(channel))
        stack.callback(pinging.cancel)
        async for message in channel.listen():
            silence.reschedule(asyncio.get_running_loop().time() + SILENT_SECONDS)
            if message["type"] == "message":
                with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                    for announcement in heard_of(message["data"]):
                        heard(announcement)


async def _ping(channel: redis.asyncio.client.PubSub) -> None:
    """Have Valkey say something now and then: a connection that is lost unseen stays silent."""
    with contextlib.suppress(RedisError, OSError):
        while True:
            await asyncio.sleep(PING_SECONDS)
            await channel.ping()
