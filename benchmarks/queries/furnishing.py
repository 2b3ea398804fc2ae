"""What a universe is furnished with, so that every query has something to tell.

A benchmark that every portfolio is compared with; a contest in which every portfolio takes part,
begun and closed twice behind the universe's last session; sales; an alert; a block of two
allocations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from benchmarks.history import TENANT, issue
from benchmarks.universe import (
    CALENDAR,
    CLOSES_AT,
    CURRENCY,
    SOURCE,
    Prices,
    Size,
    portfolio_name,
)
from commands.alerts import DeclareAlertRule
from commands.benchmarks import DeclareBenchmark
from commands.command import AllocateBlock, CaptureTrade, CloseSession, Issued
from commands.contests import AnnounceContest, EnterContest
from commands.portfolio_commands import AssignBenchmark, AssignOwner
from domain.alerts.terms import AlertKind, AlertLevel, AlertScope, AlertStep, AlertTerms
from domain.benchmark import BenchmarkKind, Constituent
from domain.block import Allocation, Block, BlockFill
from domain.contests.terms import ContestTerms, Metric, Window
from domain.identity import MARKET_TENANT, block_id
from domain.lots import Side
from domain.market import Close
from domain.sessions import has_session
from domain.trade import Capture, Intent

NAMED = "universe"
"""The name of the benchmark, of the limit, of the contest and of the alert rule."""

BLOCK = "block-1"
SALES_MAX = 50
SESSIONS = 2
SHARES = Decimal(100)


def furnished(size: Size, prices: Prices) -> Iterator[Issued]:
    """Tell all of it, behind the universe's last event."""
    yield from _benchmark(size, prices)
    for number in range(min(SALES_MAX, size.portfolios)):
        yield issue(CaptureTrade(_sale(number, prices)))
    yield issue(AllocateBlock(_block(prices)))
    yield issue(DeclareAlertRule(alert_rule=NAMED, terms=_held_at_all()))
    yield from _contest(size, prices)


def names(state: Mapping[str, Any]) -> dict[str, str]:
    """Give what stands in every address that needs it, of a state as `prepare` tells it."""
    return {
        "benchmark": NAMED,
        "limit": NAMED,
        "contest": NAMED,
        "alert_rule": NAMED,
        "participant": _owner(0),
        "block_id": str(block_id(TENANT, SOURCE, BLOCK, None)),
        "contest_session": state["contest_session"],
        "currency": CURRENCY,
        "source": SOURCE,
    }


def contest_days(prices: Prices) -> list[date]:
    """Give the sessions of the contest that are closed."""
    days, day = list[date](), prices.days[-1]
    while len(days) < SESSIONS:
        day += timedelta(days=1)
        if has_session(CALENDAR, day):
            days.append(day)
    return days


def _benchmark(size: Size, prices: Prices) -> Iterator[Issued]:
    constituents = tuple(Constituent(name, SHARES) for name in sorted(prices.closes[0]))
    declared = DeclareBenchmark(
        benchmark=NAMED, from_date=prices.days[0], currency=CURRENCY, calendar=CALENDAR,
        kind=BenchmarkKind.FIXED_SHARES, constituents=constituents,
    )  # fmt: skip
    yield issue(declared, tenant=MARKET_TENANT)
    for number in range(size.portfolios):
        yield issue(AssignBenchmark(portfolio_name(number), NAMED, prices.days[0]))


def _sale(number: int, prices: Prices) -> Capture:
    """Sell one of the first that a portfolio holds."""
    closes = prices.closes[-1]
    name = list(closes)[number * 7 % len(closes)]
    return Capture(
        portfolio=portfolio_name(number), source=SOURCE, external_id=f"sale-{number}",
        intent=Intent.EXECUTED, instrument=name, side=Side.SELL, quantity=Decimal(1),
        price=closes[name], currency=CURRENCY,
        executed_at=datetime.combine(prices.days[-1], CLOSES_AT),
    )  # fmt: skip


def _block(prices: Prices) -> Block:
    name, price = next(iter(prices.closes[-1].items()))
    shared = tuple(Allocation(portfolio=portfolio_name(each), weight=Decimal(1)) for each in (0, 1))
    return Block(
        source=SOURCE, external_id=BLOCK, intent=Intent.EXECUTED, instrument=name, side=Side.BUY,
        currency=CURRENCY, fills=(BlockFill(quantity=Decimal(100), price=price),),
        allocations=shared, executed_at=datetime.combine(prices.days[-1], CLOSES_AT),
    )  # fmt: skip


def _held_at_all() -> AlertTerms:
    """Raise as soon as a portfolio holds anything."""
    return AlertTerms(
        kind=AlertKind.EXPOSURE, scope=AlertScope(portfolio=portfolio_name(0)),
        raise_above=Decimal(1), clear_at=Decimal(0), steps=(AlertStep(level=AlertLevel.INFO),),
    )  # fmt: skip


def _contest(size: Size, prices: Prices) -> Iterator[Issued]:
    days = contest_days(prices)
    terms = ContestTerms(
        window=Window.CONTEST, first_day=days[0], last_day=days[-1] + timedelta(days=28),
        calendar=CALENDAR, currency=CURRENCY, metric=Metric.RETURN,
    )  # fmt: skip
    yield issue(AnnounceContest(NAMED, terms))
    for number in range(size.portfolios):
        yield issue(AssignOwner(portfolio_name(number), _owner(number)))
        yield issue(EnterContest(NAMED, portfolio_name(number)))
    closes = tuple(Close(instrument=name, price=price) for name, price in prices.closes[-1].items())
    ended = datetime.combine(prices.days[-1], CLOSES_AT)
    for day in days:
        ends_at = datetime.combine(day, CLOSES_AT)
        closing = CloseSession(
            calendar=CALENDAR, session=day, starts_at=ended, ends_at=ends_at, closes=closes
        )
        yield issue(closing, tenant=MARKET_TENANT)
        ended = ends_at


def _owner(number: int) -> str:
    return f"owner-{number}"
