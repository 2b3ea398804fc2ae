"""Golden samples of what happens to a portfolio besides trades and flows."""

from datetime import UTC, date, datetime
from decimal import Decimal

from domain.event import Event
from domain.held import BookTotals
from domain.lots import CostBasis
from domain.money import Money
from domain.portfolio.basis_events import CostBasisApplied
from domain.portfolio.life import (
    BenchmarkAssigned,
    CashExchanged,
    CostBasisAssigned,
    FeeCharged,
    FeeKind,
    InterestBooked,
    OwnerAssigned,
    PeriodClosed,
    PeriodReopened,
    PortfolioClosed,
    PortfolioFrozen,
    PortfolioRenamed,
    PortfolioUnfrozen,
)

FUND = "growth"
DAY = date(2024, 3, 4)
BOOKED_AT = datetime(2024, 3, 4, 15, 0, 0, 123_456, tzinfo=UTC)

PORTFOLIO_SAMPLES: dict[str, tuple[Event, ...]] = {
    "portfolio.renamed.v1": (PortfolioRenamed(portfolio=FUND, title="Wachstum & Co., Zürich"),),
    "portfolio.owner_assigned.v1": (OwnerAssigned(portfolio=FUND, owner="user|5f3a/1"),),
    "portfolio.benchmark_assigned.v1": (
        BenchmarkAssigned(portfolio=FUND, benchmark="SPX.fixed:2018", from_date=DAY),
    ),
    "portfolio.cost_basis_assigned.v1": (
        CostBasisAssigned(portfolio=FUND, cost_basis=CostBasis.AVERAGE, from_date=DAY),
    ),
    "portfolio.cost_basis_applied.v1": (
        CostBasisApplied(
            portfolio=FUND,
            instrument="AAPL",
            currency="USD",
            cost_basis=CostBasis.AVERAGE,
            from_date=DAY,
            in_force=CostBasis.HIFO,
            totals=BookTotals(*map(Decimal, ("7.5", "645.25", "1.5", "-3.5", "-4.5"))),
        ),
        CostBasisApplied(
            portfolio=FUND,
            instrument="AAPL",
            currency="USD",
            cost_basis=CostBasis.FIFO,
            from_date=DAY,
            in_force=CostBasis.FIFO,
            totals=BookTotals(Decimal(0), Decimal(0)),
        ),
    ),
    "portfolio.fee_charged.v1": (
        FeeCharged(
            portfolio=FUND,
            kind=FeeKind.PERFORMANCE,
            amount=Money(Decimal("12.5"), "USD"),
            balance=Decimal("-2.5"),
            value_date=DAY,
            at=BOOKED_AT,
        ),
        FeeCharged(
            portfolio=FUND,
            kind=FeeKind.CUSTODY,
            amount=Money(Decimal(5), "EUR"),
            balance=Decimal(95),
            value_date=DAY,
        ),
    ),
    "portfolio.interest_booked.v1": (
        InterestBooked(
            portfolio=FUND,
            amount=Money(Decimal("-0.000000000001"), "USD"),
            balance=Decimal("-10.000000000001"),
            value_date=DAY,
            at=BOOKED_AT,
        ),
        InterestBooked(
            portfolio=FUND,
            amount=Money(Decimal(3), "EUR"),
            balance=Decimal(3),
            value_date=DAY,
        ),
    ),
    "portfolio.cash_exchanged.v1": (
        CashExchanged(
            portfolio=FUND,
            sold=Money(Decimal(1000), "EUR"),
            bought=Money(Decimal("1085.6"), "USD"),
            rate=Decimal("1.0856"),
            balance_sold=Decimal(-3),
            balance_bought=Decimal("1085.6"),
            value_date=DAY,
            at=BOOKED_AT,
            fee=Money(Decimal(3), "EUR"),
        ),
        CashExchanged(
            portfolio=FUND,
            sold=Money(Decimal(3), "USD"),
            bought=Money(Decimal(1), "EUR"),
            rate=Decimal("0.333333333333333333"),
            balance_sold=Decimal(0),
            balance_bought=Decimal(1),
            value_date=DAY,
        ),
    ),
    "portfolio.frozen.v1": (PortfolioFrozen(portfolio=FUND, reason="court_order"),),
    "portfolio.unfrozen.v1": (PortfolioUnfrozen(portfolio=FUND, reason="order_lifted"),),
    "portfolio.closed.v1": (PortfolioClosed(portfolio=FUND, on_date=DAY),),
    "portfolio.period_closed.v1": (PeriodClosed(portfolio=FUND, until=DAY),),
    "portfolio.period_reopened.v1": (
        PeriodReopened(portfolio=FUND, from_date=DAY, reason="late_custodian_report"),
    ),
}
