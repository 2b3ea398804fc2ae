"""Checks of the log's envelope, made by the database: order, versions, moments, receipts."""

from typing import Any

import psycopg
from psycopg.rows import tuple_row

from projections.findings import Check

_GAP = """
SELECT format('position %%s follows position %%s', position, previous)
FROM (SELECT position, lag(position, 1, 0::bigint) OVER (ORDER BY position) AS previous
      FROM log.events WHERE position <= %(head)s) AS followed
WHERE position <> previous + 1 ORDER BY position LIMIT 1
"""
_VERSION = """
SELECT format('stream %%s: version %%s at position %%s follows version %%s at position %%s',
              stream_id, stream_version, position, previous, previous_position)
FROM (SELECT stream_id, stream_version, position,
             lag(stream_version, 1, 0::bigint) OVER stream AS previous,
             lag(position, 1, 0::bigint) OVER stream AS previous_position
      FROM log.events WHERE position <= %(head)s
      WINDOW stream AS (PARTITION BY stream_id ORDER BY stream_version)) AS followed
WHERE stream_version <> previous + 1 OR position <= previous_position
ORDER BY position LIMIT 1
"""
_MOMENT = """
SELECT format('position %%s was recorded at %%s, the one before at %%s',
              position, recorded_at, previous)
FROM (SELECT position, recorded_at, lag(recorded_at) OVER (ORDER BY position) AS previous
      FROM log.events WHERE position <= %(head)s) AS followed
WHERE recorded_at < previous ORDER BY position LIMIT 1
"""
_RECEIPT = """
SELECT format('the receipt of command %%s names position %%s, which the log does not hold',
              receipts.command_id, receipts.position)
FROM log.receipts LEFT JOIN log.events ON events.position = receipts.position
WHERE receipts.position <> 0 AND events.position IS NULL
ORDER BY receipts.position LIMIT 1
"""
_TOLD = """
FROM log.events WHERE position <= %(head)s AND event_type IN (
    'trade.captured.v1', 'trade.parked.v1', 'trade.released.v1', 'trade.amended.v1',
    'trade.busted.v1')
"""
_OUT_OF_ORDER = f"""
SELECT format('trade %%s: %%s at position %%s follows %%s',
              stream_id, event_type, position, coalesce(previous, 'nothing'))
FROM (SELECT stream_id, event_type, position, lag(event_type) OVER
             (PARTITION BY stream_id ORDER BY stream_version) AS previous {_TOLD}) AS followed
WHERE CASE event_type
      WHEN 'trade.captured.v1' THEN previous IS NOT NULL
      WHEN 'trade.parked.v1' THEN previous <> 'trade.amended.v1'
      WHEN 'trade.released.v1' THEN previous IS DISTINCT FROM 'trade.parked.v1'
      ELSE previous IS NULL OR previous = 'trade.busted.v1' END
ORDER BY position LIMIT 1
"""  # noqa: S608 - nothing of anybody else's is in it
_EVENTS = "SELECT count(*) FROM log.events WHERE position <= %(head)s"
_STREAMS = "SELECT count(DISTINCT stream_id) FROM log.events WHERE position <= %(head)s"
_RECEIPTS = "SELECT count(*) FROM log.receipts"
_TRADES = f"SELECT count(*) {_TOLD}"

_CHECKS = (
    ("positions are gapless", _EVENTS, _GAP),
    ("versions of each stream are consecutive", _STREAMS, _VERSION),
    ("recorded_at never goes back", _EVENTS, _MOMENT),
    ("receipts point to events", _RECEIPTS, _RECEIPT),
    ("each trade is captured once, then released, amended or busted", _TRADES, _OUT_OF_ORDER),
)


def check_envelope(connection: psycopg.Connection[Any], *, head: int) -> list[Check]:
    """Check every event up to `head`, and all receipts."""
    checks: list[Check] = []
    parameters = {"head": head}
    with connection.cursor(row_factory=tuple_row) as cursor:
        for name, count, question in _CHECKS:
            counted = cursor.execute(count, parameters).fetchone()
            found = cursor.execute(question, parameters).fetchone()
            check = Check(name, counted[0] if counted else 0)
            if found is not None:
                check.difference = found[0]
            checks.append(check)
    return checks
