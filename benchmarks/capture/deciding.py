"""Deciding alone: one command after the other on the state the run has left, nothing appended.

Each is judged, encoded and folded as the desk does it, in turns of the desk's size. Microseconds by
the clock, and of processor time, which other programs on the machine do not lengthen.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import NamedTuple
from uuid import uuid4

import msgspec

from benchmarks.capture.load import TENANT, Lane, Load, portfolio_names
from commands.command import Issued, fingerprint_of
from commands.deciding import Judgement, Layer, Probe, judge, write
from commands.desk import COMMANDS_PER_TURN_MAX
from commands.overlay import Overlay
from commands.world import World
from domain.identity import portfolio_stream
from eventstore.collecting import rare_collections
from eventstore.log import Log
from infra.clock import now
from write_api.bodies import TradeBody, trade_command

PORTFOLIOS = 100
SOURCE = "deciding"
_NOTHING_KNOWN = Probe({}, {})
_read_body = msgspec.json.Decoder(TradeBody).decode


class Deciding(NamedTuple):
    """Percentiles of deciding one trade, in microseconds."""

    p50_us: float
    p95_us: float
    p99_us: float
    longest_us: float
    cpu_p50_us: float
    cpu_p99_us: float
    trades: int


def decide(app_conninfo: str, *, trades: int, portfolios: int, began_at: datetime) -> Deciding:
    """Decide so many trades in up to a hundred portfolios, loaded before the clock starts."""
    names = portfolio_names(portfolios)[:PORTFOLIOS]
    load = Load(began_at=began_at, run="decide-")
    lane = Lane("", names)
    wanted = [_issued(load.trade(lane)[0]) for _ in range(trades + len(names))]
    taken: list[tuple[float, float]] = []
    with rare_collections(), Log(app_conninfo, clock=now, build="benchmark", pool_size=1) as log:
        world = World.load(log)
        _decide_all(wanted[: len(names)], world, log)  # The source is read, and code warmed up.
        for each in names:
            assert (
                Overlay(world).current_portfolio(portfolio_stream(TENANT, each), log) is not None
            ), "it is open"
        taken = _decide_all(wanted[len(names) :], world, log)
    walls = sorted(wall for wall, _ in taken)
    processor = sorted(cpu for _, cpu in taken)
    return Deciding(
        _at(walls, 0.5), _at(walls, 0.95), _at(walls, 0.99), _at(walls, 1.0),
        _at(processor, 0.5), _at(processor, 0.99), trades,
    )  # fmt: skip


def _decide_all(wanted: list[Issued], world: World, log: Log) -> list[tuple[float, float]]:
    """Decide and fold, in layers of a turn's size; each is merged as a commit would."""
    taken: list[tuple[float, float]] = []
    for start in range(0, len(wanted), COMMANDS_PER_TURN_MAX):
        layer = Layer.over(Overlay(world))
        for issued in wanted[start : start + COMMANDS_PER_TURN_MAX]:
            began, began_cpu = time.perf_counter_ns(), time.thread_time_ns()
            judged = judge(issued, layer.overlay, log, _NOTHING_KNOWN)
            assert isinstance(judged, Judgement), "nobody has sent it before"
            decided = write(issued, judged, layer, log)
            ended_cpu, ended = time.thread_time_ns(), time.perf_counter_ns()
            taken.append(((ended - began) / 1_000, (ended_cpu - began_cpu) / 1_000))
            assert decided.outcome.code is None, decided.outcome
        layer.overlay.merge()
    return taken


def _issued(body: str) -> Issued:
    command = trade_command(_read_body(body.encode()), SOURCE)
    name = uuid4()
    return Issued(
        command_id=name,
        tenant=TENANT,
        actor=SOURCE,
        source=SOURCE,
        correlation_id=name,
        received_at=now(),
        fingerprint=fingerprint_of(command),
        command=command,
    )


def _at(values: list[float], part: float) -> float:
    return round(values[min(int(len(values) * part), len(values) - 1)], 1)
