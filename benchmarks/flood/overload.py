"""`pms bench overload`: one write process at 0.8 of what it can do, then at three times that.

Batches and single commands are measured one after the other. Two tenants send: `flood`, whose load
is multiplied, and `quiet`, who always sends a tenth of capacity.
"""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil

from benchmarks.flood.generator import Answer, Generator, Order, Stream
from benchmarks.flood.system import Writers, open_market, write_processes
from benchmarks.flood.trades import batch_body, single_body
from domain.trade import TradeCaptured
from eventstore.log import Log
from gateway.access import Role
from infra.clock import now
from infra.data_directory import DataDirectory
from infra.database import Database
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode

FLOOD, QUIET = "flood", "quiet"
QUIET_PART = 0.1
CALM, OVER = 0.8, 3.0
CONNECTIONS = 128
ACCEPTED = frozenset({200, 201})
REFUSED = frozenset({429, 503})
MEGABYTE = 2**20
EVENTS_PER_READ = 10_000

Say = Callable[[str], None]


class Kind(NamedTuple):
    """A kind of load: requests of so many commands, and how capacity is measured."""

    name: str
    path: str
    commands: int
    closed_connections: int


KINDS = (
    Kind("batches", "/v1/trades:batch", 100, 6),
    Kind("singles", "/v1/trades", 1, 32),
)


class Lengths(NamedTuple):
    """How long each part is measured, in seconds."""

    capacity: float
    calm: float
    over: float


class Figures(NamedTuple):
    """What one run showed; `answers` and times of `flood`, unless `quiet` is said."""

    answers: Sequence[Answer]
    unsent: int
    seconds: float
    accepted_per_second: float

    def of(self, stream: int, statuses: frozenset[int] = ACCEPTED) -> list[float]:
        """Milliseconds from being due to the answer, of one stream's answers, in order."""
        return sorted(
            (each.answered - each.due) * 1e3
            for each in self.answers
            if each.stream == stream and each.status in statuses
        )


def run(
    data: DataDirectory, database: Database, *, lengths: Lengths, kinds: Sequence[str], say: Say
) -> dict[str, Any]:
    """Measure each kind on a write process of its own kind's log, and compare with the log."""
    with Generator() as generator, write_processes(data, database, 1) as writers:
        open_market(writers, (FLOOD, QUIET))
        found = {
            kind.name: _measured(kind, writers, generator, lengths, say)
            for kind in KINDS
            if kind.name in kinds
        }
        answers = [each for figures in found.values() for each in figures.pop("answers")]
        check = compare(answers, captured(database))
    return {
        "benchmark": "overload",
        "seconds": lengths.over,
        **found,
        "check": check,
        "machine": {
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
    }


def _measured(
    kind: Kind, writers: Writers, generator: Generator, lengths: Lengths, say: Say
) -> dict[str, Any]:
    address = urlsplit(writers.urls[0])
    assert address.hostname is not None, "our own address"
    assert address.port is not None, "our own address"
    body = single_body() if kind.commands == 1 else batch_body(kind.commands)
    tokens = [
        writers.token(tenant, Role.ADMIN, f"{tenant}-{kind.name}") for tenant in (FLOOD, QUIET)
    ]

    def figures(name: str, rate: float | None, quiet: float, seconds: float) -> Figures:
        parts = (1 - quiet, quiet)
        streams = [
            Stream(tenant, token, kind.path, body, kind.commands, part)
            for tenant, token, part in zip((FLOOD, QUIET), tokens, parts, strict=True)
        ]
        connections = kind.closed_connections if rate is None else CONNECTIONS
        order = Order(
            f"{kind.name[0]}{name}", address.hostname or "", address.port or 0, streams, rate,
            seconds, connections,
        )  # fmt: skip
        answers, unsent = generator.run(order)
        accepted = sum(each.accepted for each in answers if each.answered <= seconds)
        return Figures(answers, unsent, seconds, accepted / seconds)

    warm = figures("w", None, QUIET_PART, lengths.capacity / 2)
    closed = figures("c", None, QUIET_PART, lengths.capacity)
    capacity = closed.accepted_per_second
    say(f"{kind.name}: capacity {capacity:,.0f} commands/s")
    calm = figures("b", CALM * capacity, QUIET_PART / CALM, lengths.calm)
    before = psutil.Process(writers.process_id(0)).memory_info().rss
    over = figures("o", OVER * capacity, QUIET_PART / OVER, lengths.over)
    after = psutil.Process(writers.process_id(0)).memory_info().rss
    told = {
        "capacity_per_second": round(capacity),
        "calm": _told(calm),
        "over": _told(over),
        "accepted_p95_ratio": _ratio(percentile(over.of(0), 0.95), percentile(calm.of(0), 0.95)),
        "accepted_rate_ratio": _ratio(over.accepted_per_second, capacity),
        "resident_growth_mb": round((after - before) / MEGABYTE, 1),
        "answers": [each for part in (warm, closed, calm, over) for each in part.answers],
    }
    say(f"{kind.name}: {told['calm']} then {told['over']}")
    return told


def _told(figures: Figures) -> dict[str, Any]:
    parts = [
        [each.status in ACCEPTED for each in figures.answers if each.stream == stream]
        for stream in (0, 1)
    ]
    flood_part, quiet_part = (_ratio(sum(each), max(len(each), 1)) for each in parts)
    return {
        "accepted_per_second": round(figures.accepted_per_second),
        "accepted_p50_ms": percentile(figures.of(0), 0.5),
        "accepted_p95_ms": percentile(figures.of(0), 0.95),
        "refused_p50_ms": percentile(figures.of(0, REFUSED), 0.5),
        "refused_p99_ms": percentile(figures.of(0, REFUSED), 0.99),
        "quiet_accepted_p95_ms": percentile(figures.of(1), 0.95),
        "flood_accepted_part": flood_part,
        "quiet_accepted_part": quiet_part,
        "statuses": dict(Counter(str(each.status) for each in figures.answers)),
        "sending_p99_ms": percentile(
            sorted((each.sent - each.due) * 1e3 for each in figures.answers), 0.99
        ),
        "unsent": figures.unsent,
        "without_retry_after": sum(
            each.status in REFUSED and not each.is_telling_when for each in figures.answers
        ),
    }


def captured(database: Database) -> Counter[str]:
    """Count the trades in the log by external id."""
    name = EVENT_NAMES[TradeCaptured]
    counted: Counter[str] = Counter()
    after = 0
    with Log(database.app_conninfo, clock=now, build="bench", pool_size=1) as log:
        while events := log.read(after, EVENTS_PER_READ):
            for each in events:
                if each.event_type == name:
                    event = decode(name, each.data)
                    assert isinstance(event, TradeCaptured), "by its name"
                    counted[event.capture.external_id] += 1
            after = events[-1].position
    return counted


def compare(answers: Sequence[Answer], counted: Counter[str]) -> dict[str, Any]:
    """Hold the answers against the log: accepted once, refused not at all, nothing else.

    A request is told apart by its name, with which its trades' external ids begin.
    """
    requests: Counter[str] = Counter()
    for external_id, count in counted.items():
        requests[external_id[:16]] += count
    lost = [each for each in answers if each.accepted > requests[each.key]]
    untrue = [each for each in answers if each.status == 429 and requests[each.key]]
    others = Counter(str(each.status) for each in answers)
    strange = {status: count for status, count in others.items() if status not in _EXPECTED}
    twice = sum(count > 1 for count in counted.values())
    return {
        "trades_accepted": sum(each.accepted for each in answers),
        "trades_in_the_log": counted.total(),
        "accepted_and_not_in_the_log": len(lost),
        "in_the_log_twice": twice,
        "refused_and_in_the_log": len(untrue),
        "other_answers": strange,
        "ok": not (lost or untrue or strange or twice),
    }


_EXPECTED = frozenset({"200", "201", "429", "503"})


def percentile(ordered: Sequence[float], part: float) -> float | None:
    """Give the value that so great a part does not exceed, to a tenth; None of nothing."""
    if not ordered:
        return None
    return round(ordered[min(int(part * len(ordered)), len(ordered) - 1)], 1)


def _ratio(one: float | None, other: float | None) -> float | None:
    return round(one / other, 3) if one is not None and other else None
