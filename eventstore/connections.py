"""Connections to the log's database: the library's pool, and single ones beside it."""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg
from eventsourcing import persistence
from eventsourcing.postgres import ConnectionPool, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from eventstore.failures import AppendRefused, LogFailure, LogUnavailable

Connection: TypeAlias = psycopg.Connection[Any]

LOCK_WAIT_SECONDS = 15
"""Longest wait for the append lock."""

_HOLD_SECONDS = 10
"""Longest silence of a client inside a transaction: it holds the append lock meanwhile."""

# A database that is gone without a word must be noticed while callers still wait for an answer.
NETWORK: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# Arrays differ in length and the first rows differ from the millionth, so plans are made per query;
# the isolation level is the one under which the head read after the lock is the newest; the server
# watches the line too, so that a lost writer does not keep the lock; and a role that commits its
# read models without waiting for the disk still waits here.
_SESSION = f"""
SET TimeZone = 'UTC';
SET standard_conforming_strings = on;
SET client_encoding = 'UTF8';
SET plan_cache_mode = 'force_custom_plan';
SET default_transaction_isolation = 'read committed';
SET jit = off;
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit') = 'off';
SET lock_timeout = '{LOCK_WAIT_SECONDS}s';
SET idle_in_transaction_session_timeout = '{_HOLD_SECONDS}s';
SET tcp_keepalives_idle = 5;
SET tcp_keepalives_interval = 2;
SET tcp_keepalives_count = 3;
"""
_TRANSACTION_TIMEOUT = "SET transaction_timeout = '30s'"
_TRANSACTION_TIMEOUT_SINCE = 170_000


def connect(conninfo: str, *, application_name: str) -> Connection:
    """Open a single connection in autocommit mode; the caller closes it."""
    connection = psycopg.connect(**_parameters(conninfo, application_name), autocommit=True)
    _prepare_session(connection)
    return connection


def ask(conninfo: str, *, application_name: str, seconds: int) -> None:
    """Open a connection, have it answer and close it again; `seconds` is the patience to connect.

    Raises:
        LogUnavailable: the database did not answer.
    """
    given = _parameters(conninfo, application_name) | {"connect_timeout": seconds}
    try:
        with psycopg.connect(**given, autocommit=True) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        raise LogUnavailable(str(error)) from error


def _parameters(conninfo: str, application_name: str) -> dict[str, Any]:
    """Add our parameters of the connection where the address does not set them."""
    ours = NETWORK | {"application_name": application_name}
    return ours | conninfo_to_dict(conninfo)


def _prepare_session(connection: Connection) -> None:
    connection.autocommit = True
    connection.execute(_SESSION)
    if connection.info.server_version >= _TRANSACTION_TIMEOUT_SINCE:
        connection.execute(_TRANSACTION_TIMEOUT)


def _require_alive(connection: Connection) -> None:
    """Refuse a pooled connection the server has closed; only where there is a sign, ask it.

    Nothing but a farewell (or a passing notice) can be waiting to be read on an idle connection.
    """
    if select.select([connection.fileno()], [], [], 0)[0]:
        connection.execute("SELECT")


class LogDatastore(PostgresDatastore):
    """The library's datastore with its pool opened by everything the address says, TLS included."""

    def __init__(self, conninfo: str, *, pool_size: int) -> None:
        parameters = _parameters(conninfo, "pms log")
        super().__init__(
            dbname=str(parameters.get("dbname", "")),
            host=str(parameters.get("host", "")),
            port=str(parameters.get("port", "")),
            user=str(parameters.get("user", "")),
            password=str(parameters.get("password", "")),
            schema="log",
        )
        self.pool = ConnectionPool(
            connection_class=psycopg.Connection[DictRow],
            kwargs=parameters | {"row_factory": dict_row},
            min_size=1,
            max_size=pool_size,
            open=False,
            configure=self.after_connect_func(),
            check=_require_alive,
            timeout=float(parameters["connect_timeout"]),
            num_workers=2,
        )

    def after_connect_func(self) -> Callable[[Connection], None]:
        """Give what the pool does with each new connection."""
        return _prepare_session

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection in autocommit mode.

        Raises:
            LogUnavailable: none could be had, or the database gave up inside the block.
            AppendRefused: the database refused a statement of the block.
        """
        try:
            with self.get_connection() as connection:
                yield connection
        except LogFailure:
            raise
        except (persistence.OperationalError, persistence.InterfaceError) as error:
            raise LogUnavailable(str(error)) from error
        except persistence.PersistenceError as error:
            raise AppendRefused(str(error)) from error


def is_gone(connection: Connection) -> bool:
    """Tell whether the connection can carry no further statement."""
    return connection.closed or connection.pgconn.status != psycopg.pq.ConnStatus.OK
