"""`pms bench writers`: one write process and two on the same log, and what contention costs.

32 clients in a closed loop send single trades, or 4 send batches, of one tenant into ten
portfolios: to one process, to both without regard to the portfolio, and to both by portfolio.
"""

from __future__ import annotations

import itertools
import os
import platform
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.flood.generator import Answer, Generator, Order, Stream
from benchmarks.flood.overload import captured, compare, percentile
from benchmarks.flood.system import PORTFOLIOS, Writers, open_market, write_processes
from benchmarks.flood.trades import batch_body, single_body
from gateway.access import Role
from infra.data_directory import DataDirectory
from infra.database import Database

TENANT = "shared"
BATCH = 100
WARM_UP_SECONDS = 2.0

Say = Callable[[str], None]


class Kind(NamedTuple):
    """A kind of load: the address, commands in a request, clients in all."""

    name: str
    path: str
    commands: int
    clients: int


KINDS = (Kind("singles", "/v1/trades", 1, 32), Kind("batches", "/v1/trades:batch", BATCH, 4))

ARRANGEMENTS = (("one", 1, False), ("two", 2, False), ("two_by_portfolio", 2, True))
"""What is measured: its name, how many processes, whether a portfolio is sent to one only."""


def run(data: DataDirectory, database: Database, *, seconds: float, say: Say) -> dict[str, Any]:
    """Measure both kinds on one process, on two, and on two by portfolio."""
    answers: list[Answer] = []
    found: dict[str, dict[str, Any]] = {kind.name: {} for kind in KINDS}
    with write_processes(data, database, 2) as writers:
        open_market(writers, (TENANT,))
        runs = itertools.count(1)
        for kind, (name, count, is_routed) in itertools.product(KINDS, ARRANGEMENTS):
            for length in (WARM_UP_SECONDS, seconds):
                told = _measured(
                    writers, kind, f"r{next(runs)}w", count, length, is_routed=is_routed
                )
                answers += told
            found[kind.name][name] = _told(told, seconds)
            say(f"{kind.name}, {name}: {found[kind.name][name]}")
    check = compare(answers, captured(database))
    return {
        "benchmark": "writers",
        "seconds": seconds,
        **found,
        "check": check,
        "machine": {
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
    }


def _measured(
    writers: Writers,
    kind: Kind,
    name: str,
    count: int,
    seconds: float,
    is_routed: bool,  # noqa: FBT001
) -> list[Answer]:
    """Run a closed loop on so many processes at once, a generator for each."""
    token = writers.token(TENANT, Role.ADMIN, f"{kind.name}-system")
    generators = [Generator() for _ in range(count)]
    answers: list[Answer] = []
    for number, generator in enumerate(generators):
        generator.__enter__()
        address = urlsplit(writers.urls[number])
        portfolios = PORTFOLIOS[number::count] if is_routed else PORTFOLIOS
        bodies = _bodies(kind, portfolios)
        streams = [
            Stream(f"{index}", token, kind.path, body, kind.commands, 1 / len(bodies))
            for index, body in enumerate(bodies)
        ]
        generator.begin(
            Order(
                f"{name}{number}", address.hostname or "", address.port or 0, streams, None,
                seconds, kind.clients // count,
            )
        )  # fmt: skip
    for generator in generators:
        answers += generator.collect()[0]
        generator.__exit__(None, None, None)
    return answers


def _bodies(kind: Kind, portfolios: Sequence[str]) -> list[bytes]:
    if kind.commands == 1:
        return [single_body(portfolio=each) for each in portfolios]
    return [batch_body(kind.commands, portfolios=portfolios)]


def _told(answers: Sequence[Answer], seconds: float) -> dict[str, Any]:
    times = sorted((each.answered - each.sent) * 1e3 for each in answers)
    accepted = sum(each.accepted for each in answers if each.answered <= seconds)
    return {
        "accepted_per_second": round(accepted / seconds),
        "p50_ms": percentile(times, 0.5),
        "p95_ms": percentile(times, 0.95),
        "refused": sum(each.status not in {200, 201} for each in answers),
    }
