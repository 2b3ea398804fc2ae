"""The book of one instrument in one portfolio: lots and totals, folded in book order.

A book remembers its last few bookings, so that a fill late by a few of them is put in its place
without reading history: they are undone, and folded again behind it.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta

import msgspec

from domain.book_order import BookKey
from domain.lots import CostBasis, Fill, Lot, Matching, match
from domain.money import ZERO
from domain.open_lots import Touched, lots_for

STEPS_MAX = 64
STEPS_OF_UNTIMED_DAY_MAX = 512
STEPS_MIN = 2
REMEMBERED = timedelta(seconds=10)


class Step(msgspec.Struct, frozen=True, gc=False):
    """One booking: its fill, what it did, and the lots it touched as they were before."""

    fill: Fill
    matching: Matching
    touched: tuple[Touched, ...]


class Book:
    """The open lots of one instrument, their totals, and the last steps that led there."""

    __slots__ = (
        "basis",
        "cost",
        "fees",
        "forgotten_key",
        "last_key",
        "lots",
        "opening",
        "quantity",
        "realised_gross",
        "realised_net",
        "restating",
        "steps",
    )

    def __init__(self, basis: CostBasis) -> None:
        self.basis = basis
        self.lots = lots_for(basis)
        self.quantity = ZERO
        self.cost = ZERO
        self.fees = ZERO
        self.realised_gross = ZERO
        self.realised_net = ZERO
        self.last_key: BookKey | None = None
        self.steps: list[Step] = []
        self.forgotten_key: BookKey | None = None
        self.restating: list[Lot] = []
        self.opening: Lot | None = None

    def copy(self) -> "Book":
        """Copy the book; lots and steps themselves are immutable and shared."""
        twin = Book.__new__(Book)
        twin.basis = self.basis
        twin.lots = self.lots.copy()
        twin.quantity = self.quantity
        twin.cost = self.cost
        twin.fees = self.fees
        twin.realised_gross = self.realised_gross
        twin.realised_net = self.realised_net
        twin.last_key = self.last_key
        twin.steps = self.steps.copy()
        twin.forgotten_key = self.forgotten_key
        twin.restating = self.restating.copy()
        twin.opening = self.opening
        return twin

    def in_closing_order(self, fill: Fill) -> Iterator[Lot]:
        """List the open lots as a fill takes them."""
        return self.lots.in_closing_order(fill)

    def is_late(self, fill: Fill) -> bool:
        """Say whether a fill stands before the last booking in book order."""
        return self.last_key is not None and fill.key < self.last_key

    def remembers(self, key: BookKey) -> bool:
        """Say whether every booking behind this place is among the steps."""
        return self.forgotten_key is None or self.forgotten_key < key

    def add(self, fill: Fill, matching: Matching) -> None:
        """Fold a fill that stands last in book order."""
        for part in matching.closed:
            self.quantity -= part.quantity
            self.cost -= part.cost
            self.fees -= part.opening_fee
        if matching.opened is not None:
            self.quantity += matching.opened.quantity
            self.cost += matching.opened.cost
            self.fees += matching.opened.fee
        self.realised_gross += matching.realised_gross
        self.realised_net += matching.realised_net
        touched = self.lots.take(matching.closed, matching.opened)
        self.last_key = fill.key
        self.steps.append(Step(fill, matching, touched))
        self._forget(fill)

    def insert(self, fill: Fill) -> tuple[Matching, list[tuple[Step, Matching]]]:
        """Fold a late fill in its place; give what it did, and what each later step did and does.

        Only where `remembers` holds for its key.
        """
        assert self.remembers(fill.key), "every later booking is among the steps"
        undone: list[Step] = []
        while self.steps and fill.key < self.steps[-1].fill.key:
            undone.append(self._undo())
        own = match(self, fill)
        self.add(fill, own)
        return own, self._redo(undone)

    def remove(self, fill: Fill) -> tuple[Matching, list[tuple[Step, Matching]]]:
        """Take a fill out of its place; give what it had done, and each later step as `insert`.

        Only where `remembers` holds for its key.
        """
        assert self.remembers(fill.key), "the fill and every later booking are among the steps"
        undone: list[Step] = []
        while (step := self._undo()).fill.key != fill.key:
            undone.append(step)
        self.last_key = self.steps[-1].fill.key if self.steps else self.forgotten_key
        return step.matching, self._redo(undone)

    def _redo(self, undone: list[Step]) -> list[tuple[Step, Matching]]:
        redone = []
        for step in reversed(undone):
            matching = match(self, step.fill)
            self.add(step.fill, matching)
            redone.append((step, matching))
        return redone

    def replace_lots(self, lots: Iterable[Lot]) -> None:
        """Take lots as they were told, oldest first, and remember no step that led there."""
        self.lots = lots_for(self.basis, lots)
        self.forget_all(self.last_key)

    def forget_all(self, last_key: BookKey | None) -> None:
        """Remember no step: what comes late now is decided from history."""
        self.steps.clear()
        self.last_key = self.forgotten_key = last_key

    def _undo(self) -> Step:
        step = self.steps.pop()
        matching = step.matching
        self.lots.give_back(step.touched, matching.opened)
        if matching.opened is not None:
            self.quantity -= matching.opened.quantity
            self.cost -= matching.opened.cost
            self.fees -= matching.opened.fee
        for part in matching.closed:
            self.quantity += part.quantity
            self.cost += part.cost
            self.fees += part.opening_fee
        self.realised_gross -= matching.realised_gross
        self.realised_net -= matching.realised_net
        return step

    def _forget(self, newest: Fill) -> None:
        while len(self.steps) > STEPS_MIN:
            oldest = self.steps[0].fill
            is_timed = newest.executed_at is not None
            steps_max = STEPS_MAX if is_timed else STEPS_OF_UNTIMED_DAY_MAX
            if len(self.steps) <= steps_max and _is_near(oldest, newest):
                return
            self.forgotten_key = oldest.key
            del self.steps[0]


def _is_near(one: Fill, other: Fill) -> bool:
    """Say whether two fills are of one date and, where both say, within 10 s of each other."""
    if one.trade_date != other.trade_date:
        return False
    if one.executed_at is None or other.executed_at is None:
        return True
    return other.executed_at - one.executed_at <= REMEMBERED


def refold(fills: Iterable[Fill], basis: CostBasis) -> tuple[Book, list[tuple[Fill, Matching]]]:
    """Fold fills in book order from nothing; give the book and what each fill did."""
    book = Book(basis)
    steps: list[tuple[Fill, Matching]] = []
    for fill in sorted(fills, key=lambda each: each.key):
        matching = match(book, fill)
        book.add(fill, matching)
        steps.append((fill, matching))
    return book, steps


def lots_between(before: Iterable[Lot], after: Iterable[Lot]) -> tuple[int, int, list[Lot]]:
    """Give the one splice that turns lots into others: index, how many go, and what comes."""
    old, new = list(before), list(after)
    shorter = min(len(old), len(new))
    index = 0
    while index < shorter and old[index] == new[index]:
        index += 1
    same = 0
    while same < shorter - index and old[-1 - same] == new[-1 - same]:
        same += 1
    return index, len(old) - index - same, new[index : len(new) - same]
