"""Reading for the query side: pooled connections that can only read, and where the models stand.

Whatever PostgreSQL does to a question is told in two words of ours: `ReadModelMissing`, which ends
when a projector has begun, and `ReadingUnavailable`, which ends when the database is back.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeVar
from weakref import WeakKeyDictionary

import msgspec
import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from eventstore.partitions import Partition, home_of, partitions
from projections.asking import Readable, ReadModelMissing, ReadModelReplaced, Seen, State
from projections.checkpoint import read_checkpoint
from projections.together import Found, Together, Wanted

POOL_SIZE = 8
CONNECTION_SECONDS_MAX = 5.0
SURE_SECONDS = 0.1
"""How long a connection that has answered is taken to be there: PostgreSQL restarts in more."""
STATEMENT_SECONDS_MAX = 10
_READ_ONLY = (
    f"-c default_transaction_read_only=on -c statement_timeout={STATEMENT_SECONDS_MAX}s "
    "-c application_name=pms-read"
)

AnswerT = TypeVar("AnswerT")


class ReadingUnavailable(Exception):
    """The database cannot be asked now."""


class Sitting(msgspec.Struct):
    """What the questions of one request have in common.

    `seen` is what its answers were made of; `connection` is there while it holds one, mostly with
    one snapshot of the database.
    """

    seen: Seen = {}
    connection: psycopg.Connection[Any] | None = None


class Reading:
    """Connections for questions to the tables of so many partitions; thread-safe."""

    def __init__(
        self,
        conninfo: str,
        *,
        partition_count: int = 1,
        pool_size: int = POOL_SIZE,
        options: str = "",
    ) -> None:
        self.pool_size = pool_size
        self.partitions = partitions(partition_count)
        self._pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
            conninfo,
            kwargs={"autocommit": True, "options": f"{_READ_ONLY} {options}"},
            min_size=1,
            max_size=pool_size,
            timeout=CONNECTION_SECONDS_MAX,
            check=self._check,
            open=False,
        )
        self._answered: WeakKeyDictionary[psycopg.Connection[Any], float] = WeakKeyDictionary()
        self._together = Together()

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
        sitting: Sitting | None = None,
    ) -> AnswerT:
        """Ask a question on a connection of the pool, of some partitions or of all.

        A `sitting` that holds a connection is asked on that one, else a question is asked again
        where tables were replaced meanwhile: each connection may have to learn it for itself.

        Raises:
            ReadModelMissing: the model has no tables yet.
            ReadingUnavailable: there is no connection, or it broke, or the question took too long.
        """
        is_held = sitting is not None and sitting.connection is not None
        for _ in range(0 if is_held else self.pool_size):
            with suppress(ReadModelReplaced):
                return self._answer(question, partitions, sitting)
        return self._answer(question, partitions, sitting)

    def _answer(
        self,
        question: Callable[[Readable], AnswerT],
        partitions: tuple[Partition, ...] | None,
        sitting: Sitting | None,
    ) -> AnswerT:
        try:
            with self._connection(sitting) as connection:
                seen = None if sitting is None else sitting.seen
                answer = question(Readable(connection, partitions or self.partitions, seen))
                self._answered[connection] = monotonic()
                return answer
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise ReadModelMissing("a read model has no tables yet") from error
        except (PoolTimeout, PoolClosed, psycopg.OperationalError) as error:
            raise ReadingUnavailable(type(error).__name__) from error

    def together(self, wanted: Sequence[Wanted]) -> list[Found | None]:
        """Ask questions in one message; None for what has to be asked alone, to know what it says.

        Raises:
            ReadingUnavailable: there is no connection.
        """
        try:
            connection = self._pool.getconn()
        except (PoolTimeout, PoolClosed, psycopg.OperationalError) as error:
            raise ReadingUnavailable(type(error).__name__) from error
        try:
            found = self._together.ask(connection, wanted)
            self._answered[connection] = monotonic()
        except psycopg.errors.FeatureNotSupported:
            connection.close()  # What is prepared on it is of tables with other columns.
            return [None] * len(wanted)
        except psycopg.Error:
            return [None] * len(wanted)
        finally:
            self._pool.putconn(connection)
        return found

    @contextmanager
    def lent(self) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection for several questions, each of which has its own snapshot.

        Raises:
            ReadingUnavailable: there is no connection.
        """
        try:
            with self._pool.connection() as connection:
                yield connection
        except (PoolTimeout, PoolClosed, psycopg.OperationalError) as error:
            raise ReadingUnavailable(type(error).__name__) from error

    @contextmanager
    def held(self, sitting: Sitting) -> Iterator[None]:
        """Let a sitting ask all its questions of one snapshot, taken with its first question.

        Raises:
            ReadingUnavailable: there is no connection, or it broke.
        """
        try:
            with self._pool.connection() as connection, connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                sitting.connection = connection
                try:
                    yield
                finally:
                    sitting.connection = None
        except (PoolTimeout, PoolClosed, psycopg.OperationalError) as error:
            raise ReadingUnavailable(type(error).__name__) from error

    def positions(self, schemas: Iterable[str]) -> dict[str, int | None]:
        """Tell where models' tables stand in the log; None for those that are not there yet.

        Raises:
            ReadingUnavailable: the database cannot be asked now.
        """
        found = self.states(schemas)
        return {schema: each.position if each else None for schema, each in found.items()}

    def states(self, schemas: Iterable[str]) -> dict[str, State | None]:
        """Tell what models' tables hold; None for those that are not there yet.

        Raises:
            ReadingUnavailable: the database cannot be asked now.
        """

        def ask(readable: Readable) -> dict[str, State | None]:
            with readable.connection.cursor() as cursor:
                found = {schema: read_checkpoint(cursor, schema) for schema in schemas}
            return {
                schema: State(each.position, each.edition) if each else None
                for schema, each in found.items()
            }

        return self.answer(ask)

    def _check(self, connection: psycopg.Connection[Any]) -> None:
        """Ask a connection whether it is there, unless it has just answered: a round trip less."""
        if monotonic() - self._answered.get(connection, 0.0) > SURE_SECONDS:
            ConnectionPool.check_connection(connection)

    def _connection(
        self, sitting: Sitting | None
    ) -> AbstractContextManager[psycopg.Connection[Any]]:
        if sitting is not None and sitting.connection is not None:
            return nullcontext(sitting.connection)
        return self._pool.connection()
