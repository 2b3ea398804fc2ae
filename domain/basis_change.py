"""A change of cost basis from a date, as it stands in a book (convention 4).

What was realised before it stands. To AVERAGE the open lots are pooled as they are; from AVERAGE
each keeps its date and quantity at the pool's unit cost; to HIFO each is ranked by its unit cost.
"""

from datetime import date
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.book_order import COST_BASIS, NO_TIME_OF_DAY, BookKey
from domain.held import Applied, Held, at_pool_cost, ranked
from domain.identity import derive
from domain.lots import CostBasis


class BasisChange(msgspec.Struct, frozen=True):
    """Lots are taken by another cost basis from the start of a date; one change a date."""

    from_date: date
    cost_basis: CostBasis

    @property
    def key(self) -> BookKey:
        """Its place in book order: the first thing of its date, corporate actions included."""
        return (self.from_date, COST_BASIS, NO_TIME_OF_DAY, "", True, 0, False, "")

    @property
    def entry_id(self) -> UUID:
        """What names it in the books of its portfolio."""
        return derive("cost_basis", self.from_date.isoformat())

    def applied_to(self, held: Held) -> Applied:
        """Give what is held under the new basis."""
        leaves_pool = held.basis is CostBasis.AVERAGE is not self.cost_basis
        lots = (at_pool_cost(held) if leaves_pool else held).lots
        lots = tuple(ranked(lot, self.cost_basis) for lot in lots)
        return Applied(before=held, after=replace(held, basis=self.cost_basis, lots=lots))
