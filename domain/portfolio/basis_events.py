"""What a change of cost basis does to the books of a portfolio, each of them when it is due."""

from datetime import date

from domain.event import Event
from domain.held import BookTotals
from domain.lots import CostBasis


class CostBasisApplied(Event, frozen=True):
    """A change of cost basis stands in a book from a date; the `LotsRestated` that follow hold it.

    `in_force` is the basis under which the book goes on: another where a later change stands in it.
    What was realised before the date stands; what changes behind it, where this came late, is told
    by the pages. `totals` are those after everything.
    """

    portfolio: str
    instrument: str
    currency: str
    cost_basis: CostBasis
    from_date: date
    in_force: CostBasis
    totals: BookTotals
