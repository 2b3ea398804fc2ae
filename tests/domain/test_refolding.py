"""Late fills and busts far back: from the last checkpoint before them, as from all of history."""

from collections.abc import Iterable
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import book
from domain.book import Book
from domain.lots import CostBasis, Fill
from domain.portfolio.booking import book_fill, unbook_fill
from domain.portfolio.events import Reason, TradeBooked, TradeUnbooked
from domain.refolding import refold
from tests.domain.scenes import APPLE, MONDAY, NOON, bought, portfolio
from tests.domain.test_lot_laws import fill_lists

bases = st.sampled_from(CostBasis)


class Stream:
    """A portfolio and the versions at which its stream holds fills; it says what was read of it."""

    def __init__(self, basis: CostBasis) -> None:
        self.portfolio = portfolio(basis)
        self.fills: dict[UUID, tuple[int, Fill]] = {}
        self.given: list[int] = []

    def history(self, from_version: int) -> Iterable[tuple[int, Fill]]:
        """What stands at a version or later, and no more."""
        found = [each for each in self.fills.values() if each[0] >= from_version]
        self.given.append(len(found))
        return found

    def take(self, *fills: Fill) -> None:
        """Book fills as they arrive."""
        for fill in fills:
            events = book_fill(
                self.portfolio, instrument=APPLE, currency="USD", fill=fill,
                history=self.history, rate_to_base=None,
            )  # fmt: skip
            self._apply(events)

    def bust(self, fill: Fill) -> None:
        """Take a fill out again."""
        events = unbook_fill(
            self.portfolio, instrument=APPLE, currency="USD", trade_id=fill.trade_id,
            reason=Reason.BUSTED, history=self.history,
        )  # fmt: skip
        self._apply(events)

    def _apply(self, events: Iterable[object]) -> None:
        told = self.portfolio.fork()
        for event in events:
            self.portfolio.apply(event)  # type: ignore[arg-type]
            match event:
                case TradeBooked():
                    self.fills[event.fill.trade_id] = (self.portfolio.version, event.fill)
                case TradeUnbooked():
                    del self.fills[event.fill.trade_id]
        for event in events:
            told.apply(event)  # type: ignore[arg-type]
        assert contents(told.book(APPLE)) == contents(self.portfolio.book(APPLE))


def contents(held: Book) -> tuple[object, ...]:
    """What a book holds, whatever it remembers of how it came to it."""
    totals = (held.quantity, held.cost, held.fees, held.realised_gross, held.realised_net)
    return list(held.lots), totals, held.last_key


class TestFromACheckpoint:
    """The same as from the beginning."""

    @given(fills=fill_lists(max_size=40), basis=bases, seed=st.randoms())
    def test_folds_to_the_book_of_book_order(
        self, fills: list[Fill], basis: CostBasis, seed: Random
    ) -> None:
        """Any arrivals and busts, with a checkpoint every two fills and a short memory."""
        seed.shuffle(fills)
        with pytest.MonkeyPatch.context() as bounds:
            bounds.setattr(book, "CHECKPOINT_FILLS", 2)
            bounds.setattr(book, "STEPS_OF_UNTIMED_DAY_MAX", 3)
            bounds.setattr(book, "STEPS_MAX", 3)
            stream = Stream(basis)
            for fill in fills:
                stream.take(fill)
                if seed.random() < 0.3:
                    stream.bust(seed.choice([each for _, each in stream.fills.values()]))

                expected, _ = refold([each for _, each in stream.fills.values()], basis)
                held = stream.portfolio.book(APPLE)
                assert contents(held)[:2] == contents(expected)[:2]
                assert all(hold(point, stream, basis) for point in held.checkpoints)

    def test_reads_only_what_stands_behind_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A hundred fills late in a thousand: some hundreds are read, and so again."""
        monkeypatch.setattr(book, "CHECKPOINT_FILLS", 100)
        stream = Stream(CostBasis.FIFO)
        stream.take(*(minute(number) for number in range(1_000)))

        for number in (898, 897, 896):
            stream.take(late(number))

        assert len(stream.given) == 3
        assert max(stream.given) < 410

    def test_keeps_few_the_further_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Their number grows with the logarithm of the history."""
        monkeypatch.setattr(book, "CHECKPOINT_FILLS", 10)
        stream = Stream(CostBasis.FIFO)
        counts = []
        for start in (0, 300, 600):
            stream.take(*(minute(number) for number in range(start, start + 300)))
            counts.append(len(stream.portfolio.book(APPLE).checkpoints))

        assert 2 <= counts[0] <= 12
        assert counts[2] <= counts[0] + 4


def minute(number: int) -> Fill:
    """One fill a minute."""
    return bought(
        f"m-{number:05}", 1, 10, executed_at=NOON + timedelta(minutes=number), trade_date=MONDAY
    )


def late(number: int) -> Fill:
    """A fill some seconds behind one that was booked long ago."""
    at = NOON + timedelta(minutes=number, seconds=7)
    return bought(f"late-{number:05}", 1, 11, executed_at=at, trade_date=MONDAY)


def hold(point: book.Checkpoint, stream: Stream, basis: CostBasis) -> bool:
    """A checkpoint is the fold of what stands before it, and says where to find the rest."""
    before = [fill for _, fill in stream.fills.values() if fill.key <= point.key]
    later = [version for version, fill in stream.fills.values() if fill.key > point.key]
    expected, _ = refold(before, basis)
    totals = (point.quantity, point.cost, point.fees, point.realised_gross, point.realised_net)
    return (
        all(version >= point.from_version for version in later)
        and list(point.lots) == list(expected.lots)
        and totals == contents(expected)[1]
    )
