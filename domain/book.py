"""The book of one instrument in one portfolio: lots and totals, folded in book order.

What stands in it are fills, and entries that change what is held in another way (`BookEntry`). A
book remembers its last few bookings, so that a fill late by a few of them is put in its place
without reading history: they are undone, and folded again behind it. Of what lies further back it
keeps checkpoints, the further the fewer, so that only what stands behind one is read and folded.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from domain.basis_change import BasisChange
from domain.book_order import BookKey
from domain.held import Applied, BookEntry, Held
from domain.lots import CostBasis, Fill, Lot, Matching, match
from domain.money import ZERO
from domain.open_lots import Touched, lots_for

STEPS_MAX = 64
STEPS_OF_UNTIMED_DAY_MAX = 512
STEPS_MIN = 2
REMEMBERED = timedelta(seconds=10)
CHECKPOINT_FILLS = 64
"""Least number of fills between two checkpoints."""

CHECKPOINT_THIN = 16
"""Of so many entries still to be folded, one checkpoint is worth its making."""

CHECKPOINT_LOTS = 16
"""At most so many lots are copied a fill: a book of very many lots keeps fewer checkpoints."""

Entry: TypeAlias = Fill | BookEntry
"""What stands in a book, at its place in book order."""

Outcome: TypeAlias = Matching | Applied
"""What an entry did to a book."""

Changes: TypeAlias = dict[date, tuple[Decimal, Decimal]]
"""Realised parts, gross and net, by date."""

History: TypeAlias = Callable[[int], Iterable[tuple[int, Entry]]]
"""Gives the entries told at a version of the portfolio's stream or later, each with its version;
those taken out again are left out, of two told under one name the later counts."""


class Step(msgspec.Struct, frozen=True, gc=False):
    """One booking: its fill, what it did, and the lots it touched as they were before."""

    fill: Fill
    matching: Matching
    touched: tuple[Touched, ...]


class Checkpoint(msgspec.Struct, frozen=True, gc=False):
    """A book as it stood behind a place in book order, after so many entries.

    Every entry that stands later was told at `from_version` of its stream, or after it.
    """

    key: BookKey
    from_version: int
    folded: int
    lots: Sequence[Lot]
    quantity: Decimal
    cost: Decimal
    fees: Decimal
    realised_gross: Decimal
    realised_net: Decimal
    basis: CostBasis


class Book:
    """The open lots of one instrument, their totals, and the last steps that led there.

    Steps are fills. `entries` are the places of all other entries that stand in it, `first_key` the
    earliest place at which anything but a change of basis ever stood. `disturbed` is another object
    whenever something did not come at its end; `prepared` is what was folded ahead
    (`domain.refolding`), no state.
    """

    __slots__ = (
        "basis",
        "checkpoints",
        "cost",
        "disturbed",
        "entries",
        "fees",
        "first_key",
        "folded",
        "forgotten_key",
        "last_key",
        "lots",
        "opening",
        "opening_basis",
        "prepared",
        "quantity",
        "realised_gross",
        "realised_net",
        "restating",
        "steps",
        "worked_out",
    )

    def __init__(self, basis: CostBasis) -> None:
        self.basis = self.opening_basis = basis
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
        self.folded = 0
        self.checkpoints: list[Checkpoint] = []
        self.worked_out: Refolded | None = None
        self.entries: dict[UUID, BookKey] = {}
        self.first_key: BookKey | None = None
        self.disturbed = object()
        self.prepared: object = None

    @classmethod
    def standing_at(cls, basis: CostBasis, checkpoints: Sequence[Checkpoint]) -> "Book":
        """Give the book as it stood at the last of some checkpoints; empty where there is none."""
        book = cls(basis)
        if checkpoints:
            last = checkpoints[-1]
            book.basis = last.basis
            book.lots = lots_for(last.basis, last.lots)
            book.quantity, book.cost, book.fees = last.quantity, last.cost, last.fees
            book.realised_gross, book.realised_net = last.realised_gross, last.realised_net
            book.folded = last.folded
            book.checkpoints = list(checkpoints)
            book.last_key = book.forgotten_key = last.key
        return book

    def copy(self) -> "Book":
        """Copy the book; lots and steps themselves are immutable and shared.

        What was worked out goes with the copy: whoever takes it from there changes it.
        """
        twin = Book.__new__(Book)
        twin.basis = self.basis
        twin.opening_basis = self.opening_basis
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
        twin.folded = self.folded
        twin.checkpoints = self.checkpoints.copy()
        twin.worked_out, self.worked_out = self.worked_out, None
        twin.entries = self.entries.copy() if self.entries else {}
        twin.first_key = self.first_key
        twin.disturbed, twin.prepared = self.disturbed, self.prepared
        return twin

    def held(self) -> Held:
        """Give what it holds now."""
        return Held(self.basis, tuple(self.lots), self.quantity, self.cost, self.fees)

    def in_closing_order(self, fill: Fill) -> Iterator[Lot]:
        """List the open lots as a fill takes them."""
        return self.lots.in_closing_order(fill)

    def is_late(self, fill: Fill) -> bool:
        """Say whether a fill stands before the last booking in book order."""
        return self.last_key is not None and fill.key < self.last_key

    def concerns(self, key: BookKey, *, upcoming: BookKey | None = None) -> bool:
        """Say whether a place `is_met`, and not before the first thing that ever stood."""
        firsts = [each for each in (self.first_key, upcoming) if each is not None]
        return bool(firsts) and key >= min(firsts) and self.is_met(key, upcoming=upcoming)

    def is_met(self, key: BookKey, *, upcoming: BookKey | None = None) -> bool:
        """Say whether something is held, or stands behind a place; `upcoming` will soon."""
        lasts = [each for each in (self.last_key, upcoming) if each is not None]
        return bool(self.quantity) or (bool(lasts) and key < max(lasts))

    def remembers(self, key: BookKey) -> bool:
        """Say whether every booking behind this place is among the steps."""
        return self.forgotten_key is None or self.forgotten_key < key

    def add(self, fill: Fill, matching: Matching) -> None:
        """Fold a fill that stands last in book order."""
        touched = self._take(matching)
        self.folded += 1
        self.worked_out = None
        if self.last_key is None or self.entries:  # Perhaps no fill stands; what did is gone.
            self.note_first(fill.key)
        self.last_key = fill.key
        self.steps.append(Step(fill, matching, touched))
        self._forget(fill)

    def _take(self, matching: Matching) -> tuple[Touched, ...]:
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
        return self.lots.take(matching.closed, matching.opened)

    def pass_over(self, entry: Entry) -> Outcome:
        """Fold an entry into a book of which nobody asks how it came so: no step, no last place."""
        if not isinstance(entry, Fill):
            return self.fold_entry(entry)
        matching = match(self, entry)
        self._take(matching)
        return matching

    def fold(self, fill: Fill) -> Matching:
        """Match and add a fill that stands last in book order."""
        matching = match(self, fill)
        self.add(fill, matching)
        return matching

    def fold_entry(self, entry: Entry) -> Outcome:
        """Fold whatever stands last in book order; behind an entry no step is remembered."""
        if isinstance(entry, Fill):
            return self.fold(entry)
        applied = entry.applied_to(self.held())
        after = applied.after
        self.basis = after.basis
        self.lots = lots_for(after.basis, after.lots)
        self.quantity, self.cost, self.fees = after.quantity, after.cost, after.fees
        self.realised_gross += applied.realised_gross
        self.realised_net += applied.realised_net
        self.folded += 1
        self.place(entry)
        self.forget_all(entry.key)
        return applied

    def place(self, entry: BookEntry) -> None:
        """Note that an entry that is no fill stands at its place."""
        self.entries[entry.entry_id] = entry.key
        if not isinstance(entry, BasisChange):  # It stands before all that the book ever held.
            self.note_first(entry.key)

    def note_first(self, key: BookKey) -> None:
        """Note a place at which something stands, or stood."""
        if self.first_key is None or key < self.first_key:
            self.first_key = key

    def insert(self, fill: Fill) -> tuple[Matching, list[tuple[Step, Matching]]]:
        """Fold a late fill in its place; give what it did, and what each later step did and does.

        Only where `remembers` holds for its key.
        """
        assert self.remembers(fill.key), "every later booking is among the steps"
        undone: list[Step] = []
        while self.steps and fill.key < self.steps[-1].fill.key:
            undone.append(self._undo())
        self.forget_checkpoints(fill.key)
        self.note_first(fill.key)
        return self.fold(fill), self._redo(undone)

    def remove(self, fill: Fill) -> tuple[Matching, list[tuple[Step, Matching]]]:
        """Take a fill out of its place; give what it had done, and each later step as `insert`.

        Only where `remembers` holds for its key.
        """
        assert self.remembers(fill.key), "the fill and every later booking are among the steps"
        undone: list[Step] = []
        while (step := self._undo()).fill.key != fill.key:
            undone.append(step)
        self.forget_checkpoints(fill.key)
        self.last_key = self.steps[-1].fill.key if self.steps else self.forgotten_key
        return step.matching, self._redo(undone)

    def _redo(self, undone: list[Step]) -> list[tuple[Step, Matching]]:
        return [(step, self.fold(step.fill)) for step in reversed(undone)]

    def replace_lots(self, lots: Iterable[Lot]) -> None:
        """Take lots as they were told, oldest first, and remember no step that led there."""
        self.lots = lots_for(self.basis, lots)
        self.forget_all(self.last_key)

    def keep_checkpoint(self, from_version: int, *, coming: int = 0) -> None:
        """Keep how the book stands now, if enough was folded since the last one.

        What has many entries still `coming` would not be kept for long, so fewer are made.
        Of three of which the outer ones are nearer to each other than to now, the middle one goes.
        """
        kept = self.checkpoints
        spacing = max(
            CHECKPOINT_FILLS, len(self.lots) // CHECKPOINT_LOTS, coming // CHECKPOINT_THIN
        )
        if self.folded - (kept[-1].folded if kept else 0) < spacing:
            return
        assert self.last_key is not None, "something was folded"
        numbers = (self.quantity, self.cost, self.fees, self.realised_gross, self.realised_net)
        kept.append(
            Checkpoint(
                self.last_key, from_version, self.folded, tuple(self.lots), *numbers, self.basis
            )
        )
        for index in range(len(kept) - 2, 0, -1):
            if (
                kept[index + 1].folded - kept[index - 1].folded
                < self.folded - kept[index + 1].folded
            ):
                del kept[index]

    def forget_checkpoints(self, key: BookKey) -> None:
        """Keep only those before a place at which something changes."""
        while self.checkpoints and self.checkpoints[-1].key >= key:
            self.checkpoints.pop()

    def forget_all(self, last_key: BookKey | None) -> None:
        """Remember no step: what comes late now is decided from history."""
        self.worked_out = None
        self.steps.clear()
        self.last_key = self.forgotten_key = last_key

    def _undo(self) -> Step:
        step = self.steps.pop()
        self.folded -= 1
        self.worked_out = None
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


class Refolded(NamedTuple):
    """An entry put in its place, or taken out of it, and everything behind it folded again.

    `own` is what it does or did itself, `was` what one did that it replaced, `last_fill` the fill
    last in the book `after`. Of what is behind: `redone` are actions and transfers, with what each
    did and does; `changes` sum by date what all others now realise beyond what they did.
    """

    entry: Entry
    own: Outcome
    after: Book
    last_fill: Fill | None
    changes: Changes
    redone: list[tuple[Entry, Applied, Applied]]
    was: Outcome | None = None
