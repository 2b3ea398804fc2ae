"""What lots earned in the base currency, price and currency apart (convention 8).

For a closed quantity q (long positive), opening price P0 and rate X0, closing price P1 and rate X1:
price part q(P1 - P0)X1, currency part qP0(X1 - X0), together q(P1X1 - P0X0). A rate is units of the
base currency for one of the instrument's. Nothing here is rounded but an AVERAGE pool's shares.
Corporate actions change quantities and divide costs; the rates at which lots were opened stay.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from domain.basis_change import BasisChange
from domain.corporate_actions import Action, SpinOff, Split, StockDividend, child_lot
from domain.held import Applied, BookEntry, Held, Received
from domain.lots import ClosedLot, CostBasis, Lot, Matching
from domain.money import ONE, ZERO, share


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

    def and_also(self, other: "Realised") -> "Realised":
        """Give the sum of both."""
        return Realised(
            self.price + other.price, self.currency + other.currency, self.fees + other.fees
        )


class Acted(NamedTuple):
    """What a corporate action realised: by the fraction it paid for, and by lots delivered."""

    paid: Realised = Realised()
    crossed: Realised = Realised()


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
            self._join(lot, lot.cost * rate, lot.fee * rate, rate)
        return realised

    def split(self, applied: Applied, *, rate: Decimal) -> Realised:
        """Fold a split: lots keep cost and rates; give what the fraction paid for realised.

        A lot too small to be left leaves its cost to another, at whose rate it then counts until
        the last lot is closed, which takes what the others have left.
        """
        paid = applied.in_lieu
        gone = ZERO if paid is None else sum((part.quantity for part in paid.closed), ZERO)
        self.quantity = applied.after.quantity + gone
        return Realised() if paid is None else self.take(paid, fee=ZERO, rate=rate)

    def spin_off(self, applied: Applied, action: SpinOff) -> "LotsInBase":
        """Take out what a spin-off gave; give those lots, each at the rate of its parent's."""
        received = applied.received
        assert received is not None, "a spin-off gives lots"
        given = LotsInBase(received.basis)
        given.quantity, given.cost = received.quantity, received.cost
        if self._pooled:
            given.base_cost = share(self.base_cost, action.cost_share, ONE)
            given.base_fees = share(self.base_fees, action.cost_share, ONE)
        else:
            for lot, kept in zip(applied.before.lots, applied.after.lots, strict=True):
                rate = self._rates[lot.trade_id]
                given.base_cost += (lot.cost - kept.cost) * rate
                given.base_fees += (lot.fee - kept.fee) * rate
                given._rates[child_lot(action, lot.trade_id)] = rate
        self.cost -= given.cost
        self.base_cost -= given.base_cost
        self.base_fees -= given.base_fees
        return given

    def receive(
        self,
        given: "LotsInBase",
        lots: Sequence[Lot],
        crossed: Iterable[Matching],
        *,
        rate: Decimal,
    ) -> Realised:
        """Fold `lots` that came, all of `given`; give what they closed of an opposite position.

        A lot that closes is delivered at its cost and at the rate of now: what it has gained by its
        own rate since it was opened is realised with that of what it closes.
        """
        realised = Realised()
        closings = iter(crossed)
        cost, fees = given.base_cost, given.base_fees
        for number, lot in enumerate(lots, start=1):
            own_cost, own_fees = given.cost_of(lot) if number < len(lots) else (cost, fees)
            cost, fees = cost - own_cost, fees - own_fees
            own_rate = given.rate_of(lot) or rate
            if self.quantity * lot.quantity >= 0:
                self._join(lot, own_cost, own_fees, own_rate)
                continue
            matching = next(closings)
            kept_cost = kept_fees = ZERO
            if matching.opened is not None:
                kept_cost, kept_fees = given.cost_of(matching.opened)
            delivered = (own_cost - kept_cost, own_fees - kept_fees)
            realised = realised.and_also(self._deliver(matching, lot, *delivered, rate=rate))
            if matching.opened is not None:
                self._join(matching.opened, kept_cost, kept_fees, own_rate)
        return realised

    def give(self, applied: Applied, *, rate: Decimal) -> None:
        """Take out the lots that left; what the position lacked opens at the rate of now."""
        left = {lot.trade_id: lot for lot in applied.after.lots}
        gone = []
        for lot in applied.before.lots:
            kept = left.pop(lot.trade_id, None)
            had = (ZERO, ZERO, ZERO) if kept is None else (kept.quantity, kept.cost, kept.fee)
            if had[0] != lot.quantity:
                numbers = (lot.quantity - had[0], lot.cost - had[1], lot.fee - had[2])
                gone.append(ClosedLot(lot.trade_id, lot.trade_date, *numbers, ZERO))
        owed = list(left.values())
        self.cost += (
            applied.after.cost - applied.before.cost - sum((lot.cost for lot in owed), ZERO)
        )
        if gone:
            self._release(tuple(gone))
        for lot in owed:
            self._join(lot, lot.cost * rate, lot.fee * rate, rate)

    def receive_new(
        self, lots: Sequence[Lot], crossed: Iterable[Matching], *, rate: Decimal
    ) -> Realised:
        """Fold lots that came from outside, at the rate of now."""
        given = LotsInBase(CostBasis.FIFO)
        for lot in lots:
            given._join(lot, lot.cost * rate, lot.fee * rate, rate)
        return self.receive(given, lots, crossed, rate=rate)

    def rebase(self, held: Held) -> None:
        """Go on under another cost basis: what a pool cost in base is divided by cost."""
        if self._pooled and self.cost:
            rate = self.base_cost / self.cost
            self._rates = {lot.trade_id: rate for lot in held.lots}
        self._pooled = held.basis is CostBasis.AVERAGE

    def rate_of(self, lot: Lot) -> Decimal | None:
        """Give the rate at which a lot was opened; None in a pool that was given."""
        return self._rates.get(lot.trade_id)

    def cost_of(self, lot: Lot) -> tuple[Decimal, Decimal]:
        """Give what a lot, or a part of it, of these cost in base, and its fees there."""
        rate = self.rate_of(lot)
        if rate is not None:
            return lot.cost * rate, lot.fee * rate
        return (
            share(self.base_cost, lot.quantity, self.quantity),
            share(self.base_fees, lot.quantity, self.quantity),
        )

    def _deliver(
        self, matching: Matching, lot: Lot, base_cost: Decimal, fees: Decimal, *, rate: Decimal
    ) -> Realised:
        kept = ZERO if matching.opened is None else matching.opened.cost
        cost = sum((part.cost for part in matching.closed), ZERO)
        closed_cost, closed_fees = self._release(matching.closed)
        self.cost -= cost
        currency = cost * rate - closed_cost + (lot.cost - kept) * rate - base_cost
        return Realised(matching.realised_gross * rate, currency, fees + closed_fees)

    def _join(self, lot: Lot, base_cost: Decimal, base_fees: Decimal, rate: Decimal) -> None:
        self._rates[lot.trade_id] = rate
        self.quantity += lot.quantity
        self.cost += lot.cost
        self.base_cost += base_cost
        self.base_fees += base_fees

    def unrealised(self, value: Decimal, rate: Decimal) -> Unrealised:
        """Give what the open lots, worth `value`, have gained: (value - cost) X, and by currency.

        That is cost x X less the cost in base.
        """
        return Unrealised((value - self.cost) * rate, self.cost * rate - self.base_cost)

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


def act(
    parent: LotsInBase,
    child: LotsInBase | None,
    action: Action,
    applied: Applied,
    delivered: Applied | None,
    *,
    rate: Decimal,
) -> Acted:
    """Fold what an action made of lots, and what the child's book made of those that it gave.

    `rate` is that of the ex-date; it counts only where a fraction was paid for, or lots closed.
    """
    if isinstance(action, Split | StockDividend):
        return Acted(parent.split(applied, rate=rate))
    if not isinstance(action, SpinOff) or applied.received is None or applied.child is None:
        return Acted()
    given = parent.spin_off(applied, action)
    paid = Realised()
    if applied.in_lieu is not None:
        paid = given.take(applied.in_lieu, fee=ZERO, rate=rate)
    if child is None or delivered is None:
        return Acted(paid)
    lots, crossed = applied.child.lots, delivered.crossed
    return Acted(paid, child.receive(given, lots, crossed, rate=rate))


def move(lots: LotsInBase, entry: BookEntry, applied: Applied, *, rate: Decimal) -> Realised:
    """Fold what an entry made of lots that came, left, or changed their basis; give what closed."""
    if isinstance(entry, BasisChange):
        lots.rebase(applied.after)
        return Realised()
    if isinstance(entry, Received):
        return lots.receive_new(entry.lots, applied.crossed, rate=rate)
    lots.give(applied, rate=rate)
    return Realised()
