"""Where the registry keeps what it was told: three tables in the schema `schema_registry`.

Ids count up from 1 over all subjects, versions from 1 in each. Nothing is deleted, so the next of
either is one more than the greatest; whoever adds holds an advisory lock until its commit.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from infra.schema_registry.refusals import StoreUnavailable

Connection: TypeAlias = psycopg.Connection[Any]

POOL_SIZE = 4
CONNECTION_SECONDS_MAX = 2.0
# A value in a topic names its schema by id for ever: an id must not be lost with a crash, even
# where the role commits without waiting for the disk.
_OPTIONS = (
    "-c synchronous_commit=on -c statement_timeout=10s -c lock_timeout=8s "
    "-c idle_in_transaction_session_timeout=10s -c default_transaction_isolation=read\\ committed"
)
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('pms schema registry', 0))"
_TABLES = """
CREATE SCHEMA IF NOT EXISTS schema_registry;
CREATE TABLE IF NOT EXISTS schema_registry.schemas (
    id integer PRIMARY KEY CHECK (id > 0),
    text text NOT NULL,
    fingerprint bytea NOT NULL UNIQUE CHECK (length(fingerprint) = 32)
);
CREATE TABLE IF NOT EXISTS schema_registry.versions (
    subject text NOT NULL CHECK (subject <> ''),
    version integer NOT NULL CHECK (version > 0),
    schema_id integer NOT NULL REFERENCES schema_registry.schemas,
    PRIMARY KEY (subject, version),
    UNIQUE (subject, schema_id)
);
CREATE INDEX IF NOT EXISTS versions_of_schema ON schema_registry.versions (schema_id);
-- The level of the subject '' is the one of all subjects that have none of their own.
CREATE TABLE IF NOT EXISTS schema_registry.levels (
    subject text PRIMARY KEY,
    level text NOT NULL
);
"""


class Store:
    """Connections to the registry's tables, which are made at first use; thread-safe."""

    def __init__(self, conninfo: str) -> None:
        # The caller's own options stay; ours come after them and win.
        given = str(conninfo_to_dict(conninfo).get("options") or "")
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            conninfo,
            kwargs={
                "options": f"{given} {_OPTIONS}".strip(),
                "application_name": "pms schema registry",
                "connect_timeout": 5,
                "tcp_user_timeout": 10_000,
            },
            min_size=1,
            max_size=POOL_SIZE,
            timeout=CONNECTION_SECONDS_MAX,
            # Short, so that the next request after PostgreSQL is back tries anew.
            reconnect_timeout=1.0,
            check=ConnectionPool.check_connection,
            open=False,
        )
        self._making = threading.Lock()
        self._is_made = False

    def __enter__(self) -> Self:
        self._pool.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lend a connection in a transaction.

        Raises:
            StoreUnavailable: PostgreSQL is away, broke off, or took too long.
        """
        try:
            with self._pool.connection() as connection:
                self._make_tables(connection)
                yield connection
        except (PoolTimeout, PoolClosed, psycopg.OperationalError) as error:
            raise StoreUnavailable(type(error).__name__) from error

    @contextmanager
    def adding(self) -> Iterator[Connection]:
        """Lend a connection in a transaction that is the only one to add, until it ends.

        Raises:
            StoreUnavailable: PostgreSQL is away, broke off, or took too long.
        """
        with self.reading() as connection:
            connection.execute(_LOCK)
            yield connection

    def _make_tables(self, connection: Connection) -> None:
        with self._making:
            if not self._is_made:
                with connection.transaction():
                    connection.execute(_LOCK)
                    connection.execute(_TABLES)
                self._is_made = True
