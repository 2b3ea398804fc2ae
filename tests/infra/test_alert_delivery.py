"""Delivering alerts: signed posts and mails, each once, again where it failed, given up at last."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from commands.alerts import RequestAlertDelivery
from commands.desk import Desk
from domain.alerts.alert import status_after
from domain.alerts.events import AlertCleared, AlertEvent, AlertRaised, AlertSubject
from domain.alerts.terms import AlertKind, AlertLevel
from domain.identity import alert_stream, derive
from eventstore.connections import Connection, connect
from eventstore.log import Log
from infra.alert_delivery.channels import Channels, EmailChannel, MailServer
from infra.alert_delivery.delivering import ATTEMPTS_MAX, FAILURES_MAX, OPEN_FOR, AlertDelivery
from infra.alert_delivery.sending import NotDelivered, mail
from infra.database import Database
from infra.embedded_postgres import free_port
from projections.alert_deliveries import Delivery
from tests.commands.desks import desk_on, wait_until
from tests.commands.limit_scenes import tell
from tests.commands.scenes import ACME, done

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a-secret-of-tests-only"
NOON = datetime(2024, 1, 8, 12, tzinfo=UTC)


class Posted:
    """What a webhook was sent; it answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []


@contextmanager
def webhook() -> Iterator[tuple[str, Posted]]:
    """A server that takes posts, on a free port of this machine."""
    posted = Posted()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.bodies.append(body)
            posted.headers.append(dict(self.headers.items()))
            self.send_response(posted.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/alerts", posted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Inbox:
    """What a mail server took."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802, ANN401
        """Take one."""
        self.mails.append(envelope.content)
        return "250 taken"


class Delivering:
    """The delivery of one log, taken step by step, with a clock of the test's."""

    def __init__(self, log: Log, database: Database, channels: Channels) -> None:
        self.now = NOON
        self.delivery = AlertDelivery(log, database.app_conninfo, channels, clock=lambda: self.now)
        self.connection: Connection = connect(database.app_conninfo, application_name="test")
        self.delivery.begin(self.connection)

    def settle(self) -> None:
        """Let it send what is due by now."""
        self.delivery.look(self.connection)
        while not self.delivery.is_idle:
            for sending in list(self.delivery._sending.values()):
                sending.exception(20)
            self.delivery.look(self.connection)

    def rows(self) -> list[tuple[Any, ...]]:
        """What became of each delivery: channel, occurrence, status, attempts."""
        return [
            tuple(row)
            for row in self.connection.execute(
                "SELECT channel, occurrence, status, attempts FROM alert_delivery.deliveries"
                " ORDER BY position, channel"
            )
        ]


@pytest.fixture
def log(log_database: Database) -> Iterator[Log]:
    """A fresh, empty log."""
    with Log(log_database.app_conninfo, clock=lambda: datetime.now(UTC), build="test") as opened:
        yield opened


@pytest.fixture
def desk(log: Log) -> Iterator[Desk]:
    """A desk on it."""
    with desk_on(log) as running:
        yield running


NewDelivering = Callable[[dict[str, Any]], Delivering]


@pytest.fixture
def delivering(log: Log, log_database: Database) -> Iterator[NewDelivering]:
    """Make deliveries with channels of the tenant, and a mail server."""
    made: list[Delivering] = []

    def new(given: dict[str, Any]) -> Delivering:
        made.append(Delivering(log, log_database, Channels.model_validate(given)))
        return made[-1]

    yield new
    for each in made:
        each.connection.close()
        each.delivery._senders.shutdown()


def raise_alert(log: Log, number: int, *channels: str) -> AlertRaised:
    """Tell that an alert was raised."""
    raised = AlertRaised(
        alert=derive("test", "alert", str(number)),
        alert_rule="one-name",
        version=1,
        kind=AlertKind.CONCENTRATION,
        subject=AlertSubject(portfolio="growth"),
        level=AlertLevel.CRITICAL,
        channels=channels,
        raise_above=Decimal("0.7"),
        clear_at=Decimal("0.6"),
        actual=Decimal("0.75"),
        headroom=Decimal("-0.05"),
        contributors=(),
        calculation="alerts 1",
        since=NOON,
        at=NOON,
        as_of=1,
        market_position=1,
    )
    assert status_after(None, raised) == "raised"
    told(log, raised, 1)
    return raised


def told(log: Log, event: AlertEvent, version: int) -> None:
    """Append one event of an alert."""
    tell(log, alert_stream(ACME, event.alert), version, event)


def hooked(url: str, **others: dict[str, Any]) -> dict[str, Any]:
    """Channels of the tenant: `desk` is a webhook."""
    hook = {"kind": "webhook", "url": url, "secret": SECRET}
    return {"tenants": {ACME: {"desk": hook} | others}}


def documented(snippet: str) -> dict[str, Any]:
    """Run a snippet of docs/alerts.md; give what it defines."""
    text = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    part = text.partition(f"<!-- {snippet} -->")[2].partition(f"<!-- /{snippet} -->")[0]
    defined: dict[str, Any] = {}
    exec(part.partition("```python")[2].partition("```")[0], defined)  # noqa: S102 - our own page
    return defined


class TestAWebhook:
    """Posted, signed, once."""

    def test_can_tell_who_sent_it(self, log: Log, delivering: NewDelivering) -> None:
        """The signature is over the time and the body; the name is the same each time."""
        with webhook() as (url, posted):
            sending = delivering(hooked(url))
            raised = raise_alert(log, 1, "desk")
            sending.settle()
            sending.settle()

        (body,), (headers,) = posted.bodies, posted.headers
        verify, at = documented("verify-signature")["is_from_pms"], NOON.timestamp()
        assert verify(headers["PMS-Signature"], body, SECRET, now=at)
        assert not verify(headers["PMS-Signature"], body + b" ", SECRET, now=at)
        assert not verify(headers["PMS-Signature"], body, SECRET + "x", now=at)
        assert not verify(headers["PMS-Signature"], body, SECRET, now=at + 301)
        content = json.loads(body)
        assert content["occurrence"] == "raised"
        assert content["told"]["actual"] == "0.75"
        assert content["raised"]["alert"] == str(raised.alert)
        assert sending.rows() == [("desk", "raised", "delivered", 1)]

    def test_hears_of_the_end_behind_the_beginning(
        self, log: Log, delivering: NewDelivering
    ) -> None:
        """What comes later of an alert goes where its beginning went, and waits for that."""
        with webhook() as (url, posted):
            sending = delivering(hooked(url))
            posted.status = 503
            raised = raise_alert(log, 1, "desk")
            told(log, AlertCleared(calculation="alerts 1", alert=raised.alert, at=NOON, as_of=2), 2)
            sending.settle()
            assert sending.rows() == [("desk", "raised", "due", 1), ("desk", "cleared", "due", 0)]

            posted.status = 204
            sending.now += timedelta(minutes=1)
            sending.settle()
            sending.settle()

        assert [json.loads(body)["occurrence"] for body in posted.bodies] == [
            "raised", "raised", "cleared",
        ]  # fmt: skip
        assert posted.headers[0]["PMS-Delivery"] == posted.headers[1]["PMS-Delivery"]

    def test_that_fails_is_left_alone_for_a_while(
        self, log: Log, delivering: NewDelivering
    ) -> None:
        """Behind some failures nothing is sent; then one delivery tries it, and the rest follow."""
        with webhook() as (url, posted):
            sending = delivering(hooked(url))
            posted.status = 500
            for number in range(FAILURES_MAX + 3):
                raise_alert(log, number, "desk")
            for _ in range(FAILURES_MAX + 3):
                sending.settle()
                sending.now += timedelta(seconds=1)
            assert len(posted.bodies) == FAILURES_MAX

            sending.now += OPEN_FOR
            posted.status = 200
            for _ in range(3):
                sending.settle()

        assert {row[2] for row in sending.rows()} == {"delivered"}

    def test_is_given_up_and_asked_for_anew(
        self, log: Log, delivering: NewDelivering, desk: Desk
    ) -> None:
        """Dead is what failed too often, or goes nowhere; a person revives it, by command."""
        with webhook() as (url, posted):
            sending = delivering(hooked(url))
            posted.status = 500
            raised = raise_alert(log, 1, "desk", "nowhere")
            position = log.head().position
            for _ in range(ATTEMPTS_MAX):
                sending.settle()
                sending.now += timedelta(hours=1)
            assert [row[:3] for row in sending.rows()] == [
                ("desk", "raised", "dead"), ("nowhere", "raised", "dead"),
            ]  # fmt: skip

            posted.status = 200
            wanted = {"alert": raised.alert, "channel": "desk"}
            slip = done(desk, RequestAlertDelivery(told_position=position + 9, **wanted))  # type: ignore[arg-type]
            done(desk, RequestAlertDelivery(told_position=position, **wanted))  # type: ignore[arg-type]
            sending.settle()

        assert slip.code == "occurrence_unknown"
        assert sending.rows()[0] == ("desk", "raised", "delivered", 1)

    def test_of_another_leader_is_made_once(self, log: Log, delivering: NewDelivering) -> None:
        """A second one goes on where the tables stand."""
        with webhook() as (url, posted):
            one, other = delivering(hooked(url)), delivering(hooked(url))
            raise_alert(log, 1, "desk")
            one.settle()
            other.settle()
            raise_alert(log, 2, "desk")
            other.settle()
            one.settle()

        assert len(posted.bodies) == 2


class TestMail:
    """Mailed to those whom the file names."""

    def test_says_what_happened(self, log: Log, delivering: NewDelivering) -> None:
        """In its subject; the figures are in its text."""
        inbox = Inbox()
        port = free_port()
        server = Controller(inbox, hostname="127.0.0.1", port=port)
        server.start()
        try:
            mailed = {"kind": "email", "to": ["risk@example.com"]}
            server_of = {
                "host": "127.0.0.1", "port": port, "sender": "pms@example.com",
                "encryption": "none",
            }  # fmt: skip
            sending = delivering({"tenants": {ACME: {"mail": mailed}}, "mail": server_of})
            raise_alert(log, 1, "mail")
            sending.settle()
        finally:
            server.stop()

        (mail,) = map(message_from_bytes, inbox.mails)
        assert mail["Subject"] == "[critical] raised: concentration of growth (one-name)"
        assert mail["To"] == "risk@example.com"
        assert "actual: 0.75" in str(mail.get_payload())
        assert sending.rows() == [("mail", "raised", "delivered", 1)]

    def test_to_a_host_that_is_no_name_delays_nobody(
        self, log: Log, delivering: NewDelivering
    ) -> None:
        """Whatever goes wrong with a delivery is a failed attempt of that one, told by its kind."""
        with webhook() as (url, posted):
            mailed = {"kind": "email", "to": ["risk@example.com"]}
            server = {"host": "x" * 64, "sender": "pms@example.com"}  # No label is so long.
            sending = delivering(hooked(url, mail=mailed) | {"mail": server})
            raise_alert(log, 1, "desk", "mail")
            sending.settle()

        assert len(posted.bodies) == 1
        assert sending.rows() == [
            ("desk", "raised", "delivered", 1), ("mail", "raised", "due", 1),
        ]  # fmt: skip
        errors = sending.connection.execute(
            "SELECT last_error FROM alert_delivery.deliveries WHERE channel = 'mail'"
        )
        assert errors.fetchall() == [("UnicodeError",)]


def test_a_mail_server_that_never_ends_a_line_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its bytes comes in time; all of them do not."""
    monkeypatch.setattr("infra.alert_delivery.sending.SECONDS_MAX", 0.3)

    class Dripping(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                for _ in range(500):
                    self.request.sendall(b"2")
                    time.sleep(0.02)

    told = {"kind": "drawdown", "level": "warning", "subject": {}, "alert_rule": "r"}
    content = json.dumps({"told": told, "raised": told | {"contributors": []}})
    delivery = Delivery(ACME, "mail", 1, derive("alert", "1"), "raised", content)
    channel = EmailChannel(kind="email", to=("who@example.org",))
    with ThreadingTCPServer(("127.0.0.1", 0), Dripping) as serving:
        threading.Thread(target=serving.handle_request).start()
        port = serving.server_address[1]
        server = MailServer(host="127.0.0.1", port=port, sender="a@example.org", encryption="none")
        with pytest.raises(NotDelivered):
            mail(server, channel, delivery)


class TestTheProcess:
    """One leader, until it is stopped."""

    def test_delivers_what_comes(self, log: Log, log_database: Database) -> None:
        """And ends when asked to."""
        with webhook() as (url, posted):
            channels = Channels.model_validate(hooked(url))
            running = AlertDelivery(
                log, log_database.app_conninfo, channels, clock=lambda: datetime.now(UTC)
            )
            stop = threading.Event()
            thread = threading.Thread(target=running.run, args=(stop,))
            thread.start()
            with connect(log_database.app_conninfo, application_name="test") as connection:
                wait_until(lambda: _is_begun(connection))
            raise_alert(log, 1, "desk")
            wait_until(lambda: len(posted.bodies) == 1)
            stop.set()
            thread.join(20)

        assert not thread.is_alive()


def _is_begun(connection: Connection) -> bool:
    row = connection.execute("SELECT to_regclass('alert_delivery.progress') IS NOT NULL").fetchone()
    return bool(row and row[0])
