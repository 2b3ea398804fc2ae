"""One leader among several processes: whoever holds a session's advisory lock.

The lock ends with the connection, so a leader that dies is followed by another. A leader that is
cut off may act for a moment beside its successor; what leaders do must bear that.
"""

import threading
import zlib
from collections.abc import Callable

import psycopg
import structlog

from eventstore.connections import Connection, connect
from eventstore.failures import LogUnavailable

LOOK_SECONDS = 1.0
_NAMESPACE = 0x504D53
_log = structlog.get_logger("eventstore.leading")


def lead(
    conninfo: str, office: str, act: Callable[[threading.Event], None], stop: threading.Event
) -> None:
    """Run `act` whenever this process holds `office`, until `stop`; `act` gets its own stop event.

    `act` runs in a thread of its own and must return soon after its event is set.
    """
    while not stop.is_set():
        try:
            with connect(conninfo, application_name=f"pms leader {office}") as connection:
                while not stop.is_set():
                    if _holds(connection, office):
                        _lead_until_lost(connection, office, act, stop)
                    stop.wait(LOOK_SECONDS)
        except (psycopg.Error, LogUnavailable) as error:
            _log.warning("leader.connection_lost", office=office, error=str(error))
            stop.wait(LOOK_SECONDS)


def _holds(connection: Connection, office: str) -> bool:
    row = connection.execute(
        "SELECT pg_try_advisory_lock(%s, %s::int) AS held",
        (_NAMESPACE, zlib.crc32(office.encode()) & 0x7FFFFFFF),
    ).fetchone()
    return bool(row is not None and row[0])


def _lead_until_lost(
    connection: Connection,
    office: str,
    act: Callable[[threading.Event], None],
    stop: threading.Event,
) -> None:
    """Act while the connection that holds the lock lives; begin again if the act fails."""
    ending = threading.Event()
    thread = threading.Thread(target=act, args=(ending,), name=office, daemon=True)
    thread.start()
    try:
        while thread.is_alive() and not stop.wait(LOOK_SECONDS):
            connection.execute("SELECT")
    finally:
        ending.set()
        thread.join()
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock_all()")
