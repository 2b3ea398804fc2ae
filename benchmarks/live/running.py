"""`pms bench live`: trades into 200 portfolios, an audience of 200 clients, and what disturbs it.

A push is a row that came to a client's socket; it is late by the time since the event that last
changed the row was recorded in the log, which is before its sender heard "yes".
"""

from __future__ import annotations

import bisect
import os
import platform
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks.live.breaching import declare_rules
from benchmarks.live.watchers import ALERTS, BOOKED, WATCHED, Audience, Push, Seen, Watchers
from benchmarks.pipeline.costs import Processors, microseconds_per_trade
from benchmarks.pipeline.lags import Listener
from benchmarks.pipeline.load import PORTFOLIOS
from benchmarks.pipeline.opening import open_market
from benchmarks.pipeline.pacing import Pace
from benchmarks.pipeline.running import throwaway_settings
from benchmarks.pipeline.sending import LANES, Answer, Order, Recorded, Sender
from benchmarks.pipeline.trial import accepted_between
from infra.child_processes import service_account
from infra.read_models import READ_MODELS
from infra.running import RunningSystem, running_system

WARM_UP_SECONDS = 5.0
MEMORY_SECONDS = 5.0
LEVEL_SECONDS_MAX = 60.0
PUSHING_SECONDS = 3.0
MEBIBYTE = 1024 * 1024

Say = Callable[[str], None]


class Wish(NamedTuple):
    """What to measure."""

    seconds: float
    trades_per_second: float
    batch_trades: int
    clients: int
    idle: int
    alert_rules: int


def run(wish: Wish, *, say: Say, stop: threading.Event) -> dict[str, Any]:
    """Measure a whole system of its own on a throwaway directory.

    Raises:
        OperatorError: the system cannot start.
        StopRequested: `stop` was set before there was anything to tell.
    """
    directory = Path(tempfile.mkdtemp(prefix="pms-bench-"))
    directory.chmod(0o711 if service_account() else 0o700)
    try:
        with ExitStack() as stack:
            settings = throwaway_settings(directory, "log")
            system = stack.enter_context(running_system(settings, say=say, stop=stop))
            return _measure(stack, system, wish, say, stop)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _measure(
    stack: ExitStack, system: RunningSystem, wish: Wish, say: Say, stop: threading.Event
) -> dict[str, Any]:
    say("opening portfolios and a market")
    doors = open_market(system)
    declare_rules(system.write_url, doors, rules=wish.alert_rules)
    sender = stack.enter_context(Sender(doors))
    models = {model.name: [model.name] for model in READ_MODELS}
    listener = stack.enter_context(Listener(system.redis_url, models))
    address = system.read_url.replace("http", "ws", 1) + "/v1/live"
    audience = Audience(address, doors.lane_tokens[0], wish.clients, wish.idle)
    watchers = stack.enter_context(Watchers(audience))
    say(f"{wish.clients} clients, {wish.idle} idle ones, one that watches all, one stalled")
    joining = watchers.wait_until_ready()

    process = psutil.Process(system.supervisor.process_ids["read"])
    names = {"generator: sending": sender.process_id, "generator: watching": watchers.process_id}
    processors = Processors(
        system.database.app_conninfo, lambda: system.supervisor.process_ids | names
    )
    order = Order(Pace(wish.trades_per_second, wish.batch_trades, LANES), wish.seconds)
    sender.prepare(order)
    started = time.monotonic() + 0.1
    began_at = time.time() + 0.1
    sender.start(started)
    before = processors.used()
    memory: list[float] = []
    while (left := started + order.seconds - time.monotonic()) > 0 and not stop.is_set():
        memory.append(process.memory_info().rss / MEBIBYTE)
        stop.wait(min(left, MEMORY_SECONDS))
    after = processors.used()
    answers = sender.collect()
    _wait_until_told(listener, answers, stop)
    seen = watchers.end()
    trades = accepted_between(answers, 0.0, float("inf"))
    costs = microseconds_per_trade(before, after, trades=trades)
    return _result(wish, answers, seen, listener, began_at, joining, memory, costs)


def _wait_until_told(listener: Listener, answers: Sequence[Answer], stop: threading.Event) -> None:
    """Wait until what was accepted is folded, and then for the pushes under way."""
    last = max((each.position for answer in answers for each in answer.recorded), default=0)
    deadline = time.monotonic() + LEVEL_SECONDS_MAX
    while time.monotonic() < deadline and not stop.is_set():
        if all(listener.position_at(name, time.time()) >= last for name in ("trades", "cash")):
            break
        stop.wait(0.1)
    stop.wait(PUSHING_SECONDS)


def _result(
    wish: Wish,
    answers: Sequence[Answer],
    seen: Seen,
    listener: Listener,
    began_at: float,
    joining: float,
    memory: Sequence[float],
    costs: dict[str, float],
) -> dict[str, Any]:
    recorded = sorted(
        (each for answer in answers for each in answer.recorded), key=lambda each: each.position
    )
    behind = began_at + WARM_UP_SECONDS
    late = {name: lateness(pushes, recorded, behind) for name, pushes in seen.pushes.items()}
    booked = [each for name in BOOKED for each in late[name]]
    waits = [each.answered - each.due for each in answers if each.due >= WARM_UP_SECONDS]
    folded = [point.seconds for point in listener.lags("trades", recorded) if point.at >= behind]
    accepted = accepted_between(answers, 0.0, float("inf"))
    is_watched = wish.clients >= len(PORTFOLIOS)  # fewer watch a part of what is traded
    pushed = len({push.changed_position for push in seen.pushes["trades"]})
    return {
        "benchmark": "live",
        **_percentiles("", booked),
        "by_destination": {name: _percentiles("", late[name]) for name in WATCHED},
        "alerts": len(late[ALERTS]),
        **_percentiles("breach_to_socket_", late[ALERTS]),
        "stages": {
            **_percentiles("answer_", waits),
            **_percentiles("projector_", folded),
        },
        "seconds": wish.seconds,
        "trades_accepted": accepted,
        "trades_pushed": pushed,
        "pushes": len(booked),
        "messages": seen.messages,
        "megabytes": round(seen.bytes / MEBIBYTE, 1),
        "joining_seconds": round(joining, 1),
        "read_memory_mb": {
            "start": round(memory[0], 1),
            "middle": round(memory[len(memory) // 2], 1),
            "end": round(memory[-1], 1),
            "max": round(max(memory), 1),
        },
        "microseconds_per_trade": costs,
        "check": {
            "clients_lost": seen.lost,
            "positions_went_back": seen.went_back,
            "glutton_messages": seen.glutton_messages,
            "ok": not (seen.lost or seen.went_back or (is_watched and pushed != accepted)),
        },
        "parameters": wish._asdict(),
        "machine": {
            "processors": os.cpu_count(),
            "load": os.getloadavg(),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
    }


def lateness(pushes: Sequence[Push], recorded: Sequence[Recorded], behind: float) -> list[float]:
    """Give how late pushes came, in seconds: those of trades recorded behind a moment.

    `recorded` is in the order of positions; each stands for the positions up to its own.
    """
    positions = [each.position for each in recorded]
    late = []
    for changed_position, received_at in pushes:
        place = bisect.bisect_left(positions, changed_position)
        if place < len(recorded) and recorded[place].recorded_at >= behind:
            late.append(received_at - recorded[place].recorded_at)
    return late


def _percentiles(prefix: str, seconds: Sequence[float]) -> dict[str, float | None]:
    ordered = sorted(seconds)

    def at(part: float) -> float | None:
        if not ordered:
            return None
        return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))] * 1_000, 1)

    return {f"{prefix}p50_ms": at(0.5), f"{prefix}p95_ms": at(0.95), f"{prefix}p99_ms": at(0.99)}
