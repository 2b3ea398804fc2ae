"""How far the relay has come: what Kafka has acknowledged, kept beside the log.

One row per partitioned topic, moved by compare-and-set: an old leader that wakes up cannot move it
back. A lost tail of it costs repeats, never a gap.
"""

from uuid import UUID

import msgspec
from psycopg.rows import tuple_row

from eventstore.connections import Connection
from eventstore.kafka.topics import Topics

_TABLE_LOCK = 0x504D535F52454C
"""Advisory lock held while the table is made."""

_TABLE = """
CREATE SCHEMA IF NOT EXISTS relay;
CREATE TABLE IF NOT EXISTS relay.progress (
    topic text COLLATE "C" PRIMARY KEY,
    market_topic text COLLATE "C" NOT NULL,
    log_id uuid NOT NULL,
    position bigint NOT NULL,
    previous bigint[] NOT NULL
) WITH (fillfactor = 50);
"""
_SELECT = "SELECT log_id, position, previous FROM relay.progress "


class ProgressTaken(Exception):
    """Another relay moved the progress: this one leads no more, or began with an old one."""


class Progress(msgspec.Struct, frozen=True):
    """Everything up to `position` is acknowledged; `previous` is the last event of each chain.

    Chains are the partitions in order, and the market's topic last; 0 where there is no event.
    """

    log_id: UUID
    position: int
    previous: tuple[int, ...]

    @property
    def market_previous(self) -> int:
        """The position of the last event acknowledged in the market's topic."""
        return self.previous[-1]


def create_progress(connection: Connection) -> None:
    """Make the table where it is not there."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_TABLE_LOCK,))
        connection.execute(_TABLE)


def read_progress(connection: Connection, topics: Topics) -> Progress | None:
    """Read how far a topic has come; None when nobody has kept it."""
    return _progress(connection, "WHERE topic = %s", topics.portfolios)


def read_market_progress(connection: Connection, topics: Topics) -> Progress | None:
    """Read how far the market's topic has come, by whichever generation's relay."""
    return _progress(
        connection, "WHERE market_topic = %s ORDER BY position DESC LIMIT 1", topics.market
    )


def _progress(connection: Connection, condition: str, topic: str) -> Progress | None:
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_SELECT + condition, (topic,)).fetchone()
    return None if row is None else Progress(row[0], row[1], tuple(row[2]))


def move_progress(
    connection: Connection, topics: Topics, *, origin: Progress | None, target: Progress
) -> bool:
    """Move a topic's progress if it stands at `origin`; False says that somebody else moved it."""
    if origin is None:
        cursor = connection.execute(
            "INSERT INTO relay.progress (topic, market_topic, log_id, position, previous) "
            "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (topics.portfolios, topics.market, target.log_id, target.position,
             list(target.previous)),
        )  # fmt: skip
    else:
        cursor = connection.execute(
            "UPDATE relay.progress SET position = %s, previous = %s "
            "WHERE topic = %s AND log_id = %s AND position = %s",
            (target.position, list(target.previous), topics.portfolios, origin.log_id,
             origin.position),
        )  # fmt: skip
    return cursor.rowcount == 1
