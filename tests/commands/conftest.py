"""A desk on a fresh log."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from commands.desk import Desk
from eventstore.log import Log
from infra.database import Database


@pytest.fixture
def log(log_database: Database) -> Iterator[Log]:
    """A fresh, empty log."""
    with Log(log_database.app_conninfo, clock=lambda: datetime.now(UTC), build="test") as opened:
        yield opened


@pytest.fixture
def desk(log: Log) -> Iterator[Desk]:
    """A running desk on that log."""
    running = Desk(log)
    running.start()
    yield running
    running.stop(20)
