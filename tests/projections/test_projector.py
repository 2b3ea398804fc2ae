"""The projector: shared reading, checkpoints by compare-and-set, isolation, recovery."""

import json
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import redis

from eventstore.failures import LogBehindCheckpoint
from eventstore.log import Log
from infra.database import Database
from projections import pacing
from projections.announcing import CHANNEL
from projections.building import Building, ignore_progress
from projections.cash.model import Cash
from projections.checkpoint import read_checkpoint
from projections.pacing import Pace
from projections.positions.model import Positions
from projections.projector import Projector
from projections.read_model import ReadModel
from projections.trades.model import Trades
from tests.projections.conftest import clock
from tests.projections.folding import difference
from tests.projections.running import (
    Brittle,
    deposits,
    described,
    running,
    wait_for_position,
    wait_until,
)
from tests.projections.story import Story

APPLE, FUND = "AAPL", "growth"
MODELS: tuple[ReadModel, ...] = (Positions(), Cash(), Trades())
PATIENCE_SECONDS = 0.05

Connection = psycopg.Connection[Any]


def tell_trades(story: Story, count: int) -> None:
    """Trades back and forth, some with fees."""
    for number in range(count):
        quantity = "3" if number % 3 else "-4"
        story.trade(FUND, APPLE, quantity, str(10 + number % 7), fee="0.5")


@pytest.fixture(autouse=True)
def begun(story: Story) -> None:
    """Every story here begins with one instrument and one portfolio."""
    story.register(APPLE)
    story.open(FUND)


@pytest.fixture
def as_rebuilt(log: Log, connection: Connection) -> Callable[[ReadModel], bool]:
    """Compare a live model with one folded anew up to the head."""

    def compare(model: ReadModel) -> bool:
        with Building([model], log, connection, suffix="_anew") as building:
            building.fold_until(log.head().position, ignore_progress)
            found = difference(connection, model, live=model.name, rebuilt=building.built[0].schema)
        assert found is None, str(found)
        return True

    return compare


class TestFollowing:
    """The projector folds what is there and what arrives, all models together."""

    def test_it_folds_what_is_there_and_what_arrives(
        self,
        log: Log,
        log_database: Database,
        story: Story,
        as_rebuilt: Callable[[ReadModel], bool],
    ) -> None:
        """Every table equals a fold from the first event."""
        tell_trades(story, 60)
        story.append_to(log)

        with running(log, log_database, MODELS) as projector:
            tell_trades(story, 60)
            head = story.append_to(log, together=7)
            wait_for_position(projector, head, *MODELS)

            assert all(as_rebuilt(model) for model in MODELS)
            health = projector.health()
            assert (health["ready"], health["degraded"], health["head"]) == (True, [], head)

    def test_models_at_one_position_commit_together(
        self, log: Log, log_database: Database, story: Story, connection: Connection
    ) -> None:
        """No reader ever sees two of them at different positions, nor half a command."""
        tell_trades(story, 1)
        story.append_to(log)
        seen: set[tuple[int, int, int]] = set()
        with running(log, log_database, MODELS, batch_events_max=9) as projector:
            wait_for_position(projector, 4, *MODELS)
            tell_trades(story, 100)
            head = story.append_to(log, together=5)

            def look() -> bool:
                row = connection.execute(
                    "SELECT p.position, c.position, t.position FROM positions.checkpoint AS p,"
                    " cash.checkpoint AS c, trades.checkpoint AS t"
                ).fetchone()
                assert row is not None
                seen.add(row)
                half = connection.execute(
                    "SELECT count(*) FROM trades.trades WHERE booked_position IS NULL"
                ).fetchone()
                assert half == (0,)
                return bool(row[0] == head)

            wait_until(look, "the head")

        assert all(len(set(positions)) == 1 for positions in seen)

    def test_a_patient_model_folds_what_came_meanwhile_at_once(
        self,
        log: Log,
        log_database: Database,
        story: Story,
        as_rebuilt: Callable[[ReadModel], bool],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """While it is busy; it is level soon after the last event, without any other to come."""
        monkeypatch.setattr(pacing, "PACES", (Pace(1, 0.0, PATIENCE_SECONDS),))
        story.append_to(log)
        with running(log, log_database, MODELS, patient=["cash"]) as projector:
            left_behind: set[bool] = set()
            for _ in range(60):
                tell_trades(story, 2)
                head = story.append_to(log)
                wait_for_position(projector, head, Trades())
                left_behind.add(described(projector, "cash")["position"] < head)
            assert left_behind == {True, False}
            wait_for_position(projector, head, *MODELS)

        assert all(as_rebuilt(model) for model in MODELS)

    def test_a_late_comer_catches_up_and_joins(
        self,
        log: Log,
        log_database: Database,
        story: Story,
        as_rebuilt: Callable[[ReadModel], bool],
    ) -> None:
        """A model that stands behind reads for itself until it is level."""
        tell_trades(story, 120)
        head = story.append_to(log)
        with running(log, log_database, [Cash()]) as projector:
            wait_for_position(projector, head, Cash())

        with running(log, log_database, MODELS) as projector:
            tell_trades(story, 30)
            head = story.append_to(log)
            wait_for_position(projector, head, *MODELS)

        assert all(as_rebuilt(model) for model in MODELS)

    def test_the_checkpoint_says_where_the_market_stands(
        self, log: Log, log_database: Database, story: Story, connection: Connection
    ) -> None:
        """The last event of the tenant `market`, also for a model that folds none of them."""
        story.deposit(FUND, "10")
        story.register("TSLA")
        story.deposit(FUND, "10")
        head = story.append_to(log)
        with running(log, log_database, [Cash()]) as projector:
            wait_for_position(projector, head, Cash())

        with connection.cursor() as cursor:
            checkpoint = read_checkpoint(cursor, "cash")

        assert checkpoint is not None
        assert (checkpoint.position, checkpoint.market_position) == (5, 4)
        assert checkpoint.log_id == log.log_id


class TestAnnouncing:
    """Each commit is announced on Valkey, and Valkey may be away."""

    def test_checkpoints_are_published(
        self, log: Log, log_database: Database, story: Story, valkey: str
    ) -> None:
        """The newest checkpoint of each model arrives as JSON, those of one commit together."""
        with redis.Redis.from_url(valkey) as client, client.pubsub() as listening:
            listening.subscribe(CHANNEL)
            tell_trades(story, 3)
            head = story.append_to(log)
            heard: dict[str, dict[str, Any]] = {}

            def hear() -> bool:
                message = listening.get_message(timeout=0.05)
                if message is not None and message["type"] == "message":
                    told = json.loads(message["data"])
                    heard.update({each["model"]: each for each in told})
                    assert len(told) == 3, "they stand together"
                positions = [told["position"] for told in heard.values()]
                return positions == [head, head, head]

            with running(log, log_database, MODELS, redis_url=valkey):
                wait_until(hear, "all models announced at the head")

        assert heard["cash"] == {"model": "cash", "position": head, "market_position": 1}

    def test_without_valkey_everything_goes_on(
        self, log: Log, log_database: Database, story: Story
    ) -> None:
        """An address where nobody listens costs nothing."""
        tell_trades(story, 3)
        head = story.append_to(log)
        with running(log, log_database, MODELS, redis_url="redis://127.0.0.1:1/0") as projector:
            wait_for_position(projector, head, *MODELS)


class TestRacing:
    """Two projectors on the same tables change nothing twice."""

    def test_whoever_loses_a_move_loads_anew(
        self,
        log: Log,
        log_database: Database,
        story: Story,
        as_rebuilt: Callable[[ReadModel], bool],
        connection: Connection,
    ) -> None:
        """With both at work all the time, the tables equal a fold by one."""
        models = (*MODELS, Brittle())
        with (
            running(log, log_database, models, batch_events_max=5) as one,
            running(log, log_database, models, batch_events_max=8) as other,
        ):
            for number in range(40):
                tell_trades(story, 2)
                story.deposit(FUND, str(number))
                head = story.append_to(log)
            wait_for_position(one, head, *models)
            wait_for_position(other, head, *models)

        assert all(as_rebuilt(model) for model in models)
        assert [row.amount for row in deposits(connection)] == [str(n) for n in range(40)]


class TestRecovering:
    """Nothing folded is lost or folded twice, whatever ends in between."""

    def test_a_projector_started_again_goes_on(
        self,
        log: Log,
        log_database: Database,
        story: Story,
        as_rebuilt: Callable[[ReadModel], bool],
    ) -> None:
        """Each start loads what it needs from the tables."""
        for _ in range(4):
            tell_trades(story, 20)
            head = story.append_to(log)
            with running(log, log_database, MODELS, batch_events_max=7) as projector:
                wait_for_position(projector, head, *MODELS)

        assert all(as_rebuilt(model) for model in MODELS)

    def test_a_lost_connection_is_opened_again(
        self,
        log: Log,
        log_database: Database,
        story: Story,
        as_rebuilt: Callable[[ReadModel], bool],
        connection: Connection,
    ) -> None:
        """The session is ended by the server again and again, in the middle of the work."""
        with running(log, log_database, MODELS, batch_events_max=6) as projector:
            for _ in range(10):
                tell_trades(story, 12)
                head = story.append_to(log)
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'pms projector' AND datname = current_database()"
                )
            wait_for_position(projector, head, *MODELS)

        assert all(as_rebuilt(model) for model in MODELS)

    def test_dropped_tables_are_made_anew(
        self,
        log: Log,
        log_database: Database,
        story: Story,
        as_rebuilt: Callable[[ReadModel], bool],
        connection: Connection,
    ) -> None:
        """Read models are disposable, also while the projector runs."""
        tell_trades(story, 10)
        head = story.append_to(log)
        with running(log, log_database, MODELS) as projector:
            wait_for_position(projector, head, *MODELS)
            connection.execute("SET client_min_messages = warning; DROP SCHEMA cash CASCADE")
            tell_trades(story, 10)
            head = story.append_to(log)
            wait_for_position(projector, head, *MODELS)

        assert all(as_rebuilt(model) for model in MODELS)

    def test_a_log_behind_a_checkpoint_is_refused(
        self, log: Log, log_database: Database, story: Story, connection: Connection
    ) -> None:
        """A log restored from a backup must not be folded on top of newer tables."""
        tell_trades(story, 3)
        head = story.append_to(log)
        with running(log, log_database, [Cash()]) as projector:
            wait_for_position(projector, head, Cash())
        connection.execute("UPDATE cash.checkpoint SET position = position + 1")

        refusing = Projector(log, log_database.app_conninfo, [Cash()], redis_url=None, clock=clock)
        with pytest.raises(LogBehindCheckpoint):
            refusing.run(threading.Event())
