"""A database without a log, for folds that meet events made by hand."""

from collections.abc import Iterator

import pytest

from infra.database import Database
from projections.building import Connection, connect


@pytest.fixture
def tables(database: Database) -> Iterator[Connection]:
    """A connection to it."""
    with connect(database.app_conninfo, application_name="test") as connection:
        connection.execute("SET client_min_messages = warning")
        yield connection
