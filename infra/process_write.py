"""The process that takes commands: the desk behind its HTTP interface."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from commands.desk import Desk
from commands.reactions.alerting import run_alerts
from commands.reactions.breaches import run_breaches
from commands.reactions.corporate_actions import run_corporate_actions
from commands.reactions.release import run_releases
from commands.reactions.settlement import run_settlements
from commands.reactions.time import run_time
from commands.reactions.usage import run_usage
from eventstore.collecting import rare_collections
from eventstore.failures import LogUnavailable
from eventstore.leading import lead
from eventstore.log import Log
from gateway.interface import Readiness
from infra.build_name import build_name
from infra.clock import now
from infra.http_server import serve_http
from infra.read_models import partition_count, require_log_not_behind
from infra.refusing import refusing_protocol
from infra.settings import Settings
from infra.striking import rank_apart, strike_apart
from infra.surroundings import http_surroundings
from write_api.application import create_app

DRAIN_SECONDS = 10.0
SWITCH_SECONDS = 0.0002
"""How long the desk's thread keeps the interpreter while the event loop waits for it, and the other
way round: a single trade goes to and fro some times, and with Python's 5 ms waits most for that."""

STALLED_EXIT_STATUS = 75
React = Callable[[Desk, Log, threading.Event], None]
REACTIONS: dict[str, React] = {
    "release": run_releases,
    "settlement": run_settlements,
    "corporate_actions": run_corporate_actions,
    "usage": run_usage,
    "breaches": run_breaches,
    "time": partial(run_time, clock=now),
    "alerts": partial(run_alerts, clock=now),
}
"""Reactions by the office that one process in the system holds; two more ask a read model."""


def run(settings: Settings, stop: threading.Event) -> None:
    """Decide and append commands until a signal; those already taken are answered first."""
    build = settings.build or build_name()
    sys.setswitchinterval(SWITCH_SECONDS)
    log = Log(settings.app_conninfo, clock=now, build=build)
    with rare_collections(), log:
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
            for office, react in reactions_of(settings).items()
        ]
        # All of them follow the log, and most of it is what this process appends itself.
        reactions.append(threading.Thread(target=log.keep_tail, args=(ending,), name="tail"))
        for reaction in reversed(reactions):
            reaction.start()
        try:
            surroundings = http_surroundings(settings, readiness=readiness_of(desk, log))
            if not stop.is_set():
                application = create_app(desk, surroundings)
                serve_http(
                    application,
                    host=settings.host,
                    port=settings.write_port,
                    drained=desk.admission,
                    protocol=refusing_protocol(application.state.door),
                )
        finally:
            ending.set()
            has_ended = desk.stop(timeout=DRAIN_SECONDS)
            deadline = time.monotonic() + (DRAIN_SECONDS if has_ended else 0)
            for reaction in reactions:
                reaction.join(max(0.0, deadline - time.monotonic()))
            # One that waits for a database which says nothing would keep the process for ever.
            if not has_ended or any(reaction.is_alive() for reaction in reactions):
                _end_at_once()


def reactions_of(settings: Settings) -> dict[str, React]:
    """Give the reactions of a write process, by the office that one process holds at a time."""
    conninfo, count = settings.app_conninfo, partition_count(settings)
    struck: dict[str, React] = {}
    if settings.strike_figures:
        struck["striking"] = partial(strike_apart, conninfo=conninfo, partition_count=count)
    return {
        **REACTIONS,
        **struck,
        "contests": partial(rank_apart, conninfo=conninfo, partition_count=count),
    }


def _end_at_once() -> None:
    """End without waiting for a log that does not answer: its threads would be waited for.

    Everybody has been answered; what was being appended is in the log, or never will be.
    """
    structlog.get_logger("pms").error("not_drained", reason="the log does not answer")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(STALLED_EXIT_STATUS)


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
            "breaker": desk.breaker.state.value,
            "is_stopping": desk.admission.is_closed,
        }
        is_serving = not (desk.breaker.is_open or desk.admission.is_closed)
        return Readiness(desk.loaded.is_set() and head is not None and is_serving, checks)

    return judge
