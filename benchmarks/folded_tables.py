"""The tables of `performance` for benchmarks that need no log: events folded into them by hand."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg

from domain.event import Event
from domain.identity import MARKET_TENANT
from projections.checkpoint import Checkpoint, create_checkpoint
from projections.performance.model import PerformanceModel
from projections.read_model import Decoded

SCHEMA = "performance"
MODEL = PerformanceModel()

_MOVE = f"""
UPDATE {SCHEMA}.checkpoint SET position = %s,
    market_position = CASE WHEN %s THEN %s ELSE market_position END
"""  # noqa: S608 - the schema is ours


class FoldedTables:
    """The tables of one read model, folded by hand, with the checkpoint that goes with them."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        self._connection = connection
        self._position = 0
        connection.execute(f"CREATE SCHEMA {SCHEMA}".encode())
        connection.execute(MODEL.ddl(SCHEMA).encode())
        self._fold = MODEL.new_fold(SCHEMA)
        with connection.transaction(), connection.cursor() as cursor:
            checkpoint = Checkpoint(0, 0, None, MODEL.calculation_version, uuid4())
            create_checkpoint(cursor, SCHEMA, checkpoint)

    def tell(self, tenant: str, *events: Event) -> None:
        """Fold events in one batch."""
        now = datetime(2018, 2, 8, tzinfo=UTC)
        batch = [
            Decoded(position, tenant, now, event, UUID(int=position))
            for position, event in enumerate(events, start=self._position + 1)
        ]
        self._position += len(batch)
        is_market = tenant == MARKET_TENANT
        with self._connection.transaction(), self._connection.cursor() as cursor:
            self._fold.fold(cursor, batch)
            cursor.execute(_MOVE.encode(), (self._position, is_market, self._position))
