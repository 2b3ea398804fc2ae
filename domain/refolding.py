"""Putting an entry into its place in book order, or taking one out, and folding what is behind it.

From what the book remembers if that reaches back, else from its last checkpoint before the place.
Where very much is behind the place, somebody else may fold it meanwhile (`Prepared`).
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import accumulate
from typing import NamedTuple, TypeAlias, overload
from uuid import UUID

from domain.book import Book, Changes, Checkpoint, Entry, History, Outcome, Refolded, Step
from domain.book_order import BookKey
from domain.corporate_actions import Action
from domain.held import Applied, BookEntry
from domain.lots import CostBasis, Fill, Matching
from domain.money import ZERO
from domain.transfers import Given


class Put(NamedTuple):
    """An entry comes into a book, or in place of one told before under its name."""

    entry: Entry
    replaces: bool = False


class Out(NamedTuple):
    """An entry goes out of a book."""

    entry_id: UUID


Change: TypeAlias = Put | Out


class Prepared(NamedTuple):
    """What a change made of a book as it was told before `version`, and the book without it."""

    change: Change
    before: Book
    refolded: Refolded
    version: int
    disturbed: object


class LongHistory(Exception):
    """More is to be read than a decision may wait for; `instrument` says in which book."""

    def __init__(self, stream_id: UUID, instrument: str) -> None:
        super().__init__(f"the history of {instrument} is long")
        self.stream_id = stream_id
        self.instrument = instrument


class TakesLong(Exception):
    """A decision folds more than it may wait for: `change` is what is to be prepared of a book."""

    def __init__(self, long: LongHistory, change: Change) -> None:
        super().__init__(str(long))
        self.stream_id = long.stream_id
        self.instrument = long.instrument
        self.change = change


@overload
def refold(
    entries: Iterable[Fill], basis: CostBasis
) -> tuple[Book, list[tuple[Fill, Matching]]]: ...
@overload
def refold(
    entries: Iterable[Entry], basis: CostBasis
) -> tuple[Book, list[tuple[Entry, Outcome]]]: ...
def refold(
    entries: Iterable[Entry], basis: CostBasis
) -> tuple[Book, Sequence[tuple[Entry, Outcome]]]:
    """Fold entries in book order from nothing; give the book and what each did."""
    book = Book(basis)
    in_order = sorted(entries, key=lambda each: each.key)
    return book, [(entry, book.fold_entry(entry)) for entry in in_order]


def with_entry(book: Book, entry: Entry, history: History, *, version: int) -> Refolded:
    """Put an entry in its place: last, or from what the book remembers if that reaches, or history.

    `version` is that of the stream at which it will stand.

    Raises:
        TakesLong: history is too long to be folded at once.
    """
    if book.last_key is None or entry.key > book.last_key:
        after = book.copy()
        return Refolded(entry, after.fold_entry(entry), after, None, {}, [])
    if isinstance(entry, Fill) and book.remembers(entry.key):
        after = book.copy()
        matching, steps = after.insert(entry)
        return Refolded(entry, matching, after, after.steps[-1].fill, _changes_of(steps), [])
    return _changed(book, Put(entry), history, version)


def with_other(book: Book, entry: BookEntry, history: History, *, version: int) -> Refolded:
    """Put an entry in the place of one told before under its name; raises as `with_entry`."""
    return _changed(book, Put(entry, replaces=True), history, version)


def without(book: Book, entry_id: UUID, history: History, *, version: int) -> Refolded:
    """Take an entry out of its place: from what the book remembers if that reaches, else history.

    Raises:
        TakesLong: as `with_entry`.
    """
    found = next((step.fill for step in book.steps if step.fill.trade_id == entry_id), None)
    if found is not None and len(book.steps) > 1:
        after = book.copy()
        matching, steps = after.remove(found)
        return Refolded(found, matching, after, after.steps[-1].fill, _changes_of(steps), [])
    return _changed(book, Out(entry_id), history, version)


def prepare(book: Book, change: Change, history: History, *, version: int) -> Prepared:
    """Fold what a change of a book makes of all that stood in it before a version.

    The book is not for anybody else meanwhile. A decision that finds it as `book.prepared` goes on
    from there, if nothing but fills at its end came in between.
    """
    before, refolded = _folded(book, change, history, version)
    return Prepared(change, before, refolded, version, book.disturbed)


def _changed(book: Book, change: Change, history: History, version: int) -> Refolded:
    prepared = book.prepared
    try:
        if isinstance(prepared, Prepared) and prepared.change == change:
            found = _completed(prepared, book, history, version)
            if found is not None:
                return found
        return _folded(book, change, history, version)[1]
    except LongHistory as long:
        raise TakesLong(long, change) from long


def _completed(prepared: Prepared, book: Book, history: History, version: int) -> Refolded | None:
    """Fold what came since; None where that stands somewhere in what was prepared."""
    newer = sorted(history(prepared.version), key=_key)
    last_key = prepared.refolded.after.last_key
    if book.disturbed is not prepared.disturbed:
        return None
    if newer and last_key is not None and newer[0][1].key < last_key:
        return None
    before, after = prepared.before.copy(), prepared.refolded.after.copy()
    known = prepared.refolded
    last_fill, changes, redone = _go_on(before, after, newer, 0, version, known)
    return known._replace(
        after=after, last_fill=last_fill or known.last_fill, changes=changes, redone=redone
    )


def _folded(book: Book, change: Change, history: History, version: int) -> tuple[Book, Refolded]:
    """Fold a change from the last checkpoint before it; give the book without it, too."""
    if isinstance(change, Out):
        return _folded_without(book, change.entry_id, history, version)
    entry = change.entry
    kept = [each for each in book.checkpoints if each.key < entry.key]
    tail = _behind(kept, history)
    place = bisect_left(tail, entry.key, key=lambda each: each[1].key)
    before, after = _forked(book, kept, tail, place, version)
    was = None
    if change.replaces:
        assert tail[place][1].entry_id == entry.entry_id, "it stood where it stands"
        was = before.fold_entry(tail.pop(place)[1])
    own = after.fold_entry(entry)
    behind = _go_on(before, after, tail, place, version)
    return before, Refolded(entry, own, after, *behind, was)


def _folded_without(
    book: Book, entry_id: UUID, history: History, version: int
) -> tuple[Book, Refolded]:
    """Checkpoints from its place on are of no use; where nothing says where that is, try each."""
    for count in range(len(book.checkpoints), -1, -1):
        kept = book.checkpoints[:count]
        tail = _behind(kept, history)
        place = next((at for at, (_, each) in enumerate(tail) if each.entry_id == entry_id), None)
        # A fill has to stay behind the checkpoint: the last one is named.
        if place is not None and (not kept or _has_other_fill(tail, entry_id)):
            before, after = _forked(book, kept, tail, place, version)
            gone = tail.pop(place)[1]
            own = before.fold_entry(gone)
            after.entries.pop(entry_id, None)
            return before, Refolded(gone, own, after, *_go_on(before, after, tail, place, version))
    raise AssertionError("an entry that is taken out is in the book")


def _changes_of(steps: list[tuple[Step, Matching]]) -> Changes:
    changes: Changes = {}
    for step, now in steps:
        _add_change(changes, step.fill.trade_date, step.matching, now)
    return changes


def _add_change(changes: Changes, day: date, then: Outcome, now: Outcome) -> None:
    gross = now.realised_gross - then.realised_gross
    net = now.realised_net - then.realised_net
    if gross or net:
        known_gross, known_net = changes.get(day, (ZERO, ZERO))
        changes[day] = (known_gross + gross, known_net + net)


def _has_other_fill(tail: Sequence[tuple[int, Entry]], entry_id: UUID) -> bool:
    return any(isinstance(each, Fill) and each.trade_id != entry_id for _, each in tail)


def _behind(kept: Sequence[Checkpoint], history: History) -> list[tuple[int, Entry]]:
    """List what stands behind the last checkpoint, in book order, with its versions."""
    if not kept:
        return sorted(history(1), key=_key)
    last = kept[-1]
    return sorted((each for each in history(last.from_version) if each[1].key > last.key), key=_key)


def _forked(
    book: Book,
    kept: Sequence[Checkpoint],
    tail: Sequence[tuple[int, Entry]],
    place: int,
    version: int,
) -> tuple[Book, Book]:
    """Fold what stands before a place; give the book there twice, the second to go on from."""
    before = Book.standing_at(book.opening_basis, kept)
    from_versions = _from_versions(tail, version)
    for index in range(place):
        before.fold_entry(tail[index][1])
        before.keep_checkpoint(from_versions[index + 1], coming=len(tail) - index - 1)
    after = before.copy()
    after.entries, after.first_key = book.entries.copy(), book.first_key
    return before, after


class _Behind(NamedTuple):
    """What stands behind a changed place: see `Refolded`."""

    last_fill: Fill | None
    changes: Changes
    redone: list[tuple[Entry, Applied, Applied]]


def _go_on(
    before: Book,
    after: Book,
    tail: Sequence[tuple[int, Entry]],
    place: int,
    version: int,
    known: Refolded | None = None,
) -> _Behind:
    """Fold what stands behind a place into both books; what is known already comes before it."""
    from_versions = _from_versions(tail, version)
    changes: Changes = {} if known is None else known.changes.copy()
    redone = [] if known is None else known.redone.copy()
    for index in range(place, len(tail)):
        entry = tail[index][1]
        then, now = before.pass_over(entry), after.fold_entry(entry)
        if isinstance(entry, Action | Given):
            assert isinstance(then, Applied), "an entry that is no fill is applied"
            assert isinstance(now, Applied), "an entry that is no fill is applied"
            redone.append((entry, then, now))
        else:
            day = entry.trade_date if isinstance(entry, Fill) else entry.key[0]
            _add_change(changes, day, then, now)
        after.keep_checkpoint(from_versions[index + 1], coming=len(tail) - index - 1)
    last_fill = next((each for _, each in reversed(tail) if isinstance(each, Fill)), None)
    return _Behind(last_fill, changes, redone)


def _from_versions(tail: Sequence[tuple[int, Entry]], version: int) -> list[int]:
    """Give for each place the least version of the entries from there on, and of what comes."""
    least = list(accumulate((each for each, _ in reversed(tail)), min, initial=version))
    return least[::-1]


def _key(each: tuple[int, Entry]) -> BookKey:
    return each[1].key
