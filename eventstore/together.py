"""Statements that the server keeps prepared, several in one message: one round trip for all.

Values are given as they are sent, in PostgreSQL's binary format, and results are read in it: of a
few rows, cursors and the adapting of values would be most of the cost.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult

from eventstore.connections import Connection


class Statement(NamedTuple):
    """A statement by its name in the session; without a name it is not kept, but parsed anew."""

    name: bytes
    text: bytes


class Asked(NamedTuple):
    """A statement to be run, with the values of its parameters."""

    statement: Statement
    values: tuple[bytes, ...] = ()


def ask_together(
    connection: Connection, asked: Sequence[Asked], *, prepare: Sequence[Statement] = ()
) -> list[PGresult]:
    """Run statements in one message, none of them behind one that fails; give their results.

    What is to be prepared goes before them. If the line breaks, or what was to be prepared may be
    prepared or not, the connection is closed.

    Raises:
        psycopg.Error: what the first statement that failed was answered, or that the line broke.
    """
    pgconn = connection.pgconn
    try:
        pgconn.enter_pipeline_mode()
        for statement in prepare:
            pgconn.send_prepare(statement.name, statement.text)
        for each in asked:
            _send(pgconn, each)
        pgconn.pipeline_sync()
        results = connection.wait(_results(pgconn))
        pgconn.exit_pipeline_mode()
    except BaseException:
        connection.close()  # What is still to come would be taken for the answer to another one.
        raise
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            if prepare:
                connection.close()
            raise psycopg.errors.error_from_result(result)
    return results[len(prepare) :]


def integers(result: PGresult) -> tuple[int, int] | None:
    """Read two `bigint` of the first row; None without one."""
    if result.ntuples == 0:
        return None
    one, other = result.get_value(0, 0), result.get_value(0, 1)
    assert one is not None, "no position is null"
    assert other is not None, "no moment and no type is null"
    return int.from_bytes(one, signed=True), int.from_bytes(other, signed=True)


def ids(result: PGresult) -> set[UUID]:
    """Read the `uuid` of each row."""
    return {UUID(bytes=result.get_value(row, 0)) for row in range(result.ntuples)}


def _send(pgconn: PGconn, asked: Asked) -> None:
    statement, values = asked
    formats = [Format.BINARY] * len(values)
    if statement.name:
        pgconn.send_query_prepared(statement.name, values, formats, Format.BINARY)
    else:
        pgconn.send_query_params(statement.text, values, None, formats, Format.BINARY)


def _results(pgconn: PGconn) -> PQGen[list[PGresult]]:
    """Read one result for each statement; of a session that the server ends, its reason."""
    yield from generators.send(pgconn)
    results: list[PGresult] = []
    try:
        while True:
            found = yield from generators.fetch_many(pgconn)
            if found and found[0].status == ExecStatus.PIPELINE_SYNC:
                return results
            if not found and pgconn.status != ConnStatus.OK:
                raise psycopg.OperationalError("the connection is lost")
            results += found
    except psycopg.Error as error:
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise psycopg.errors.error_from_result(result) from error
        raise
