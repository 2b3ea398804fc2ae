"""A portfolio on its way through one decision: what was decided is folded before the rest is."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal

from domain.book import Book, Entry, History, Refolded
from domain.instrument import Instrument
from domain.portfolio.entries import Entries, follow_entries
from domain.portfolio.events import PortfolioEvent, PortfolioOpened, book_of
from domain.portfolio.state import Portfolio

HistoryOf = Callable[[str], History]
"""Gives the history of an instrument's book in the portfolio."""

RateAt = Callable[[str, str, datetime], Decimal | None]
"""Gives units of one currency for one of another at an instant."""


class Working:
    """A twin of a portfolio, the events decided so far, and what else a decision needs to know.

    What was worked out to decide an event is left with the portfolio itself, which will fold it.
    `children` are instruments whose books a spin-off has changed: they may lack actions now.
    """

    def __init__(
        self,
        portfolio: Portfolio,
        *,
        history_of: HistoryOf,
        instrument_of: Callable[[str], Instrument | None],
        rate_at: RateAt,
    ) -> None:
        assert portfolio.opened is not None, "only an open portfolio has books"
        self.opened: PortfolioOpened = portfolio.opened
        self.events: list[PortfolioEvent] = []
        self.children: set[str] = set()
        self.portfolio = portfolio.fork()
        self._first_version = portfolio.version + 1
        self._original = portfolio
        self._history_of = history_of
        self._instrument_of = instrument_of
        self._rate_at = rate_at
        self._left: dict[str, Book] = {}

    @property
    def version(self) -> int:
        """The version at which the next event will stand."""
        return self.portfolio.version + 1

    def instrument(self, name: str) -> Instrument:
        """Give an instrument that is registered."""
        found = self._instrument_of(name)
        assert found is not None, "what is held is registered"
        return found

    def book(self, instrument: str) -> Book:
        """Give a book as it stands; not for changing."""
        return self.portfolio.book(instrument)

    def history(self, instrument: str) -> History:
        """Give the history of a book, what was decided here included."""
        told = self._history_of(instrument)

        def read(from_version: int) -> Iterable[tuple[int, Entry]]:
            entries: Entries = {
                entry.entry_id: (version, entry) for version, entry in told(from_version)
            }
            for version, event in enumerate(self.events, start=self._first_version):
                if book_of(event) == instrument and version >= from_version:
                    follow_entries(entries, version, event)
            return entries.values()

        return read

    def rate_on(self, currency: str, day: date) -> Decimal | None:
        """Give units of base for one of a currency at the start of a date."""
        return self.rate_at(currency, datetime.combine(day, time.min, UTC))

    def rate_at(self, currency: str, at: datetime) -> Decimal | None:
        """Give units of base for one of a currency at an instant."""
        return self._rate_at(currency, self.opened.base_currency, at)

    def fold(self, events: Sequence[PortfolioEvent]) -> None:
        """Fold what was decided."""
        for event in events:
            self.portfolio.apply(event)
        self.events += events

    def take(self, events: Sequence[PortfolioEvent], *, book: str, worked_out: Refolded) -> None:
        """Fold what was decided of a book, and remember how it was worked out.

        What is folded here changes the book that was worked out, so a copy is left: with the
        portfolio's own book, or with the copy that was left there before.
        """
        self.portfolio.book(book).worked_out = worked_out
        kept = worked_out._replace(after=worked_out.after.copy())
        left = self._left.get(book) or self._original.books.get(book)
        self._left[book] = kept.after
        self.fold(events)
        if left is not None:
            left.worked_out = kept
