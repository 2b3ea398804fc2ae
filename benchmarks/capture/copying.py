"""Raw binary COPY of the event rows that a phase has written, as the rival of the whole way.

The rows are read out of the log as they are and written, before anything else runs, into a table
with the same columns and indexes on the same server, in transactions of a turn's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import psycopg
from psycopg import sql

from benchmarks.append import COPY_EVENTS, create_tables
from eventstore import packing

EVENTS_PER_TRANSACTION = 1_000
_READ = sql.SQL(
    "COPY (SELECT {} FROM log.events WHERE position > {} AND position <= {} ORDER BY position) "
    "TO STDOUT (FORMAT BINARY)"
)


def copy_events_per_second(owner_conninfo: str, *, after: int, until: int) -> tuple[int, float]:
    """Copy the events of a range of positions; give how many they are, and how many a second."""
    with psycopg.connect(owner_conninfo, autocommit=True) as owner:
        rows = list(_rows(owner, after, until))
        create_tables(owner)
        seconds = 0.0
        for start in range(0, len(rows), EVENTS_PER_TRANSACTION):
            page = rows[start : start + EVENTS_PER_TRANSACTION]
            content = packing.HEADER + b"".join(page) + packing.TRAILER
            began = perf_counter()
            with owner.cursor() as cursor, cursor.copy(COPY_EVENTS) as copy:
                copy.write(content)
            seconds += perf_counter() - began
    return len(rows), len(rows) / seconds if seconds else 0.0


def _rows(owner: psycopg.Connection, after: int, until: int) -> Iterator[bytes]:
    """Read rows in COPY's own format; the server sends each in a message of its own."""
    statement = _READ.format(sql.SQL(packing.EVENT_COLUMNS), sql.Literal(after), sql.Literal(until))
    with owner.cursor() as cursor, cursor.copy(statement) as copy:
        is_first = True
        for message in copy:
            row = bytes(message)
            if is_first:
                row = row.removeprefix(packing.HEADER)
                is_first = False
            if row and row != packing.TRAILER:
                yield row
