"""A log, a clock and a storyteller for the tests of read models."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from eventstore.log import Log
from infra.database import Database
from projections.building import Building, connect, ignore_progress
from projections.read_model import ReadModel
from tests.projections.story import Story

NOW = datetime(2024, 3, 8, 12, tzinfo=UTC)
Connection = psycopg.Connection[Any]


def clock() -> datetime:
    """The one moment of all these tests."""
    return NOW


@pytest.fixture
def log(log_database: Database) -> Iterator[Log]:
    """An empty log."""
    with Log(log_database.app_conninfo, clock=clock, build="test", pool_size=4) as made:
        yield made


@pytest.fixture
def connection(log_database: Database) -> Iterator[Connection]:
    """A connection as the application's role."""
    with connect(log_database.app_conninfo, application_name="test") as made:
        yield made


@pytest.fixture
def story() -> Story:
    """A story not yet begun."""
    return Story()


@pytest.fixture
def fold(log: Log, connection: Connection, story: Story) -> Iterator[Callable[[ReadModel], None]]:
    """Append what the story told and fold all of it into a model's own schema."""
    buildings: list[Building] = []

    def fold_all(model: ReadModel) -> None:
        head = story.append_to(log)
        building = Building([model], log, connection, suffix="")
        buildings.append(building.__enter__())
        building.fold_until(head, ignore_progress)

    yield fold_all
    for building in buildings:
        building.__exit__(None, None, None)
