"""A connection of the application's role, one per module: schemas are made anew by each test."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from infra.database import Database
from projections.leaderboard.keeping import PLANNED_ONCE


@pytest.fixture(scope="module")
def connection(new_database: Callable[[], Database]) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a database of the module's own, which plans as the keeper's does."""
    conninfo = new_database().app_conninfo
    with psycopg.connect(conninfo, autocommit=True, options=PLANNED_ONCE) as made:
        yield made
