"""How far Kafka is behind the log, by what was acknowledged; any process may ask."""

from datetime import datetime

import msgspec
from psycopg.rows import tuple_row

from eventstore.connections import Connection
from eventstore.kafka.topics import Topics

_SELECT = """
WITH acknowledged AS (
    SELECT coalesce((SELECT position FROM relay.progress WHERE topic = %s), 0) AS position
)
SELECT acknowledged.position,
       coalesce((SELECT max(position) FROM log.events), 0),
       (SELECT recorded_at FROM log.events WHERE position = acknowledged.position + 1)
FROM acknowledged
"""


class Lag(msgspec.Struct, frozen=True):
    """The last position acknowledged, events behind the head, and the age of the oldest of them."""

    position: int
    events: int
    seconds: float


def read_lag(connection: Connection, topics: Topics, *, now: datetime) -> Lag:
    """Read how far a topic is behind; the table of the progress must be there."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_SELECT, (topics.portfolios,)).fetchone()
    assert row is not None, "one row, whatever the tables hold"
    position, head, oldest = row
    seconds = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
    return Lag(position, head - position, seconds)
