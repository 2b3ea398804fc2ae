"""Golden samples of contests; `golden_samples` writes and keeps them."""

from datetime import date
from decimal import Decimal

from domain.contests.events import (
    ContestAnnounced,
    ContestEntered,
    EntrantDisqualified,
    EntryWithdrawn,
    Rank,
    RanksStruck,
    ResultStruck,
)
from domain.contests.terms import ContestTerms, Metric, Window
from domain.event import Event

FULL_TERMS = ContestTerms(
    window=Window.MONTH,
    first_day=date(2024, 3, 1),
    last_day=date(2024, 3, 31),
    calendar="XNYS",
    currency="USD",
    metric=Metric.PNL,
    minimum_days=10,
    minimum_trades=5,
    universe=("AAPL", "MSFT"),
    capital=Decimal(100_000),
)
LEAST_TERMS = ContestTerms(
    window=Window.CONTEST,
    first_day=date(2024, 3, 4),
    last_day=date(2024, 3, 5),
    calendar="XNYS",
    currency="USD",
    metric=Metric.RETURN,
)
FULL_RANK = Rank(
    participant="user-7",
    portfolio="alpha",
    rank=1,
    value=Decimal("0.0525"),
    drawdown=Decimal("-0.01"),
    trades=12,
    days=20,
    qualified_on=date(2024, 3, 14),
    held_since=date(2024, 3, 27),
    reason="price_stale",
)
LEAST_RANK = Rank(participant="user-8", portfolio="beta")

CONTEST_SAMPLES: dict[str, tuple[Event, ...]] = {
    "contest.announced.v1": (
        ContestAnnounced("march", FULL_TERMS, date(2024, 3, 1), date(2024, 3, 28)),
        ContestAnnounced("two-days", LEAST_TERMS, date(2024, 3, 4), date(2024, 3, 5)),
    ),
    "contest.entered.v1": (ContestEntered("march", "user-7", "alpha"),),
    "contest.entry_withdrawn.v1": (EntryWithdrawn("march", "user-7", "alpha"),),
    "contest.entrant_disqualified.v1": (
        EntrantDisqualified("march", "user-7", "alpha", "wash_trades"),
    ),
    "contest.ranks_struck.v1": (
        RanksStruck(
            contest="march",
            session=date(2024, 3, 4),
            position=1_204,
            market_position=1_200,
            method="pnl",
            calculation="contests 1",
            page=1,
            pages=1,
            ranks=(FULL_RANK, LEAST_RANK),
        ),
    ),
    "contest.result_struck.v1": (
        ResultStruck(
            contest="march",
            session=date(2024, 3, 28),
            edition=2,
            reason="busted_trade",
            caused_at=1_400,
            position=1_404,
            market_position=1_200,
            method="pnl",
            calculation="contests 1",
            page=1,
            pages=1,
            ranks=(FULL_RANK, LEAST_RANK),
        ),
        ResultStruck(
            contest="march",
            session=date(2024, 3, 28),
            edition=1,
            position=1_204,
            market_position=1_200,
            method="pnl",
            calculation="contests 1",
            page=1,
            pages=1,
            ranks=(),
        ),
    ),
}
