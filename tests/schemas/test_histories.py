"""Histories that the laws of snapshots are held against: none that a desk could not have told."""

from tests.domain.blotter import Blotter
from tests.domain.scenes import APPLE, FIFO, SELL, TUESDAY, told
from tests.schemas.histories import OTHER_EVENTS, events_of, ruled_over
from tests.schemas.test_snapshots import folded


class TestAHistoryRuledOver:
    """Other events between those of trades."""

    def test_has_the_books_that_were_decided(self) -> None:
        """A change of basis once came between a late sale and its lots; the next sale failed.

        Folding alone failed, with a snapshot or without one; no desk tells anything there.
        """
        blotter = Blotter(FIFO)
        blotter.tell(
            told("t-1"),
            told("t-2", trade_date=TUESDAY),
            told("t-3", side=SELL),
            told("t-4", side=SELL, trade_date=TUESDAY),
        )
        events = events_of(blotter)
        decided = folded(events).book(APPLE)

        places = [[each] * len(OTHER_EVENTS) for each in range(len(events))]
        books = [folded(ruled_over(events, each)).book(APPLE) for each in places]

        for book in books:
            assert list(book.lots) == list(decided.lots)
            assert (book.basis, book.quantity, book.cost) == (FIFO, decided.quantity, decided.cost)
