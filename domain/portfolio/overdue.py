"""What the books of a portfolio lack: corporate actions and changes of basis that are effective.

Both are put into a book only when they have to do with it, before anything else is decided there.
"""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from typing import NamedTuple

from domain.basis_change import BasisChange
from domain.book import Book
from domain.book_order import BookKey
from domain.calendars import local_date
from domain.corporate_actions import Action
from domain.instrument import Instrument
from domain.lots import Fill
from domain.portfolio.state import Portfolio


class Acting(NamedTuple):
    """What is known of corporate actions: instruments that have any, and how far time has come.

    `today` gives the business date of a calendar. `as_of` is another whenever one may have been
    declared or reversed, or a date may have begun: what was checked once need not be again.
    """

    instrument_of: Callable[[str], Instrument | None]
    names: AbstractSet[str] = frozenset()
    as_of: object = None
    today: Callable[[str], date] = lambda _: date.min

    def effective_until(self, calendar: str, *, dated: date, now: datetime) -> date:
        """Give the date up to which actions are effective for what is dated so, received `now`.

        A trade tells that its date has come, but not before that date has begun: a slip does not.
        """
        return max(self.today(calendar), min(dated, local_date(calendar, now)))


def overdue(
    instrument: Instrument,
    book: Book,
    *,
    changes: Iterable[BasisChange] = (),
    until: date,
    upcoming: BookKey | None = None,
) -> list[Action | BasisChange]:
    """List, in book order, what a book lacks, and the actions of its instrument it has too many.

    It lacks actions effective by a date that stand behind the first thing that ever stood in it,
    unless it is empty there and nothing stands behind them; `upcoming` is about to stand in it. It
    lacks changes of basis unless it is empty there; the first thing may stand behind them.
    """
    found: list[Action | BasisChange] = [
        change
        for change in changes
        if change.from_date <= until
        and change.entry_id not in book.entries
        and book.is_met(change.key, upcoming=upcoming)
    ]
    for action in instrument.actions.values():
        stands = action.entry_id in book.entries
        if action.action in instrument.reversed_actions:
            if stands:
                found.append(action)
        elif (
            not stands and action.ex_date <= until and book.concerns(action.key, upcoming=upcoming)
        ):
            found.append(action)
    return sorted(found, key=lambda each: each.key)


def is_behind(portfolio: Portfolio, acting: Acting) -> bool:
    """Say whether any book of a portfolio lacks what is effective, or has a reversed action."""
    changes = portfolio.standing.basis_changes
    if not (acting.names or changes):
        return False
    if portfolio.checked is not None and portfolio.checked == acting.as_of:
        return False
    for name in books_concerned(portfolio, acting):
        instrument = acting.instrument_of(name)
        assert instrument is not None, "what is held is registered"
        until, book = acting.today(instrument.calendar), portfolio.book(name)
        if overdue(instrument, book, changes=changes, until=until):
            return True
    portfolio.checked = acting.as_of
    return False


def books_concerned(portfolio: Portfolio, acting: Acting) -> AbstractSet[str]:
    """Name the books that may lack something: all of them once the basis changes."""
    books = portfolio.books.keys()
    return books if portfolio.standing.basis_changes else acting.names & books


def needs_acting(
    portfolio: Portfolio, acting: Acting, name: str, fill: Fill, *, now: datetime
) -> bool:
    """Say whether booking a fill has to do with corporate actions: before it, or behind it."""
    if is_behind(portfolio, acting):
        return True
    book = portfolio.book(name)
    if book.entries and book.is_late(fill):
        return True
    changes = portfolio.standing.basis_changes
    if name not in acting.names and not changes:
        return False
    instrument = acting.instrument_of(name)
    assert instrument is not None, "what is traded is registered"
    until = acting.effective_until(instrument.calendar, dated=fill.trade_date, now=now)
    if any(each.from_date <= until and each.entry_id not in book.entries for each in changes):
        return True
    first = fill.key if book.first_key is None else min(book.first_key, fill.key)
    return any(
        action.key > first and action.ex_date <= until and action.entry_id not in book.entries
        for action in instrument.actions.values()
        if action.action not in instrument.reversed_actions
    )
