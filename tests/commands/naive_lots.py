"""Lots in fractions, changed by plain loops: FIFO, LIFO, SPECIFIC without names, and AVERAGE.

Signs are those of lots. Only quantities are rounded, where shares of a ratio are.
"""

from collections.abc import Callable
from datetime import date
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from domain.lots import CostBasis

PLACES = 10**12
NOTHING = Fraction(0)


class NaiveLot(NamedTuple):
    """An open lot."""

    name: UUID
    dated: date
    quantity: Fraction
    cost: Fraction


class NaiveBook:
    """The lots of one instrument in one portfolio, oldest first, and what was realised."""

    def __init__(self, basis: CostBasis) -> None:
        self.basis = basis
        self.lots: list[NaiveLot] = []
        self.realised = NOTHING

    @property
    def quantity(self) -> Fraction:
        """Sum the lots."""
        return sum((lot.quantity for lot in self.lots), NOTHING)

    @property
    def cost(self) -> Fraction:
        """Sum the lots."""
        return sum((lot.cost for lot in self.lots), NOTHING)

    def rebase(self, basis: CostBasis) -> None:
        """Take lots by another cost basis from here on."""
        self.basis = basis
        self._pool()

    def trade(self, name: UUID, dated: date, quantity: Fraction, amount: Fraction) -> None:
        """Close the other side, then open; `amount` has the sign of the quantity."""
        while quantity and self.lots and self.lots[0].quantity * quantity < 0:
            place = -1 if self.basis is CostBasis.LIFO else 0
            lot = self.lots[place]
            part = min(abs(lot.quantity), abs(quantity))
            cost, value = lot.cost * part / abs(lot.quantity), amount * part / abs(quantity)
            signed = part if lot.quantity > 0 else -part
            self.realised += -value - cost
            self._reduce(place, signed, cost)
            quantity, amount = quantity + signed, amount - value
        if quantity:
            self.lots.append(NaiveLot(name, dated, quantity, amount))
        self._pool()

    def join(self, lot: NaiveLot) -> None:
        """Put a lot among those of its side, behind those of its date."""
        self.lots = sorted([*self.lots, lot], key=lambda each: each.dated)
        self._pool()

    def receive(self, lots: list[NaiveLot]) -> None:
        """Take lots in; each closes, at its cost, what is open of the other side."""
        for lot in lots:
            if self.quantity * lot.quantity < 0:
                self.trade(*lot)
            else:
                self.join(lot)

    def multiply(self, new: int, old: int) -> None:
        """Multiply quantities; shares are cumulated, so that the last takes the remainder."""
        total = done = NOTHING
        multiplied = []
        for lot in self.lots:
            total += lot.quantity
            until = Fraction(round(total * new / old * PLACES), PLACES)
            multiplied.append(lot._replace(quantity=until - done))
            done = until
        self.lots = multiplied
        self._pool()

    def pay_fraction(self, dated: date, price: int | None) -> Fraction:
        """Close the fraction of the position for cash, and give that."""
        fraction = self.quantity - int(self.quantity)
        if price is None or not fraction:
            return NOTHING
        self.trade(UUID(int=0), dated, -fraction, -fraction * price)
        return fraction * price

    def divide(self, cost_share: Fraction, name_of: Callable[[UUID], UUID]) -> "NaiveBook":
        """Give a book of as many lots of a child, which take a share of the cost."""
        child = NaiveBook(self.basis)
        child.lots = [
            NaiveLot(name_of(lot.name), lot.dated, lot.quantity, lot.cost * cost_share)
            for lot in self.lots
        ]
        self.lots = [lot._replace(cost=lot.cost * (1 - cost_share)) for lot in self.lots]
        return child

    def take(self, wanted: Fraction, named: list[tuple[UUID, Fraction]]) -> list[NaiveLot]:
        """Take away as much as there is: of the named lots, then as the basis closes them."""
        parts: dict[UUID, Fraction] = {}
        held = {lot.name: lot for lot in self.lots}
        by_rank = self.lots[::-1] if self.basis is CostBasis.LIFO else self.lots
        offers = [*named, *((lot.name, abs(lot.quantity)) for lot in by_rank)]
        for name, most in offers:
            if name in held:
                had = parts.get(name, NOTHING)
                left = wanted - sum(parts.values(), NOTHING)
                part = min(most, abs(held[name].quantity) - had, left)
                if part > 0:
                    parts[name] = had + part
        taken = []
        for name, part in parts.items():
            lot = held[name]
            share = part / abs(lot.quantity)
            gone = lot._replace(quantity=lot.quantity * share, cost=lot.cost * share)
            taken.append(gone)
            self._reduce(self.lots.index(lot), gone.quantity, gone.cost)
        return taken

    def _reduce(self, place: int, quantity: Fraction, cost: Fraction) -> None:
        lot = self.lots[place]
        if lot.quantity == quantity:
            del self.lots[place]
        else:
            left = lot._replace(quantity=lot.quantity - quantity, cost=lot.cost - cost)
            self.lots[place] = left

    def _pool(self) -> None:
        """Under AVERAGE every unit costs the same."""
        quantity, cost = self.quantity, self.cost
        if self.basis is CostBasis.AVERAGE and quantity:
            self.lots = [lot._replace(cost=cost * lot.quantity / quantity) for lot in self.lots]
