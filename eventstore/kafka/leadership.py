"""One life of a leading relay: what it has sent, what of that is acknowledged, what was told."""

import threading
import time
from collections.abc import Sequence

from prometheus_client import Counter

from eventstore.connections import Connection
from eventstore.following import wait_for_hint
from eventstore.kafka.delivering import Delivery
from eventstore.kafka.outgoing import POSITION, OutgoingEvent, PreparedEvent, read_outgoing
from eventstore.kafka.parting import Parting
from eventstore.kafka.preparing import Batch, Preparer
from eventstore.kafka.progress import Progress, ProgressTaken, move_progress
from eventstore.kafka.topics import Topics
from eventstore.tables import CHANNEL

SILENCE_SECONDS = 0.1
"""How long a partition may be silent while the log goes on before a watermark follows."""

PROGRESS_SECONDS = 0.05
_LOOK_SECONDS = 0.05
_DUE_SECONDS_MIN = 0.005

RECORDS = Counter("pms_relay_records", "Records handed to the producer, repeats included")


class Leadership:
    """One life of a leading relay: one connection, one producer, from one progress on."""

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        parting: Parting,
        preparer: Preparer,
        delivery: Delivery[Progress],
        progress: Progress,
        *,
        told: Sequence[int],
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._parting = parting
        self._preparer = preparer
        self._delivery = delivery
        self._kept = self._reached = progress
        self._began = progress.position
        self._kept_at = 0.0
        # Per partition: the last position told of, and when; and the last event a watermark may
        # name, which ends a command.
        self._told = list(told[: topics.partitions])
        self._told_at = [0.0] * topics.partitions
        self._settled: OutgoingEvent | PreparedEvent | None = _settled_at(
            connection, progress.position
        )

    @property
    def has_moved(self) -> bool:
        """Whether anything was acknowledged and kept in this life."""
        return self._kept.position > self._began

    def close(self) -> None:
        """Drop what is on its way: a successor sends it again."""
        self._preparer.close()
        self._delivery.close()

    def relay(self, stop: threading.Event) -> None:
        """Send whatever the log has behind the progress, until `stop` is set.

        Raises:
            ProgressTaken: another relay leads by now.
            DeliveryFailed, KafkaException: the producer is lost.
            psycopg.OperationalError: the database is.
        """
        self._connection.execute(f"LISTEN {CHANNEL}")
        self._preparer.ask(self._reached.position)
        while not stop.is_set():
            batch = self._preparer.take()
            if batch.has_more:
                # The next batch is prepared while this one is sent.
                self._preparer.ask(batch.events[-1][POSITION])
            if batch.events:
                self._send(batch, stop)
            self._send_watermarks(stop)
            if batch.has_more:
                self._delivery.poll()
            else:
                # Nothing comes that a record could wait for: batches form by themselves under load.
                self._delivery.flush(_LOOK_SECONDS)
            self._keep_progress()
            if not batch.has_more:
                wait_for_hint(self._connection, self._wait_seconds())
                self._preparer.ask(self._reached.position)

    def _send(self, batch: Batch, stop: threading.Event) -> None:
        events, is_whole, _ = batch
        records = self._parting.records(events, is_whole=is_whole)
        RECORDS.inc(self._delivery.send(records, stop))
        if stop.is_set():
            return  # Perhaps in the middle of them: a successor sends them again.
        previous = tuple(self._parting.previous)
        self._reached = Progress(self._reached.log_id, events[-1][POSITION], previous)
        self._delivery.mark(self._reached)
        if is_whole:
            self._settled = PreparedEvent(*events[-1])
        now = time.monotonic()
        for partition, position in enumerate(previous[: len(self._told)]):
            if position > self._told[partition]:
                self._told[partition], self._told_at[partition] = position, now

    def _send_watermarks(self, stop: threading.Event) -> None:
        """Tell the partitions that were silent while the log went on how far it has come."""
        settled, now = self._settled, time.monotonic()
        if settled is None:
            return
        silent = [
            partition
            for partition, told in enumerate(self._told)
            if told < settled.position and now - self._told_at[partition] >= SILENCE_SECONDS
        ]
        if not silent:
            return
        watermarks = [self._parting.watermark(partition, settled) for partition in silent]
        RECORDS.inc(self._delivery.send(watermarks, stop))
        for partition in silent:
            self._told[partition], self._told_at[partition] = settled.position, now

    def _wait_seconds(self) -> float:
        """Say how long to wait for a hint: until there is progress to keep, if that is sooner."""
        if self._kept.position == self._reached.position:
            return _LOOK_SECONDS
        due = self._kept_at + PROGRESS_SECONDS - time.monotonic()
        return min(max(due, _DUE_SECONDS_MIN), _LOOK_SECONDS)

    def _keep_progress(self) -> None:
        """Move what is kept to what is acknowledged, not more often than it is worth."""
        target, now = self._delivery.acknowledged(), time.monotonic()
        if target is None or target.position == self._kept.position:
            return
        if now - self._kept_at < PROGRESS_SECONDS:
            return
        if not move_progress(self._connection, self._topics, origin=self._kept, target=target):
            raise ProgressTaken("another relay has moved the progress")
        self._kept, self._kept_at = target, now


def _settled_at(connection: Connection, position: int) -> OutgoingEvent | None:
    """Give the event at a position if it ends its command: a former leader may not have told it."""
    if not position:
        return None
    event, *following = read_outgoing(connection, after=position - 1, limit=2)
    goes_on = following and following[0].command_id == event.command_id
    return None if goes_on else event
