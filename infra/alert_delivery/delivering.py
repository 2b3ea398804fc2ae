"""Following the log for what is told of alerts, and sending it: one leader, one loop.

What is new becomes deliveries in the tables, together with the progress; what is due is sent, each
channel by a thread of its own, a few at a time, so that a slow one delays no other. Behind a
channel that fails stands a breaker: for some seconds nothing is sent there, then one delivery tries
it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from queue import SimpleQueue
from typing import NamedTuple, get_args

import httpx
import msgspec
import structlog
from prometheus_client import Counter, Gauge

from domain.alerts.events import (
    AlertAcknowledged,
    AlertDeliveryRequested,
    AlertEscalated,
    AlertEvent,
    AlertRaised,
)
from domain.identity import alert_stream
from eventstore.connections import Connection, connect
from eventstore.envelope import RecordedEvent
from eventstore.log import Log
from infra.alert_delivery.channels import Channels, EmailChannel, WebhookChannel
from infra.alert_delivery.sending import SECONDS_MAX, NotDelivered, mail, post
from projections import alert_deliveries as store
from projections.alert_deliveries import Delivery
from schemas.catalogue import EVENT_NAMES
from schemas.codec import decode

LOOK_SECONDS = 0.25
POSITIONS_PER_READ = 50_000
DUE_MAX, DUE_OF_CHANNEL_MAX = 500, 20
COUNTED_EVERY = timedelta(seconds=30)
END_SECONDS = 2 * SECONDS_MAX
ATTEMPTS_MAX = 8
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(minutes=15)
FAILURES_MAX = 3
OPEN_FOR = timedelta(seconds=30)
"""A channel that failed so often one after the other is left alone for so long."""

SENT = Counter(
    "pms_alert_delivery_attempts_total", "Attempts to deliver by how they ended", ["outcome"]
)
WAITING = Gauge("pms_alert_deliveries", "Deliveries of alerts in the tables by status", ["status"])
OPEN = Gauge("pms_alert_channels_open", "Channels whose circuit breaker is open")
_EVENTS = frozenset(EVENT_NAMES[kind] for kind in get_args(AlertEvent))
_log = structlog.get_logger("infra.alert_delivery")

ChannelName = tuple[str, str]
"""A tenant, and its channel's name."""


class Attempt(NamedTuple):
    """How one attempt ended; `error` absent: it was taken."""

    delivery: Delivery
    error: str | None = None
    is_hopeless: bool = False


class ChannelBreaker:
    """Whether a channel may be tried: after some failures not for a while, then once."""

    def __init__(self) -> None:
        self.failures = 0
        self.closed_at: datetime | None = None

    def lets_through(self, now: datetime) -> bool:
        """Say whether it may be tried now."""
        return self.closed_at is None or now >= self.closed_at

    def note(self, *, has_failed: bool, now: datetime) -> None:
        """Note how an attempt ended."""
        self.failures = self.failures + 1 if has_failed else 0
        self.closed_at = now + OPEN_FOR if self.failures >= FAILURES_MAX else None


class AlertDelivery:
    """Makes deliveries from the log and sends them; used by one thread."""

    def __init__(
        self, log: Log, conninfo: str, channels: Channels, *, clock: Callable[[], datetime]
    ) -> None:
        self._log = log
        self._conninfo = conninfo
        self._channels = channels
        self._clock = clock
        self._tls = httpx.create_ssl_context()
        self._senders = ThreadPoolExecutor(8, thread_name_prefix="alert-sender")
        self._breakers: defaultdict[ChannelName, ChannelBreaker] = defaultdict(ChannelBreaker)
        self._sending: dict[ChannelName, Future[None]] = {}
        self._ended: SimpleQueue[Attempt] = SimpleQueue()
        self._ending = threading.Event()
        self._counted_at: datetime | None = None

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop`; what is being sent then is noted, or sent again by the next."""
        try:
            with connect(self._conninfo, application_name="pms alert delivery") as connection:
                self.begin(connection)
                while not stop.wait(LOOK_SECONDS):
                    self.look(connection)
                self._end()
                self._note_attempts(connection)
        finally:
            self._end()
            self._senders.shutdown(wait=False)

    def _end(self) -> None:
        """Begin no more, and wait for what is being sent, but not for ever."""
        self._ending.set()
        wait(self._sending.values(), timeout=END_SECONDS)

    def begin(self, connection: Connection) -> None:
        """Make the tables, if they are not there."""
        head = self._log.head().position
        store.create_deliveries(connection, self._log.log_id, head=head)

    def look(self, connection: Connection) -> None:
        """Make what is new, note what was sent, and send what is due."""
        while self._make(connection):
            pass
        self._note_attempts(connection)
        now = self._clock()
        for name, deliveries in self._due(connection, now).items():
            some = deliveries[:1] if self._breakers[name].failures else deliveries
            self._sending[name] = self._senders.submit(self._send, some)
        self._measure(connection, now)

    def _due(self, connection: Connection, now: datetime) -> dict[ChannelName, list[Delivery]]:
        """Give what is to be sent now, by channel: of those that may be tried and are not busy."""
        left_alone = {name for name, each in self._breakers.items() if not each.lets_through(now)}
        OPEN.set(len(left_alone))
        due: defaultdict[ChannelName, list[Delivery]] = defaultdict(list)
        for each in store.due_deliveries(
            connection,
            now=now,
            left_out=left_alone | self._sending.keys(),
            each_max=DUE_OF_CHANNEL_MAX,
            limit=DUE_MAX,
        ):
            due[each.tenant, each.channel].append(each)
        return due

    def _measure(self, connection: Connection, now: datetime) -> None:
        if self._counted_at is not None and now < self._counted_at + COUNTED_EVERY:
            return
        self._counted_at = now
        for status, count in store.delivery_counts(connection).items():
            WAITING.labels(status).set(count)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being sent."""
        return not self._sending

    def _make(self, connection: Connection) -> bool:
        """Make deliveries of what the log tells next; say whether there was anything to read."""
        log_id = self._log.log_id
        before, head = store.progress_of(connection, log_id), self._log.head().position
        after = min(before + POSITIONS_PER_READ, head)
        if after == before:
            return False
        made: list[Delivery] = []
        revived: list[tuple[str, int, str]] = []
        for recorded in self._log.read_of_types(_EVENTS, before, after):
            event = decode(recorded.event_type, recorded.data)
            if isinstance(event, AlertDeliveryRequested):
                revived.append((recorded.tenant, event.told_position, event.channel))
            else:
                assert isinstance(event, AlertEvent), "an event is of its type"
                made += self._deliveries(connection, recorded, event, made)
        return store.make_deliveries(
            connection, made, revived, log_id=log_id, moved=(before, after), now=self._clock()
        )

    def _deliveries(
        self,
        connection: Connection,
        recorded: RecordedEvent,
        event: AlertEvent,
        made: list[Delivery],
    ) -> Iterator[Delivery]:
        """Give the deliveries of one event: to the channels it names, or to all that were told."""
        if isinstance(event, AlertRaised | AlertEscalated):
            channels = set(event.channels)
        elif isinstance(event, AlertAcknowledged):
            return
        else:
            channels = store.channels_told(connection, tenant=recorded.tenant, alert=event.alert)
            channels |= {each.channel for each in made if each.alert == event.alert}
        if not channels:
            return
        first = self._log.read_stream(alert_stream(recorded.tenant, event.alert), 0, 1)[0]
        occurrence = type(event).__name__.removeprefix("Alert").lower()
        content = {
            "tenant": recorded.tenant,
            "position": recorded.position,
            "occurrence": occurrence,
            "told": msgspec.json.decode(recorded.data),
            "raised": msgspec.json.decode(first.data),
        }
        text = msgspec.json.encode(content).decode()
        for name in sorted(channels):
            yield Delivery(recorded.tenant, name, recorded.position, event.alert, occurrence, text)

    def _send(self, deliveries: list[Delivery]) -> None:
        """Send deliveries of one channel, up to the first that fails."""
        for each in deliveries:
            if self._ending.is_set():
                return
            attempt = self._sent(each)
            self._ended.put(attempt)
            if attempt.error is not None:
                return

    def _sent(self, delivery: Delivery) -> Attempt:
        channel = self._channels.of(delivery.tenant, delivery.channel)
        try:
            match channel:
                case WebhookChannel():
                    post(self._tls, channel, delivery, at=self._clock())
                case EmailChannel():
                    assert self._channels.mail is not None, "the file was checked"
                    mail(self._channels.mail, channel, delivery)
                case None:
                    return Attempt(delivery, "no such channel", is_hopeless=True)
        except NotDelivered as error:
            return Attempt(delivery, str(error))
        except Exception as error:  # noqa: BLE001 - its text could tell a secret; others go on
            return Attempt(delivery, type(error).__name__)
        return Attempt(delivery)

    def _note_attempts(self, connection: Connection) -> None:
        """Note how attempts ended that have, and which channels are busy no longer."""
        now = self._clock()
        done = [name for name, sending in self._sending.items() if sending.done()]
        while not self._ended.empty():
            self._note(connection, self._ended.get(), now)
        for name in done:
            self._sending.pop(name).result()

    def _note(self, connection: Connection, attempt: Attempt, now: datetime) -> None:
        delivery, error = attempt.delivery, attempt.error
        if not attempt.is_hopeless:
            self._breakers[delivery.tenant, delivery.channel].note(
                has_failed=error is not None, now=now
            )
        if error is None:
            SENT.labels("delivered").inc()
            store.note_delivered(connection, delivery, at=now)
            return
        is_dead = attempt.is_hopeless or delivery.attempts + 1 >= ATTEMPTS_MAX
        SENT.labels("dead" if is_dead else "failed").inc()
        _log.warning(
            "alert.not_delivered",
            channel=delivery.channel,
            position=delivery.position,
            error=error,
            is_dead=is_dead,
        )
        pause = min(FIRST_PAUSE * 2**delivery.attempts, LONGEST_PAUSE)
        store.note_failed(connection, delivery, error=error, next_at=now + pause, is_dead=is_dead)
