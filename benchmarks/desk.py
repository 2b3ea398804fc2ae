"""Sixteen callers with one command each: the desk against the stock event-sourcing library.

Both sides record the same facts of a trade on the same PostgreSQL: two events per command. The desk
captures a proposed trade with every rule on, writes a receipt with it, and answers when it is
durable; the stock library saves one new aggregate with two events per command, from a thread per
caller with a connection each. What callers send is made before the clock starts; a caller sends its
next command when it has its last answer. The sides take turns, so that neither has the better hour.
"""

import os
import platform
import random
import statistics
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from threading import Semaphore
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from psycopg.conninfo import conninfo_to_dict

from commands.command import (
    CaptureTrade,
    Command,
    DepositCash,
    Issued,
    OpenPortfolio,
    Outcome,
    RegisterInstrument,
    Status,
    fingerprint_of,
)
from commands.desk import Desk
from domain.identity import MARKET_TENANT
from domain.instrument import AssetClass
from domain.lots import CostBasis, Side
from domain.money import Money
from domain.trade import Capture, Intent
from eventstore.log import Log
from eventstore.tables import create_log

TENANT = "benchmark"
PORTFOLIOS = 100
INSTRUMENTS = 50
SLICES = 5
WARM_UP_COMMANDS = 20
SEED = 20_260_102


class StockTrade(Aggregate):
    """The same trade as a stock aggregate: captured, then booked."""

    @event("Captured")
    def __init__(self, content: dict[str, str]) -> None:
        self.content = content
        self.booked: dict[str, str] = {}

    @event("Booked")
    def book(self, result: dict[str, str]) -> None:
        """Record what the trade did to lots and cash."""
        self.booked = result


@dataclass
class Contestant:
    """One side: how its callers do their commands, and the seconds that took."""

    work: Callable[[list[list[Issued]]], list[float]]
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def take_turn(self, wanted: list[list[Issued]]) -> None:
        """Let every caller do its commands, one after the other."""
        began = perf_counter()
        self.latencies += self.work(wanted)
        self.seconds += perf_counter() - began


def issue(command: Command, *, tenant: str = TENANT) -> Issued:
    """Wrap a command as the gateway would."""
    name = uuid4()
    return Issued(
        command_id=name,
        tenant=tenant,
        actor="benchmark",
        correlation_id=name,
        received_at=datetime.now(UTC),
        fingerprint=fingerprint_of(command),
        command=command,
    )


def prepare(desk: Desk) -> None:
    """Open the portfolios with cash and register the instruments."""
    registered = [
        RegisterInstrument(
            instrument=f"I{number:03}",
            symbol=f"I{number:03}",
            currency="USD",
            asset_class=AssetClass.EQUITY,
            calendar="24/7",
        )
        for number in range(INSTRUMENTS)
    ]
    wanted: list[Issued] = [issue(each, tenant=MARKET_TENANT) for each in registered]
    for number in range(PORTFOLIOS):
        name = f"P{number:03}"
        opened = OpenPortfolio(portfolio=name, base_currency="USD", cost_basis=CostBasis.FIFO)
        cash = Money(Decimal(10) ** 12, "USD")
        funded = DepositCash(portfolio=name, amount=cash, value_date=datetime.now(UTC).date())
        wanted += [issue(opened), issue(funded)]
    outcomes = desk.submit_batch(wanted, is_atomic=False).result()
    _require_accepted(outcomes)


def capture(draw: random.Random, portfolio: str) -> CaptureTrade:
    """Draw a purchase for a portfolio."""
    return CaptureTrade(
        Capture(
            portfolio=portfolio,
            source="benchmark",
            external_id=str(uuid4()),
            intent=Intent.PROPOSED,
            instrument=f"I{draw.randrange(INSTRUMENTS):03}",
            side=Side.BUY,
            quantity=Decimal(draw.randrange(1, 1_000)),
            price=Decimal(draw.randrange(100, 100_000)).scaleb(-2),
            currency="USD",
            fee=Decimal("1.25"),
            executed_at=datetime.now(UTC),
        )
    )


def drawn(draw: random.Random, callers: int, commands: int) -> list[list[Issued]]:
    """Draw what each caller sends, each for portfolios of its own, in the order of its trades."""
    return [
        [
            issue(capture(draw, f"P{draw.randrange(caller, PORTFOLIOS, callers):03}"))
            for _ in range(commands)
        ]
        for caller in range(callers)
    ]


class Caller:
    """Sends its next command when it hears the answer to its last one, from that very call."""

    def __init__(self, desk: Desk, commands: list[Issued], ended: Semaphore) -> None:
        self._desk = desk
        self._commands = iter(commands)
        self._ended = ended
        self._began = 0.0
        self.latencies: list[float] = []
        self.outcomes: list[Outcome] = []

    def send(self) -> None:
        """Submit the next command, if there is one."""
        issued = next(self._commands, None)
        if issued is None:
            self._ended.release()
            return
        self._began = perf_counter()
        self._desk.submit(issued).add_done_callback(self._hear)

    def _hear(self, answered: "Future[Outcome]") -> None:
        self.latencies.append(perf_counter() - self._began)
        self.outcomes.append(answered.result())
        self.send()


def through_desk(desk: Desk, wanted: list[list[Issued]]) -> list[float]:
    """Capture from callers that each wait for their last answer, which is durable."""
    ended = Semaphore(0)
    callers = [Caller(desk, commands, ended) for commands in wanted]
    for caller in callers:
        caller.send()
    for _ in callers:
        ended.acquire()
    for caller in callers:
        _require_accepted(caller.outcomes)
    return [each for caller in callers for each in caller.latencies]


def through_stock(application: "Application[UUID]", wanted: list[list[Issued]]) -> list[float]:
    """Save one new aggregate per command, from a thread per caller."""

    def call(commands: list[Issued]) -> list[float]:
        latencies = []
        for issued in commands:
            assert isinstance(issued.command, CaptureTrade), "the callers capture trades"
            wished = issued.command.capture
            content = {name: str(getattr(wished, name)) for name in wished.__struct_fields__}
            began = perf_counter()
            trade = StockTrade(content)
            trade.book({"cash_after": "1000000000000", "lots": content["quantity"]})
            application.save(trade)
            latencies.append(perf_counter() - began)
        return latencies

    with ThreadPoolExecutor(len(wanted)) as pool:
        return [each for latencies in pool.map(call, wanted) for each in latencies]


def run(
    owner_conninfo: str,
    app_conninfo: str,
    *,
    callers: int = 16,
    commands: int = 200,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure; `commands` are those of each caller in each slice, the stock side a fifth of that.

    Latencies are in milliseconds, from a caller's submit to its durable answer.
    """
    create_log(owner_conninfo)
    draw = random.Random(SEED)

    with Log(app_conninfo, clock=lambda: datetime.now(UTC), build="benchmark") as log:
        desk = Desk(log)
        desk.start()
        prepare(desk)
        with Application[UUID](env=_stock_environment(owner_conninfo, callers)) as application:
            ours = Contestant(partial(through_desk, desk))
            stock = Contestant(partial(through_stock, application))
            for side in (ours, stock):
                side.work(drawn(draw, callers, WARM_UP_COMMANDS))
            for number in range(SLICES):
                ours.take_turn(drawn(draw, callers, commands))
                stock.take_turn(drawn(draw, callers, max(commands // 5, 1)))
                if progress is not None:
                    progress(number + 1, SLICES)
        desk.stop()
    return _result(ours, stock, callers)


def _stock_environment(owner_conninfo: str, callers: int) -> dict[str, str]:
    parts = {name: str(value) for name, value in conninfo_to_dict(owner_conninfo).items()}
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts["dbname"],
        "POSTGRES_HOST": parts["host"],
        "POSTGRES_PORT": parts["port"],
        "POSTGRES_USER": parts["user"],
        "POSTGRES_PASSWORD": parts["password"],
        "POSTGRES_SCHEMA": "public",
        "POSTGRES_POOL_SIZE": str(callers),
    }


def _require_accepted(outcomes: list[Outcome]) -> None:
    refused = [each for each in outcomes if each.status is not Status.ACCEPTED]
    if refused:
        raise RuntimeError(f"the benchmark's own command was not accepted: {refused[0]}")


def _result(ours: Contestant, stock: Contestant, callers: int) -> dict[str, Any]:
    rate = len(ours.latencies) / ours.seconds
    stock_rate = len(stock.latencies) / stock.seconds
    return {
        "benchmark": "desk",
        "commands_per_second": round(rate),
        "stock_commands_per_second": round(stock_rate),
        "ratio_to_stock": round(rate / stock_rate, 2),
        **_percentiles("", ours),
        **_percentiles("stock_", stock),
        "callers": callers,
        "commands": len(ours.latencies),
        "stock_commands": len(stock.latencies),
        "events_per_command": 2,
        "machine": {
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
    }


def _percentiles(prefix: str, side: Contestant) -> dict[str, float]:
    cuts = statistics.quantiles(side.latencies, n=100, method="inclusive")
    return {
        f"{prefix}p50_ms": round(cuts[49] * 1_000, 2),
        f"{prefix}p95_ms": round(cuts[94] * 1_000, 2),
    }
