"""The process that answers queries: the read models behind their HTTP interface."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from functools import partial

from eventstore.collecting import rare_collections
from gateway.interface import Readiness
from infra.http_server import serve_http
from infra.read_models import live_schemas, partition_count
from infra.settings import Settings
from infra.surroundings import http_surroundings
from projections.leaderboard.keeping import asking_client
from projections.leaderboard.reading import Reader
from projections.listening import listen
from projections.reading import Reading, ReadingUnavailable
from read_api.application import create_app
from read_api.live.opening import live_over
from read_api.live.places import Limits

SWITCH_SECONDS = 0.0005
"""How long a thread that works out an answer keeps the interpreter while others wait for it.

A short question asks for it a dozen times, and with Python's 5 ms waits for nothing else."""


def run(settings: Settings, stop: threading.Event) -> None:
    """Answer queries until a signal; those under way are answered first."""
    sys.setswitchinterval(SWITCH_SECONDS)
    reading = Reading(settings.app_conninfo, partition_count=partition_count(settings))
    with rare_collections(), reading:
        redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
        surroundings = http_surroundings(settings, readiness=readiness_of(reading, settings))
        board = None if redis_url is None else Reader(asking_client(redis_url))
        live = live_over(reading, surroundings, live_limits(settings), board)
        application = create_app(
            reading,
            surroundings,
            listen=None if redis_url is None else partial(listen, redis_url),
            live=live,
            board=board,
        )
        if not stop.is_set():
            serve_http(
                application,
                host=settings.host,
                port=settings.read_port,
                drained=live,
                with_sockets=True,
            )


def live_limits(settings: Settings) -> Limits:
    """Give what the settings grant to WebSocket clients."""
    return Limits(
        connections_max=settings.live_connections_max,
        tenant_connections_max=settings.live_tenant_connections_max,
        waiting_max=settings.live_waiting_max,
        connect_seconds=settings.live_connect_seconds,
        subscriptions_max=settings.live_subscriptions_max,
        stalled_seconds=settings.live_stalled_seconds,
        heartbeat_seconds=settings.live_heartbeat_seconds,
    )


def readiness_of(reading: Reading, settings: Settings) -> Callable[[], Awaitable[Readiness]]:
    """Judge readiness: PostgreSQL answers, and every read model has its tables."""
    schemas = live_schemas(settings)

    async def judge() -> Readiness:
        try:
            positions = await asyncio.to_thread(reading.positions, schemas)
        except ReadingUnavailable:
            return Readiness(False, {"database_reachable": False, "positions": {}})
        checks: dict[str, object] = {"database_reachable": True, "positions": positions}
        return Readiness(all(found is not None for found in positions.values()), checks)

    return judge
