"""What has to hold of any log a desk wrote: the books it keeps, judged from the log alone."""

from domain.book import Book
from domain.portfolio.events import is_portfolio_event
from domain.portfolio.state import Portfolio
from eventstore.log import Log
from projections.as_of import Books
from projections.batches import decode_batch
from projections.content_checks import Bookkeeping
from projections.read_model import Decoded
from projections.verification import ignore_watch
from schemas.catalogue import EVENT_NAMES
from tests.domain.pages import require_pages_together


def require_books_kept(log: Log) -> None:
    """Verification finds nothing in what the desk wrote; facts folded anew give its state."""
    bookkeeping = Bookkeeping(log)
    bookkeeping.advance(log.head().position, ignore_watch)
    assert [str(check.difference) for check in bookkeeping.finish() if not check.ok] == []
    streams: dict[tuple[str, str], list[Decoded]] = {}
    for decoded in decode_batch(log.read(0, log.head().position), EVENT_NAMES).decoded:
        if is_portfolio_event(decoded.event):
            streams.setdefault((decoded.tenant, decoded.event.portfolio), []).append(decoded)
    assert streams
    for events in streams.values():
        told = [each.event for each in events if is_portfolio_event(each.event)]
        require_pages_together(told)
        state = Portfolio()
        for event in told:
            state.apply(event)
        books = Books(events)
        assert {row.currency: row.balance for row in books.balances() if row.balance} == {
            currency: amount for currency, amount in state.cash.items() if amount
        }
        views = books.positions(include_closed=True)
        kept = {name for name, book in state.books.items() if book.last_key is not None}
        gone = kept - {view.instrument for view in views}
        assert kept >= {view.instrument for view in views}
        assert all(is_empty(state.book(name)) for name in gone)  # All that stood there is gone.
        for view in views:
            book = state.book(view.instrument)
            assert (view.quantity, view.cost, view.fees) == (book.quantity, book.cost, book.fees)
            assert view.realised_gross == book.realised_gross
            assert view.realised_net == book.realised_net


def is_empty(book: Book) -> bool:
    """Say whether nothing is held, and nothing was realised."""
    return not any((book.quantity, book.cost, book.fees, book.realised_gross, book.realised_net))
