"""`pms bench capture`: how fast trades are captured over HTTP, alone and in bulk, every rule on.

A write process as `pms up` runs it (uvicorn, tokens, durable PostgreSQL, request log) and nothing
else of a system; the load comes from one process beside it on the same machine, whose share of the
processors is told. All of it ends by itself.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
from pydantic import SecretStr

from benchmarks.capture.clients import Answered
from benchmarks.capture.copying import copy_events_per_second
from benchmarks.capture.deciding import decide
from benchmarks.capture.load import TENANT
from benchmarks.capture.opening import harden, open_everything
from benchmarks.capture.sending import Doors, Phase, Ran, Sender
from benchmarks.pipeline.costs import POSTGRESQL, Processors, microseconds_per_trade
from domain.identity import MARKET_TENANT
from eventstore.tables import create_log
from gateway.access import Role
from infra.build_name import build_name
from infra.child_processes import service_account
from infra.clock import now
from infra.data_directory import DataDirectory
from infra.database import Database
from infra.embedded_postgres import EmbeddedPostgres, free_port
from infra.keys import signing_key
from infra.running import StopRequested, process_command_line
from infra.settings import Settings, load_settings
from infra.supervisor import ChildProcess, Supervisor
from infra.tokens import issue_token

BEGAN_BEFORE = timedelta(hours=3)
SOURCES = 8
SINGLES_PER_SECOND_MAX = 4_000
BATCH_TRADES_PER_SECOND_MAX = 25_000
EVENTS_PER_TRADE = 2
SENDING = "generator: sending"

Say = Callable[[str], None]


class Sizes(NamedTuple):
    """How much is measured: seconds of each phase, and what sends in them."""

    portfolios: int = 1_000
    seconds: float = 6.0
    clients: tuple[int, ...] = (1, 16, 64)
    senders: int = 4
    batch_trades: int = 2_000
    large_batch_trades: int = 5_000
    decisions: int = 20_000


def run(*, sizes: Sizes, say: Say, stop: threading.Event) -> dict[str, Any]:
    """Measure on a throwaway directory; `stop` ends it between two phases.

    Raises:
        OperatorError: the write process cannot start, or refuses what it has to accept.
        StopRequested: `stop` was set.
    """
    directory = Path(tempfile.mkdtemp(prefix="pms-bench-"))
    directory.chmod(0o711 if service_account() else 0o700)
    try:
        with ExitStack() as stack:
            return Measuring(stack, directory, sizes, say, stop).result()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Measuring:
    """A write process that is up and opened for the load, and what sends to it."""

    def __init__(
        self, stack: ExitStack, directory: Path, sizes: Sizes, say: Say, stop: threading.Event
    ) -> None:
        self._sizes, self._say, self._stop = sizes, say, stop
        data = DataDirectory(directory)
        data.prepare(service_account())
        say("starting PostgreSQL and a write process of its own")
        postgres = stack.enter_context(EmbeddedPostgres(data))
        self._database = postgres.database
        create_log(self._database.owner_conninfo)
        signing_key(data)
        settings = _settings(directory, self._database)
        supervisor = stack.enter_context(Supervisor([_write_process(settings, data)], say=say))
        if not supervisor.wait_until_ready(stop):
            raise StopRequested
        doors, market_token = _doors(settings, data, sizes.portfolios)
        say(f"opening {sizes.portfolios:,} portfolios")
        open_everything(doors, market_token=market_token)
        self._doors = doors
        self._sender = stack.enter_context(Sender(doors))
        self._processors = Processors(
            self._database.app_conninfo,
            lambda: {
                **supervisor.process_ids,
                POSTGRESQL: postgres.process_id or 0,
                SENDING: self._sender.process_id,
            },
        )
        self._accepted = 0
        self._problems: list[str] = []

    def result(self) -> dict[str, Any]:
        """Run every phase and put the figures together."""
        sizes = self._sizes
        senders = {"senders": sizes.senders}
        self._phase("warming up", self._batches(sizes.batch_trades, part=0.5))
        after = self._head()
        batches = self._phase("batches", self._batches(sizes.batch_trades))
        until = self._head()
        singles = {
            str(count): self._phase(f"single trades, {count} clients", self._singles(count))
            for count in sizes.clients
        }
        most = max(sizes.clients)
        large = self._batches(sizes.large_batch_trades)
        beside = self._singles(most)._replace(
            senders=large.senders, batches=large.batches, batch_trades=large.batch_trades
        )
        mixed = self._phase(f"single trades, {most} clients, beside large batches", beside)
        hot = self._phase(
            "one hot portfolio", self._batches(sizes.batch_trades)._replace(is_hot=True)
        )
        harden(self._doors)
        hard = self._phase("batches under two hard limits", self._batches(sizes.batch_trades))
        self._say("copying the same rows raw, and deciding alone")
        events, copied = copy_events_per_second(
            self._database.owner_conninfo, after=after, until=until
        )
        deciding = decide(
            self._database.app_conninfo,
            trades=sizes.decisions,
            portfolios=sizes.portfolios,
            began_at=self._doors.began_at + timedelta(minutes=1),
        )
        rate = batches["batches"]["trades_per_second"]
        return {
            "benchmark": "capture",
            "batch_trades_per_second": rate,
            "hard_batch_trades_per_second": hard["batches"]["trades_per_second"],
            "copy_events_per_second": round(copied),
            "ratio_to_copy": round(rate * EVENTS_PER_TRADE / copied, 3) if copied else None,
            "single_p95_ms": {name: each["singles"]["p95_ms"] for name, each in singles.items()},
            "single_beside_batches_p95_ms": mixed["singles"]["p95_ms"],
            "hot_trades_per_second": hot["batches"]["trades_per_second"],
            "decide_p99_us": deciding.p99_us,
            "deciding": deciding._asdict(),
            "phases": {
                "batches": batches,
                "single": singles,
                "single_beside_batches": mixed,
                "hot": hot,
                "hard": hard,
            },
            "events_copied": events,
            "check": self._check(),
            "problems": self._problems,
            "parameters": sizes._asdict() | senders,
            "machine": _machine(),
        }

    def _batches(self, trades: int, *, part: float = 1.0) -> Phase:
        sizes = self._sizes
        seconds = sizes.seconds * part
        batches = max(round(seconds * BATCH_TRADES_PER_SECOND_MAX / trades), 2 * sizes.senders)
        return Phase(seconds, senders=sizes.senders, batches=batches, batch_trades=trades)

    def _singles(self, clients: int) -> Phase:
        requests = max(round(self._sizes.seconds * SINGLES_PER_SECOND_MAX), clients)
        return Phase(self._sizes.seconds, clients=clients, requests=requests)

    def _phase(self, name: str, phase: Phase) -> dict[str, Any]:
        """Run one phase and work out its figures."""
        if self._stop.is_set():
            raise StopRequested
        self._sender.prepare(phase)
        before, began = self._processors.used(), time.monotonic()
        ran = self._sender.run()
        seconds, after = time.monotonic() - began, self._processors.used()
        answers = [*ran.singles, *ran.batches]
        accepted = sum(each.accepted for each in answers)
        self._accepted += accepted
        self._problems += [each.problem for each in answers if each.problem][:3]
        sent = after[SENDING] - before[SENDING]
        figures: dict[str, Any] = {
            "trades": accepted,
            "seconds": round(ran.ended_at - ran.started_at, 3),
            "microseconds_per_trade": microseconds_per_trade(before, after, trades=accepted),
            "generator_share": round(sent / (seconds * (os.cpu_count() or 1)), 3),
        }
        for kind, told in (("singles", ran.singles), ("batches", ran.batches)):
            if told:
                figures[kind] = _figures(told, ran)
        self._say(f"{name}: {_line(figures)}")
        return figures

    def _head(self) -> int:
        return self._number("SELECT coalesce(max(position), 0) FROM log.events")

    def _number(self, statement: str) -> int:
        with psycopg.connect(self._database.owner_conninfo) as connection:
            row = connection.execute(statement.encode()).fetchone()
        assert row is not None, "it is one row"
        return int(row[0])

    def _check(self) -> dict[str, object]:
        """Compare what was accepted with what the log holds."""
        captured = self._number(
            "SELECT count(*) FROM log.events WHERE event_type LIKE 'trade.captured.%'"
        )
        booked = self._number(
            "SELECT count(*) FROM log.events WHERE event_type LIKE 'portfolio.trade_booked.%'"
        )
        return {
            "trades_accepted": self._accepted,
            "trades_captured": captured,
            "trades_booked": booked,
            "ok": captured == booked == self._accepted and not self._problems,
        }


def _machine() -> dict[str, object]:
    """Say what it was measured on."""
    return {
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def _settings(directory: Path, database: Database) -> Settings:
    """Give the settings of a write process on a directory, whatever the environment names."""
    settings = load_settings(data=directory, write_port=free_port())
    return settings.model_copy(
        update={
            "postgres_owner": None,
            "postgres_app": SecretStr(database.app_conninfo),
            "build": settings.build or build_name(),
        }
    )


def _write_process(settings: Settings, data: DataDirectory) -> ChildProcess:
    return ChildProcess(
        name="write",
        arguments=process_command_line("write"),
        log=data.logs / "write.jsonl",
        ready_url=f"{settings.write_url}/health/ready",
        environment=settings.environment(),
    )


def _doors(settings: Settings, data: DataDirectory, portfolios: int) -> tuple[Doors, str]:
    """Give the sender its way in, and the token of the market beside it."""
    key = signing_key(data)

    def token(tenant: str, subject: str, role: Role) -> str:
        return issue_token(
            key, tenant=tenant, subject=subject, roles=[role.value], source=subject,
            issued_at=now(), token_id=uuid4(),
        )  # fmt: skip

    tokens = tuple(token(TENANT, f"system-{number}", Role.ADMIN) for number in range(SOURCES))
    # What was used of a limit on days before it is not known, so trades are of today.
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    began_at = max(now() - BEGAN_BEFORE, today)
    doors = Doors(settings.host, settings.write_port, tokens, portfolios, began_at)
    return doors, token(MARKET_TENANT, "exchange", Role.MARKET_DATA)


def _figures(answers: Sequence[Answered], ran: Ran) -> dict[str, Any]:
    """Give the rate over all the time in which answers came, and what a request took."""
    accepted = sum(each.accepted for each in answers)
    seconds = max(each.answered_at for each in answers) - ran.started_at
    waits = sorted((each.answered_at - each.sent_at) * 1_000 for each in answers)

    def at(part: float) -> float:
        return round(waits[min(int(len(waits) * part), len(waits) - 1)], 2)

    return {
        "trades_per_second": round(accepted / seconds),
        "requests": len(answers),
        "p50_ms": at(0.5),
        "p95_ms": at(0.95),
        "p99_ms": at(0.99),
        "longest_ms": at(1.0),
    }


def _line(figures: dict[str, Any]) -> str:
    parts = [
        f"{kind} {figures[kind]['trades_per_second']:,} trades/s, p95 {figures[kind]['p95_ms']} ms"
        for kind in ("singles", "batches")
        if kind in figures
    ]
    return "; ".join(parts)
