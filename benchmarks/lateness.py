"""A trade late by a whole history, through the desk: what it takes, and what others wait meanwhile.

Callers with portfolios of their own send one trade after another: first alone, then while the late
one is folded. The history is decided and folded here and appended in large transactions.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, islice
from typing import Any, Self
from uuid import uuid4

from benchmarks.book import LOTS_OF_HISTORY, MILLISECONDS, trades
from benchmarks.loading import EVENTS_PER_APPEND, TENANT, Stream
from commands.command import (
    CaptureTrade,
    Command,
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
from domain.trade import Capture, Intent
from eventstore.collecting import rare_collections
from eventstore.log import Log
from eventstore.tables import create_log

HISTORY = 100_000
CALLERS = 8
ALONE_SECONDS = 6.0
WAIT_SECONDS = 120
EPOCH = datetime(2024, 1, 2, tzinfo=UTC)

Progress = Callable[[int, int], None]
_numbers = count(1)


def issued(command: Command, tenant: str = TENANT) -> Issued:
    """Issue a command as the gateway would."""
    name = uuid4()
    return Issued(
        command_id=name,
        tenant=tenant,
        actor=TENANT,
        source=TENANT,
        correlation_id=name,
        received_at=datetime.now(UTC),
        fingerprint=fingerprint_of(command),
        command=command,
    )


def captured(portfolio: str, executed_at: datetime) -> CaptureTrade:
    """Tell a trade of AAPL."""
    return CaptureTrade(
        Capture(
            portfolio=portfolio, source=TENANT, external_id=f"c-{next(_numbers)}",
            intent=Intent.EXECUTED, instrument="AAPL", side=Side.BUY, quantity=Decimal(1),
            price=Decimal(10), currency="USD", executed_at=executed_at,
        )
    )  # fmt: skip


def done(desk: Desk, command: Command, tenant: str = TENANT) -> Outcome:
    """Send a command and wait; it is accepted."""
    outcome = desk.submit(issued(command, tenant)).result(WAIT_SECONDS)
    assert outcome.status is Status.ACCEPTED, outcome
    return outcome


class Callers:
    """Some callers, each waiting for its own outcome before it sends the next; counts the waits."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ending = threading.Event()
        self.waits: list[float] = []
        self._threads = [
            threading.Thread(target=self._call, args=(f"other-{number}",))
            for number in range(CALLERS)
        ]

    def __enter__(self) -> Self:
        """Begin to call."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End; nobody waits any more."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _call(self, portfolio: str) -> None:
        while not self._ending.is_set():
            started = time.perf_counter()
            done(self._desk, captured(portfolio, datetime.now(UTC)))
            self.waits.append((time.perf_counter() - started) * MILLISECONDS)


def spread_of(waits: list[float]) -> dict[str, float]:
    """Give median, 95th and 100th percentile, in milliseconds."""
    ordered = sorted(waits)
    return {
        "count": len(ordered),
        "p50_ms": round(ordered[len(ordered) // 2], 1),
        "p95_ms": round(ordered[len(ordered) * 95 // 100], 1),
        "max_ms": round(ordered[-1], 1),
    }


def history(log: Log, progress: Progress) -> None:
    """Append the long history of one portfolio, and let it end before today."""
    stream = Stream(log, "long")
    for number, fill in enumerate(islice(trades(LOTS_OF_HISTORY), HISTORY), start=1):
        stream.book("AAPL", fill)
        if number % EVENTS_PER_APPEND == 0:
            progress(number, HISTORY)
    stream.flush()


def run(owner_conninfo: str, app_conninfo: str, *, progress: Progress) -> dict[str, object]:
    """Measure the late trade, and the callers without it and beside it."""
    create_log(owner_conninfo)
    result: dict[str, Any] = {"trades": HISTORY, "callers": CALLERS}
    with (
        rare_collections(),
        Log(app_conninfo, clock=lambda: datetime.now(UTC), build="benchmark") as log,
    ):
        history(log, progress)
        desk = Desk(log)
        desk.start()
        try:
            registered = RegisterInstrument(
                instrument="AAPL", symbol="AAPL", currency="USD", asset_class=AssetClass.EQUITY,
                calendar="24/7",
            )  # fmt: skip
            done(desk, registered, MARKET_TENANT)
            for number in range(CALLERS):
                opened = OpenPortfolio(
                    portfolio=f"other-{number}", base_currency="USD", cost_basis=CostBasis.FIFO,
                    calendar="24/7", allows_leverage=True,
                )  # fmt: skip
                done(desk, opened)
            done(desk, captured("long", datetime.now(UTC)))  # It is loaded now.
            with Callers(desk) as alone:
                time.sleep(ALONE_SECONDS)
            result["others_alone"] = spread_of(alone.waits)
            with Callers(desk) as beside:
                started = time.perf_counter()
                done(desk, captured("long", EPOCH - timedelta(days=365)))
                result["restate_worst_ms"] = round((time.perf_counter() - started) * MILLISECONDS)
            result["others_beside"] = spread_of(beside.waits)
            started = time.perf_counter()
            done(desk, captured("long", EPOCH - timedelta(days=366)))
            result["restate_worst_alone_ms"] = round((time.perf_counter() - started) * MILLISECONDS)
        finally:
            desk.stop(WAIT_SECONDS)
    return result
