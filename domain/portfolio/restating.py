"""Restating a book: what an entry in the middle of its order changes, told in pages."""

from collections.abc import Iterable
from typing import TypeVar

from domain.book import Book, Changes, Refolded
from domain.held import BookTotals
from domain.lots import Lot
from domain.money import within
from domain.portfolio.events import (
    CHANGES_PER_EVENT_MAX,
    LOTS_PER_EVENT_MAX,
    LotsRestated,
    RealisedChange,
)

Item = TypeVar("Item")


def totals_of(book: Book) -> BookTotals:
    """Give what a book comes to."""
    return BookTotals(
        quantity=within("quantity", book.quantity),
        cost=within("cost", book.cost),
        fees=within("fees", book.fees),
        realised_gross=within("realised_gross", book.realised_gross),
        realised_net=within("realised_net", book.realised_net),
    )


def _listed(changes: Changes) -> list[RealisedChange]:
    """List changes by date; dates without any are left out."""
    return [
        RealisedChange(day, within("realised_gross", gross), within("realised_net", net))
        for day, (gross, net) in sorted(changes.items())
        if gross or net
    ]


def restatement(
    portfolio: str, instrument: str, currency: str, before: Book, restating: Refolded
) -> list[LotsRestated]:
    """Tell, in pages, what an entry put in or taken out made of the lots, and of what followed."""
    totals = totals_of(restating.after)
    index, removed, lots = lots_between(before.lots, restating.after.lots)
    lot_pages = pages_of(lots, LOTS_PER_EVENT_MAX)
    change_pages = pages_of(_listed(restating.changes), CHANGES_PER_EVENT_MAX)
    pages = max(len(lot_pages), len(change_pages), 1)
    return [
        LotsRestated(
            portfolio=portfolio,
            instrument=instrument,
            currency=currency,
            from_trade_id=restating.entry.entry_id,
            from_date=restating.entry.key[0],
            page=number + 1,
            pages=pages,
            totals=totals,
            index=min(index + number * LOTS_PER_EVENT_MAX, index + len(lots)),
            removed=removed if number == 0 else 0,
            lots=tuple(lot_pages[number]) if number < len(lot_pages) else (),
            changes=tuple(change_pages[number]) if number < len(change_pages) else (),
        )
        for number in range(pages)
    ]


def pages_of(items: Iterable[Item], size: int) -> list[list[Item]]:
    """Cut what grows with history into pages; none where there is nothing."""
    listed = list(items)
    if len(listed) <= size:
        return [listed] if listed else []
    return [listed[start : start + size] for start in range(0, len(listed), size)]


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
