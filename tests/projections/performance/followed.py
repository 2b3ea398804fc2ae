"""Tables of `performance` with a checkpoint that follows what is told, as the engine moves it."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg

from projections.checkpoint import Checkpoint, create_checkpoint
from tests.projections.performance.stories import BOOKS, OPENINGS
from tests.projections.performance.telling import Folded, Told, at, decoded

Connection = psycopg.Connection[Any]


class Market:
    """A log of its own, of which more is told piece by piece."""

    def __init__(self, connection: Connection, log_id: UUID | None = None) -> None:
        self._tables = Folded(connection)
        self._told: list[Told] = []
        with connection.transaction(), connection.cursor() as cursor:
            create_checkpoint(cursor, "performance", Checkpoint(0, 0, at(1), 1, log_id or uuid4()))

    def tell(self, *told: Told) -> None:
        """Fold more, in one batch."""
        before = len(self._told)
        self._told += told
        self._tables.take(decoded(self._told)[before:])
        self._tables.connection.execute(
            "UPDATE performance.checkpoint SET position = %s, market_position = %s",
            (len(self._told), len(self._told)),
        )


def asked_between(
    connection: Connection, story: Sequence[Told], seed: int
) -> Iterator[tuple[str, str]]:
    """Tell a story, and name whose portfolio is to be asked about between any two events.

    In the end all of them are.
    """
    chance, market = Random(seed), Market(connection)
    market.tell(*OPENINGS)
    for told in story:
        market.tell(told)
        if chance.random() < 0.5:
            yield chance.choice(BOOKS)
    yield from BOOKS
