"""Snapshots: at any cut of any history, a snapshot and what follows it are the whole history."""

import hashlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from itertools import islice

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.book import trades
from domain.book import Book
from domain.lots import CostBasis
from domain.portfolio.events import PortfolioEvent
from domain.portfolio.state import Portfolio
from schemas import snapshots
from schemas.codec import encode
from schemas.snapshots import (
    BOOK_NOT_STORED,
    BOOK_REMEMBERED,
    BOOK_STORED,
    CALCULATION,
    FORM,
    PORTFOLIO_NOT_STORED,
    PORTFOLIO_STORED,
    decode_portfolio,
    encode_portfolio,
    require_readable,
)
from tests.domain.blotter import Blotter, Message
from tests.domain.pages import require_pages_together
from tests.domain.scenes import APPLE, FUND, Desk
from tests.domain.slots import described
from tests.domain.test_holder_laws import Story, holders
from tests.schemas.histories import OTHER_EVENTS, events_of, messages, narrow_bounds, ruled_over

Bounds = Callable[[], AbstractContextManager[None]]
bases = st.sampled_from(CostBasis)
bounds_met = st.sampled_from([nullcontext, narrow_bounds])

FOLDED_SO = {1: "a379b542e4666c42"}
"""By `CALCULATION`, the digest of what one history folds to."""


def folded(events: Iterable[PortfolioEvent], onto: Portfolio | None = None) -> Portfolio:
    """Fold events, onto what is there."""
    portfolio = Portfolio() if onto is None else onto
    for event in events:
        portfolio.apply(event)
    return portfolio


def restored(portfolio: Portfolio) -> Portfolio:
    """The same from its snapshot."""
    return decode_portfolio(encode_portfolio(portfolio))


class TestASnapshotAndWhatFollows:
    """The law of snapshots."""

    @settings(max_examples=300, deadline=None)
    @given(
        story=messages(),
        basis=bases,
        cut=st.floats(0, 1),
        places=st.lists(st.integers(0, 99), max_size=len(OTHER_EVENTS)),
        bounds=bounds_met,
    )
    def test_are_the_whole_history(
        self, story: list[Message], basis: CostBasis, cut: float, places: list[int], bounds: Bounds
    ) -> None:
        """Every slot of the portfolio and of its books, cut anywhere, between pages as well."""
        with bounds():
            blotter = Blotter(basis)
            blotter.tell(*story)
            events = ruled_over(events_of(blotter), places)
            place = round(cut * len(events))

            loaded = restored(folded(events[:place]))

            assert described(loaded) == described(folded(events[:place]))
            assert described(folded(events[place:], loaded)) == described(folded(events))

    @settings(max_examples=60, deadline=None)
    @given(told=holders, cut=st.floats(0, 1), bounds=bounds_met)
    def test_are_the_whole_history_of_a_holder(
        self, told: tuple[CostBasis, Story], cut: float, bounds: Bounds
    ) -> None:
        """With actions, transfers and changes of basis, all as they were decided."""
        basis, story = told
        with bounds():
            blotter = Blotter(basis, allows_short=True)
            blotter.tell(*story.messages)
            events = events_of(blotter)
            place = round(cut * len(events))

            loaded = restored(folded(events[:place]))

            require_pages_together(events)
            assert described(folded(events[place:], loaded)) == described(folded(events))

    @settings(max_examples=300, deadline=None)
    @given(story=messages(), basis=bases, loads=st.sets(st.integers(0, 30)), bounds=bounds_met)
    def test_decide_as_if_nothing_had_been_loaded(
        self, story: list[Message], basis: CostBasis, loads: set[int], bounds: Bounds
    ) -> None:
        """A desk that loads its portfolios again and again decides, byte for byte, the same."""
        with bounds():
            steady, loading = Blotter(basis), Blotter(basis)
            for number, message in enumerate(story):
                if number in loads:
                    loading.portfolios[FUND] = restored(loading.portfolios[FUND])
                steady.tell(message)
                loading.tell(message)

        assert [encode(each) for command in loading.commands for each in command] == [
            encode(each) for command in steady.commands for each in command
        ]
        assert described(loading.portfolios[FUND]) == described(steady.portfolios[FUND])

    @settings(max_examples=100, deadline=None)
    @given(story=messages(), basis=bases, bounds=bounds_met)
    def test_hold_what_the_events_alone_say(
        self, story: list[Message], basis: CostBasis, bounds: Bounds
    ) -> None:
        """What a desk worked out and what another only reads differ in what they remember."""
        with bounds():
            blotter = Blotter(basis)
            blotter.tell(*story)
            replayed = folded(events_of(blotter))

        held = restored(blotter.portfolios[FUND])

        assert described(held, remembered=False) == described(replayed, remembered=False)

    def test_leave_what_was_forked_alone(self) -> None:
        """A loaded portfolio is copied on write like any other, and writes itself again."""
        data = encode_portfolio(long_history(CostBasis.HIFO).portfolio)
        loaded = decode_portfolio(data)
        before = described(loaded)

        told = Desk(CostBasis.HIFO)
        told.portfolio = loaded.fork()
        told.take(*islice(trades(20), 300, 320))

        assert described(loaded) == before
        assert described(told.portfolio) != before
        assert encode_portfolio(loaded) == data


class TestCovering:
    """Whoever adds a slot says how it is stored, or that it is no state."""

    def test_every_slot_of_a_portfolio(self) -> None:
        """A slot forgotten would be as in a new portfolio after loading."""
        assert PORTFOLIO_STORED.isdisjoint(PORTFOLIO_NOT_STORED)
        assert set(Portfolio.__slots__) == PORTFOLIO_STORED | PORTFOLIO_NOT_STORED

    def test_every_slot_of_a_book(self) -> None:
        """A slot forgotten would not be there after loading."""
        assert BOOK_STORED.isdisjoint(BOOK_NOT_STORED)
        assert set(Book.__slots__) == BOOK_STORED | BOOK_NOT_STORED
        assert BOOK_REMEMBERED <= BOOK_STORED

    def test_the_meaning_of_what_is_stored(self) -> None:
        """The same events fold to the same state, or `CALCULATION` is another number.

        The form stands for shapes only. Where this fails and the same slots are meant to hold
        something else: raise `CALCULATION`, so that snapshots of the old meaning are not read. Then
        note the new digest, as where slots were added or removed.
        """
        shown = "".join(repr(described(long_history(basis).portfolio)) for basis in CostBasis)

        digest = hashlib.sha256(shown.encode()).hexdigest()[:16]

        assert {CALCULATION: digest} == FOLDED_SO


class TestTheForm:
    """Another shape has another form, so that its snapshots are not read."""

    def test_tells_fields_apart_that_are_of_one_type(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two numbers of a lot exchanged: written by place, the bytes would fit."""

        class Other:
            __struct_fields__ = ("trade_id", "trade_date", "cost", "quantity", "fee", "unit_cost")

        monkeypatch.setattr(snapshots, "Lot", Other)

        assert snapshots._form() != FORM

    def test_tells_calculations_apart(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The same shape may come to mean something else."""
        monkeypatch.setattr(snapshots, "CALCULATION", CALCULATION + 1)

        assert snapshots._form() != FORM

    def test_is_the_same_whatever_is_written_about_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A docstring costs nobody a replay."""
        monkeypatch.setattr(snapshots._Holding, "__doc__", "Something else.")

        assert snapshots._form() == FORM


class TestReading:
    """What is no snapshot is refused, and a book is not made before it is looked at."""

    @pytest.mark.parametrize("data", [b"", b"\x00", b"not a snapshot", b"\x96\x01\xc0"])
    def test_refuses_other_bytes(self, data: bytes) -> None:
        """Also those of a beginning."""
        with pytest.raises(msgspec.DecodeError):
            decode_portfolio(data)

    def test_refuses_a_book_that_is_none(self) -> None:
        """Said when it is written, not when somebody trades."""
        portfolio = long_history(CostBasis.FIFO).portfolio
        portfolio.books["BAD"] = snapshots.StoredBook((b"\x00", b"\x00"))

        with pytest.raises(msgspec.DecodeError):
            require_readable(encode_portfolio(portfolio))

    def test_makes_books_and_checkpoints_when_wanted(self) -> None:
        """Lots first; steps once it changes; a checkpoint's lots for what comes late."""
        book = restored(long_history(CostBasis.FIFO).portfolio).book(APPLE)

        assert set(dir(book)) >= {"lots", "steps"}
        assert not is_set(book, "lots")
        assert len(book.lots) == 20
        assert is_set(book, "quantity")
        assert not is_set(book, "steps")
        copied = book.copy()
        assert type(copied) is Book
        assert all(isinstance(point.lots, snapshots.StoredLots) for point in copied.checkpoints)

    def test_has_no_other_attribute(self) -> None:
        """A slot that snapshots leave out is an error at once."""
        book = restored(long_history(CostBasis.FIFO).portfolio).book(APPLE)

        with pytest.raises(AttributeError, match="another"):
            _ = book.another  # type: ignore[attr-defined]


def is_set(book: Book, slot: str) -> bool:
    """Say whether a slot has been filled."""
    try:
        object.__getattribute__(book, slot)
    except AttributeError:
        return False
    return True


def long_history(basis: CostBasis) -> Desk:
    """Three hundred fills, twenty lots open, one of them late."""
    told = Desk(basis)
    fills = list(islice(trades(20), 300))
    told.take(*fills[:150], *fills[151:], fills[150])
    return told
