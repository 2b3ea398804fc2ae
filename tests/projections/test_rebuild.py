"""Rebuilding beside the live tables, and swapping the result in."""

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from eventstore.log import Log
from infra.database import Database
from projections.asking import Readable, ReadModelMissing
from projections.building import BuildFailed, BuildRunning, connect, lock_model
from projections.cash.model import Cash
from projections.checkpoint import RETIRED, Checkpoint, read_checkpoint
from projections.positions.model import Positions
from projections.positions.queries import position_of
from projections.read_model import Fold, ReadModel
from projections.rebuild import rebuild
from projections.trades.model import Trades
from tests.projections.running import Brittle, BrittleFold, deposits, running, wait_for_position
from tests.projections.story import ACME, DAY_ONE, Story, opening

APPLE, FUND = "AAPL", "growth"
MODELS: tuple[ReadModel, ...] = (Positions(), Cash(), Trades())

Connection = psycopg.Connection[Any]


class Aborted(Exception):
    """Raised by a test's own progress callback."""


@pytest.fixture(autouse=True)
def begun(story: Story) -> None:
    """Every story here begins with one instrument and one portfolio."""
    story.register(APPLE)
    story.open(FUND)


def tell_deposits(story: Story, count: int) -> None:
    """Deposits of one unit each."""
    for _ in range(count):
        story.deposit(FUND, "1")


def buy_next(story: Story) -> None:
    """Buy one share, a second after the last."""
    bought = len(story.accounts[ACME, FUND].fills[APPLE])
    executed_at = opening(DAY_ONE) + timedelta(seconds=bought)
    story.trade(FUND, APPLE, "1", "10", executed_at=executed_at)


def schemas(connection: Connection) -> set[str]:
    """The schemas that belong to the brittle model."""
    rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'brittle%'")
    return {name for (name,) in rows}


class TestRebuilding:
    """A rebuild needs only the log, tells its progress and leaves nothing else behind."""

    def test_without_live_tables_it_makes_them(
        self, log: Log, log_database: Database, story: Story, connection: Connection
    ) -> None:
        """The first tables a model has may come from a rebuild."""
        tell_deposits(story, 5)
        head = story.append_to(log)

        checkpoint = rebuild(Brittle(), log, log_database.app_conninfo)

        assert (checkpoint.position, checkpoint.edition) == (head, 0)
        assert len(deposits(connection)) == 5
        assert schemas(connection) == {"brittle"}

    def test_progress_is_told_up_to_the_end(
        self, log: Log, log_database: Database, story: Story
    ) -> None:
        """Positions ascend and end at the target."""
        tell_deposits(story, 5)
        head = story.append_to(log)
        told: list[tuple[int, int]] = []

        rebuild(Brittle(), log, log_database.app_conninfo, lambda *step: told.append(step))

        assert told[0] == (0, head)
        assert told[-1] == (head, head)
        assert [position for position, _ in told] == sorted(position for position, _ in told)

    def test_an_empty_log_gives_empty_tables(
        self, log: Log, log_database: Database, connection: Connection
    ) -> None:
        """With a checkpoint at 0."""
        checkpoint = rebuild(Brittle(), log, log_database.app_conninfo)

        assert checkpoint.position == 0
        assert deposits(connection) == []

    def test_damaged_rows_are_right_again(
        self, log: Log, log_database: Database, story: Story, connection: Connection
    ) -> None:
        """A running projector takes the new tables up, and drops what it held of the old."""
        story.trade(FUND, APPLE, "3", "10")
        head = story.append_to(log)
        with running(log, log_database, MODELS) as projector:
            wait_for_position(projector, head, *MODELS)
            connection.execute("UPDATE positions.positions SET quantity = 7")
            connection.execute("UPDATE positions.lots SET cost = 7")

            rebuild(Positions(), log, log_database.app_conninfo)
            story.trade(FUND, APPLE, "-1", "10")
            head = story.append_to(log)
            wait_for_position(projector, head, *MODELS)

        row = position_of(Readable(connection), tenant=ACME, portfolio=FUND, instrument=APPLE).row
        assert row is not None
        assert (row.quantity, row.cost) == (Decimal(2), Decimal(20))
        with connection.cursor() as cursor:
            checkpoint = read_checkpoint(cursor, "positions")
        assert checkpoint is not None
        assert checkpoint.edition == 1

    def test_live_goes_on_while_it_runs(
        self, log: Log, log_database: Database, story: Story, connection: Connection
    ) -> None:
        """Events that arrive during rebuilds, one after another, are in the tables once."""
        told = 0
        finished = threading.Event()
        rebuilt: list[Checkpoint] = []

        def rebuild_often() -> None:
            try:
                rebuilt.extend(rebuild(Brittle(), log, log_database.app_conninfo) for _ in range(6))
            finally:
                finished.set()

        with running(log, log_database, [Brittle(), Cash()]) as projector:
            thread = threading.Thread(target=rebuild_often)
            thread.start()
            while not finished.is_set():
                tell_deposits(story, 3)
                told += 3
                head = story.append_to(log)
            thread.join()
            wait_for_position(projector, head, Brittle(), Cash())

        assert len(rebuilt) == 6
        assert len(deposits(connection)) == told
        assert schemas(connection) == {"brittle"}


class TestAborting:
    """A rebuild that ends early leaves the live tables alone."""

    def test_an_aborted_rebuild_leaves_live_untouched(
        self, log: Log, log_database: Database, story: Story, connection: Connection
    ) -> None:
        """Whatever the progress callback raises comes out, and the next rebuild works."""
        tell_deposits(story, 5)
        head = story.append_to(log)
        rebuild(Brittle(), log, log_database.app_conninfo)

        def abort(position: int, _target: int) -> None:
            if position:
                raise Aborted

        with pytest.raises(Aborted):
            rebuild(Brittle(calculation_version=2), log, log_database.app_conninfo, abort)

        assert {row.calculation_version for row in deposits(connection)} == {1}
        checkpoint = rebuild(Brittle(calculation_version=2), log, log_database.app_conninfo)
        assert (checkpoint.position, checkpoint.edition) == (head, 1)
        assert schemas(connection) == {"brittle"}

    def test_remains_of_a_killed_rebuild_are_cleared(
        self, log: Log, log_database: Database, story: Story, connection: Connection
    ) -> None:
        """Schemas that a killed process left behind, before and after the swap."""
        tell_deposits(story, 5)
        story.append_to(log)
        rebuild(Brittle(), log, log_database.app_conninfo)
        connection.execute("CREATE SCHEMA brittle_rebuild; CREATE SCHEMA brittle_retired")

        rebuild(Brittle(), log, log_database.app_conninfo)

        assert schemas(connection) == {"brittle"}

    def test_an_event_that_cannot_be_folded_is_named(
        self, log: Log, log_database: Database, story: Story
    ) -> None:
        """Its position or that of the batch's first event, and what happened."""
        story.deposit(FUND, "7")
        story.append_to(log)

        with pytest.raises(BuildFailed, match="cannot fold 7") as caught:
            rebuild(Brittle("7"), log, log_database.app_conninfo)

        assert caught.value.position == 3

    def test_what_is_left_to_the_end_and_cannot_be_written_is_told_as_well(
        self, log: Log, log_database: Database, story: Story
    ) -> None:
        """By the first event that the model folds: nobody knows of which it is."""
        story.deposit(FUND, "7")
        story.append_to(log)

        with pytest.raises(BuildFailed, match="cannot write 7") as caught:
            rebuild(Leaving(), log, log_database.app_conninfo)

        assert (caught.value.position, caught.value.event_type) == (
            3,
            "portfolio.cash_deposited.v1",
        )

    def test_two_at_once_are_refused(self, log: Log, log_database: Database) -> None:
        """The second is told, and may try again later."""
        with connect(log_database.app_conninfo, application_name="other") as other:
            lock_model(other, "brittle")

            with pytest.raises(BuildRunning):
                rebuild(Brittle(), log, log_database.app_conninfo)

        rebuild(Brittle(), log, log_database.app_conninfo)


class Leaving(Brittle):
    """Leaves all it writes to the end, and cannot write it then."""

    def new_fold(self, schema: str) -> Fold:
        """Make a fold."""
        return LeavingFold(self, schema)


class LeavingFold(BrittleFold):
    """Breaks as it settles."""

    def defer(self, cursor: psycopg.Cursor[Any]) -> None:
        """Leave nothing in the tables that has to go."""

    def settle(self, cursor: psycopg.Cursor[Any]) -> None:
        """Break."""
        raise ValueError("cannot write 7")


class TestReadingDuringASwap:
    """A reader sees one edition at one position, never a mixture."""

    def test_every_answer_fits_its_position(
        self, log: Log, log_database: Database, story: Story, connection: Connection
    ) -> None:
        """One share per trade: the quantity says how many trades the tables must have folded."""
        finished = threading.Event()
        rebuilt: list[Checkpoint] = []

        def rebuild_often() -> None:
            try:
                rebuilt.extend(
                    rebuild(Positions(), log, log_database.app_conninfo) for _ in range(8)
                )
            finally:
                finished.set()

        buy_next(story)
        with running(log, log_database, [Positions()]) as projector:
            wait_for_position(projector, story.append_to(log), Positions())
            thread = threading.Thread(target=rebuild_often)
            thread.start()
            while not finished.is_set():
                buy_next(story)
                story.append_to(log)
                for _ in range(5):
                    answer = position_of(
                        Readable(connection), tenant=ACME, portfolio=FUND, instrument=APPLE
                    )
                    assert answer.row is not None
                    # Two events before the first trade, two in each.
                    assert answer.position == 2 + 2 * answer.row.quantity
            thread.join()

        assert len(rebuilt) == 8

    def test_retired_tables_give_no_answer(
        self, log: Log, log_database: Database, story: Story, connection: Connection
    ) -> None:
        """As if the statement had been parsed before a swap and executed after it."""
        story.trade(FUND, APPLE, "3", "10")
        story.append_to(log)
        rebuild(Positions(), log, log_database.app_conninfo)
        connection.execute("UPDATE positions.checkpoint SET edition = %s", (RETIRED,))

        with pytest.raises(ReadModelMissing):
            position_of(Readable(connection), tenant=ACME, portfolio=FUND, instrument=APPLE)

    def test_tables_swapped_in_between_two_questions_are_not_taken_for_the_same(
        self, log: Log, log_database: Database, story: Story, connection: Connection
    ) -> None:
        """Whoever asks several questions says so; names are no part of a snapshot."""
        story.trade(FUND, APPLE, "3", "10")
        story.append_to(log)
        rebuild(Positions(), log, log_database.app_conninfo)
        readable = Readable(connection, steady={})
        asked = {"tenant": ACME, "portfolio": FUND, "instrument": APPLE}
        first = position_of(readable, **asked)
        connection.execute("UPDATE positions.checkpoint SET edition = edition + 1")

        with pytest.raises(ReadModelMissing, match="replaced"):
            position_of(readable, **asked)
        assert position_of(Readable(connection, steady={}), **asked) == first

    def test_tables_not_yet_made_are_named(self, connection: Connection) -> None:
        """No projector has begun with the model."""
        with pytest.raises(ReadModelMissing, match="positions"):
            position_of(Readable(connection), tenant=ACME, portfolio=FUND, instrument=APPLE)
