"""What a book holds at one place in book order, and what changes it there besides a fill.

Signs are those of lots: short ones have negative quantity and cost.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.book_order import BookKey
from domain.lots import CostBasis, Fill, Lot, Matching, Side, match
from domain.money import ZERO, canonical, share, within
from domain.open_lots import lots_for, unit_cost


class Held(msgspec.Struct, frozen=True):
    """The open lots of one instrument, oldest first, and what they add up to.

    Under AVERAGE `cost` and `fees` are the pool's, and lots keep what is left of their own.
    """

    basis: CostBasis
    lots: tuple[Lot, ...]
    quantity: Decimal
    cost: Decimal
    fees: Decimal

    def in_closing_order(self, fill: Fill) -> Iterator[Lot]:
        """List the lots as a fill takes them."""
        return lots_for(self.basis, self.lots).in_closing_order(fill)

    def after(self, matching: Matching) -> "Held":
        """Give what is held once a fill has closed and opened lots."""
        lots = lots_for(self.basis, self.lots)
        lots.take(matching.closed, matching.opened)
        quantity, cost, fees = self.quantity, self.cost, self.fees
        for part in matching.closed:
            quantity -= part.quantity
            cost -= part.cost
            fees -= part.opening_fee
        if matching.opened is not None:
            quantity += matching.opened.quantity
            cost += matching.opened.cost
            fees += matching.opened.fee
        return Held(self.basis, tuple(lots), *map(canonical, (quantity, cost, fees)))


class BookTotals(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An instrument's position after an event: signed quantity and cost, and realised to date.

    `fees` are the opening fees still carried by open lots.
    """

    quantity: Decimal
    cost: Decimal
    fees: Decimal = ZERO
    realised_gross: Decimal = ZERO
    realised_net: Decimal = ZERO


class Due(msgspec.Struct, frozen=True, gc=False):
    """A dividend: receivable, or with negative `gross` payable, until its pay date."""

    gross: Decimal
    withheld: Decimal
    currency: str
    pay_date: date

    @property
    def net(self) -> Decimal:
        """What moves in cash on the pay date."""
        return self.gross - self.withheld


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry that is no fill made of one holder; taken out, the holder has `before` again.

    `in_lieu` closed the fraction of the position, or of the child received; `cash` is what was paid
    for it, signed. `received` is what a spin-off gave, `child` that after its fraction. `crossed`
    are the closings of an opposite position by lots received, one a lot. The realised parts are
    those that belong to this book: a child's fraction belongs to the child's.
    """

    before: Held
    after: Held
    in_lieu: Matching | None = None
    cash: Decimal = ZERO
    received: Held | None = None
    child: Held | None = None
    due: Due | None = None
    crossed: tuple[Matching, ...] = ()
    realised_gross: Decimal = ZERO
    realised_net: Decimal = ZERO


class BookEntry(Protocol):
    """What stands in a book besides fills: it changes what is held, at its place in book order."""

    @property
    def entry_id(self) -> UUID:
        """What names it; of two told under one name the later holds."""

    @property
    def key(self) -> BookKey:
        """Its place in book order."""

    def applied_to(self, held: Held) -> Applied:
        """Give what it makes of what is held there."""


class Received(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Lots that came into a book without a trade, at their cost and of their dates.

    They stand among the others by date. Against an opposite position each of them closes, at its
    cost, what is open. The realised parts are those of a fraction that was paid for before.
    """

    entry_id: UUID
    key: BookKey
    lots: tuple[Lot, ...]
    realised_gross: Decimal = ZERO
    realised_net: Decimal = ZERO

    def applied_to(self, held: Held) -> Applied:
        """Put the lots among those held."""
        crossed: list[Matching] = []
        after = held
        for lot in self.lots:
            if after.quantity * lot.quantity < 0:
                crossed.append(match(after, _delivery(lot)))
                after = after.after(crossed[-1])
            else:
                after = joined(after, lot)
        gross, net = self.realised_gross, self.realised_net
        for each in crossed:
            gross, net = gross + each.realised_gross, net + each.realised_net
        return Applied(
            before=held,
            after=after,
            crossed=tuple(crossed),
            realised_gross=canonical(gross),
            realised_net=canonical(net),
        )


def ranked(lot: Lot, basis: CostBasis) -> Lot:
    """Write a lot as a cost basis keeps it: under HIFO with the unit cost that ranks it."""
    if (basis is CostBasis.HIFO) == (lot.unit_cost is not None):
        return lot
    cost = within("unit_cost", unit_cost(lot)) if basis is CostBasis.HIFO else None
    return replace(lot, unit_cost=cost)


def joined(held: Held, lot: Lot) -> Held:
    """Put a lot of their side among those held, by its date."""
    lots = sorted((*held.lots, ranked(lot, held.basis)), key=attrgetter("trade_date"))
    numbers = (held.quantity + lot.quantity, held.cost + lot.cost, held.fees + lot.fee)
    return Held(held.basis, tuple(lots), *map(canonical, numbers))


def _delivery(lot: Lot) -> Fill:
    """Deliver a lot at its cost: what is left of it is a lot of its own name and date."""
    return Fill(
        trade_id=lot.trade_id,
        source="received",
        external_id=str(lot.trade_id),
        side=Side.BUY if lot.quantity > 0 else Side.SELL,
        quantity=abs(lot.quantity),
        price=ZERO,
        consideration=canonical(lot.cost if lot.quantity > 0 else -lot.cost),
        fee=lot.fee,
        trade_date=lot.trade_date,
    )


def at_pool_cost(held: Held) -> Held:
    """Give each lot its share of what all of them cost, by quantity; the last the remainder."""
    lots: list[Lot] = []
    quantity = cost = fee = ZERO
    for lot in held.lots:
        quantity += lot.quantity
        until_cost = share(held.cost, quantity, held.quantity)
        until_fee = share(held.fees, quantity, held.quantity)
        own_cost, own_fee = canonical(until_cost - cost), canonical(until_fee - fee)
        lots.append(replace(lot, cost=own_cost, fee=own_fee))
        cost, fee = until_cost, until_fee
    return replace(held, lots=tuple(lots))
