"""What a read model is: tables made for one question, filled by folding the log.

Positions are log positions, counted from 1 over the whole log; 0 is "nothing folded yet". Every
table is keyed by tenant, every value is absolute, and no row depends on where a batch ended: any
batching of the same log gives identical tables.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol, runtime_checkable
from uuid import UUID

import psycopg

from domain.event import Event
from eventstore.partitions import WHOLE, Partition


class Decoded(NamedTuple):
    """An event of the log with the parts of its envelope that folds ask for most."""

    position: int
    tenant: str
    recorded_at: datetime
    event: Event
    command_id: UUID


class Fold(Protocol):
    """The writing half of a read model, bound to one schema.

    It may keep state in memory between batches, loaded from its tables when first needed. After any
    rollback or checkpoint mismatch the engine throws it away and asks for a new one.
    """

    def fold(self, cursor: psycopg.Cursor[Any], batch: Sequence[Decoded]) -> None:
        """Write what a batch changes, once per key; positions ascend, only the model's own types.

        Runs inside the transaction that has moved the checkpoint behind the batch already.
        """


@runtime_checkable
class Deferring(Protocol):
    """A fold that can leave to the end what a building writes again and again: nobody reads it."""

    def defer(self, cursor: psycopg.Cursor[Any]) -> None:
        """Leave rows that may change again in memory, and keys that nothing asks for unmade.

        To be called before the first batch, while the tables are empty.
        """

    def settle(self, cursor: psycopg.Cursor[Any]) -> None:
        """Write what was left; from here on each batch is written whole."""


class ReadModel(Protocol):
    """Tables, fold and queries that answer one question.

    A new `calculation_version` makes every projector rebuild.
    """

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def calculation_version(self) -> int:
        """The edition of the fold; rows of another edition are rebuilt."""

    @property
    def event_types(self) -> frozenset[type[Event]]:
        """What it folds; other events only move its checkpoint."""

    @property
    def compared_tables(self) -> tuple[str, ...]:
        """The tables that a rebuild must reproduce row by row, every column."""

    def ddl(self, schema: str) -> str:
        """Give CREATE TABLE and CREATE INDEX statements, every name qualified by `schema`.

        Indexes are for queries: a fold finds its rows by primary key, and a rebuild makes the
        indexes when the rows are there. No statement holds a semicolon within.
        """

    def new_fold(self, schema: str) -> Fold:
        """Make a fold that knows nothing yet and writes into `schema`."""


class Placed(NamedTuple):
    """A read model of one partition: it has tables of its own, filled from that sub-log alone.

    So one row is written by one partition only, and everything a row depends on, the market too,
    is of the one position of its own checkpoint. Rebuilds fold into `<schema>_rebuild`,
    verification into `<schema>_verify`.
    """

    model: ReadModel
    partition: Partition = WHOLE

    @property
    def schema(self) -> str:
        """The PostgreSQL schema of the live tables; also the name in health and metrics."""
        return self.model.name + self.partition.suffix
