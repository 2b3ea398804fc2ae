"""The process that takes commands: the desk behind its HTTP interface."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial

from commands.desk import Desk
from commands.reactions.release import run_releases
from commands.reactions.settlement import run_settlements
from eventstore.collecting import rare_collections
from eventstore.failures import LogUnavailable
from eventstore.leading import lead
from eventstore.log import Log
from gateway.interface import Readiness
from infra.build_name import build_name
from infra.clock import now
from infra.http_server import serve_http
from infra.read_models import require_log_not_behind
from infra.settings import Settings
from infra.surroundings import http_surroundings
from write_api.application import create_app

DRAIN_SECONDS = 10.0
REACTIONS = {"release": run_releases, "settlement": run_settlements}
"""Reactions by the office that one process in the system holds."""


def run(settings: Settings, stop: threading.Event) -> None:
    """Decide and append commands until a signal; those already taken are answered first."""
    build = settings.build or build_name()
    with rare_collections(), Log(settings.app_conninfo, clock=now, build=build) as log:
        require_log_not_behind(log, settings.app_conninfo)
        desk = Desk(log)
        desk.start()
        ending = threading.Event()
        reactions = [
            threading.Thread(
                target=lead,
                args=(settings.app_conninfo, office, partial(react, desk, log), ending),
                name=office,
            )
            for office, react in REACTIONS.items()
        ]
        for reaction in reactions:
            reaction.start()
        try:
            surroundings = http_surroundings(settings, readiness=readiness_of(desk, log))
            if not stop.is_set():
                serve_http(
                    create_app(desk, surroundings), host=settings.host, port=settings.write_port
                )
        finally:
            ending.set()
            desk.stop(timeout=DRAIN_SECONDS)
            for reaction in reactions:
                reaction.join(DRAIN_SECONDS)


def readiness_of(desk: Desk, log: Log) -> Callable[[], Awaitable[Readiness]]:
    """Judge readiness: the desk has folded the log, and PostgreSQL answers."""

    async def judge() -> Readiness:
        try:
            head = (await asyncio.to_thread(log.head)).position
        except LogUnavailable:
            head = None
        checks: dict[str, object] = {
            "desk_loaded": desk.loaded.is_set(),
            "log_reachable": head is not None,
            "log_head": head,
            "desk_position": desk.position,
            "queued": desk.queued,
        }
        return Readiness(desk.loaded.is_set() and head is not None, checks)

    return judge
