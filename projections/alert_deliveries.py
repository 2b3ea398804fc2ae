"""Deliveries of alerts: what is to be sent to which channel, what was, and what never will be.

The tables stand beside the log, in a schema of their own, filled from the log by one process: what
was sent is nothing that a rebuild could make again. A delivery is named by its channel and by the
log position of what it tells, so it is made once. `due` ones are sent from `next_at` on, those of
one alert on one channel in order; what failed too often is `dead` until somebody asks for it anew.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import tuple_row

from projections.asking import PAGE_ROWS_MAX, Readable, ask
from projections.paging import Page, page_of, read_cursor

Connection = psycopg.Connection[Any]

STATUSES = ("due", "delivered", "dead")

_TABLES = """
CREATE SCHEMA IF NOT EXISTS alert_delivery;
CREATE TABLE IF NOT EXISTS alert_delivery.progress (
    log_id uuid PRIMARY KEY,
    position bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS alert_delivery.deliveries (
    tenant text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    alert uuid NOT NULL,
    occurrence text NOT NULL,
    content text NOT NULL,
    status text NOT NULL DEFAULT 'due',
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,
    last_error text,
    delivered_at timestamptz,
    PRIMARY KEY (tenant, position, channel)
);
CREATE INDEX IF NOT EXISTS deliveries_of_alerts
    ON alert_delivery.deliveries (tenant, alert, position);
CREATE INDEX IF NOT EXISTS deliveries_due
    ON alert_delivery.deliveries (tenant, channel, position) WHERE status = 'due';
"""
_MADE = "SELECT to_regclass('alert_delivery.deliveries') IS NOT NULL"
_BEGIN = """
INSERT INTO alert_delivery.progress (log_id, position) VALUES (%s, %s) ON CONFLICT DO NOTHING
"""
_PROGRESS = "SELECT position FROM alert_delivery.progress WHERE log_id = %s"
_MOVE = "UPDATE alert_delivery.progress SET position = %s WHERE log_id = %s AND position = %s"
_INSERT = """
INSERT INTO alert_delivery.deliveries
    (tenant, channel, position, alert, occurrence, content, next_at)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_TOLD = "SELECT DISTINCT channel FROM alert_delivery.deliveries WHERE tenant = %s AND alert = %s"
_DUE = """
SELECT tenant, channel, position, alert, occurrence, content, attempts
FROM (
    SELECT *, row_number() OVER (PARTITION BY tenant, channel ORDER BY position) AS place
    FROM (
        SELECT DISTINCT ON (tenant, channel, alert) *
        FROM alert_delivery.deliveries
        WHERE status = 'due' AND (tenant, channel) NOT IN (
            SELECT * FROM unnest(%s::text[], %s::text[])
        )
        ORDER BY tenant, channel, alert, position
    ) AS first
    WHERE next_at <= %s
) AS due
WHERE place <= %s ORDER BY place, position LIMIT %s
"""
_OF_ONE = "tenant = %s AND position = %s AND channel = %s"
_DELIVERED = f"""
UPDATE alert_delivery.deliveries
SET status = 'delivered', attempts = attempts + 1, delivered_at = %s, last_error = NULL
WHERE {_OF_ONE}
"""  # noqa: S608 - constants only
_FAILED = f"""
UPDATE alert_delivery.deliveries
SET status = %s, attempts = attempts + 1, next_at = %s, last_error = %s
WHERE {_OF_ONE}
"""  # noqa: S608 - constants only
_REVIVE = f"""
UPDATE alert_delivery.deliveries SET status = 'due', attempts = 0, next_at = %s
WHERE {_OF_ONE} AND status = 'dead'
"""  # noqa: S608 - constants only
_COUNTS = "SELECT status, count(*) FROM alert_delivery.deliveries GROUP BY status"
_LISTED = """
tenant, channel, position, alert, occurrence, status, attempts, next_at, last_error, delivered_at
FROM alert_delivery.deliveries
WHERE tenant = %s AND (position, channel) < (%s, %s) {filters}
ORDER BY position DESC, channel DESC LIMIT %s
"""
_NOTHING = "* FROM (SELECT 1) AS nothing WHERE false"


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """Something to be sent; `content` is the JSON that tells it."""

    tenant: str
    channel: str
    position: int
    alert: UUID
    occurrence: str
    content: str
    attempts: int = 0

    @property
    def key(self) -> tuple[str, int, str]:
        """What names it."""
        return self.tenant, self.position, self.channel


class DeliveryRow(msgspec.Struct, frozen=True, gc=False):
    """What became of a delivery: `due`, `delivered` or `dead`."""

    tenant: str
    channel: str
    position: int
    alert: UUID
    occurrence: str
    status: str
    attempts: int
    next_at: datetime
    last_error: str | None
    delivered_at: datetime | None


def create_deliveries(connection: Connection, log_id: UUID, *, head: int) -> int:
    """Make the tables if they are not there; give the log position that deliveries stand at.

    At first it is the head: what was raised before anybody delivered is delivered to nobody.
    """
    connection.execute(_TABLES)
    connection.execute(_BEGIN, (log_id, head))
    return progress_of(connection, log_id)


def progress_of(connection: Connection, log_id: UUID) -> int:
    """Give the log position up to which deliveries were made."""
    (position,) = _one(connection, _PROGRESS, (log_id,))
    return int(position)


def make_deliveries(
    connection: Connection,
    deliveries: Iterable[Delivery],
    revived: Iterable[tuple[str, int, str]],
    *,
    log_id: UUID,
    moved: tuple[int, int],
    now: datetime,
) -> bool:
    """Make what a batch of the log leads to, and move on; false where another one has moved."""
    before, after = moved
    with connection.transaction():
        if not connection.execute(_MOVE, (after, log_id, before)).rowcount:
            return False
        for each in deliveries:
            content = (each.alert, each.occurrence, each.content, now)
            connection.execute(_INSERT, (each.tenant, each.channel, each.position, *content))
        for key in revived:
            connection.execute(_REVIVE, (now, *key))
    return True


def channels_told(connection: Connection, *, tenant: str, alert: UUID) -> set[str]:
    """Name the channels that were to hear of an alert."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return {channel for (channel,) in cursor.execute(_TOLD, (tenant, alert))}


def due_deliveries(
    connection: Connection,
    *,
    now: datetime,
    left_out: Collection[tuple[str, str]],
    each_max: int,
    limit: int,
) -> list[Delivery]:
    """List what is to be sent now: of each alert and channel the first that was not.

    Of each channel the oldest, at most `each_max`; of those `left_out`, by tenant and name, none.
    """
    tenants, names = [tenant for tenant, _ in left_out], [name for _, name in left_out]
    with connection.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute(_DUE, (tenants, names, now, each_max, limit))
        return [Delivery(*row) for row in found]


def note_delivered(connection: Connection, delivery: Delivery, *, at: datetime) -> None:
    """Note that it was taken."""
    connection.execute(_DELIVERED, (at, *delivery.key))


def note_failed(
    connection: Connection, delivery: Delivery, *, error: str, next_at: datetime, is_dead: bool
) -> None:
    """Note that it was not taken, and when it is tried again, unless it is dead."""
    status = "dead" if is_dead else "due"
    connection.execute(_FAILED, (status, next_at, error, *delivery.key))


def delivery_counts(connection: Connection) -> dict[str, int]:
    """Count deliveries by what became of them; this reads all there are."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return dict.fromkeys(STATUSES, 0) | dict(cursor.execute(_COUNTS).fetchall())


def deliveries_of(
    readable: Readable,
    *,
    tenant: str,
    status: str | None = None,
    channel: str | None = None,
    alert: UUID | None = None,
    cursor: str | None = None,
    limit: int = PAGE_ROWS_MAX,
) -> Page[DeliveryRow]:
    """List deliveries, newest first; of the position of `alerts`, though they stand beside it.

    Raises:
        CursorInvalid: the cursor is not of this question.
    """
    wanted = {"status": status, "channel": channel, "alert": alert}
    named = {name: value for name, value in wanted.items() if value is not None}
    question = f"alert deliveries {tenant} {sorted(map(str, named.items()))}"
    before = (2**63 - 1, "") if cursor is None else read_cursor(question, cursor, tuple[int, str])
    filters = "".join(f" AND {name} = %s" for name in named)
    if not _one(readable.connection, _MADE, ())[0]:
        answered = ask(readable, "alerts", _NOTHING, ())
    else:
        parameters = [tenant, *before, *named.values(), limit + 1]
        order = "ORDER BY answer.position DESC, answer.channel DESC"
        statement = _LISTED.replace("{filters}", filters)
        answered = ask(readable, "alerts", statement, parameters, order=order)
    rows = [DeliveryRow(*values) for values in answered.rows]
    return page_of(
        question, answered, rows, limit=limit, key=lambda row: (row.position, row.channel)
    )


def _one(connection: Connection, statement: str, parameters: Sequence[object]) -> tuple[Any, ...]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(statement.encode(), parameters).fetchone()
    assert row is not None, "such a row is there"
    return row
