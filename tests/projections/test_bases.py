"""Positions under every cost basis, read from the log at the position of `positions`."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, get_args

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.corporate_actions import SpinOff, Split
from domain.correcting import Amend
from domain.lots import CostBasis, Side
from domain.portfolio.entries import EntryTold
from domain.side_by_side import (
    Passed,
    Totals,
    as_booked,
    in_book_order,
    passed_as_booked,
    passed_under,
    totals_under,
)
from domain.trade import Capture
from domain.transfers import Transfer
from eventstore.log import Log
from projections import bases, basis_lines
from projections.as_of import positions_as_of
from projections.asking import HistoryTooLong, Readable
from projections.audit import told_until
from projections.bases import Booking, SideBySide, bases_of
from projections.basis_lines import ExplainedBasis, Line, explained_basis, lines_passed
from projections.paging import CursorInvalid, Page
from projections.position_lines import LineKind, explained_position
from projections.positions.model import Positions
from projections.positions.queries import positions_of
from projections.read_model import ReadModel
from tests.domain.blotter import (
    LATER,
    OTHER_FUND,
    Blotter,
    Bust,
    Day,
    Declaration,
    Message,
    Rebasing,
    Registration,
)
from tests.domain.scenes import ACME, APPLE, FUND, MONDAY, told
from tests.domain.test_holder_laws import Story as Told
from tests.domain.test_holder_laws import holders
from tests.projections.acted import ActedStory

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]
TUESDAY, WEDNESDAY, THURSDAY = (MONDAY + timedelta(days=number) for number in (1, 2, 3))
FIGURES = ("quantity", "cost", "fees", "realised_gross", "realised_net")


def trade(name: str, quantity: int, price: int, **changes: object) -> Capture:
    """Buy with a fee of one, or sell what is below zero."""
    side = Side.BUY if quantity > 0 else Side.SELL
    return told(
        name,
        side=side,
        quantity=Decimal(abs(quantity)),
        price=Decimal(price),
        fee=Decimal(1),
        **changes,
    )


MESSAGES: list[Message] = [
    Registration(),
    trade("t-1", 10, 10),
    trade("t-2", 10, 30),
    trade("t-3", 10, 20),
    trade("t-4", -4, 40),
    trade("t-5", 7, 99),
    Declaration(
        SpinOff(
            action="spin", instrument=APPLE, ex_date=TUESDAY, child=LATER, new=1, old=3,
            cost_share=Decimal("0.3"), fraction_price=Decimal(9),
        )
    ),
    Declaration(Split(action="split", instrument=APPLE, ex_date=WEDNESDAY, new=3, old=2)),
    Day(WEDNESDAY),
    Bust("t-5"),
    Rebasing(CostBasis.LIFO, THURSDAY),
    Day(THURSDAY),
    trade("t-6", -9, 33, trade_date=THURSDAY),
    trade("t-7", -2, 50, instrument=LATER, trade_date=WEDNESDAY),
    Transfer(
        transfer="m-1", portfolio=FUND, to_portfolio=OTHER_FUND, instrument=APPLE,
        trade_date=THURSDAY, quantity=Decimal(5),
    ),
    Amend(1, trade("t-4", -6, 41)),
]  # fmt: skip


@pytest.fixture
def acted(log: Log, fold: FoldAll) -> ActedStory:
    """Trades, a spin-off, a split, a change of basis, a transfer, a bust and a late amend."""
    went = ActedStory(CostBasis.HIFO)
    went.tell(*MESSAGES)
    went.story.append_to(log)
    fold(Positions())
    return went


def asked(connection: Connection, portfolio: str = FUND, **how: Any) -> Page[SideBySide]:
    """Ask of one portfolio."""
    return bases_of(Readable(connection), tenant=ACME, portfolio=portfolio, **how)


@pytest.mark.usefixtures("acted")
class TestTheBookedLine:
    """The first of each position."""

    @pytest.mark.parametrize("portfolio", [FUND, OTHER_FUND])
    def test_is_the_row_of_positions(self, connection: Connection, portfolio: str) -> None:
        """Every figure, and the position that both are of."""
        page = asked(connection, portfolio, include_closed=True)
        rows = positions_of(
            Readable(connection), tenant=ACME, portfolio=portfolio, include_closed=True
        )

        assert page.position == rows.position
        assert len(page.rows) == len(rows.rows) > 0
        for view, row in zip(page.rows, rows.rows, strict=True):
            booked = view.lines[0]
            assert booked.booking is Booking.BOOKED
            assert [getattr(booked, name) for name in FIGURES] == [
                getattr(row, name) for name in FIGURES
            ]
            assert (booked.cost_basis, booked.average_cost) == (row.cost_basis, row.average_cost)
            assert booked.unrealised_gross == row.unrealised_gross

    def test_is_that_of_a_date(self, connection: Connection) -> None:
        """As `/positions` says what is valid then; not valued."""
        for day in (MONDAY, TUESDAY, WEDNESDAY, THURSDAY):
            page = asked(connection, valid_at=day)
            then = positions_as_of(Readable(connection), tenant=ACME, portfolio=FUND, valid_at=day)

            assert then is not None
            found = [[getattr(view.lines[0], name) for name in FIGURES] for view in page.rows]
            assert found == [[getattr(row, name) for name in FIGURES] for row in then.rows]
            assert {line.unrealised_gross for view in page.rows for line in view.lines} == {None}


@pytest.mark.usefixtures("acted")
class TestTheOtherLines:
    """What is not booked."""

    def test_are_of_every_basis_that_needs_no_names(self, connection: Connection) -> None:
        """The one in force from Thursday on too, as if it had been so from the beginning."""
        apple, later = asked(connection).rows

        assert apple.is_rebased
        assert [line.cost_basis for line in apple.lines] == [
            "LIFO",
            "FIFO",
            "LIFO",
            "HIFO",
            "AVERAGE",
        ]
        assert {line.booking for line in later.lines[1:]} == {Booking.NOT_BOOKED}

    def test_hold_and_earn_as_much(self, connection: Connection) -> None:
        """Gross, with what a spin-off and a transfer moved; the lots of the child are their own."""
        for view in asked(connection).rows:
            assert len({line.quantity for line in view.lines}) == 1
            earned = {line.realised_gross - line.cost + line.moved_cost for line in view.lines}
            assert len(earned) == 1
            assert len({line.cost for line in view.lines}) > 1


@pytest.mark.usefixtures("acted")
class TestPages:
    """Bounded by rows and by facts."""

    def test_follow_each_other(self, connection: Connection) -> None:
        """One position a page, and a cursor that only this question takes."""
        first = asked(connection, limit=1)
        second = asked(connection, limit=1, cursor=first.next_cursor)

        assert [*first.rows, *second.rows] == asked(connection).rows
        assert second.next_cursor is None
        with pytest.raises(CursorInvalid):
            asked(connection, limit=1, cursor=first.next_cursor, include_closed=True)

    def test_end_early_where_more_is_to_be_folded(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The next page goes on; what alone is too long is refused."""
        whole = asked(connection).rows
        of_apple = list(
            told_until(
                Readable(connection), asked(connection).position, tenant=ACME, portfolio=FUND,
                kinds=get_args(EntryTold), instrument=APPLE,
            )
        )  # fmt: skip
        monkeypatch.setattr(bases, "FACTS_MAX", len(of_apple))
        first = asked(connection)

        assert first.rows == whole[:1]
        assert first.next_cursor is not None
        monkeypatch.setattr(bases, "FACTS_MAX", 3)
        assert asked(connection).rows == whole[:1]
        monkeypatch.setattr(bases, "ENTRIES_MAX", 3)
        with pytest.raises(HistoryTooLong):
            asked(connection)

    def test_are_the_same_read_one_by_one(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As books are that are too long to be read together."""
        together = asked(connection)
        monkeypatch.setattr(bases, "TOGETHER_MAX", 0)

        assert asked(connection) == together

    def test_of_one_instrument_and_of_nothing(self, connection: Connection) -> None:
        """By name; what was never held is not there, nor is a stranger's portfolio."""
        assert [view.position.instrument for view in asked(connection, instrument=LATER).rows] == [
            LATER
        ]
        assert asked(connection, instrument="NONE").rows == []
        assert bases_of(Readable(connection), tenant="globex", portfolio=FUND).rows == []


def opened(
    connection: Connection, portfolio: str = FUND, instrument: str = APPLE, **how: Any
) -> tuple[ExplainedBasis | None, Page[Line]]:
    """Open one position."""
    return explained_basis(
        Readable(connection), tenant=ACME, portfolio=portfolio, instrument=instrument, **how
    )


class TestAnyLines:
    """Whatever came in which order."""

    @settings(max_examples=60, deadline=None)
    @given(held=holders, other=st.sampled_from(CostBasis))
    def test_add_up_to_the_totals(self, held: tuple[CostBasis, Told], other: CostBasis) -> None:
        """Booked or not; what was closed realised what the line says."""
        basis, story = held
        blotter = Blotter(basis, allows_short=True)
        blotter.tell(*story.messages)

        for portfolio in (FUND, OTHER_FUND):
            books = {
                name: [entry for _, entry in entries.values()]
                for (place, name), entries in blotter.entries.items()
                if place == portfolio
            }
            placed = in_book_order(books)
            under = totals_under(other, placed)
            for name, entries in books.items():
                passed = (each for book, each in passed_under(other, placed) if book == name)
                assert_adds_up(passed, under.get(name, bases.NOTHING))
                _, booked = as_booked(entries, basis)
                assert_adds_up(passed_as_booked(entries, basis), booked)


def assert_adds_up(passed: Iterable[Passed], totals: Totals) -> None:
    """Each line's figures are those before it and its own change; the last are the totals."""
    before = bases.NOTHING
    for line, _ in lines_passed(passed, lambda _: 1):
        sums = [one + two for one, two in zip(before, line.change, strict=True)]
        assert list(line.after) == sums
        before = line.after
        if line.kind is not LineKind.SPUN_OFF:  # Its fraction was closed before it came.
            realised = sum((part.realised_gross for part in line.closed), Decimal(0))
            assert realised == line.change.realised_gross
    assert before == totals


@pytest.mark.usefixtures("acted")
class TestTheLines:
    """What a line of a position is made of."""

    @pytest.mark.parametrize("valid_at", [None, MONDAY, TUESDAY, WEDNESDAY, THURSDAY])
    @pytest.mark.parametrize("portfolio", [FUND, OTHER_FUND])
    def test_add_up_to_each_line(
        self, connection: Connection, portfolio: str, valid_at: date | None
    ) -> None:
        """Booked and not, now and of a date, with their events; lots to what is held."""
        page = asked(connection, portfolio, include_closed=True, valid_at=valid_at)
        for view in page.rows:
            for line in view.lines:
                is_booked = line.booking is Booking.BOOKED
                found, lines = opened(
                    connection, portfolio, view.position.instrument, valid_at=valid_at,
                    cost_basis=None if is_booked else line.cost_basis,
                )  # fmt: skip

                assert found is not None
                assert lines.position == page.position
                assert found.total == line
                for figure in (*FIGURES, "moved_cost"):
                    changes = [getattr(each.change, figure) for each in lines.rows]
                    assert sum(changes) == getattr(line, figure)
                sums = [
                    sum(getattr(lot, name) for lot in found.lots)
                    for name in ("quantity", "cost", "fee")
                ]
                assert sums == [line.quantity, line.cost, line.fees]
                assert all(0 < each.event <= page.position for each in lines.rows)

    def test_are_those_of_the_position_where_it_is_booked(self, connection: Connection) -> None:
        """Line by line, with the value and what told the price."""
        found, page = opened(connection)
        explained, lines = explained_position(
            Readable(connection), tenant=ACME, portfolio=FUND, instrument=APPLE
        )

        assert found is not None
        assert explained is not None
        assert (found.row, found.price_event) == (explained.row, explained.price_event)
        for line, other in zip(page.rows, lines.rows, strict=True):
            assert (line.event, line.kind, line.closed) == (other.event, other.kind, other.closed)
            assert (line.change[:5], line.after[:5]) == (other.change, other.after)

    def test_of_a_child_are_told_by_what_gave_it(self, connection: Connection) -> None:
        """Lots of a spin-off under another basis: those of the parent, of the booked event."""
        _, booked = opened(connection, instrument=LATER)
        found, other = opened(connection, instrument=LATER, cost_basis=CostBasis.LIFO)

        assert found is not None
        assert [(line.kind, line.event) for line in other.rows] == [
            (line.kind, line.event) for line in booked.rows if line.kind is not LineKind.COST_BASIS
        ]
        assert other.rows[0].kind is LineKind.SPUN_OFF
        assert other.rows[0].change.cost != booked.rows[0].change.cost

    def test_of_pages_are_of_the_first_ones_position(self, connection: Connection) -> None:
        """One line a page, the same total; only the first is valued."""
        found, page = opened(connection, cost_basis=CostBasis.HIFO)
        rows, cursor = [], None
        for number in range(len(page.rows)):
            total, one = opened(connection, cost_basis=CostBasis.HIFO, cursor=cursor, limit=1)
            assert found is not None
            assert total is not None
            assert (total.row is None) == (number > 0)
            assert total.total.cost == found.total.cost
            rows += one.rows
            cursor = one.next_cursor

        assert rows == page.rows
        assert cursor is None
        _, first = opened(connection, cost_basis=CostBasis.HIFO, limit=1)
        with pytest.raises(CursorInvalid):
            opened(connection, cost_basis=CostBasis.FIFO, cursor=first.next_cursor)

    def test_lists_the_first_lots_of_many(
        self, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And says how many there are."""
        whole, _ = opened(connection)
        monkeypatch.setattr(basis_lines, "LOTS_MAX", 1)
        found, _ = opened(connection)

        assert whole is not None
        assert found is not None
        assert found.lots == whole.lots[:1]
        assert found.lots_count == len(whole.lots) > 1

    def test_of_no_line_are_none(self, connection: Connection) -> None:
        """What was never held, not yet, or has no such line; a stranger's."""
        assert opened(connection, instrument="NONE")[0] is None
        assert opened(connection, instrument=LATER, valid_at=MONDAY)[0] is None
        assert opened(connection, cost_basis=CostBasis.SPECIFIC)[0] is None
        assert opened(connection, "nobody")[0] is None
        stranger = explained_basis(
            Readable(connection), tenant="globex", portfolio=FUND, instrument=APPLE
        )
        assert stranger[0] is None
