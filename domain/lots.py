"""Lots of one instrument in one portfolio, and how a fill opens and closes them (convention 4).

Signs: quantity and cost are positive for long lots and negative for short ones (a short lot's cost
is minus the proceeds of its opening sale); fees are positive when paid. Cost never contains fees.
"""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.book_order import BookKey, book_key
from domain.money import ONE, ZERO, canonical, share, within


class CostBasis(StrEnum):
    """Which lots a closing fill takes, and at what cost."""

    FIFO = "FIFO"
    AVERAGE = "AVERAGE"
    LIFO = "LIFO"
    HIFO = "HIFO"
    SPECIFIC = "SPECIFIC"


class Side(StrEnum):
    """The side of a trade, as its owner sees it."""

    BUY = "buy"
    SELL = "sell"


_SELL = Side.SELL  # Python 3.11 looks a member up ten times slower than a name.


class Fill(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was traded, with everything that places it in book order.

    `quantity` and `consideration` are positive whatever the side; amounts are in the instrument's
    currency. `executed_at` is absent where the source gives only a date. On `value_date` its cash
    settles; absent, as in old events, it counts as settled at once. `closes` names, under SPECIFIC,
    the trades whose lots it closes first.
    """

    trade_id: UUID
    source: str
    external_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    consideration: Decimal
    fee: Decimal = ZERO
    trade_date: date
    executed_at: datetime | None = None
    source_sequence: int | None = None
    value_date: date | None = None
    closes: tuple[UUID, ...] = ()

    @property
    def entry_id(self) -> UUID:
        """What names it in a book."""
        return self.trade_id

    @property
    def key(self) -> BookKey:
        """Its place in book order."""
        return book_key(
            trade_date=self.trade_date,
            executed_at=self.executed_at,
            source=self.source,
            source_sequence=self.source_sequence,
            is_sell=self.side is _SELL,
            external_id=self.external_id,
        )


class Lot(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An open lot: the trade that opened it, what is left of it, its cost and opening fee left.

    Under AVERAGE the cost that counts is the pool's; the lot keeps what is left of its own. Under
    HIFO `unit_cost` is the gross cost of one unit when it was opened, which ranks it: what is left
    of a lot partly closed keeps its rank, whatever was rounded.
    """

    trade_id: UUID
    trade_date: date
    quantity: Decimal
    cost: Decimal
    fee: Decimal
    unit_cost: Decimal | None = None


class ClosedLot(msgspec.Struct, frozen=True, gc=False):
    """The part of a lot a fill closed: quantity and cost signed as the lot's, and its result.

    `trade_id` and `trade_date` are those of the trade that opened the lot.
    """

    trade_id: UUID
    trade_date: date
    quantity: Decimal
    cost: Decimal
    opening_fee: Decimal
    realised_gross: Decimal


class Matching(msgspec.Struct, frozen=True, gc=False):
    """What one fill did to the lots: parts closed, a lot opened, and what was realised."""

    closed: tuple[ClosedLot, ...]
    opened: Lot | None
    realised_gross: Decimal
    realised_net: Decimal


class Holding(Protocol):
    """What matching needs of a book: its cost basis, its open lots, and their totals."""

    @property
    def basis(self) -> CostBasis:
        """Which lots a fill closes, and at what cost."""

    @property
    def quantity(self) -> Decimal:
        """The position."""

    @property
    def cost(self) -> Decimal:
        """What it cost."""

    @property
    def fees(self) -> Decimal:
        """The opening fees it carries."""

    def in_closing_order(self, fill: Fill) -> Iterable[Lot]:
        """List the open lots as a fill takes them."""


def match(book: Holding, fill: Fill) -> Matching:
    """Decide what a fill closes and opens, at its place in book order.

    A fill that crosses zero closes, then opens; consideration and fee are split by quantity and
    the residue of rounding goes to the opening part.
    """
    is_buy = fill.side is Side.BUY
    held = -book.quantity if is_buy else book.quantity
    if held <= ZERO:
        return _opening(book, fill)
    closing = min(fill.quantity, held)
    amount, fee = fill.consideration, fill.fee
    if closing != fill.quantity:
        amount = share(amount, closing, fill.quantity)
        fee = share(fee, closing, fill.quantity)
    proceeds = -amount if is_buy else amount
    closed = _close(book, fill, closing, proceeds)
    gross = net = ZERO
    for part in closed:
        gross += part.realised_gross
        net -= part.opening_fee
    net += gross - fee
    opened = None
    if closing != fill.quantity:
        sign = 1 if is_buy else -1
        opened = Lot(
            fill.trade_id,
            fill.trade_date,
            canonical((fill.quantity - closing) * sign),
            canonical((fill.consideration - amount) * sign),
            canonical(fill.fee - fee),
            _unit_cost(book, fill),
        )
    return Matching(closed, opened, gross, net)


def _opening(book: Holding, fill: Fill) -> Matching:
    """Open a lot by a whole fill: its numbers are canonical, and so are their opposites."""
    quantity, cost = fill.quantity, fill.consideration
    if fill.side is Side.SELL:
        quantity, cost = -quantity, -cost
    unit_cost = _unit_cost(book, fill)
    opened = Lot(fill.trade_id, fill.trade_date, quantity, cost, fill.fee, unit_cost)
    return Matching((), opened, ZERO, ZERO)


def _unit_cost(book: Holding, fill: Fill) -> Decimal | None:
    if book.basis is not CostBasis.HIFO:
        return None
    return within("unit_cost", share(fill.consideration, ONE, fill.quantity))


def _close(book: Holding, fill: Fill, closing: Decimal, proceeds: Decimal) -> tuple[ClosedLot, ...]:
    """Close `closing` units; `proceeds` is negative when a short is bought."""
    pooled = book.basis is CostBasis.AVERAGE
    held = abs(book.quantity)
    pool_cost = book.cost if closing == held else share(book.cost, closing, held)
    pool_fee = book.fees if closing == held else share(book.fees, closing, held)
    parts: list[ClosedLot] = []
    done = proceeds_done = cost_done = fee_done = ZERO
    for lot in book.in_closing_order(fill):
        size = abs(lot.quantity)
        taken = min(size, closing - done)
        done += taken
        is_last = done == closing
        proceeds_part = (
            proceeds - proceeds_done if is_last else _until(proceeds, done, closing) - proceeds_done
        )
        if pooled:
            cost = (
                pool_cost - cost_done if is_last else _until(pool_cost, done, closing) - cost_done
            )
            fee = pool_fee - fee_done if is_last else _until(pool_fee, done, closing) - fee_done
        elif taken == size:
            cost, fee = lot.cost, lot.fee
        else:
            cost, fee = share(lot.cost, taken, size), share(lot.fee, taken, size)
        proceeds_done += proceeds_part
        cost_done += cost
        fee_done += fee
        if taken == size and not pooled:  # Its own numbers are canonical.
            numbers = (lot.quantity, cost, fee, canonical(proceeds_part - cost))
        else:
            quantity = taken if lot.quantity > 0 else -taken
            numbers = (
                canonical(quantity), canonical(cost), canonical(fee),
                canonical(proceeds_part - cost),
            )  # fmt: skip
        parts.append(ClosedLot(lot.trade_id, lot.trade_date, *numbers))
        if is_last:
            break
    return tuple(parts)


def _until(total: Decimal, done: Decimal, whole: Decimal) -> Decimal:
    return share(total, done, whole)
