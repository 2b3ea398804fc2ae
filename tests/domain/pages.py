"""What has to hold of any stream of a portfolio: pages of lots stand behind what they belong to."""

from collections.abc import Sequence
from itertools import pairwise

from domain.portfolio.events import LotsClosed, LotsRestated, PortfolioEvent, TradeBooked, book_of

Page = tuple[type[PortfolioEvent], int]


def require_pages_together(events: Sequence[PortfolioEvent]) -> None:
    """Each page comes right behind the one before it, the first behind what was told of its book.

    Folding needs it: between a late fill and its lots, a book is neither as before nor as after.
    """
    for before, event in pairwise(events):
        due, page = _due_behind(before), _page(event)
        assert page == due or due is None
        if page is not None:
            assert book_of(before) == book_of(event)
            assert due is not None or (page[1] == 1 and _page(before) is None)
    assert not events or _due_behind(events[-1]) is None


def _page(event: PortfolioEvent) -> Page | None:
    """Say which page an event is, where it is one."""
    if isinstance(event, LotsClosed | LotsRestated):
        return type(event), event.page
    return None


def _due_behind(event: PortfolioEvent) -> Page | None:
    """Say which page has to follow an event; behind some that change lots the first may."""
    match event:
        case LotsClosed() | LotsRestated():
            return (type(event), event.page + 1) if event.page < event.pages else None
        case TradeBooked(is_late=True):
            return LotsRestated, 1
        case TradeBooked():
            return (LotsClosed, 1) if event.closed_pages else None
        case _:
            return None
