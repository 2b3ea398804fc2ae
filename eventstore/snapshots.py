"""Snapshots of folded streams, beside the log: bytes that spare reading a stream from its start.

They may be deleted at any time. What is read back was written as it is, and stands at a version
that the log has; whether the bytes mean anything is for whoever wrote them to know.
"""

import zlib
from typing import LiteralString, NamedTuple
from uuid import UUID

from psycopg.rows import tuple_row

from eventstore.connections import Connection

KEPT = 2
"""The newest of a stream, and the one before it: for a writer that stands a little behind."""

_READ: LiteralString = """
SELECT snapshots.stream_version, snapshots.checksum, snapshots.data, events.position
FROM log.snapshots
LEFT JOIN log.events USING (stream_id, stream_version)
WHERE stream_id = %s AND form = %s AND (events.position IS NULL OR events.position <= %s)
ORDER BY stream_version DESC LIMIT 1
"""
_DELETE_OTHER_FORMS: LiteralString = "DELETE FROM log.snapshots WHERE stream_id = %s AND form <> %s"
_INSERT: LiteralString = """
INSERT INTO log.snapshots (stream_id, form, stream_version, checksum, data)
SELECT %b, %b, %b, %b, %b
WHERE EXISTS (SELECT FROM log.events WHERE stream_id = %b AND stream_version = %b)
ON CONFLICT DO NOTHING
"""
_DELETE_OLDER: LiteralString = """
DELETE FROM log.snapshots WHERE stream_id = %s AND form = %s AND stream_version < (
    SELECT min(stream_version) FROM (
        SELECT stream_version FROM log.snapshots WHERE stream_id = %s AND form = %s
        ORDER BY stream_version DESC LIMIT %s
    ) AS newest
)
"""
_DELETE: LiteralString = """
DELETE FROM log.snapshots WHERE stream_id = %s AND form = %s AND stream_version = %s
"""
_NEWEST: LiteralString = """
SELECT stream_id FROM log.snapshots WHERE form = %s
GROUP BY stream_id ORDER BY max(taken_at) DESC LIMIT %s
"""


class Snapshot(NamedTuple):
    """What a stream folds to up to a version; `damage` says why it is not to be used, if so."""

    stream_id: UUID
    form: str
    version: int
    data: bytes
    damage: str | None = None


def read_snapshot(
    connection: Connection, stream_id: UUID, form: str, *, until: int
) -> Snapshot | None:
    """Read the newest snapshot of a form that stands at a log position up to `until`."""
    with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        row = cursor.execute(_READ, (stream_id, form, until)).fetchone()
    if row is None:
        return None
    version, checksum, data, position = row
    damage = None
    if position is None:
        damage = "the log has no such version of the stream"
    elif checksum != _checksum(stream_id, form, version, data):
        damage = "the bytes are not those that were written"
    return Snapshot(stream_id, form, version, data, damage)


def read_newest_streams(connection: Connection, form: str, limit: int) -> list[UUID]:
    """List the streams whose snapshots of a form were taken last; none where there is no table."""
    with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        row = cursor.execute("SELECT to_regclass('log.snapshots') IS NULL").fetchone()
        if row == (True,):
            return []
        return [row[0] for row in cursor.execute(_NEWEST, (form, limit)).fetchall()]


def keep_snapshot(connection: Connection, snapshot: Snapshot) -> None:
    """Keep a snapshot and the one before it; drop older ones, and those of another form.

    One whose version is not in the log is not kept. Does not wait for the disk.
    """
    stream_id, form, version, data, _ = snapshot
    checksum = _checksum(stream_id, form, version, data)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute(_DELETE_OTHER_FORMS, (stream_id, form))
        cursor.execute(_INSERT, (stream_id, form, version, checksum, data, stream_id, version))
        cursor.execute(_DELETE_OLDER, (stream_id, form, stream_id, form, KEPT))


def delete_snapshot(connection: Connection, snapshot: Snapshot) -> None:
    """Delete a snapshot."""
    connection.execute(_DELETE, (snapshot.stream_id, snapshot.form, snapshot.version))


def _checksum(stream_id: UUID, form: str, version: int, data: bytes) -> int:
    named = f"{stream_id} {form} {version}".encode()
    return zlib.crc32(data, zlib.crc32(named))
