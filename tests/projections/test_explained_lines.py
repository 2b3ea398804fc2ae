"""Positions and cash opened into lines that add up to every figure."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.identity import portfolio_stream
from domain.lots import CostBasis
from domain.money import ZERO
from infra.database import Database
from projections import audit, position_lines
from projections.asking import HistoryTooLong, Readable
from projections.batches import decode_batch
from projections.cash.explaining import CashFigures, cash_lines, explained_cash
from projections.cash.ladders import ladders_of, shown_rung
from projections.cash.model import Cash
from projections.paging import CursorInvalid
from projections.position_lines import (
    LineKind,
    PositionFigures,
    explained_position,
    lines_of,
)
from projections.positions.model import Positions
from projections.positions.queries import position_of
from projections.read_model import Decoded, ReadModel
from projections.rows import Tables
from tests.domain.blotter import LATER, OTHER_FUND, Blotter, Message
from tests.domain.scenes import FUND as HOLDER
from tests.domain.test_holder_laws import LAST, holders
from tests.domain.test_holder_laws import Story as Told
from tests.domain.test_trade_settlement import settlement_stories
from tests.projections.acted import ActedStory
from tests.projections.folding import fold_by_hand
from tests.projections.story import ACME, DAY_ONE, Story, closing
from tests.projections.test_trade_settlement import tell

APPLE, FUND = "AAPL", "growth"
DAY_TWO = DAY_ONE + timedelta(days=1)
LAW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]


def assert_adds_up(lines: list[Any], nothing: tuple[Decimal, ...]) -> None:
    """Each line's sums are those before it and its own change."""
    for before, line in zip([nothing, *(each.after for each in lines)], lines, strict=False):
        sums = [one + two for one, two in zip(before, line.change, strict=True)]
        assert list(line.after) == sums


class TestPositionLines:
    """Entries of a book."""

    @LAW
    @given(held=holders)
    def test_add_up_to_the_book(self, held: tuple[CostBasis, Told]) -> None:
        """Whatever came in which order; what was closed realised what the line says."""
        basis, told = held
        blotter = Blotter(basis, allows_short=True)
        blotter.tell(*told.messages)

        for (portfolio, name), entries in blotter.entries.items():
            lines = list(lines_of(entries, basis))
            book = blotter.portfolios[portfolio].book(name)
            numbers = (book.quantity, book.cost, book.fees, book.realised_gross, book.realised_net)

            assert_adds_up(lines, PositionFigures())
            assert (lines[-1].after if lines else PositionFigures()) == numbers
            for line in lines:
                if line.kind is not LineKind.SPUN_OFF:  # Its fraction was closed before it came.
                    realised = sum((part.realised_gross for part in line.closed), ZERO)
                    assert realised == line.change.realised_gross


@pytest.fixture
def tables(log_database: Database) -> Iterator[Connection]:
    """A connection for folds by hand."""
    with psycopg.connect(log_database.app_conninfo, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        yield connection


def moved(story: Story, portfolio: str) -> list[Decoded]:
    """What moved the cash of one portfolio."""
    stream = portfolio_stream(ACME, portfolio)
    events = [each for each in story.recorded() if each.stream_id == stream]
    return decode_batch(events, Cash.event_types).decoded


def ladder_in(tables: Connection, portfolio: str) -> CashFigures:
    """The figures of the ladder in dollars, from its tables."""
    with tables.cursor() as cursor:
        found = Tables("cash")
        ((balance,),) = found.select(
            cursor,
            "SELECT balance FROM {schema}.balances WHERE portfolio = %s AND currency = 'USD'",
            (portfolio,),
        )
        rungs = found.select(
            cursor,
            "SELECT value_date, pending_in, pending_out, awaited_in, awaited_out, failing"
            " FROM {schema}.ladder WHERE portfolio = %s AND currency = 'USD'",
            (portfolio,),
        )
    shown = [shown_rung(*row) for row in rungs]
    received = sum((rung.pending_in for rung in shown), ZERO)
    paid = sum((rung.pending_out for rung in shown), ZERO)
    fails = sum((rung.failing for rung in shown), ZERO)
    return CashFigures(balance, balance - received - paid - fails, received, paid, fails)


class TestCashLines:
    """Facts that moved cash."""

    @LAW
    @given(held=holders, paid=st.sets(st.integers(0, 20)))
    def test_add_up_to_the_ladder(
        self, tables: Connection, held: tuple[CostBasis, Told], paid: set[int]
    ) -> None:
        """Trades, actions and dividends, settled and not; of one value date too."""
        basis, told = held
        went = ActedStory(basis)
        for number, message in enumerate(told.messages):
            went.tell(message)
            if number in paid:
                went.settle(LAST)
        fold_by_hand(tables, Cash(), "cash", [went.story.recorded()])

        for portfolio in (HOLDER, OTHER_FUND):
            facts = moved(went.story, portfolio)
            lines = list(cash_lines(facts, "USD"))
            assert_adds_up(lines, CashFigures())
            assert lines[-1].after == ladder_in(tables, portfolio)
            for day in {line.value_date for line in lines} - {None}:
                of_day = list(cash_lines(facts, "USD", day))
                assert_adds_up(of_day, CashFigures())
                assert [line.event for line in of_day] == [
                    line.event for line in lines if line.value_date == day
                ]

    @LAW
    @given(words=settlement_stories())
    def test_add_up_under_a_custodian(
        self, tables: Connection, words: tuple[list[Message], list[Any]]
    ) -> None:
        """Awaited, failing, settled in part, and coming back of what is busted."""
        story = Story()
        tell(story, *words[0])
        fold_by_hand(tables, Cash(), "cash", [story.recorded()])

        for portfolio in (HOLDER, OTHER_FUND):
            lines = list(cash_lines(moved(story, portfolio), "USD"))
            assert_adds_up(lines, CashFigures())
            assert lines[-1].after == ladder_in(tables, portfolio)


@pytest.fixture
def begun(story: Story) -> Story:
    """3 bought at 10 with a fee of 1, 1 sold at 20, a mark of 15; the first is settled."""
    story.register(APPLE)
    story.open(FUND)
    story.deposit(FUND, "100")
    story.trade(FUND, APPLE, "3", "10", fee="1")
    story.settle(FUND, DAY_ONE + timedelta(days=2))
    story.trade(FUND, APPLE, "-1", "20", day=DAY_TWO)
    story.mark(closing(DAY_TWO), **{APPLE: "15"})
    return story


class TestAsking:
    """From the log, page by page, at one position."""

    def test_opens_a_position_with_its_value(
        self, begun: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """The example of docs/accounting.md: two lines, and the event of the mark."""
        head = len(begun.recorded())
        fold(Positions())
        row = position_of(Readable(connection), tenant=ACME, portfolio=FUND, instrument=APPLE).row

        found, page = self.position(connection)

        assert found is not None
        assert row is not None
        assert (found.total, found.row) == (
            _figures(2, 20, "0.666666666667", 10, "9.666666666667"),
            row,
        )
        assert (found.price_event, page.position) == (head, head)
        bought, sold = page.rows
        assert (bought.kind, bought.change, bought.fee) == ("buy", _figures(3, 30, 1, 0, 0), 1)
        assert (sold.kind, sold.change.quantity, sold.change.cost) == ("sell", -1, -10)
        assert [part.trade_id for part in sold.closed] == [bought.entry_id]

    def test_goes_on_at_the_position_of_the_first_page(
        self, begun: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """What came meanwhile is not among the lines; the sums go on."""
        fold(Positions())
        found, first = self.position(connection, limit=1)
        begun.trade(FUND, APPLE, "9", "9")
        fold(Positions())

        later, second = self.position(connection, limit=1, cursor=first.next_cursor)

        assert found is not None
        assert later is not None
        assert (second.position, second.next_cursor) == (first.position, None)
        assert second.rows[-1].after == later.total == found.total
        assert (later.row, later.price_event) == (None, None)
        with pytest.raises(CursorInvalid):
            self.cash(connection, cursor=first.next_cursor)

    @pytest.mark.parametrize("together", [1, 2, 3])
    def test_reads_any_history_a_few_events_at_a_time(
        self,
        begun: Story,
        fold: FoldAll,
        connection: Connection,
        monkeypatch: pytest.MonkeyPatch,
        together: int,
    ) -> None:
        """The same lines and sums, however few are in memory; pages add up to the total."""
        assert begun is not None
        for model in (Positions(), Cash()):
            fold(model)
        whole = self.position(connection), self.cash(connection)
        monkeypatch.setattr(audit, "READ_EVENTS", together)

        assert (self.position(connection), self.cash(connection)) == whole
        total, page = self.cash(connection, limit=1)
        changes = [page.rows[0].change]
        while page.next_cursor is not None:
            again, page = self.cash(connection, limit=1, cursor=page.next_cursor)
            changes.append(page.rows[0].change)
            assert again == total
        assert sum(each.balance for each in changes) == total.balance
        assert len(changes) == 4

    def test_of_a_book_too_long_to_be_ordered_says_what_to_ask(
        self, begun: Story, fold: FoldAll, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By a code of its own, never a shorter list."""
        assert begun is not None
        fold(Positions())
        monkeypatch.setattr(position_lines, "ENTRIES_MAX", 1)

        with pytest.raises(HistoryTooLong) as refused:
            self.position(connection)

        assert refused.value.instead == position_lines.BLOTTER

    def test_of_what_is_not_there_is_nothing(
        self, begun: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Another instrument, or another tenant."""
        fold(Positions())

        assert self.position(connection, instrument=LATER)[0] is None
        assert self.position(connection, tenant="globex")[0] is None

    def test_opens_cash_by_value_date(
        self, begun: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Paid and settled, and 20 to come; the figures are those of the ladder."""
        fold(Cash())
        (ladder,) = ladders_of(Readable(connection), tenant=ACME, portfolio=FUND).rows

        total, page = self.cash(connection)

        assert total == (
            ladder.balance, ladder.settled, ladder.pending_in, ladder.pending_out, ladder.failing,
        )  # fmt: skip
        assert [(line.kind, line.change) for line in page.rows] == [
            ("deposit", _cash(100, 100)),
            ("principal", _cash(-31, 0, 0, -31)),
            ("settlement", _cash(0, -31, 0, 31)),
            ("principal", _cash(20, 0, 20)),
        ]
        assert [leg.amount for leg in page.rows[1].legs] == [-30, -1]
        to_come = self.cash(connection, value_date=DAY_TWO + timedelta(days=2))
        assert (to_come[0], len(to_come[1].rows)) == (_cash(20, 0, 20), 1)

    def position(self, connection: Connection, **how: Any) -> tuple[Any, Any]:
        """Ask of the position."""
        asked = {"tenant": ACME, "portfolio": FUND, "instrument": APPLE}
        return explained_position(Readable(connection), **(asked | how))

    def cash(self, connection: Connection, **how: Any) -> tuple[CashFigures, Any]:
        """Ask of the dollars."""
        asked: dict[str, Any] = {"tenant": ACME, "portfolio": FUND, "currency": "USD"}
        return explained_cash(Readable(connection), **(asked | how))


def _figures(*numbers: int | str) -> PositionFigures:
    return PositionFigures(*map(Decimal, numbers))


def _cash(*numbers: int) -> CashFigures:
    return CashFigures(*map(Decimal, numbers))
