"""What stops one read model stops no other: poison, and rebuilds at start."""

from typing import Any

import psycopg
import pytest

from eventstore.log import Log
from infra.database import Database
from projections.cash.model import Cash
from projections.checkpoint import read_checkpoint
from projections.positions.model import Positions
from projections.read_model import ReadModel
from projections.standing import POISONED, POSITION
from projections.trades.model import Trades
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

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def begun(story: Story) -> None:
    """Every story here begins with one instrument and one portfolio."""
    story.register(APPLE)
    story.open(FUND)


class TestBeingPoisoned:
    """An event that cannot be folded stops one model at its position, and no other."""

    @pytest.mark.parametrize("poisoned_at", [0, 7, 19])
    def test_a_fold_that_raises_stops_only_its_model(
        self,
        log: Log,
        log_database: Database,
        story: Story,
        connection: Connection,
        poisoned_at: int,
    ) -> None:
        """Everything before the event is folded; health and metrics name it."""
        for number in range(20):
            story.deposit(FUND, str(number))
        head = story.append_to(log)
        models: tuple[ReadModel, ...] = (*MODELS, Brittle(str(poisoned_at)))
        poisoned_position = 3 + poisoned_at

        with running(log, log_database, models) as projector:
            wait_until(lambda: projector.health()["degraded"] == ["brittle"], "the poison")
            wait_for_position(projector, head, *MODELS)
            described_brittle = described(projector, "brittle")
            shown = POSITION.labels("brittle")._value.get
            wait_until(lambda: shown() == poisoned_position - 1, "the gauge")

        assert described_brittle["state"] == "poisoned"
        assert described_brittle["position"] == poisoned_position - 1
        assert described_brittle["poison"] == {
            "position": poisoned_position,
            "event_type": "portfolio.cash_deposited.v1",
            "error": f"ValueError: cannot fold {poisoned_at}",
        }
        assert len(deposits(connection)) == poisoned_at
        assert POISONED.labels("brittle")._value.get() == 1

    def test_a_mended_model_goes_on_from_there(
        self, log: Log, log_database: Database, story: Story, connection: Connection
    ) -> None:
        """After the next start nothing is missing and nothing is there twice."""
        for number in range(20):
            story.deposit(FUND, str(number))
        head = story.append_to(log)
        with running(log, log_database, [Brittle("7")]) as projector:
            wait_until(lambda: projector.health()["degraded"] == ["brittle"], "the poison")

        with running(log, log_database, [Brittle()]) as projector:
            wait_for_position(projector, head, Brittle())

        assert [row.amount for row in deposits(connection)] == [str(n) for n in range(20)]

    @pytest.mark.parametrize(
        ("event_type", "stopped"),
        [
            ("portfolio.cash_deposited.v1", {"cash", "brittle"}),
            ("portfolio.unheard_of.v1", {"cash", "brittle", "trades", "positions"}),
        ],
    )
    def test_bytes_nobody_can_read_stop_those_who_need_them(
        self,
        log: Log,
        log_database: Database,
        story: Story,
        event_type: str,
        stopped: set[str],
    ) -> None:
        """A damaged event stops who folds its type; an unknown name might concern anybody."""
        story.deposit(FUND, "1")
        story.damage_next(event_type)
        story.deposit(FUND, "2")
        story.deposit(FUND, "3")
        head = story.append_to(log)
        models: tuple[ReadModel, ...] = (*MODELS, Brittle())

        with running(log, log_database, models) as projector:
            wait_until(lambda: set(projector.health()["degraded"]) == stopped, "the poison")  # type: ignore[call-overload]
            others = [model for model in models if model.name not in stopped]
            wait_for_position(projector, head, *others)

            assert all(described(projector, name)["position"] == 3 for name in stopped)
            assert all(
                described(projector, name)["poison"]["event_type"] == event_type for name in stopped
            )


class TestRenumbering:
    """A model of another calculation version is rebuilt beside the old rows, then swapped in."""

    def test_a_new_calculation_version_is_rebuilt_at_start(
        self, log: Log, log_database: Database, story: Story, connection: Connection
    ) -> None:
        """Every row is of the new version; the other models never stop."""
        for number in range(20):
            story.deposit(FUND, str(number))
        head = story.append_to(log)
        with running(log, log_database, [Brittle(), Cash()]) as projector:
            wait_for_position(projector, head, Brittle(), Cash())

        newer = Brittle(calculation_version=2)
        with running(log, log_database, [newer, Cash()]) as projector:
            story.deposit(FUND, "20")
            head = story.append_to(log)
            wait_for_position(projector, head, newer, Cash())
            wait_until(lambda: projector.health()["ready"], "readiness")

        assert [(row.amount, row.calculation_version) for row in deposits(connection)] == [
            (str(n), 2) for n in range(21)
        ]
        with connection.cursor() as cursor:
            checkpoint = read_checkpoint(cursor, "brittle")
        assert checkpoint is not None
        assert (checkpoint.calculation_version, checkpoint.edition) == (2, 1)

    def test_a_rebuild_that_fails_leaves_the_old_rows(
        self, log: Log, log_database: Database, story: Story, connection: Connection
    ) -> None:
        """The model is poisoned, its rows are those of before."""
        for number in range(5):
            story.deposit(FUND, str(number))
        head = story.append_to(log)
        with running(log, log_database, [Brittle()]) as projector:
            wait_for_position(projector, head, Brittle())

        with running(log, log_database, [Brittle("3", calculation_version=2)]) as projector:
            wait_until(lambda: projector.health()["degraded"] == ["brittle"], "the poison")

        assert {row.calculation_version for row in deposits(connection)} == {1}
