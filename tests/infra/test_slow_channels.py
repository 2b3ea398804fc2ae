"""Channels that fail, hang or dribble: none of them delays another, or the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from eventstore.log import Log
from infra.alert_delivery.channels import Channels
from infra.alert_delivery.delivering import FAILURES_MAX
from infra.database import Database
from tests.infra.test_alert_delivery import SECRET, Delivering, hooked, raise_alert, webhook

MORE = """
INSERT INTO alert_delivery.deliveries
    (tenant, channel, position, alert, occurrence, content, next_at)
SELECT tenant, channel, -number, gen_random_uuid(), occurrence, content, next_at
FROM alert_delivery.deliveries CROSS JOIN generate_series(1, 600) AS number
"""


@contextmanager
def delivering(database: Database, channels: dict[str, Any]) -> Iterator[tuple[Log, Delivering]]:
    """A log, and the delivery of what it tells."""
    with Log(database.app_conninfo, clock=lambda: datetime.now(UTC), build="test") as log:
        sending = Delivering(log, database, Channels.model_validate(channels))
        with sending.connection:
            yield log, sending
        sending.delivery._senders.shutdown()


@contextmanager
def dribbling(first: bytes) -> Iterator[str]:
    """A server that answers with `first`, and then with headers, or a body, without an end."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.wfile.write(first)
            while not over.wait(0.1):
                try:
                    self.wfile.write(b"X-Still: here\r\n")
                except OSError:
                    return

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/alerts"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def test_one_that_is_gone_holds_up_no_other(log_database: Database) -> None:
    """However much waits for it, what is due elsewhere is sent."""
    with webhook() as (gone, failing), webhook() as (url, posted):
        failing.status = 500
        other = {"kind": "webhook", "url": url, "secret": SECRET}
        with delivering(log_database, hooked(gone, other=other)) as (log, sending):
            raise_alert(log, 1, "desk")
            sending.settle()
            sending.connection.execute(MORE)
            for _ in range(FAILURES_MAX):
                sending.settle()
                sending.now += timedelta(seconds=1)
            raise_alert(log, 2, "other")
            sending.settle()

    assert len(posted.bodies) == 1
    assert len(failing.bodies) == FAILURES_MAX


def test_of_an_answer_only_the_status_is_waited_for(log_database: Database) -> None:
    """Whoever says 200 has taken it, though the rest never comes."""
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    with dribbling(begun) as url, delivering(log_database, hooked(url)) as (log, sending):
        raise_alert(log, 1, "desk")
        sending.settle()
        rows = sending.rows()

    assert rows == [("desk", "raised", "delivered", 1)]


def test_an_answer_that_dribbles_is_given_up(
    log_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is that of the whole, not of each byte."""
    monkeypatch.setattr("infra.alert_delivery.sending.SECONDS_MAX", 1.0)
    with (
        dribbling(b"HTTP/1.1 200 OK\r\n") as url,
        delivering(log_database, hooked(url)) as (log, sending),
    ):
        raise_alert(log, 1, "desk")
        sending.settle()
        rows = sending.rows()

    assert rows == [("desk", "raised", "due", 1)]
