"""What every test can ask for: real servers, fresh databases, the shared data sets.

A test that uses one of the server fixtures carries the marker `services`, so that `make check`
stays fast and `make test` runs everything. One that uses Kafka carries `kafka` too: it is skipped,
and the summary says so, where there is neither Java 17 with Maven nor a given cluster; in
continuous integration (`CI`) that is a failure.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import psycopg_pool.base
import pytest
import redis
import structlog
from hypothesis import settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from eventstore.tables import create_log
from infra.data_directory import DataDirectory
from infra.database import Database
from infra.embedded_kafka import EmbeddedKafka
from infra.embedded_postgres import SUPERUSER, EmbeddedPostgres, create_database
from infra.embedded_valkey import EmbeddedValkey
from infra.errors import OperatorError
from infra.kafka_programs import java_program, kafka_jars
from infra.settings import default_cache_directory
from tests.infra.schema_registry.serving import serving_registry

REPOSITORY = Path(__file__).resolve().parent.parent
SERVER_FIXTURES = frozenset({"postgres_server", "valkey_server", "kafka_server"})
KAFKA_CACHE = Path(os.environ.get("PMS_CACHE") or default_cache_directory())
NO_KAFKA_WORDS = "no Kafka to test against"
NO_KAFKA = pytest.StashKey[str]()

# No deadline: a slow shared machine is not a defect. In CI the examples are the same on each run.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

# The threads of a pool take their jitter from the generator that all share. Hypothesis watches it,
# and where one does so while an example is drawn, it warns of a strategy that is not to blame.
vars(psycopg_pool.base)["random"] = random.Random().random


def log_for_pytest() -> None:
    """Send structured logs to Python's logging, where pytest shows them if the test fails.

    Printed, as structlog would on its own, a line of a server's thread that comes between two
    tests lands among pytest's dots.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


log_for_pytest()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs a server; of several workers, each begins with the files that take long."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if SERVER_FIXTURES & fixtures:
            item.add_marker("services")
        if "kafka_server" in fixtures:
            item.add_marker("kafka")
    if hasattr(config, "workerinput"):
        longest = {item.path for item in items if item.get_closest_marker("longest")}
        long = {item.path for item in items if any(map(item.get_closest_marker, ("slow", "kafka")))}
        items.sort(key=lambda item: (item.path not in longest, item.path not in long))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch Kafka before the first test's time runs, if a selected test needs it."""
    needed = any(item.get_closest_marker("kafka") for item in session.items)
    if session.config.option.collectonly or not needed or os.environ.get("PMS_KAFKA_BOOTSTRAP"):
        return
    try:
        java_program()
        kafka_jars(KAFKA_CACHE, say=lambda sentence: print(f"\n{sentence}", flush=True))  # noqa: T201
    except OperatorError as error:
        session.config.stash[NO_KAFKA] = str(error)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what needs Kafka where there is none; in continuous integration, fail."""
    reason = item.config.stash.get(NO_KAFKA, None)
    if reason is None or item.get_closest_marker("kafka") is None:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{NO_KAFKA_WORDS}: {reason}", pytrace=False)
    pytest.skip(f"{NO_KAFKA_WORDS}: {reason}")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> None:
    """Say at the end, where it is read, that a part of the suite was not run."""
    # The workers, if there are some, know it: here are only the reports of what they left out.
    skipped = (str(report.longrepr) for report in terminalreporter.stats.get("skipped", ()))
    found = next((each for each in skipped if NO_KAFKA_WORDS in each), None)
    if found is not None:
        terminalreporter.section("THE KAFKA TESTS DID NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.line(found.rpartition(f"{NO_KAFKA_WORDS}: ")[2].rstrip("')\""))


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
    with EmbeddedPostgres(server_data, durable=False, kept=False) as server:
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
def valkey(valkey_server: EmbeddedValkey) -> Iterator[str]:
    """The address of an empty Valkey; whatever was put there is gone afterwards.

    All logs of a session carry one id: the session's own board would be taken for another's.
    """
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
        yield valkey_server.url
        client.flushall()


@dataclass(frozen=True)
class KafkaSpace:
    """A part of one broker that a test has to itself: topics and groups named by its prefix."""

    bootstrap: str
    prefix: str


@pytest.fixture(scope="session")
def kafka_server(server_data: DataDirectory) -> Iterator[str]:
    """The address of a real Kafka for the session: the given one, or our own."""
    given = os.environ.get("PMS_KAFKA_BOOTSTRAP")
    if given:
        yield given
        return
    with EmbeddedKafka(server_data, cache=KAFKA_CACHE) as server:
        yield server.bootstrap


@pytest.fixture
def kafka(kafka_server: str) -> KafkaSpace:
    """A prefix of the test's own on the session's Kafka."""
    return KafkaSpace(bootstrap=kafka_server, prefix=f"test-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def registry(database: Database) -> Iterator[str]:
    """The address of a running schema registry on a fresh database."""
    with serving_registry(database.app_conninfo) as url:
        yield url


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the repository; without it the test is skipped."""
    folder = Path(os.environ.get("PMS_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the shared data sets are not at {folder} (PMS_SHARED_DATA names another)")
    return folder
