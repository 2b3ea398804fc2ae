"""Transfers of lots between portfolios: which lots are taken, and what that leaves (convention 9).

Lots keep cost, fees and dates. What a transfer took is decided once; in the sender's book it stays
an entry that takes that quantity away, and in the receiver's one that brings those lots.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.book_order import NO_TIME_OF_DAY, TRADE, TRANSFER, BookKey
from domain.held import Applied, Held, Received, joined
from domain.identity import derive
from domain.lots import CostBasis, Fill, Lot, Side
from domain.money import ZERO, canonical, share
from domain.open_lots import lots_for, rest_of
from domain.rejection import Breach, Rejection

LOTS_PER_TRANSFER_MAX = 500


class NamedLot(msgspec.Struct, frozen=True, gc=False):
    """How much of an open lot is meant, by the trade that opened it; positive."""

    trade_id: UUID
    quantity: Decimal


class Transfer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked; `transfer` names it among those of the portfolio that sends.

    `quantity` is positive, of long lots and of short ones. `named` say all of it, or nothing.
    Without `at` it stands behind every trade of its date.
    """

    transfer: str
    portfolio: str
    to_portfolio: str
    instrument: str
    trade_date: date
    quantity: Decimal
    at: datetime | None = None
    named: tuple[NamedLot, ...] = ()

    @property
    def key(self) -> BookKey:
        """Its place in the books of both portfolios."""
        place = (TRANSFER, NO_TIME_OF_DAY) if self.at is None else (TRADE, self.at)
        return (self.trade_date, *place, "", True, 0, False, f"{self.portfolio}/{self.transfer}")

    @property
    def moment(self) -> datetime:
        """Its instant; without a time of day, the end of its date."""
        if self.at is not None:
            return self.at
        return datetime.combine(self.trade_date + timedelta(days=1), time.min, UTC)

    @property
    def entry_id(self) -> UUID:
        """What names it in the books of both portfolios."""
        return derive("transfer", self.portfolio, self.transfer)


class Given(msgspec.Struct, frozen=True):
    """In the sender's book: lots that left it, signed, named as they are there.

    Whatever comes to stand before it, it takes that quantity: of the lots it names what is there,
    then by the cost basis, each at its cost. What the position lacks then opens the opposite one,
    at the cost that was told.
    """

    transfer: Transfer
    lots: tuple[Lot, ...]

    @property
    def entry_id(self) -> UUID:
        """What names it."""
        return self.transfer.entry_id

    @property
    def key(self) -> BookKey:
        """Its place in book order."""
        return self.transfer.key

    def applied_to(self, held: Held) -> Applied:
        """Take the lots away."""
        quantity = sum((lot.quantity for lot in self.lots), ZERO)
        named = [NamedLot(lot.trade_id, abs(lot.quantity)) for lot in self.lots]
        taken = lots_taken(held, quantity, named) if held.quantity * quantity > 0 else ()
        after = _without(held, taken)
        lacking = quantity - sum((lot.quantity for lot in taken), ZERO)
        if lacking:
            cost = sum((lot.cost for lot in self.lots), ZERO)
            owed = Lot(
                derive("lot", str(self.entry_id), "owed"),
                self.transfer.trade_date,
                canonical(-lacking),
                canonical(-share(cost, lacking, quantity)),
                ZERO,
            )
            after = joined(after, owed)
        return Applied(before=held, after=after)

    def received(self) -> Received:
        """Give what it brings the receiver: lots of names of their own, as a lot may come twice."""
        lots = (
            replace(lot, trade_id=received_lot(self.transfer, lot.trade_id)) for lot in self.lots
        )
        return Received(entry_id=self.entry_id, key=self.key, lots=tuple(lots))


class Asked(msgspec.Struct, frozen=True):
    """A transfer that is being decided: it takes what may be taken at its place, or nothing."""

    transfer: Transfer

    @property
    def entry_id(self) -> UUID:
        """What names it."""
        return self.transfer.entry_id

    @property
    def key(self) -> BookKey:
        """Its place in book order."""
        return self.transfer.key

    def applied_to(self, held: Held) -> Applied:
        """Take the lots that are chosen there."""
        try:
            lots = lots_chosen(self.transfer, held)
        except Rejection:  # Whoever decides chooses again from what is held there.
            return Applied(before=held, after=held)
        return Given(self.transfer, lots).applied_to(held)


def received_lot(transfer: Transfer, sent: UUID) -> UUID:
    """Name the lot that a lot of the sender became."""
    return derive("lot", str(transfer.entry_id), str(sent))


def lots_chosen(transfer: Transfer, held: Held) -> tuple[Lot, ...]:
    """Decide which lots leave, of those held at its place: the named ones, or by the cost basis.

    Raises:
        Rejection: `lot_not_open`, `quantity_not_held`, or `lots_too_many`.
    """
    is_open = {lot.trade_id: abs(lot.quantity) for lot in held.lots}
    lacking = [each for each in transfer.named if each.quantity > is_open.get(each.trade_id, ZERO)]
    if lacking:
        names = ", ".join(str(each.trade_id) for each in lacking)
        message = f"There is not as much of the lots {names} then."
        raise Rejection("lot_not_open", message)
    size = abs(held.quantity)
    if transfer.quantity > size:
        message = f"{transfer.quantity:f} are to be transferred, {size:f} are held then."
        breach = Breach("quantity_not_held", message, f"{size:f}", f"{transfer.quantity:f}")
        raise Rejection(breach.rule, message, breaches=(breach,))
    quantity = transfer.quantity if held.quantity > 0 else -transfer.quantity
    lots = lots_taken(held, quantity, transfer.named)
    if len(lots) > LOTS_PER_TRANSFER_MAX:
        message = f"It takes {len(lots)} lots, more than {LOTS_PER_TRANSFER_MAX}: divide it."
        raise Rejection("lots_too_many", message)
    return lots


def lots_taken(held: Held, quantity: Decimal, named: Sequence[NamedLot]) -> tuple[Lot, ...]:
    """Take a signed quantity from lots of its side, as much as there is: at their cost and fees.

    The named ones first, then as the cost basis closes them. Under AVERAGE each takes its share of
    the pool.
    """
    wanted, done, cost, fee = abs(quantity), ZERO, ZERO, ZERO
    size = abs(held.quantity)
    taken: list[Lot] = []
    for lot, part in _parts(held, wanted, named):
        if held.basis is CostBasis.AVERAGE:
            done += part
            until = (share(held.cost, done, size), share(held.fees, done, size))
            own_cost, own_fee = until[0] - cost, until[1] - fee
            cost, fee = until
        else:
            whole = abs(lot.quantity)
            own_cost, own_fee = share(lot.cost, part, whole), share(lot.fee, part, whole)
        signed = part if lot.quantity > 0 else -part
        numbers = map(canonical, (signed, own_cost, own_fee))
        taken.append(Lot(lot.trade_id, lot.trade_date, *numbers))
    return tuple(taken)


def _parts(held: Held, wanted: Decimal, named: Sequence[NamedLot]) -> list[tuple[Lot, Decimal]]:
    """Divide a quantity over lots, each once."""
    lots = {lot.trade_id: lot for lot in held.lots}
    parts: dict[UUID, Decimal] = {}
    left = wanted

    def take(lot: Lot, most: Decimal) -> None:
        nonlocal left
        had = parts.get(lot.trade_id, ZERO)
        part = min(most, abs(lot.quantity) - had, left)
        if part > 0:
            parts[lot.trade_id] = had + part
            left -= part

    for each in named:
        if each.trade_id in lots:
            take(lots[each.trade_id], each.quantity)
    for lot in lots_for(held.basis, held.lots).in_closing_order(_NAMING_NOTHING):
        if not left:
            break
        take(lot, left)
    return [(lots[trade_id], part) for trade_id, part in parts.items()]


def _without(held: Held, taken: Sequence[Lot]) -> Held:
    parts = {lot.trade_id: lot.quantity for lot in taken}
    lots = []
    for lot in held.lots:
        part = parts.get(lot.trade_id, ZERO)
        if part != lot.quantity:
            lots.append(rest_of(lot, part) if part else lot)
    quantity, cost, fees = held.quantity, held.cost, held.fees
    for lot in taken:
        quantity, cost, fees = quantity - lot.quantity, cost - lot.cost, fees - lot.fee
    return Held(held.basis, tuple(lots), *map(canonical, (quantity, cost, fees)))


_NAMING_NOTHING = Fill(
    trade_id=UUID(int=0),
    source="",
    external_id="",
    side=Side.SELL,
    quantity=ZERO,
    price=ZERO,
    consideration=ZERO,
    trade_date=date.min,
)
"""A fill names lots to close; a transfer that has taken those it names goes on by rank."""
