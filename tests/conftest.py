"""What every test can ask for: real servers, fresh databases, the shared data sets.

A test that uses one of the server fixtures carries the marker `services`, so that `make check`
stays fast and `make test` runs everything.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from hypothesis import settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from eventstore.tables import create_log
from infra.data_directory import DataDirectory
from infra.database import Database
from infra.embedded_postgres import SUPERUSER, EmbeddedPostgres, create_database
from infra.embedded_valkey import EmbeddedValkey

REPOSITORY = Path(__file__).resolve().parent.parent
SERVER_FIXTURES = frozenset({"postgres_server", "valkey_server"})

# No deadline: a slow shared machine is not a defect. In CI the examples are the same on each run.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server."""
    for item in items:
        if SERVER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("services")


def reachable_directory() -> Path:
    """Make a temporary directory that another account can reach; pytest's own are closed."""
    directory = Path(tempfile.mkdtemp(prefix="pms-test-"))
    directory.chmod(0o711)
    return directory


@pytest.fixture(scope="session")
def server_data() -> Iterator[DataDirectory]:
    """The data directory of this session's servers, removed at the end."""
    directory = reachable_directory()
    yield DataDirectory(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(server_data: DataDirectory) -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL for the session, in the fast setting: no test here cuts its power."""
    with EmbeddedPostgres(server_data, durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def new_database(postgres_server: EmbeddedPostgres) -> Callable[[], Database]:
    """Make as many fresh, empty databases as a test needs; they end with the session."""
    names = (f"test_{number}" for number in itertools.count(1))
    return lambda: create_test_database(postgres_server, next(names))


@pytest.fixture(scope="session")
def new_log_database(postgres_server: EmbeddedPostgres) -> Callable[[], Database]:
    """Make as many fresh databases with an empty log as a test needs; they end with the session."""
    template = create_test_database(postgres_server, "log_template")
    create_log(template.owner_conninfo)
    names = (f"log_test_{number}" for number in itertools.count(1))
    return lambda: create_test_database(postgres_server, next(names), template="log_template")


def create_test_database(
    server: EmbeddedPostgres, name: str, *, template: str = "template1"
) -> Database:
    """Make one database with the two roles' rights."""
    with psycopg.connect(server.conninfo(SUPERUSER, "postgres"), autocommit=True) as connection:
        create_database(connection, name, template=template)
    return server.database_named(name)


def drop_database(server: EmbeddedPostgres, database: Database) -> None:
    """Drop a database, ending whatever sessions are left in it."""
    name = conninfo_to_dict(database.owner_conninfo)["dbname"]
    with psycopg.connect(server.conninfo(SUPERUSER, "postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(str(name)))
        )


@pytest.fixture
def database(
    postgres_server: EmbeddedPostgres, new_database: Callable[[], Database]
) -> Iterator[Database]:
    """A fresh database with the two roles' rights and nothing in it."""
    made = new_database()
    yield made
    drop_database(postgres_server, made)


@pytest.fixture
def log_database(
    postgres_server: EmbeddedPostgres, new_log_database: Callable[[], Database]
) -> Iterator[Database]:
    """A fresh database with an empty log; all of a session's logs carry one log id."""
    made = new_log_database()
    yield made
    drop_database(postgres_server, made)


@pytest.fixture(scope="session")
def valkey_server(server_data: DataDirectory) -> Iterator[EmbeddedValkey]:
    """A real Valkey for the session, nothing written to disk."""
    with EmbeddedValkey(server_data, durable=False) as server:
        yield server


@pytest.fixture
def valkey(valkey_server: EmbeddedValkey) -> str:
    """The address of an empty Valkey."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the repository; without it the test is skipped."""
    folder = Path(os.environ.get("PMS_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the shared data sets are not at {folder} (PMS_SHARED_DATA names another)")
    return folder
