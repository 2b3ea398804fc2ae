"""Rebuilds told of while they run, and held up: paused, resumed, throttled."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from eventstore.log import Log
from infra.database import Database
from projections import building
from projections import rebuilds as pacing
from projections.building import BuildFailed
from projections.read_model import Decoded, Fold
from projections.rebuild import rebuild
from projections.rebuilds import NoRebuild, RebuildState, Rebuilt, pause, rebuilds, throttle
from tests.projections.running import Brittle, deposits
from tests.projections.story import Story

FUND = "growth"
DEPOSITS = 40
PATIENCE_SECONDS = 30

Connection = psycopg.Connection[Any]


@pytest.fixture
def head(log: Log, story: Story, monkeypatch: pytest.MonkeyPatch) -> int:
    """Some deposits in the log, folded in batches of four events."""
    monkeypatch.setattr(building, "BATCH_EVENTS_MAX", 4)
    story.open(FUND)
    for _ in range(DEPOSITS):
        story.deposit(FUND, "1")
    return story.append_to(log)


def told(connection: Connection) -> Rebuilt:
    """What is told of the brittle model's rebuild."""
    (found,) = rebuilds(connection)
    return found


def wait_until(is_true: Callable[[], bool]) -> None:
    """Look again and again until something is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.01)


@contextmanager
def rebuilding(log: Log, database: Database) -> Iterator[threading.Thread]:
    """A rebuild in a thread, so slow that it has to be let go on."""
    thread = threading.Thread(
        target=rebuild,
        args=(Brittle(), log, database.app_conninfo),
        kwargs={"events_per_second_max": 1},
    )
    thread.start()
    yield thread
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


class Slow(Brittle):
    """A model of which each event takes its time; the size of each batch is noted."""

    SECONDS = 0.02

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self._before = before

    def new_fold(self, schema: str) -> Fold:
        """Fold like the other, but slowly."""
        inner, model = super().new_fold(schema), self

        class Slowly:
            def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
                model.sizes.append(len(batch))
                model._before()
                time.sleep(model.SECONDS * len(batch))
                inner.fold(cursor, batch)

        return Slowly()


class TestBatches:
    """A batch is as long as may pass until an operator is heard: about a second."""

    def test_are_small_where_folding_is_slow(
        self, log: Log, log_database: Database, story: Story, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After the first ones no batch holds more than can be folded in that time."""
        monkeypatch.setattr(pacing, "FIRST_BATCH_EVENTS", 10)
        story.open(FUND)
        for _ in range(150):
            story.deposit(FUND, "1")
        story.append_to(log)
        model = Slow()

        rebuild(model, log, log_database.app_conninfo)

        assert sum(model.sizes) == 150
        # What nobody folds is passed on the way, and makes it look a little faster.
        assert max(model.sizes) <= 1.1 * pacing.BATCH_SECONDS / Slow.SECONDS
        assert model.sizes[-2] > 10, "it grows to what takes a second"

    def test_follow_a_throttle_that_comes_while_one_is_folded(
        self, log: Log, log_database: Database, connection: Connection, story: Story
    ) -> None:
        """What was read ahead is left, if it is too much for the new pace."""
        story.open(FUND)
        for _ in range(40):
            story.deposit(FUND, "1")
        story.append_to(log)

        def slow_down() -> None:
            throttle(
                connection, "brittle", events_per_second_max=4 if len(model.sizes) == 1 else None
            )

        model = Slow(slow_down)
        rebuild(model, log, log_database.app_conninfo, events_per_second_max=20)

        assert model.sizes[0] > 4
        assert model.sizes[1] <= 4


class TestHoldingUp:
    """An operator holds a rebuild up from beside, while it runs."""

    def test_paused_it_rests_and_resumed_it_ends(
        self, log: Log, log_database: Database, head: int, connection: Connection
    ) -> None:
        """It stands still at its position, says so, and ends at the head when it may."""
        with rebuilding(log, log_database):
            wait_until(lambda: bool(rebuilds(connection)) and told(connection).position > 0)
            pause(connection, "brittle", is_paused=True)
            throttle(connection, "brittle", events_per_second_max=None)
            wait_until(lambda: told(connection).state is RebuildState.PAUSED)
            stood = told(connection)
            wait_until(lambda: told(connection).told_at > stood.told_at)
            assert told(connection).position == stood.position < head
            assert stood.target == head
            pause(connection, "brittle", is_paused=False)
        found = told(connection)
        assert (found.state, found.position, found.target) == (RebuildState.SWAPPED, head, head)
        assert len(deposits(connection)) == DEPOSITS

    def test_throttled_it_keeps_its_pace(
        self, log: Log, log_database: Database, head: int, connection: Connection
    ) -> None:
        """At one event a second it would take as many seconds as events; let go, it does not."""
        with rebuilding(log, log_database):
            wait_until(lambda: bool(rebuilds(connection)) and told(connection).position > 0)
            assert told(connection).events_per_second_max == 1
            assert told(connection).position < head
            throttle(connection, "brittle", events_per_second_max=1_000_000)
        assert told(connection).state is RebuildState.SWAPPED

    def test_ended_from_within_it_is_interrupted(
        self, log: Log, log_database: Database, head: int, connection: Connection
    ) -> None:
        """Whatever a watcher raises ends it; nothing is under way then that could be held up."""

        def raise_half_way(position: int, target: int) -> None:
            if position > target / 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            rebuild(Brittle(), log, log_database.app_conninfo, raise_half_way)
        # PostgreSQL notices a moment later that the connection has ended.
        wait_until(lambda: told(connection).state is RebuildState.INTERRUPTED)
        assert head / 2 < told(connection).position < head
        with pytest.raises(NoRebuild):
            pause(connection, "brittle", is_paused=True)
        with pytest.raises(NoRebuild):
            throttle(connection, "brittle", events_per_second_max=5)

    def test_a_fold_that_fails_is_told(
        self, log: Log, log_database: Database, head: int, connection: Connection
    ) -> None:
        """It is not retried, and the next rebuild begins anew."""
        with pytest.raises(BuildFailed):
            rebuild(Brittle("1"), log, log_database.app_conninfo)
        assert told(connection).state is RebuildState.FAILED
        rebuild(Brittle(), log, log_database.app_conninfo)
        assert told(connection).state is RebuildState.SWAPPED


def test_nothing_is_told_before_the_first(connection: Connection) -> None:
    """There is no table yet."""
    assert rebuilds(connection) == []
