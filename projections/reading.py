"""Reading for the query side: pooled connections that can only read, and where the models stand.

Whatever PostgreSQL does to a question is told in two words of ours: `ReadModelMissing`, which ends
when a projector has begun, and `ReadingUnavailable`, which ends when the database is back.
"""

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from eventstore.partitions import Partition, home_of, partitions
from projections.asking import Readable, ReadModelMissing
from projections.checkpoint import read_checkpoint

POOL_SIZE = 8
CONNECTION_SECONDS_MAX = 5.0
STATEMENT_SECONDS_MAX = 10
_READ_ONLY = (
    f"-c default_transaction_read_only=on -c statement_timeout={STATEMENT_SECONDS_MAX}s "
    "-c application_name=pms-read"
)

AnswerT = TypeVar("AnswerT")


class ReadingUnavailable(Exception):
    """The database cannot be asked now."""


class Reading:
    """Connections for questions to the tables of so many partitions; thread-safe."""

    def __init__(
        self, conninfo: str, *, partition_count: int = 1, pool_size: int = POOL_SIZE
    ) -> None:
        self.pool_size = pool_size
        self.partitions = partitions(partition_count)
        self._pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
            conninfo,
            kwargs={"autocommit": True, "options": _READ_ONLY},
            min_size=1,
            max_size=pool_size,
            timeout=CONNECTION_SECONDS_MAX,
            check=ConnectionPool.check_connection,
            open=False,
        )

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

    def home_of(self, tenant: str, portfolio: str) -> tuple[Partition, ...]:
        """Give the one partition whose tables hold a portfolio."""
        return (home_of(tenant, portfolio, len(self.partitions)),)

    def answer(
        self,
        question: Callable[[Readable], AnswerT],
        partitions: tuple[Partition, ...] | None = None,
    ) -> AnswerT:
        """Ask a question on a connection of the pool, of some partitions or of all.

        Raises:
            ReadModelMissing: the model has no tables yet.
            ReadingUnavailable: there is no connection, or it broke, or the question took too long.
        """
        try:
            with self._pool.connection() as connection:
                return question(Readable(connection, partitions or self.partitions))
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise ReadModelMissing("a read model has no tables yet") from error
        except (PoolTimeout, PoolClosed, psycopg.OperationalError) as error:
            raise ReadingUnavailable(type(error).__name__) from error

    def positions(self, schemas: Iterable[str]) -> dict[str, int | None]:
        """Tell where models' tables stand in the log; None for those that are not there yet.

        Raises:
            ReadingUnavailable: the database cannot be asked now.
        """

        def ask(readable: Readable) -> dict[str, int | None]:
            with readable.connection.cursor() as cursor:
                found = {schema: read_checkpoint(cursor, schema) for schema in schemas}
            return {schema: each.position if each else None for schema, each in found.items()}

        return self.answer(ask)
