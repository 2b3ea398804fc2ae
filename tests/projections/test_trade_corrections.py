"""The read model `trades` under amends and busts, before their trade and after."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.correcting import Amend
from domain.identity import portfolio_stream
from domain.portfolio.events import PortfolioEvent
from domain.trade import Capture, TradeEvent
from eventstore.log import Log
from eventstore.partitions import partitions
from infra.database import Database
from projections.asking import Readable
from projections.content_checks import Bookkeeping
from projections.envelope_checks import check_envelope
from projections.read_model import ReadModel
from projections.rows import Tables
from projections.trades.model import Trades
from projections.trades.queries import blotter, held_corrections, trade_of
from projections.trades.rows import HeldRow, Status, TradeRow, trade_row
from tests.domain.blotter import (
    LATER,
    OTHER_FUND,
    Blotter,
    Bust,
    Message,
    booked_in_order,
)
from tests.domain.scenes import FUND, NOON, name_of, told
from tests.domain.test_trade_correction_laws import stories
from tests.projections.folding import cut, difference, fold_by_hand
from tests.projections.story import ACME, Story

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]


@pytest.fixture
def tables(database: Database) -> Iterator[Connection]:
    """A connection to a database without a log: these folds meet events decided here."""
    with psycopg.connect(database.app_conninfo, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        yield connection


def stream_of(event: TradeEvent | PortfolioEvent) -> UUID:
    """The stream an event belongs to."""
    if isinstance(event, TradeEvent):
        return event.trade_id
    return portfolio_stream(ACME, event.portfolio)


def tell(story: Story, *messages: Message) -> Blotter:
    """Decide messages and tell the events of each command."""
    decided = Blotter()
    decided.tell(*messages)
    for events in decided.commands:
        story.tell(*((ACME, stream_of(event), event) for event in events))
    return decided


def amend(revision: int = 1, **changes: Any) -> Amend:
    """A revision of 100 AAPL at 10, with changes."""
    return Amend(revision, told(**changes), "wrong_size")


def found(connection: Connection) -> TradeRow:
    """What became of the trade."""
    row = trade_of(Readable(connection), tenant=ACME, trade_id=name_of("t-1")).row
    assert row is not None
    return row


class TestCorrecting:
    """A trade has one row in each portfolio it was in, and shows what holds."""

    def test_an_amended_trade_has_its_last_content(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """In its place of the blotter, with the results of the new booking."""
        tell(story, told(), amend(2, quantity=Decimal(70)), amend(1, quantity=Decimal(60)))
        fold(Trades())

        row = found(connection)

        assert (row.status, row.revision, row.reason) == (Status.AMENDED, 2, "wrong_size")
        assert (row.position, row.quantity, row.cash_change) == (5, Decimal(70), Decimal(-700))
        assert len(blotter(Readable(connection), tenant=ACME, status=Status.AMENDED).rows) == 1

    def test_a_busted_trade_has_no_results(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """And is listed as such."""
        tell(story, told(), Bust("t-1"), told("t-2"))
        fold(Trades())

        row = found(connection)
        listed = blotter(Readable(connection), tenant=ACME, status=Status.BUSTED).rows

        assert (row.status, row.reason) == (Status.BUSTED, "cancelled_by_venue")
        assert (row.booked_position, row.cash_change) == (None, None)
        assert listed == [row]

    def test_a_reassigned_trade_ends_here_and_begins_there(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Asked for by its id it is where it is."""
        tell(story, told(), amend(portfolio=OTHER_FUND))
        fold(Trades())

        here = blotter(Readable(connection), tenant=ACME, portfolio=FUND).rows
        there = blotter(Readable(connection), tenant=ACME, portfolio=OTHER_FUND).rows

        assert [(row.status, row.to_portfolio) for row in here] == [(Status.REASSIGNED, OTHER_FUND)]
        assert [(row.status, row.cash_change) for row in there] == [
            (Status.AMENDED, Decimal(-1_000))
        ]
        assert found(connection) == there[0]

    def test_a_trade_amended_to_an_unknown_instrument_is_an_exception(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Until that one appears."""
        tell(story, told(), amend(instrument=LATER))
        fold(Trades())

        (row,) = blotter(Readable(connection), tenant=ACME, status=Status.PARKED).rows

        assert (row.instrument, row.booked_position) == (LATER, None)


class TestHolding:
    """What came before its trade is listed until the trade comes."""

    def test_lists_the_one_that_would_hold(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """The highest revision, and a bust over any; by portfolio, newest first."""
        elsewhere = Amend(1, told("t-2", portfolio=OTHER_FUND))
        tell(story, amend(1), amend(3, quantity=Decimal(70)), elsewhere, Bust("t-3"))
        fold(Trades())

        every = held_corrections(Readable(connection), tenant=ACME).rows
        first = held_corrections(Readable(connection), tenant=ACME, limit=2)
        rest = held_corrections(
            Readable(connection), tenant=ACME, limit=2, cursor=first.next_cursor
        )
        here = held_corrections(Readable(connection), tenant=ACME, portfolio=FUND).rows

        assert [(row.external_id, row.revision) for row in every] == [
            ("t-3", None),
            ("t-2", 1),
            ("t-1", 3),
        ]
        assert first.rows + rest.rows == every
        assert [row.external_id for row in here] == ["t-3", "t-1"]
        assert here[1].quantity == 70
        assert held_corrections(Readable(connection), tenant="globex").rows == []

    def test_ends_when_the_trade_comes(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Also where it was listed in another portfolio than the trade's."""
        tell(
            story,
            *(amend(1, portfolio=OTHER_FUND), Bust("t-1"), Amend(1, told("t-2")), Bust("t-3")),
            *(told(), told("t-2"), told("t-3")),
        )
        fold(Trades())

        rows = blotter(Readable(connection), tenant=ACME).rows

        assert held_corrections(Readable(connection), tenant=ACME).rows == []
        assert {row.external_id: row.status for row in rows} == {
            "t-1": Status.BUSTED,
            "t-2": Status.AMENDED,
            "t-3": Status.BUSTED,
        }


class TestVerifying:
    """What is decided passes every check that the log's own content has to pass."""

    @settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(told=stories())
    def test_finds_nothing_wrong(
        self, new_log_database: Callable[[], Database], told: tuple[list[Message], list[Capture]]
    ) -> None:
        """Order of each trade's events, every booking awaited, cash and lots adding up."""
        database, story = new_log_database(), Story()
        tell(story, *told[0])
        with Log(database.app_conninfo, clock=lambda: NOON, build="test") as log:
            head = story.append_to(log)
            bookkeeping = Bookkeeping(log)
            bookkeeping.advance(head, lambda *_: None)
        with psycopg.connect(database.app_conninfo) as connection:
            checks = [*bookkeeping.finish(), *check_envelope(connection, head=head)]

        assert [(check.name, check.difference) for check in checks if not check.ok] == []


def rows_of(connection: Connection, schema: str) -> tuple[list[TradeRow], list[HeldRow]]:
    """Both tables, in order."""
    tables = Tables(schema)
    with connection.cursor() as cursor:
        trades = tables.select(cursor, "SELECT * FROM {schema}.trades ORDER BY position")
        held = tables.select(cursor, "SELECT * FROM {schema}.held_corrections ORDER BY position")
    return list(map(trade_row, trades)), [HeldRow(*values) for values in held]


def booked_rows(rows: Iterable[TradeRow]) -> list[tuple[str, str, str, Decimal]]:
    """What the rows say is booked."""
    return sorted(
        (row.portfolio, row.instrument, row.external_id, row.quantity)
        for row in rows
        if row.booked_position is not None
    )


def assert_busted_once(decided: Blotter, rows: Iterable[TradeRow]) -> None:
    """A busted trade is so in one portfolio; those it was in before say that it went elsewhere."""
    by_trade: defaultdict[str, list[Status]] = defaultdict(list)
    for row in rows:
        by_trade[row.external_id].append(Status(row.status))
    for external_id, statuses in by_trade.items():
        if decided.trade(external_id).bust is not None:
            assert statuses.count(Status.BUSTED) == 1
            assert set(statuses) <= {Status.BUSTED, Status.REASSIGNED}


class TestLaws:
    """Whatever came in whatever order, in batches of any size, in parts or whole."""

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(told=stories(), sizes=st.lists(st.integers(1, 9), min_size=1), count=st.integers(1, 40))
    def test_rows_say_what_the_books_hold(
        self,
        tables: Connection,
        told: tuple[list[Message], list[Capture]],
        sizes: list[int],
        count: int,
    ) -> None:
        """Cut short anywhere: equal tables from any batches, and from partitions put together."""
        story, model = Story(), Trades()
        decided = tell(story, *told[0][:count])
        events = story.recorded()
        batches = cut(events, sizes)
        fold_by_hand(tables, model, "whole", [events])
        trades, held = rows_of(tables, "whole")

        fold_by_hand(tables, model, "pieces", batches)
        assert difference(tables, model, live="pieces", rebuilt="whole") is None
        fold_by_hand(tables, model, "pieces", batches, forgets=True)
        assert difference(tables, model, live="pieces", rebuilt="whole") is None

        parted_trades: list[TradeRow] = []
        parted_held: list[HeldRow] = []
        for part in partitions(2):
            own = [[event for event in batch if part.holds(event)] for batch in batches]
            fold_by_hand(tables, model, "part", [batch for batch in own if batch])
            of_part = rows_of(tables, "part")
            parted_trades += of_part[0]
            parted_held += of_part[1]
        assert sorted(parted_trades, key=lambda row: row.position) == trades
        assert sorted(parted_held, key=lambda row: row.position) == held
        assert booked_rows(trades) == sorted(
            (portfolio, instrument, fill.external_id, fill.quantity)
            for (portfolio, instrument), fills in booked_in_order(decided).items()
            for fill in fills
        )
        for row in trades:
            trade = decided.trade(row.external_id)
            is_here = trade.capture is not None and trade.capture.portfolio == row.portfolio
            assert (row.status == Status.PARKED) == (is_here and trade.is_parked)
            assert row.status != Status.BUSTED or trade.bust is not None
        assert_busted_once(decided, trades)
        assert {row.trade_id for row in held} == {
            name for name in decided.streams if decided.trade_of(name).accepted is None
        }
