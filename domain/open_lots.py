"""The open lots of one book, and the order in which a closing fill takes them.

Lots are listed oldest first in book order whatever the cost basis; the basis says which is closed
first: FIFO and AVERAGE the oldest, LIFO the newest, HIFO the one of the highest gross unit cost (of
short lots the lowest opening price; ties oldest first), SPECIFIC those the fill names, then FIFO.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from decimal import Decimal
from heapq import heapify, heappop, heappush
from typing import Protocol, TypeAlias
from uuid import UUID

from domain.lots import ClosedLot, CostBasis, Fill, Lot
from domain.money import ONE, ZERO, canonical, share


class OpenLots(Protocol):
    """Lots of one side, oldest first."""

    def __iter__(self) -> Iterator[Lot]:
        """List them, oldest first."""

    def __len__(self) -> int:
        """Count them."""

    def in_closing_order(self, fill: Fill) -> Iterator[Lot]:
        """List them as a fill takes them; not to be changed meanwhile."""

    def take(self, closed: Iterable[ClosedLot], opened: Lot | None) -> tuple["Touched", ...]:
        """Remove closed parts and add an opened lot; give what was touched, as it was before."""

    def give_back(self, touched: tuple["Touched", ...], opened: Lot | None) -> None:
        """Undo the newest `take`."""

    def copy(self) -> "OpenLots":
        """Copy them."""


Touched: TypeAlias = tuple[int, Lot]
"""A lot as it was before, and its number among those of its book."""


def lots_for(basis: CostBasis, lots: Iterable[Lot] = ()) -> OpenLots:
    """Hold lots, oldest first, as a cost basis needs them."""
    if basis in (CostBasis.HIFO, CostBasis.SPECIFIC):
        return RankedLots(lots, by_cost=basis is CostBasis.HIFO)
    return QueuedLots(lots, newest_first=basis is CostBasis.LIFO)


def rest_of(lot: Lot, closed: Decimal) -> Lot:
    """Give what is left of a lot; its own cost and fee in proportion, whatever the pool gave up."""
    return Lot(
        lot.trade_id,
        lot.trade_date,
        canonical(lot.quantity - closed),
        canonical(lot.cost - share(lot.cost, closed, lot.quantity)),
        canonical(lot.fee - share(lot.fee, closed, lot.quantity)),
        lot.unit_cost,
    )


def follow_lots(lots: dict[int, Lot], closed: Iterable[ClosedLot], opened: Lot | None) -> None:
    """Fold what a booking says of lots, by the number of their trade's id; keeps their order.

    Raises:
        KeyError: a closed lot is not open.
    """
    for part in closed:
        number = part.trade_id.int
        lot = lots[number]
        if lot.quantity == part.quantity:
            del lots[number]
        else:
            lots[number] = rest_of(lot, part.quantity)
    if opened is not None:
        lots[opened.trade_id.int] = opened


class QueuedLots:
    """Lots closed from one end: the oldest first, or the newest."""

    __slots__ = ("_lots", "_newest_first")

    def __init__(self, lots: Iterable[Lot] = (), *, newest_first: bool = False) -> None:
        self._lots = deque(lots)
        self._newest_first = newest_first

    def __iter__(self) -> Iterator[Lot]:
        """List them, oldest first."""
        return iter(self._lots)

    def __len__(self) -> int:
        """Count them."""
        return len(self._lots)

    def copy(self) -> "QueuedLots":
        """Copy them."""
        return QueuedLots(self._lots, newest_first=self._newest_first)

    def in_closing_order(self, _fill: Fill) -> Iterator[Lot]:
        """List them as any fill takes them."""
        return reversed(self._lots) if self._newest_first else iter(self._lots)

    def take(self, closed: Iterable[ClosedLot], opened: Lot | None) -> tuple[Touched, ...]:
        """Remove closed parts from one end, add an opened lot as the newest."""
        lots = self._lots
        remove, put_back = (
            (lots.pop, lots.append) if self._newest_first else (lots.popleft, lots.appendleft)
        )
        touched: list[Touched] = []
        for part in closed:
            lot = remove()
            assert lot.trade_id == part.trade_id, "a closed part names the next open lot"
            touched.append((0, lot))
            if lot.quantity != part.quantity:
                put_back(rest_of(lot, part.quantity))
        if opened is not None:
            lots.append(opened)
        return tuple(touched)

    def give_back(self, touched: tuple[Touched, ...], opened: Lot | None) -> None:
        """Undo the newest `take`."""
        lots = self._lots
        if opened is not None:
            lots.pop()
        remove, put_back = (
            (lots.pop, lots.append) if self._newest_first else (lots.popleft, lots.appendleft)
        )
        if touched and lots:
            last = touched[-1][1].trade_id
            if (lots[-1] if self._newest_first else lots[0]).trade_id == last:
                remove()  # what was left of the last one
        for _, lot in reversed(touched):
            put_back(lot)


class RankedLots:
    """Lots closed by rank, or by name, anywhere among the others.

    Each has a number, ascending in book order. The heap keeps entries of lots that are gone until
    they come up, or outnumber the others.
    """

    __slots__ = ("by_cost", "heap", "lots", "next_number")

    def __init__(self, lots: Iterable[Lot] = (), *, by_cost: bool) -> None:
        self.by_cost = by_cost
        self.lots: dict[UUID, Touched] = {}
        self.heap: list[tuple[Decimal, int, UUID]] = []
        self.next_number = 0
        for lot in lots:
            self._add(lot)

    def __iter__(self) -> Iterator[Lot]:
        """List them, oldest first."""
        return iter([lot for _, lot in sorted(self.lots.values(), key=_number)])

    def __len__(self) -> int:
        """Count them."""
        return len(self.lots)

    def copy(self) -> "RankedLots":
        """Copy them."""
        twin = RankedLots.__new__(RankedLots)
        twin.by_cost = self.by_cost
        twin.lots = self.lots.copy()
        twin.heap = self.heap.copy()
        twin.next_number = self.next_number
        return twin

    def in_closing_order(self, fill: Fill) -> Iterator[Lot]:
        """List those a fill names, in its order, then the others by rank."""
        named = set()
        for trade_id in () if self.by_cost else fill.closes:
            if trade_id in self.lots and trade_id not in named:
                named.add(trade_id)
                yield self.lots[trade_id][1]
        heap = self.heap
        while heap and not self._is_open(heap[0]):
            heappop(heap)
        # A heap is a tree: below each entry are those that come later, so only these are looked at.
        ahead = [(heap[0], 0)] if heap else []
        last = -1
        while ahead:
            entry, index = heappop(ahead)
            for child in (2 * index + 1, 2 * index + 2):
                if child < len(heap):
                    heappush(ahead, (heap[child], child))
            _, number, trade_id = entry
            if number != last and trade_id not in named and self._is_open(entry):
                last = number
                yield self.lots[trade_id][1]

    def take(self, closed: Iterable[ClosedLot], opened: Lot | None) -> tuple[Touched, ...]:
        """Remove closed parts wherever they are, add an opened lot as the newest."""
        touched = []
        for part in closed:
            before = self.lots[part.trade_id]
            number, lot = before
            touched.append(before)
            if lot.quantity == part.quantity:
                del self.lots[part.trade_id]
            else:
                self.lots[part.trade_id] = (number, rest_of(lot, part.quantity))
        if opened is not None:
            self._add(opened)
        if len(self.heap) > 2 * len(self.lots) + 64:
            self.heap = [entry for entry in self.heap if self._is_open(entry)]
            heapify(self.heap)
        return tuple(touched)

    def give_back(self, touched: tuple[Touched, ...], opened: Lot | None) -> None:
        """Undo the newest `take`."""
        if opened is not None:
            del self.lots[opened.trade_id]
        for number, lot in touched:
            if lot.trade_id not in self.lots:
                heappush(self.heap, (self._rank(lot), number, lot.trade_id))
            self.lots[lot.trade_id] = (number, lot)

    def _add(self, lot: Lot) -> None:
        self.lots[lot.trade_id] = (self.next_number, lot)
        heappush(self.heap, (self._rank(lot), self.next_number, lot.trade_id))
        self.next_number += 1

    def _rank(self, lot: Lot) -> Decimal:
        if not self.by_cost:
            return ZERO
        cost = unit_cost(lot)
        return -cost if lot.quantity > 0 else cost

    def _is_open(self, entry: tuple[Decimal, int, UUID]) -> bool:
        held = self.lots.get(entry[2])
        return held is not None and held[0] == entry[1]


def unit_cost(lot: Lot) -> Decimal:
    """Give the gross cost of one unit, as the lot was opened if it says so."""
    return share(lot.cost, ONE, lot.quantity) if lot.unit_cost is None else lot.unit_cost


def _number(touched: Touched) -> int:
    return touched[0]
