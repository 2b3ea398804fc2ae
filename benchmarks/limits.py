"""What limits cost: a hard one on each trade, and standing ones at each batch of marks.

Trades of many portfolios come in batches; rounds with and without hard limits take turns, so that
none has the better hour, and the best of each counts. The reaction is handed each batch of marks
and timed in its own thread.
"""

import random
import statistics
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from msgspec.structs import replace

from benchmarks.lateness import captured, done, issued
from benchmarks.loading import TENANT, Stream
from commands.command import MarkMarket, OpenPortfolio, RegisterInstrument, Status
from commands.desk import Desk
from commands.reactions.breaches import BreachesByPrices
from commands.world import EVENTS_PER_READ
from domain.identity import MARKET_TENANT, controls_stream
from domain.instrument import AssetClass
from domain.limits.events import LimitApproved
from domain.limits.scope import Scope
from domain.limits.terms import Binding, LimitRule, LimitTerms
from domain.lots import CostBasis, Fill, Side
from domain.market import Mark
from domain.money import ZERO
from eventstore.collecting import rare_collections
from eventstore.envelope import NewEvent
from eventstore.log import Log
from eventstore.tables import create_log
from schemas.codec import encode, event_name

BATCH = 2_500
BATCHES_PER_ROUND = 2
ROUNDS = 3
TRADING = 100
"""Portfolios that trade."""
HARD_LIMITS = (0, 1, 4)
PORTFOLIOS, POSITIONS, UNIVERSE = 1_000, 50, 500
MARK_BATCHES = 10
MICROSECONDS = 1_000_000

Progress = Callable[[int, int], None]
_versions = count(1)


def approve(log: Log, name: str, terms: LimitTerms | None) -> None:
    """Put a limit in force, or end it."""
    version = next(_versions)
    event = LimitApproved(
        limit=name, version=version, proposed_by="one", approved_by="two", terms=terms
    )
    cause = issued(OpenPortfolio(portfolio="x", base_currency="USD", cost_basis=CostBasis.FIFO))
    new = NewEvent(
        controls_stream(TENANT), version, event_name(event), encode(event), None, TENANT, TENANT,
        cause.command_id, cause.command_id, None, None,
    )  # fmt: skip
    with log.writing() as writing:
        writing.append([new], [])


def prepared(desk: Desk, portfolios: list[str], instruments: list[str]) -> None:
    """Register and open what is traded, marked once."""
    registered = [
        RegisterInstrument(
            instrument=name, symbol=name, currency="USD", asset_class=AssetClass.EQUITY,
            calendar="24/7", sector=f"sector-{number % 11}",
        )
        for number, name in enumerate(instruments)
    ]  # fmt: skip
    opened = [
        OpenPortfolio(
            portfolio=name, base_currency="USD", cost_basis=CostBasis.FIFO, calendar="24/7",
            allows_leverage=True,
        )
        for name in portfolios
    ]  # fmt: skip
    for instrument in registered:
        done(desk, instrument, MARKET_TENANT)
    for portfolio in opened:
        done(desk, portfolio)


def hard_limits(log: Log, desk: Desk, progress: Progress) -> dict[str, Any]:
    """Time batches of trades under none, one and four hard limits, by turns."""
    names = [f"fund-{number}" for number in range(TRADING)]
    prepared(desk, names, ["AAPL"])
    terms = LimitTerms(
        rule=LimitRule.DAY_NOTIONAL, scope=Scope(), maximum=Decimal(10**15), currency="USD",
        binding=Binding.HARD,
    )  # fmt: skip
    taken: dict[int, list[float]] = {limits: [] for limits in HARD_LIMITS}
    own: dict[int, list[float]] = {limits: [] for limits in HARD_LIMITS}
    for turn in range(ROUNDS):
        for limits in HARD_LIMITS:
            for number in range(max(HARD_LIMITS)):
                approve(log, f"limit-{number}", terms if number < limits else None)
            for _ in range(BATCHES_PER_ROUND):
                batch = [
                    issued(captured(names[number % TRADING], datetime.now(UTC)))
                    for number in range(BATCH)
                ]
                started, used = time.perf_counter(), time.process_time()
                outcomes = desk.submit_batch(batch, is_atomic=False).result(120)
                own[limits].append((time.process_time() - used) / BATCH * MICROSECONDS)
                taken[limits].append((time.perf_counter() - started) / BATCH * MICROSECONDS)
                assert all(each.status is Status.ACCEPTED for each in outcomes)
        progress(turn + 1, ROUNDS)
    most = max(HARD_LIMITS)
    wall, cpu = ({n: round(min(found[n]), 1) for n in HARD_LIMITS} for found in (taken, own))
    return {
        "trade_us": wall,
        "trade_cpu_us": cpu,
        "hard_limit_us": round((wall[most] - wall[0]) / most, 1),
        "hard_limit_cpu_us": round((cpu[most] - cpu[0]) / most, 1),
    }


def standing_limits(log: Log, desk: Desk, progress: Progress) -> dict[str, Any]:
    """Time the reviews that each batch of marks leads to, when every position moves."""
    chance = random.Random(1)
    instruments = [f"I{number:03}" for number in range(UNIVERSE)]
    prepared(desk, [], instruments)
    for number in range(PORTFOLIOS):
        held = Stream(log, f"held-{number:04}")
        for name in chance.sample(instruments, POSITIONS):
            held.book(name, fill(f"{number}-{name}"))
        held.flush()
        progress(number + 1, PORTFOLIOS)
    for name, rule, maximum in (
        ("gearing", LimitRule.LEVERAGE, "9"),
        ("one-name", LimitRule.POSITION_CONCENTRATION, "0.2"),
        ("one-sector", LimitRule.SECTOR_CONCENTRATION, "0.9"),
    ):
        approve(log, name, LimitTerms(rule=rule, scope=Scope(), maximum=Decimal(maximum)))
    started = time.perf_counter()
    reaction = BreachesByPrices(desk, log)
    after = reaction.load()
    loading = time.perf_counter() - started
    taken: list[float] = []
    for _ in range(MARK_BATCHES):
        marks = tuple(
            Mark(name, Decimal(chance.randrange(900, 1_100)) / 100) for name in instruments
        )
        marked = MarkMarket(source="feed", at=datetime.now(UTC), marks=marks)
        done(desk, marked, MARKET_TENANT)
        recorded = log.read(after, EVENTS_PER_READ)
        started = time.thread_time()
        reaction.take(recorded)
        taken.append(time.thread_time() - started)
        after = recorded[-1].position
    settle(reaction, log, after)
    return {
        "portfolios": PORTFOLIOS,
        "positions": POSITIONS,
        "load_s": round(loading, 1),
        "first_review_ms": round(taken[0] * 1_000, 1),
        "review_ms_per_batch": round(statistics.median(taken[1:]) * 1_000, 1),
    }


def settle(reaction: BreachesByPrices, log: Log, after: int) -> None:
    """Let what was asked be answered, so that the desk can stop."""
    pause = threading.Event()
    while not reaction.is_idle:
        recorded = log.read(after, EVENTS_PER_READ)
        reaction.take(recorded)
        after = recorded[-1].position if recorded else after
        pause.wait(0.01)


def fill(name: str) -> Fill:
    """A purchase of 100 at 10."""
    told = captured("held", datetime.now(UTC)).capture
    told = replace(told, external_id=name)
    return Fill(
        trade_id=issued(captured("held", datetime.now(UTC))).command_id,
        source=told.source,
        external_id=told.external_id,
        side=Side.BUY,
        quantity=Decimal(100),
        price=Decimal(10),
        consideration=Decimal(1_000),
        fee=ZERO,
        trade_date=datetime.now(UTC).date(),
        executed_at=datetime.now(UTC),
    )


def run(owner_conninfo: str, app_conninfo: str, *, progress: Progress) -> dict[str, object]:
    """Measure both, on one log."""
    create_log(owner_conninfo)
    with (
        rare_collections(),
        Log(app_conninfo, clock=lambda: datetime.now(UTC), build="benchmark") as log,
    ):
        desk = Desk(log)
        desk.start()
        try:
            return {
                "hard": hard_limits(log, desk, progress),
                "standing": standing_limits(log, desk, progress),
            }
        finally:
            desk.stop(60)
