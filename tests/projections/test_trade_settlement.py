"""What a custodian's word makes of the ladder and of a trade's row, in any order of arrival."""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.correcting import Amend
from domain.portfolio.events import SettlementPolicy
from infra.database import Database
from projections.asking import Readable
from projections.cash.ladders import Ladder, Rung, ladders_of
from projections.cash.model import Cash
from projections.read_model import ReadModel
from projections.trades.model import Trades
from projections.trades.queries import held_corrections, trade_of
from projections.trades.rows import TradeRow
from tests.domain.blotter import Blotter, Bust, Message
from tests.domain.scenes import FUND, name_of, told
from tests.domain.test_trade_settlement import (
    Told,
    failed,
    resumed,
    settled,
    settlement_stories,
)
from tests.projections.folding import cut, fold_by_hand
from tests.projections.story import ACME, Story
from tests.projections.test_trade_corrections import stream_of

Connection = psycopg.Connection[Any]
FoldAll = Callable[[ReadModel], None]
WEDNESDAY = date(2024, 1, 10)


@pytest.fixture
def tables(database: Database) -> Iterator[Connection]:
    """A connection to a database without a log: these folds meet events decided here."""
    with psycopg.connect(database.app_conninfo, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        yield connection


def tell(story: Story, *messages: Message) -> None:
    """Decide messages under the policy `actual` and tell the events of each command."""
    decided = Blotter(settlement=SettlementPolicy.ACTUAL)
    decided.tell(*messages)
    for events in decided.commands:
        story.tell(*((ACME, stream_of(event), event) for event in events))


def ladder_of(connection: Connection) -> Ladder:
    """The dollars of the fund."""
    (ladder,) = ladders_of(Readable(connection), tenant=ACME, portfolio=FUND).rows
    return ladder


def ladder(settled_cash: int, received: int, paid: int, failing: int, projected: int) -> Ladder:
    """A ladder of 10,000 less 1,000, with one value date."""
    came, went, fails = Decimal(received), Decimal(paid), Decimal(failing)
    rung = Rung(WEDNESDAY, came, went, fails, Decimal(projected))
    held = Decimal(settled_cash)
    return Ladder("USD", held + came + went + fails, held, came, went, fails, (rung,))


def row_of(connection: Connection) -> TradeRow:
    """The trade's row."""
    row = trade_of(Readable(connection), tenant=ACME, trade_id=name_of("t-1")).row
    assert row is not None
    return row


class TestTheLadder:
    """Settled, pending and failing cash, by value date."""

    def test_shows_what_fails(self, story: Story, fold: FoldAll, connection: Connection) -> None:
        """40 of 100 settled, the rest failing; what fails to be paid is owed."""
        tell(story, told(), settled(quantity=Decimal(40)), failed())
        fold(Cash())

        assert ladder_of(connection) == ladder(9_600, 0, 0, -600, 9_000)

    def test_shows_what_comes_back_of_a_busted_trade(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """What was paid is received again, once the custodian says so."""
        tell(story, told(), settled(), Bust("t-1"))
        fold(Cash())

        assert ladder_of(connection) == ladder(9_000, 1_000, 0, 0, 10_000)


class TestTheTrade:
    """Its row says how far it is settled."""

    def test_says_how_far_it_is_settled(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """Failed for the rest; resumed and settled at last."""
        tell(story, told(), settled(quantity=Decimal(40)), failed())
        fold(Trades())
        row = row_of(connection)
        assert (row.status, row.settlement, row.failure) == ("booked", "failed", "no_securities")
        assert (row.settled_quantity, row.settled_cash) == (Decimal(40), Decimal(-400))

    def test_follows_an_amend(self, story: Story, fold: FoldAll, connection: Connection) -> None:
        """To the 40 that were settled."""
        part = settled(quantity=Decimal(40))
        tell(story, told(), part, failed(), Amend(1, told(quantity=Decimal(40))))
        fold(Trades())

        row = row_of(connection)

        assert (row.status, row.settlement, row.failure) == ("amended", "settled", None)

    def test_lists_a_word_that_came_first_until_the_trade_comes(
        self, story: Story, fold: FoldAll, connection: Connection
    ) -> None:
        """By its portfolio, the last word of each trade, beside its correction."""
        first: list[Message] = [settled(), failed(), resumed(), settled(1, "t-2"), Bust("t-2")]
        tell(story, *first, told())
        fold(Trades())

        held = held_corrections(Readable(connection), tenant=ACME).rows

        assert [(row.external_id, row.told) for row in held] == [
            ("t-2", "correction"),
            ("t-2", "settlement"),
        ]
        assert row_of(connection).settlement == "settled"


class TestAnyOrder:
    """The tables are those of the final content and of all that was told."""

    @given(
        story=settlement_stories(),
        order=st.randoms(use_true_random=False),
        sizes=st.lists(st.integers(9, 40), min_size=1, max_size=3),
    )
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def test_gives_the_same_tables(
        self,
        tables: Connection,
        story: tuple[list[Message], list[Told]],
        order: Random,
        sizes: list[int],
    ) -> None:
        """Twice shuffled: rungs equal, in and out apart; rows of trades by what they show."""
        messages, _ = story
        shown = []
        for schema in ("one", "other"):
            told_story = Story()
            tell(told_story, *messages)
            batches = cut(told_story.recorded(), sizes)
            shown.append(_shown(tables, schema, batches))
            messages = list(messages)
            order.shuffle(messages)

        assert shown[0] == shown[1]


_RUNGS = """
SELECT portfolio, value_date, pending_in, pending_out, awaited_in, awaited_out, failing, settled
FROM {schema}.ladder WHERE (pending_in, pending_out, awaited_in, awaited_out, failing, settled)
    <> (0, 0, 0, 0, 0, 0) ORDER BY portfolio, value_date
"""
_ROWS = """
SELECT external_id, settlement, settled_quantity, settled_cash, failure FROM {schema}.trades
WHERE status <> 'reassigned' ORDER BY external_id
"""


def _shown(connection: Connection, schema: str, batches: list[Any]) -> list[Any]:
    fold_by_hand(connection, Cash(), schema, batches)
    rungs = connection.execute(_RUNGS.format(schema=schema).encode()).fetchall()
    fold_by_hand(connection, Trades(), schema, batches, forgets=True)
    rows = connection.execute(_ROWS.format(schema=schema).encode()).fetchall()
    return [rungs, rows]
