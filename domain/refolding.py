"""Putting a fill into its place in book order, or taking one out, and folding what is behind it.

From what the book remembers if that reaches back, else from its last checkpoint before the place.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from uuid import UUID

from domain.book import Book, Checkpoint, History, Refolded
from domain.book_order import BookKey
from domain.lots import CostBasis, Fill, Matching


def with_late(book: Book, late: Fill, history: History, *, version: int) -> Refolded:
    """Put a late fill in its place: from what the book remembers if that reaches, else history.

    `version` is that of the stream at which it will stand.
    """
    if book.remembers(late.key):
        after = book.copy()
        own, redone = after.insert(late)
        last = after.steps[-1].fill
        return Refolded(
            late, own, after, last, [(step.fill, step.matching, now) for step, now in redone]
        )
    kept = [each for each in book.checkpoints if each.key < late.key]
    tail = _behind(kept, history)
    place = bisect_left(tail, late.key, key=lambda each: each[1].key)
    before, after = _forked(book.basis, kept, tail, place, version)
    own = after.fold(late)
    return _go_on(before, after, late, own, tail, place, version)


def without(book: Book, trade_id: UUID, history: History, *, version: int) -> Refolded:
    """Take a fill out of its place: from what the book remembers if that reaches, else history."""
    found = next((step.fill for step in book.steps if step.fill.trade_id == trade_id), None)
    if found is not None and len(book.steps) > 1:
        after = book.copy()
        own, redone = after.remove(found)
        last = after.steps[-1].fill
        return Refolded(
            found, own, after, last, [(step.fill, step.matching, now) for step, now in redone]
        )
    for count in range(len(book.checkpoints), -1, -1):
        kept = book.checkpoints[:count]
        tail = _behind(kept, history)
        place = next((at for at, (_, fill) in enumerate(tail) if fill.trade_id == trade_id), None)
        # A fill has to stay behind the checkpoint: the last one is named.
        if place is not None and (len(tail) > 1 or not kept):
            before, after = _forked(book.basis, kept, tail, place, version)
            gone = tail.pop(place)[1]
            return _go_on(before, after, gone, before.fold(gone), tail, place, version)
    raise AssertionError("a fill that is taken out is in the book")


def _behind(kept: Sequence[Checkpoint], history: History) -> list[tuple[int, Fill]]:
    """List the fills that stand behind the last checkpoint, in book order, with their versions."""
    if not kept:
        return sorted(history(1), key=_key)
    last = kept[-1]
    return sorted((each for each in history(last.from_version) if each[1].key > last.key), key=_key)


def _forked(
    basis: CostBasis,
    kept: Sequence[Checkpoint],
    tail: Sequence[tuple[int, Fill]],
    place: int,
    version: int,
) -> tuple[Book, Book]:
    """Fold what stands before a place; give the book there twice."""
    book = Book.standing_at(basis, kept)
    from_versions = _from_versions(tail, version)
    for index in range(place):
        book.fold(tail[index][1])
        book.keep_checkpoint(from_versions[index + 1])
    return book, book.copy()


def _go_on(
    before: Book,
    after: Book,
    changed: Fill,
    own: Matching,
    tail: Sequence[tuple[int, Fill]],
    place: int,
    version: int,
) -> Refolded:
    """Fold what stands behind a place into both books."""
    from_versions = _from_versions(tail, version)
    redone = []
    for index in range(place, len(tail)):
        fill = tail[index][1]
        redone.append((fill, before.fold(fill), after.fold(fill)))
        after.keep_checkpoint(from_versions[index + 1])
    last_fill = after.steps[-1].fill if after.steps else None
    return Refolded(changed, own, after, last_fill, redone)


def _from_versions(tail: Sequence[tuple[int, Fill]], version: int) -> list[int]:
    """Give for each place the least version of the fills from there on, and of what comes."""
    least = list(accumulate((each for each, _ in reversed(tail)), min, initial=version))
    return least[::-1]


def _key(each: tuple[int, Fill]) -> BookKey:
    return each[1].key
