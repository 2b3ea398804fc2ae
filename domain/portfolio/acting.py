"""Corporate actions on a holder: put into its books, taken out, and told again when they change.

Changes of cost basis are put into books by the same mechanism: when they are due, and concern one.

What an action makes of lots and cash is decided in `domain.corporate_actions`; here it becomes
events. A spin-off reaches into the child's book, where other actions may stand behind it.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from domain.basis_change import BasisChange
from domain.book import Book, Outcome, Refolded
from domain.book_order import BookKey
from domain.corporate_actions import Action, CashDividend, SpinOff, Terms, received_by_child
from domain.held import Applied, Due, Received
from domain.money import ZERO, within
from domain.portfolio.corporate_events import (
    CorporateActionApplied,
    CorporateActionUnapplied,
    LotsSpunOff,
)
from domain.portfolio.events import (
    LOTS_PER_EVENT_MAX,
    LotsRestated,
    PortfolioEvent,
    TradeBooked,
    TradeUnbooked,
)
from domain.portfolio.overdue import Acting, books_concerned, overdue
from domain.portfolio.rebasing import apply_basis
from domain.portfolio.restating import pages_of, restatement, totals_of
from domain.portfolio.transfer_events import LotsTransferredOut
from domain.portfolio.working import Working
from domain.refolding import with_entry, with_other, without
from domain.transfers import Given

NOTHING_DUE = Due(ZERO, ZERO, "", date.min)


def book_events(working: Working, name: str, events: Sequence[PortfolioEvent]) -> None:
    """Fold what a fill did, booked or taken out, and tell again the actions that it changed."""
    first, refolded = events[0], working.book(name).worked_out
    restates = isinstance(first, TradeUnbooked) or (
        isinstance(first, TradeBooked) and first.is_late
    )
    if not restates:
        working.fold(events)
        return
    assert refolded is not None, "what restates was worked out"
    working.take(events, book=name, worked_out=refolded)
    cascade(working, refolded)


def catch_up(working: Working, acting: Acting) -> None:
    """Decide all that is overdue in any book, as of today."""
    for name in sorted(books_concerned(working.portfolio, acting)):
        until = acting.today(working.instrument(name).calendar)
        catch_up_book(working, name, until=until)


def catch_up_book(
    working: Working, name: str, *, until: date, upcoming: BookKey | None = None
) -> None:
    """Decide, for one book, what `overdue` lists; each may bring the next about.

    So it is for the children whose books were changed meanwhile.
    """
    instrument, changes = working.instrument(name), working.portfolio.standing.basis_changes
    while found := overdue(
        instrument, working.book(name), changes=changes, until=until, upcoming=upcoming
    ):
        action = found[0]
        if isinstance(action, BasisChange):
            cascade(working, apply_basis(working, name, action))
            continue
        reason = instrument.reversed_actions.get(action.action)
        if reason is None:
            apply_action(working, action)
        else:
            take_back(working, action, reason=reason)
    while working.children:
        catch_up_book(working, working.children.pop(), until=until)


def apply_action(working: Working, action: Action) -> None:
    """Put an action into the book of its instrument."""
    name = action.instrument
    book = working.book(name)
    is_late = book.last_key is not None and action.key < book.last_key
    refolded = with_entry(book, action, working.history(name), version=working.version)
    now = _applied(refolded.own)
    event = _told(working, action, None, now, refolded.after, is_late=is_late)
    pages = _pages(working, action, book, refolded)
    working.take([event, *pages], book=name, worked_out=refolded)
    _spin_off(working, action, None, now)
    cascade(working, refolded)


def take_back(working: Working, action: Action, *, reason: str) -> None:
    """Take a reversed action out of the book of its instrument."""
    name = action.instrument
    book = working.book(name)
    refolded = without(book, action.entry_id, working.history(name), version=working.version)
    then = _applied(refolded.own)
    told = _told(working, action, then, None, refolded.after)
    event = CorporateActionUnapplied(
        portfolio=told.portfolio,
        instrument=name,
        currency=told.currency,
        terms=told.terms,
        totals=told.totals,
        reason=reason,
        quantity_change=told.quantity_change,
        cash_change=told.cash_change,
        cash_after=told.cash_after,
        realised_gross=told.realised_gross,
        realised_net=told.realised_net,
        gross_change=told.gross_change,
        withheld_change=told.withheld_change,
        rate_to_base=told.rate_to_base,
        due_rate_to_base=told.due_rate_to_base,
        last_fill=refolded.last_fill,
    )
    pages = _pages(working, action, book, refolded)
    working.take([event, *pages], book=name, worked_out=refolded)
    _spin_off(working, action, then, None)
    cascade(working, refolded)


def cascade(working: Working, refolded: Refolded) -> None:
    """Tell again the actions and transfers behind a changed place whose results are others now."""
    for entry, then, now in refolded.redone:
        if isinstance(entry, Given):
            _give_again(working, entry, then, now)
        if not isinstance(entry, Action) or _results(then) == _results(now):
            continue
        book = working.book(entry.instrument)
        event = _told(working, entry, then, now, book, is_restated=True)
        working.fold([event])
        _spin_off(working, entry, then, now)


def _give_again(working: Working, given: Given, then: Applied, now: Applied) -> None:
    """Say what lots that left, as other ones stand before them now, cost beyond what they did."""
    cost_change = (now.after.cost - now.before.cost) - (then.after.cost - then.before.cost)
    if not cost_change:
        return
    name = given.transfer.instrument
    event = LotsTransferredOut(
        portfolio=working.opened.portfolio,
        instrument=name,
        currency=working.instrument(name).currency,
        transfer=given.transfer,
        lots=given.lots,
        totals=totals_of(working.book(name)),
        cost_change=within("cost", cost_change),
        carried=within("cost", cost_change),
        is_restated=True,
        rate_to_base=working.rate_at(working.instrument(name).currency, given.transfer.moment),
    )
    working.fold([event])


def _results(applied: Applied) -> tuple[object, ...]:
    """Give what an action's event tells of it."""
    return (
        applied.before.quantity,
        applied.after.quantity,
        applied.cash,
        applied.due,
        applied.child,
        applied.in_lieu,
        applied.realised_gross,
        applied.realised_net,
    )


def _told(
    working: Working,
    action: Action,
    then: Applied | None,
    now: Applied | None,
    book: Book,
    *,
    is_late: bool = False,
    is_restated: bool = False,
) -> CorporateActionApplied:
    """Say what is new of an action since what was told `then`."""
    currency = working.instrument(action.instrument).currency
    in_book = not isinstance(action, SpinOff)  # A child's fraction is told in the child's book.
    cash = _cash(now) - _cash(then) if in_book else ZERO
    due, before = _due(now), _due(then)
    due_currency = action.currency if isinstance(action, CashDividend) else None
    return CorporateActionApplied(
        portfolio=working.opened.portfolio,
        instrument=action.instrument,
        currency=currency,
        terms=Terms.of(action),
        held=ZERO if now is None else now.before.quantity,
        totals=totals_of(book),
        quantity_change=within("quantity", _gained(now) - _gained(then)),
        cash_change=within("cash change", cash),
        cash_after=_after(working, currency, cash),
        realised_gross=within("realised_gross", _gross(now) - _gross(then)),
        realised_net=within("realised_net", _net(now) - _net(then)),
        due=None if now is None else now.due,
        gross_change=within("dividend", due.gross - before.gross),
        withheld_change=within("dividend", due.withheld - before.withheld),
        is_late=is_late,
        is_restated=is_restated,
        rate_to_base=working.rate_on(currency, action.ex_date),
        due_rate_to_base=None
        if due_currency is None
        else working.rate_on(due_currency, action.ex_date),
    )


def _spin_off(working: Working, action: Action, then: Applied | None, now: Applied | None) -> None:
    """Put into the child's book what came of its parent's lots, or what comes of them now."""
    if not isinstance(action, SpinOff):
        return
    book = working.book(action.child)
    entry = received_by_child(action, now)
    stands = entry.entry_id in book.entries
    cash = _cash(now) - _cash(then)
    if not entry.lots and not cash and not stands:
        return
    is_late = book.last_key is not None and entry.key < book.last_key
    put = with_other if stands else with_entry
    refolded = put(book, entry, working.history(action.child), version=working.version)
    events = _spun_off(working, action, entry, refolded, cash, is_late=is_late, stands=stands)
    currency = working.instrument(action.child).currency
    pages = restatement(working.opened.portfolio, action.child, currency, book, refolded)
    working.take([*events, *pages], book=action.child, worked_out=refolded)
    working.children.add(action.child)
    cascade(working, refolded)


def _spun_off(
    working: Working,
    action: SpinOff,
    entry: Received,
    refolded: Refolded,
    cash: Decimal,
    *,
    is_late: bool,
    stands: bool,
) -> list[LotsSpunOff]:
    now = _applied(refolded.own)
    then = None if refolded.was is None else _applied(refolded.was)
    currency = working.instrument(action.child).currency
    pages = pages_of(entry.lots, LOTS_PER_EVENT_MAX) or [[]]
    events = []
    for number, page in enumerate(pages, start=1):
        is_first = number == 1
        events.append(
            LotsSpunOff(
                portfolio=working.opened.portfolio,
                instrument=action.child,
                currency=currency,
                terms=Terms.of(action),
                page=number,
                pages=len(pages),
                totals=totals_of(refolded.after),
                lots=tuple(page),
                quantity_change=_gained(now) - _gained(then) if is_first else ZERO,
                cash_change=within("cash change", cash) if is_first else ZERO,
                cash_after=_after(working, currency, cash),
                realised_gross=_gross(now) - _gross(then) if is_first else ZERO,
                realised_net=_net(now) - _net(then) if is_first else ZERO,
                paid_gross=entry.realised_gross,
                paid_net=entry.realised_net,
                is_late=is_late,
                is_restated=stands,
                rate_to_base=working.rate_on(currency, action.ex_date),
            )
        )
    return events


def _pages(
    working: Working, action: Action, book: Book, refolded: Refolded
) -> Sequence[LotsRestated]:
    """Restate the lots; a dividend leaves them, and all that follows, as they are."""
    if isinstance(action, CashDividend):
        return []
    name = action.instrument
    currency = working.instrument(name).currency
    return restatement(working.opened.portfolio, name, currency, book, refolded)


def _applied(outcome: Outcome) -> Applied:
    assert isinstance(outcome, Applied), "an entry that is no fill is applied"
    return outcome


def _after(working: Working, currency: str, change: Decimal) -> Decimal:
    return within("cash", working.portfolio.balance(currency) + change)


def _gained(applied: Applied | None) -> Decimal:
    return ZERO if applied is None else applied.after.quantity - applied.before.quantity


def _cash(applied: Applied | None) -> Decimal:
    return ZERO if applied is None else applied.cash


def _gross(applied: Applied | None) -> Decimal:
    return ZERO if applied is None else applied.realised_gross


def _net(applied: Applied | None) -> Decimal:
    return ZERO if applied is None else applied.realised_net


def _due(applied: Applied | None) -> Due:
    return NOTHING_DUE if applied is None or applied.due is None else applied.due
