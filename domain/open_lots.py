"""The open lots of one book, and the order in which a closing fill takes them.

Lots are listed oldest first in book order whatever the cost basis; the basis says which is closed
first: FIFO and AVERAGE the oldest, LIFO the newest, HIFO the one of the highest gross unit cost (of
short lots the lowest opening price; ties oldest first), SPECIFIC those the fill names, then FIFO.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from heapq import heapify, heappop, heappush
from typing import Protocol, TypeAlias

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
    """Lots closed from one end: the oldest first, or the newest.

    They are a list, as they are copied much oftener than there are enough of them to move.
    """

    __slots__ = ("_lots", "_newest_first")

    def __init__(self, lots: Iterable[Lot] = (), *, newest_first: bool = False) -> None:
        self._lots = list(lots)
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

    def in_closing_order(self, _fill: Fill | None = None) -> Iterator[Lot]:
        """List them as any fill takes them."""
        return reversed(self._lots) if self._newest_first else iter(self._lots)

    def take(self, closed: Iterable[ClosedLot], opened: Lot | None) -> tuple[Touched, ...]:
        """Remove closed parts from one end, add an opened lot as the newest."""
        lots = self._lots
        if not closed:
            if opened is not None:
                lots.append(opened)
            return ()
        touched: list[Touched] = []
        rest: list[Lot] = []
        for part, lot in zip(closed, self.in_closing_order(), strict=False):
            assert lot.trade_id == part.trade_id, "a closed part names the next open lot"
            assert not rest, "only the last one is closed in part"
            touched.append((0, lot))
            if lot.quantity != part.quantity:
                rest.append(rest_of(lot, part.quantity))
        if self._newest_first:
            lots[len(lots) - len(touched) :] = rest
        else:
            lots[: len(touched)] = rest
        if opened is not None:
            lots.append(opened)
        return tuple(touched)

    def give_back(self, touched: tuple[Touched, ...], opened: Lot | None) -> None:
        """Undo the newest `take`."""
        lots = self._lots
        if opened is not None:
            lots.pop()
        end = -1 if self._newest_first else 0
        if touched and lots and lots[end].trade_id == touched[-1][1].trade_id:
            lots.pop(end)  # what was left of the last one
        before = [lot for _, lot in touched]
        if self._newest_first:
            lots += reversed(before)
        else:
            lots[:0] = before


class RankedLots:
    """Lots closed by rank, or by name, anywhere among the others.

    Each has a number, ascending in book order. They are known by the number of their trade's id,
    which is hashed in C. The heap keeps entries of lots that are gone until they come up, or
    outnumber the others.
    """

    __slots__ = ("by_cost", "heap", "lots", "next_number")

    def __init__(self, lots: Iterable[Lot] = (), *, by_cost: bool) -> None:
        self.by_cost = by_cost
        self.lots: dict[int, Touched] = {}
        self.heap: list[tuple[Decimal, int, int]] = []
        self.next_number = 0
        for lot in lots:
            self._add(lot)

    @classmethod
    def numbered(cls, lots: Iterable[Touched], next_number: int, *, by_cost: bool) -> "RankedLots":
        """Hold lots by the numbers they had, so that what was touched can be given back."""
        held = cls(by_cost=by_cost)
        held.lots = {lot.trade_id.int: (number, lot) for number, lot in lots}
        held.heap = [(held._rank(lot), number, name) for name, (number, lot) in held.lots.items()]
        heapify(held.heap)
        held.next_number = next_number
        return held

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
        lots, heap = self.lots, self.heap
        named = set()
        for trade_id in () if self.by_cost else fill.closes:
            name = trade_id.int
            if name in lots and name not in named:
                named.add(name)
                yield lots[name][1]
        while heap and not self._is_open(heap[0]):
            heappop(heap)
        if not heap:
            return
        _, last, name = heap[0]
        if name not in named:  # Most fills take no more than this one.
            yield lots[name][1]
        # A heap is a tree: below each entry are those that come later, so only these are looked at.
        ahead = [(heap[index], index) for index in (1, 2) if index < len(heap)]
        heapify(ahead)
        while ahead:
            entry, index = heappop(ahead)
            for child in (2 * index + 1, 2 * index + 2):
                if child < len(heap):
                    heappush(ahead, (heap[child], child))
            _, number, name = entry
            if number != last and name not in named and self._is_open(entry):
                last = number
                yield lots[name][1]

    def take(self, closed: Iterable[ClosedLot], opened: Lot | None) -> tuple[Touched, ...]:
        """Remove closed parts wherever they are, add an opened lot as the newest."""
        touched = []
        for part in closed:
            name = part.trade_id.int
            before = self.lots[name]
            number, lot = before
            touched.append(before)
            if lot.quantity == part.quantity:
                del self.lots[name]
            else:
                self.lots[name] = (number, rest_of(lot, part.quantity))
        if opened is not None:
            self._add(opened)
        if len(self.heap) > 2 * len(self.lots) + 64:
            self.heap = [entry for entry in self.heap if self._is_open(entry)]
            heapify(self.heap)
        return tuple(touched)

    def give_back(self, touched: tuple[Touched, ...], opened: Lot | None) -> None:
        """Undo the newest `take`."""
        if opened is not None:
            del self.lots[opened.trade_id.int]
        for number, lot in touched:
            name = lot.trade_id.int
            if name not in self.lots:
                heappush(self.heap, (self._rank(lot), number, name))
            self.lots[name] = (number, lot)

    def _add(self, lot: Lot) -> None:
        name = lot.trade_id.int
        self.lots[name] = (self.next_number, lot)
        heappush(self.heap, (self._rank(lot), self.next_number, name))
        self.next_number += 1

    def _rank(self, lot: Lot) -> Decimal:
        if not self.by_cost:
            return ZERO
        cost = unit_cost(lot)
        return -cost if lot.quantity > 0 else cost

    def _is_open(self, entry: tuple[Decimal, int, int]) -> bool:
        held = self.lots.get(entry[2])
        return held is not None and held[0] == entry[1]


def unit_cost(lot: Lot) -> Decimal:
    """Give the gross cost of one unit, as the lot was opened if it says so."""
    return share(lot.cost, ONE, lot.quantity) if lot.unit_cost is None else lot.unit_cost


def _number(touched: Touched) -> int:
    return touched[0]
