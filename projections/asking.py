"""Asking a read model: rows and the checkpoint they belong to, from one snapshot.

The checkpoint is part of the same SQL statement as the rows. While a rebuild is swapped in, a
statement may still have found the retired tables under the old name; their checkpoint says so, and
the question is asked again.

What concerns one portfolio is asked of its partition alone. A list over several partitions is put
together here and is of the least of their positions; no row is ever made of two partitions.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import psycopg
from psycopg import IsolationLevel, postgres, sql
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import tuple_row

from domain.money import canonical
from eventstore.partitions import WHOLE, Partition

PAGE_ROWS_MAX = 1_000
STATEMENTS_MAX = 1_000
"""Questions kept as they are sent: those of this process, for each partition."""


_ATTEMPTS_MAX = 10
_NUMERIC = postgres.types["numeric"].oid
_BEFORE_ROWS = 4
"""The columns in front of what is asked for, the last of which tells whether there is a row."""

_QUESTION = """
SELECT checkpoint.position, checkpoint.market_position, checkpoint.edition, answer.*
FROM {{schema}}.checkpoint LEFT JOIN LATERAL (SELECT true AS is_row, {rows}) AS answer ON true
{order}
"""


class ReadModelMissing(Exception):
    """The read model has no tables yet: no projector has begun with it."""


class ReadModelReplaced(ReadModelMissing):
    """A rebuild was swapped in meanwhile: the same question, asked anew, has an answer."""


class HistoryTooLong(Exception):
    """A portfolio has more facts, up to the end asked for, than are folded for one answer.

    `instead` says what can be asked.
    """

    def __init__(self, facts_max: int, *, instead: str = "ask for an earlier end") -> None:
        super().__init__(f"more than {facts_max} facts")
        self.facts_max = facts_max
        self.instead = instead


class Answered(NamedTuple):
    """The rows of an answer and the position all of them are of."""

    position: int
    market_position: int
    rows: list[tuple[Any, ...]]


class State(NamedTuple):
    """What a schema's tables hold is told by these two: how far they are, of which edition."""

    position: int
    edition: int


class Stand(NamedTuple):
    """What the tables of a schema hold in a snapshot, once somebody has asked: of which log."""

    log_id: UUID
    state: State
    market_position: int


Seen: TypeAlias = dict[str, State]
"""By schema, the first state that an answer was made of."""


class Database(NamedTuple):
    """A database by its server and its name."""

    host: str
    port: int
    name: str


class Readable(NamedTuple):
    """What can be asked: a connection, and the partitions whose tables hold the answer.

    `seen`, where given, gets the states of the tables that are asked. `steady` does so too, and no
    answer may be of another state: names are no part of a snapshot, so that a rebuild may be
    swapped in between two of its questions.
    """

    connection: psycopg.Connection[Any]
    partitions: tuple[Partition, ...] = (WHOLE,)
    seen: "Seen | None" = None
    steady: "Seen | None" = None

    @property
    def database(self) -> Database:
        """The database asked; what is remembered in memory of one is not of another."""
        info = self.connection.info
        return Database(info.host, info.port, info.dbname)


@contextmanager
def snapshot(readable: Readable) -> Iterator[None]:
    """Ask several questions of one snapshot of the database, in which a model has one position."""
    connection = readable.connection
    if _is_in_transaction(connection):
        yield  # The caller holds a snapshot already.
        return
    connection.isolation_level = IsolationLevel.REPEATABLE_READ  # said by BEGIN itself
    with connection.transaction():
        yield


def ask(
    readable: Readable,
    model: str,
    rows: str,
    parameters: Sequence[object] | Mapping[str, object],
    *,
    order: str = "",
    merge: Callable[[tuple[Any, ...]], Any] | None = None,
    is_reversed: bool = False,
    prepare: bool | None = None,
) -> Answered:
    """Ask a model for `rows`, a SELECT without its first word; decimals come in canonical form.

    `merge` gives a row's place among those of other partitions, from behind if `is_reversed`;
    without it only one may be asked. With `prepare` false the plan is made for these parameters.

    Raises:
        ReadModelMissing: there are no tables yet.
    """
    answers = [
        _ask_one(readable, model + partition.suffix, rows, parameters, order, prepare=prepare)
        for partition in readable.partitions
    ]
    if len(answers) == 1:
        return answers[0]
    assert merge is not None, f"this question to {model} is one partition's"
    return Answered(
        min(answer.position for answer in answers),
        min(answer.market_position for answer in answers),
        sorted((row for answer in answers for row in answer.rows), key=merge, reverse=is_reversed),
    )


def _ask_one(
    readable: Readable,
    schema: str,
    rows: str,
    parameters: Sequence[object] | Mapping[str, object],
    order: str,
    *,
    prepare: bool | None,
) -> Answered:
    statement = statement_of(schema, rows, order)
    for _ in range(_ATTEMPTS_MAX):
        try:
            with readable.connection.cursor(row_factory=tuple_row, binary=True) as cursor:
                found = cursor.execute(statement, parameters, prepare=prepare).fetchall()
                result = cursor.pgresult
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise ReadModelMissing(f"read model {schema} has no tables yet") from error
        except psycopg.errors.FeatureNotSupported as error:
            _forget_plans(readable.connection, schema, error)
            continue
        assert result is not None, "a question has been answered"
        answered = answered_of(found, result)
        if answered is not None:
            answer, state = answered
            if readable.seen is not None:
                readable.seen.setdefault(schema, state)
            if readable.steady is not None and readable.steady.setdefault(schema, state) != state:
                break
            return answer
    raise ReadModelReplaced(f"read model {schema} is being replaced")


def _forget_plans(
    connection: psycopg.Connection[Any], schema: str, error: psycopg.errors.FeatureNotSupported
) -> None:
    """Have the driver prepare anew what it prepared for tables with other columns.

    PostgreSQL refuses a prepared statement whose result has another shape since a rebuild of
    another version was swapped in. The driver lets go of what it prepared where it rolls back.
    """
    if _is_in_transaction(connection):
        raise ReadModelReplaced(f"read model {schema} has other columns now") from error
    with connection.transaction(force_rollback=True):
        pass


def _is_in_transaction(connection: psycopg.Connection[Any]) -> bool:
    return connection.info.transaction_status is not TransactionStatus.IDLE


@lru_cache(maxsize=STATEMENTS_MAX)
def statement_of(schema: str, rows: str, order: str) -> bytes:
    """Write a question; putting it together costs as much as a short answer."""
    question = sql.SQL(_QUESTION.format(rows=rows, order=order))
    return question.format(schema=sql.Identifier(schema)).as_bytes(None)


def answered_of(found: list[tuple[Any, ...]], result: PGresult) -> tuple[Answered, State] | None:
    """Read what a question found, with the state of its tables; None if they were put away."""
    if not found or found[0][2] < 0:
        return None
    position, market_position, edition = found[0][:3]
    columns = range(result.nfields - _BEFORE_ROWS)
    numbers = [each for each in columns if result.ftype(each + _BEFORE_ROWS) == _NUMERIC]
    answered = Answered(position, market_position, _plain(found, numbers))
    return answered, State(position, edition)


def _plain(found: list[tuple[Any, ...]], numbers: list[int]) -> list[tuple[Any, ...]]:
    """Give what was asked for; there is one row without anything where nothing was found."""
    if not found[0][_BEFORE_ROWS - 1]:
        return []
    if not numbers:
        return [row[_BEFORE_ROWS:] for row in found]
    rows = []
    for each in found:
        row = list(each[_BEFORE_ROWS:])
        for column in numbers:
            if row[column] is not None:
                row[column] = canonical(row[column])
        rows.append(tuple(row))
    return rows
