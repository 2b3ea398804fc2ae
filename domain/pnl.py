"""What lots earned in the base currency, price and currency apart (convention 8).

For a closed quantity q (long positive), opening price P0 and rate X0, closing price P1 and rate X1:
price part q(P1 - P0)X1, currency part qP0(X1 - X0), together q(P1X1 - P0X0). A rate is units of the
base currency for one of the instrument's. Nothing here is rounded but an AVERAGE pool's shares.
"""

from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from domain.lots import ClosedLot, CostBasis, Matching
from domain.money import ZERO, share


class Realised(NamedTuple):
    """What one fill realised, in the base currency; fees are positive when paid.

    `fees` are those of the closing part and, pro rata, of the opening of what was closed.
    """

    price: Decimal = ZERO
    currency: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def gross(self) -> Decimal:
        """Price and currency part, without fees."""
        return self.price + self.currency

    @property
    def net(self) -> Decimal:
        """Gross less fees; it stands beside the bridge, never in it."""
        return self.gross - self.fees


class Unrealised(NamedTuple):
    """What open lots have gained at a price and a rate, in the base currency."""

    price: Decimal
    currency: Decimal


class LotsInBase:
    """The open lots of one instrument and what they cost in base, each at its opening rate.

    Under AVERAGE the pool has one cost in base, of which a close takes its share by quantity.
    """

    __slots__ = ("_pooled", "_rates", "base_cost", "base_fees", "cost", "quantity")

    def __init__(self, basis: CostBasis) -> None:
        self._pooled = basis is CostBasis.AVERAGE
        self._rates: dict[UUID, Decimal] = {}
        self.quantity = ZERO
        self.cost = ZERO
        self.base_cost = ZERO
        self.base_fees = ZERO

    def take(self, matching: Matching, *, fee: Decimal, rate: Decimal) -> Realised:
        """Fold what a fill did, in book order: its whole fee, and the rate at its time."""
        realised = Realised()
        if matching.closed:
            cost = sum((part.cost for part in matching.closed), ZERO)
            base_cost, base_fees = self._release(matching.closed)
            closing_fee = fee if matching.opened is None else fee - matching.opened.fee
            realised = Realised(
                matching.realised_gross * rate,
                cost * rate - base_cost,
                closing_fee * rate + base_fees,
            )
            self.cost -= cost
        if matching.opened is not None:
            lot = matching.opened
            self._rates[lot.trade_id] = rate
            self.quantity += lot.quantity
            self.cost += lot.cost
            self.base_cost += lot.cost * rate
            self.base_fees += lot.fee * rate
        return realised

    def unrealised(self, price: Decimal, rate: Decimal) -> Unrealised:
        """Give what the open lots have gained: (qP - cost)X, and cost x X less the cost in base."""
        return Unrealised(
            (self.quantity * price - self.cost) * rate, self.cost * rate - self.base_cost
        )

    def _release(self, closed: tuple[ClosedLot, ...]) -> tuple[Decimal, Decimal]:
        """Take closed parts out; give what they cost in base, and their opening fees there."""
        quantity = sum((part.quantity for part in closed), ZERO)
        if quantity == self.quantity:
            cost, fees = self.base_cost, self.base_fees
            self._rates.clear()
        elif self._pooled:
            cost = share(self.base_cost, quantity, self.quantity)
            fees = share(self.base_fees, quantity, self.quantity)
        else:
            cost = sum((part.cost * self._rates[part.trade_id] for part in closed), ZERO)
            fees = sum((part.opening_fee * self._rates[part.trade_id] for part in closed), ZERO)
        self.quantity -= quantity
        self.base_cost -= cost
        self.base_fees -= fees
        return cost, fees
