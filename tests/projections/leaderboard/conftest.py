"""A connection of the application's role, one per module: schemas are made anew by each test."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from infra.database import Database


@pytest.fixture(scope="module")
def connection(new_database: Callable[[], Database]) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a database of the module's own."""
    with psycopg.connect(new_database().app_conninfo, autocommit=True) as made:
        yield made
