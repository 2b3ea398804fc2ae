"""What a transfer of lots does to the two portfolios: one append holds both, or neither.

Lots leave and come in at their cost, fees and dates. Their market value is an external flow on
both sides, and what they had gained so far a part of the bridge of its own, `carried`, which adds
up to nothing over both.
"""

from decimal import Decimal
from enum import StrEnum

from domain.event import Event
from domain.held import BookTotals, Received
from domain.lots import Lot
from domain.money import ZERO
from domain.transfers import Given, Transfer


class ValuedAt(StrEnum):
    """Where the price of a flow comes from."""

    CLOSE = "close"
    TRADE = "trade"


class LotsTransferredOut(Event, frozen=True):
    """Lots left a portfolio for another one; the `LotsRestated` that follow hold the book's lots.

    `lots` are what left, signed, by the trades that opened them: they stay as told, whatever comes
    late. `flow` is minus their value at `price`, `carried` that value less what they cost. Where
    what stands before it changed which lots it takes, it is told again, `is_restated`, with what
    is new of the numbers: `cost_change` and `carried`. `totals` are those after everything.
    """

    portfolio: str
    instrument: str
    currency: str
    transfer: Transfer
    lots: tuple[Lot, ...]
    totals: BookTotals
    quantity_change: Decimal = ZERO
    cost_change: Decimal = ZERO
    flow: Decimal = ZERO
    carried: Decimal = ZERO
    price: Decimal | None = None
    valued_at: ValuedAt | None = None
    is_late: bool = False
    is_restated: bool = False
    rate_to_base: Decimal | None = None

    @property
    def entry(self) -> Given:
        """What stands of it in the book."""
        return Given(self.transfer, self.lots)


class LotsTransferredIn(Event, frozen=True):
    """Lots came in from another portfolio; the `LotsRestated` that follow hold the book's lots.

    `lots` are what came, of names of their own: they stand among the others by date, or close an
    opposite position at their cost, which realises the parts told here. `flow` is their value at
    `price`, `carried` what they cost less that value.
    """

    portfolio: str
    instrument: str
    currency: str
    transfer: Transfer
    lots: tuple[Lot, ...]
    totals: BookTotals
    quantity_change: Decimal
    flow: Decimal
    carried: Decimal
    price: Decimal
    valued_at: ValuedAt
    realised_gross: Decimal = ZERO
    realised_net: Decimal = ZERO
    is_late: bool = False
    rate_to_base: Decimal | None = None

    @property
    def entry(self) -> Received:
        """What stands of it in the book."""
        return Received(entry_id=self.transfer.entry_id, key=self.transfer.key, lots=self.lots)


TransferEvent = LotsTransferredOut | LotsTransferredIn
