"""What a portfolio is called, who answers for it, and what it is compared with."""

from datetime import date

from domain.portfolio.cash import require_portfolio
from domain.portfolio.life import BenchmarkAssigned, OwnerAssigned, PortfolioRenamed
from domain.portfolio.standing import Said, unless_it_stands
from domain.portfolio.state import Portfolio


def rename(portfolio: Portfolio | None, *, name: str, title: str) -> PortfolioRenamed | Said:
    """Decide a title; where it is called so already, give where that was said.

    Raises:
        Rejection: `portfolio_unknown`.
    """
    held = require_portfolio(portfolio, name)
    wanted = PortfolioRenamed(portfolio=name, title=title)
    return unless_it_stands(wanted, held.standing.title)


def assign_owner(portfolio: Portfolio | None, *, name: str, owner: str) -> OwnerAssigned | Said:
    """Decide who answers for it; where that one does already, give where that was said.

    Raises:
        Rejection: `portfolio_unknown`.
    """
    held = require_portfolio(portfolio, name)
    wanted = OwnerAssigned(portfolio=name, owner=owner)
    return unless_it_stands(wanted, held.standing.owner)


def assign_benchmark(
    portfolio: Portfolio | None, *, name: str, benchmark: str, from_date: date
) -> BenchmarkAssigned | Said:
    """Decide a benchmark from a date on; where it is the last said, give where that was.

    Raises:
        Rejection: `portfolio_unknown`.
    """
    held = require_portfolio(portfolio, name)
    wanted = BenchmarkAssigned(portfolio=name, benchmark=benchmark, from_date=from_date)
    return unless_it_stands(wanted, held.standing.benchmark)
