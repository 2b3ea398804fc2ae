"""Changing the cost basis of a portfolio from a date, and putting that into its books."""

from datetime import date

from domain.basis_change import BasisChange
from domain.book import Refolded
from domain.lots import CostBasis
from domain.portfolio.basis_events import CostBasisApplied
from domain.portfolio.cash import require_open, require_portfolio
from domain.portfolio.life import CostBasisAssigned
from domain.portfolio.restating import restatement, totals_of
from domain.portfolio.standing import Said, listed, refuse, unless_it_stands
from domain.portfolio.state import Portfolio
from domain.portfolio.working import Working
from domain.refolding import with_entry
from domain.rejection import Breach, Rejection


def change_cost_basis(
    portfolio: Portfolio | None, *, name: str, cost_basis: CostBasis, from_date: date
) -> CostBasisAssigned | Said:
    """Decide a change of cost basis; where it is the last that was told, give where that was.

    Raises:
        Rejection: `portfolio_unknown`, `portfolio_closed`, `period_closed`, `cost_basis_unchanged`
            when it is in force by then, or `cost_basis_changed_since` when a change stands on the
            date or behind it.
    """
    opened, held = require_open(portfolio, name), require_portfolio(portfolio, name)
    standing = held.standing
    last = standing.basis
    wanted = CostBasisAssigned(portfolio=name, cost_basis=cost_basis, from_date=from_date)
    said = unless_it_stands(wanted, last)
    if isinstance(said, Said):
        return said
    refuse(listed(standing.closed_breach(), standing.period_breach(from_date)))
    changes = standing.basis_changes
    if changes and from_date <= changes[-1].from_date:
        _refuse_before(changes[-1].from_date, from_date)
    if cost_basis is (changes[-1].cost_basis if changes else opened.cost_basis):
        raise Rejection("cost_basis_unchanged", f"The cost basis is {cost_basis} by then already.")
    return wanted


def _refuse_before(last: date, from_date: date) -> None:
    told, asked = last.isoformat(), from_date.isoformat()
    message = f"The cost basis changes on {told} already: change it from a later date on."
    breach = Breach("cost_basis_changed_since", message, limit=told, actual=asked)
    raise Rejection(breach.rule, message, breaches=(breach,))


def apply_basis(working: Working, name: str, change: BasisChange) -> Refolded:
    """Put a change into a book that lacks it; give the book folded with it."""
    book = working.book(name)
    refolded = with_entry(book, change, working.history(name), version=working.version)
    after, currency = refolded.after, working.instrument(name).currency
    applied = CostBasisApplied(
        portfolio=working.opened.portfolio,
        instrument=name,
        currency=currency,
        cost_basis=change.cost_basis,
        from_date=change.from_date,
        in_force=after.basis,
        totals=totals_of(after),
    )
    pages = restatement(working.opened.portfolio, name, currency, book, refolded)
    working.take([applied, *pages], book=name, worked_out=refolded)
    return refolded
