"""Asking several models at once: one message to the database, one answer from it.

Each statement that is asked alone is a round trip, of which the driver and the threads that are
woken on both sides cost more than a short answer. What is asked here again and again is prepared
once on each connection. Each question has a snapshot of its own, as if it were asked alone.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, Format

from eventstore.together import Asked, Statement, ask_together
from projections.asking import STATEMENTS_MAX, Answered, State, answered_of, statement_of

Connection: TypeAlias = psycopg.Connection[Any]
_names = count()
_PARAMETER = re.compile(rb"%\((\w+)\)s")


class Wanted(NamedTuple):
    """A question to one schema: `rows` as of `projections.asking.ask`, of texts and integers."""

    schema: str
    rows: str
    parameters: Mapping[str, object]


class Found(NamedTuple):
    """An answer, and the state of the tables that it is made of."""

    answered: Answered
    state: State


class _Kept(NamedTuple):
    """A statement as it is prepared, and what its places are called, in order."""

    statement: Statement
    places: tuple[str, ...]


class Together:
    """Asks questions together, on whatever connection; remembers what is prepared on which."""

    def __init__(self) -> None:
        self._prepared: WeakKeyDictionary[Connection, set[bytes]] = WeakKeyDictionary()

    def ask(self, connection: Connection, wanted: Sequence[Wanted]) -> list[Found | None]:
        """Ask all; None for what is to be asked again alone, as its tables are being replaced.

        Raises:
            psycopg.Error: one of them failed, or the connection broke; none has an answer.
        """
        kept = [_kept(each.schema, each.rows) for each in wanted]
        asked = [
            Asked(each.statement, tuple(_binary(one.parameters[name]) for name in each.places))
            for each, one in zip(kept, wanted, strict=True)
        ]
        try:
            self._prepare(connection, kept)
            results = ask_together(connection, asked)
        except psycopg.errors.InvalidSqlStatementName:
            del self._prepared[connection]  # The driver lets go of all when it rolls back.
            raise
        transformer = Transformer(connection)
        answers: list[Found | None] = []
        for result in results:
            transformer.set_pgresult(result, format=Format.BINARY)
            found = answered_of(transformer.load_rows(0, result.ntuples, tuple), result)
            answers.append(None if found is None else Found(*found))
        return answers

    def _prepare(self, connection: Connection, kept: Sequence[_Kept]) -> None:
        prepared = self._prepared.setdefault(connection, set())
        for name, text in (each.statement for each in kept):
            if name in prepared:
                continue
            result = connection.pgconn.prepare(name, text)
            if result.status != ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(result)
            prepared.add(name)


@lru_cache(maxsize=STATEMENTS_MAX)
def _kept(schema: str, rows: str) -> _Kept:
    """Number a question's places, which it names, and give it a name in the session."""
    text = statement_of(schema, rows, "")
    places = tuple(dict.fromkeys(_PARAMETER.findall(text)))
    numbered = _PARAMETER.sub(lambda found: b"$%d" % (places.index(found[1]) + 1), text)
    return _Kept(
        Statement(b"together_%d" % next(_names), numbered), tuple(each.decode() for each in places)
    )


def _binary(value: object) -> bytes:
    """Write a parameter as PostgreSQL's `text` or `bigint`."""
    if isinstance(value, str):
        return value.encode()
    assert isinstance(value, int), "a parameter is one of both"
    return value.to_bytes(8, signed=True)
