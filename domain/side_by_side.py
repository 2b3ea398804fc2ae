"""The books of a portfolio under cost bases that they were not booked by, side by side.

What was asked is folded again: fills, corporate actions and transfers in book order, all under one
cost basis from the beginning. Results are not taken over: a child gets lots from those that its
parent has under that basis, and what leaves is chosen anew unless it was named. What came in from
another portfolio is a fact, at the cost that it had there.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from domain.basis_change import BasisChange
from domain.book import Book, Entry, Outcome
from domain.book_order import CORPORATE_ACTION, BookKey
from domain.corporate_actions import SpinOff, received_by_child
from domain.held import Applied, Received, at_pool_cost
from domain.identity import derive
from domain.lots import CostBasis, Fill, Lot
from domain.money import ZERO, canonical
from domain.transfers import Given

Placed: TypeAlias = list[tuple[BookKey, str, Entry]]
"""Entries of several books with their places, in book order."""


class Totals(NamedTuple):
    """What a book comes to; signed, negative for shorts.

    `moved_cost` is the cost that came with lots, or left with them (negative), without a trade: by
    transfers and spin-offs, less what was paid for a child's fraction. Whatever the cost basis,
    `realised_gross` + value - `cost` + `moved_cost` is the same.
    """

    quantity: Decimal
    cost: Decimal
    fees: Decimal
    realised_gross: Decimal
    realised_net: Decimal
    moved_cost: Decimal


class Folded:
    """A book, and what its entries moved."""

    def __init__(self, basis: CostBasis) -> None:
        self.book = Book(basis)
        self.moved = ZERO

    def take(self, entry: Entry) -> Outcome:
        """Fold an entry; give what it did."""
        book = self.book
        if isinstance(entry, Fill):
            return book.pass_over(entry)
        before = book.cost - book.realised_gross
        applied = book.fold_entry(entry)
        assert isinstance(applied, Applied), "an entry that is no fill is applied"
        self.moved += book.cost - book.realised_gross - before
        if not isinstance(entry, SpinOff):  # What is paid there is the child's.
            self.moved += applied.cash
        return applied

    def open_lots(self) -> tuple[Lot, ...]:
        """List the open lots, oldest first; a pool's at its unit cost, so that they add up."""
        held = self.book.held()
        return (at_pool_cost(held) if held.basis is CostBasis.AVERAGE else held).lots

    def totals(self) -> Totals:
        """Sum it up."""
        book = self.book
        numbers = (book.quantity, book.cost, book.fees, book.realised_gross, book.realised_net)
        return Totals(*map(canonical, (*numbers, self.moved)))


class Passed(NamedTuple):
    """An entry, what it did, and its book behind it, which later entries change."""

    entry: Entry
    outcome: Outcome
    folded: Folded


def as_booked(entries: Iterable[Entry], basis: CostBasis) -> tuple[CostBasis, Totals]:
    """Fold one book as it was told, by the basis of its opening and every change of it.

    Give the basis in force, and the totals.
    """
    folded = Folded(basis)
    for each in passed_as_booked(entries, basis):
        folded = each.folded
    return folded.book.basis, folded.totals()


def passed_as_booked(entries: Iterable[Entry], basis: CostBasis) -> Iterator[Passed]:
    """Fold as `as_booked` does, entry by entry."""
    folded = Folded(basis)
    for entry in sorted(entries, key=lambda each: each.key):
        yield Passed(entry, folded.take(entry), folded)


def in_book_order(books: Mapping[str, Iterable[Entry]]) -> Placed:
    """Put what was asked of several books into one order: no changes of basis, no results.

    The books of parents have to be among them, or what they gave to children is lacking.
    """
    placed = [
        (entry.key, name, _asked(entry))
        for name, entries in books.items()
        for entry in entries
        if not isinstance(entry, BasisChange) and not is_spun_off(entry)
    ]
    return sorted(placed, key=itemgetter(0))


def totals_under(basis: CostBasis, placed: Placed) -> dict[str, Totals]:
    """Fold the books anew under one cost basis from the beginning; give their totals by name."""
    books = {name: each.folded for name, each in passed_under(basis, placed)}
    return {name: folded.totals() for name, folded in books.items()}


def passed_under(basis: CostBasis, placed: Placed) -> Iterator[tuple[str, Passed]]:
    """Fold as `totals_under` does, entry by entry, each with the name of its book."""
    books: dict[str, Folded] = {}

    def passed(name: str, entry: Entry) -> tuple[str, Passed]:
        folded = books.get(name)
        if folded is None:
            folded = books[name] = Folded(basis)
        return name, Passed(entry, folded.take(entry), folded)

    for _, name, entry in placed:
        found = passed(name, entry)
        yield found
        if isinstance(entry, SpinOff):
            applied = found[1].outcome
            assert isinstance(applied, Applied), "an entry that is no fill is applied"
            yield passed(entry.child, received_by_child(entry, applied))


def is_only_opened(entries: Iterable[Entry]) -> bool:
    """Say whether nothing was ever closed: then every cost basis gives what is booked."""
    sides = {entry.side if isinstance(entry, Fill) else None for entry in entries}
    return len(sides) <= 1 and None not in sides


def is_spun_off(entry: Entry) -> bool:
    """Say whether an entry is lots that a spin-off gave, which its parent's book decides."""
    return isinstance(entry, Received) and entry.key[1] == CORPORATE_ACTION


def _asked(entry: Entry) -> Entry:
    """Take from a transfer the lots that were chosen by the cost basis, not by whoever asked."""
    if not isinstance(entry, Given) or entry.transfer.named:
        return entry
    whole = replace(
        entry.lots[0],
        trade_id=derive("lot", str(entry.entry_id), "any"),
        quantity=sum((lot.quantity for lot in entry.lots), ZERO),
        cost=sum((lot.cost for lot in entry.lots), ZERO),
        fee=sum((lot.fee for lot in entry.lots), ZERO),
    )
    return replace(entry, lots=(whole,))
