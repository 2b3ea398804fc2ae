"""A reader of the topic all the while, through the same faults as everybody: it skips nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from eventstore.kafka.records import ForeignRecord, RecordHeaders, WatermarkHeaders, read_headers
from eventstore.kafka.topics import Topics
from infra.hammering.partition_checks import headers_of
from projections.findings import Check

RECORDS_AT_ONCE = 500
WAIT_SECONDS = 0.2
LEVEL_SECONDS_MAX = 60.0


class Chains:
    """What a reader knows of each partition: the last event, which the next one must name."""

    def __init__(self) -> None:
        self.check = Check("a reader of the topic skips nothing")
        self.last: dict[int, int] = {}

    def take(self, partition: int, told: RecordHeaders | WatermarkHeaders) -> None:
        """Take a record as it came; what is not beyond the last event is a repeat."""
        last = self.last.setdefault(partition, 0)
        if isinstance(told, WatermarkHeaders) or told.position <= last:
            return
        self.check.counted += 1
        self.check.must(
            told.previous == last,
            lambda: (
                f"partition {partition}: after {last} came {told.position}, which "
                f"follows {told.previous}"
            ),
        )
        self.last[partition] = told.position


class TopicFollower:
    """Follows every partition from its beginning, in a thread of its own."""

    def __init__(self, topics: Topics, *, bootstrap: str) -> None:
        self.chains = Chains()
        self._topics = topics
        self._bootstrap = bootstrap
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="topic", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop following."""
        self._stop.set()
        self._thread.join()

    def ended_at(self, last: Mapping[int, int]) -> Check:
        """Wait until the last event of each partition has come, stop, and say what was found."""
        deadline = time.monotonic() + LEVEL_SECONDS_MAX
        while self.chains.last != last and time.monotonic() < deadline:
            time.sleep(WAIT_SECONDS)
        self.end()
        self.chains.check.must(
            self.chains.last == last, lambda: f"it stands at {self.chains.last}, not at {last}"
        )
        return self.chains.check

    def _follow(self) -> None:
        settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self._bootstrap,
            "group.id": "hammer follower",
            "enable.auto.commit": False,
            "reconnect.backoff.max.ms": 1_000,
            "log_level": 0,
        }
        try:
            with closing(Consumer(settings)) as consumer:
                numbers = range(self._topics.partitions)
                consumer.assign(
                    [
                        TopicPartition(self._topics.portfolios, number, OFFSET_BEGINNING)
                        for number in numbers
                    ]
                )
                while not self._stop.is_set():
                    self._take(consumer)
        except (KafkaException, ForeignRecord) as error:
            self.chains.check.fail(f"the reader ended: {error}")

    def _take(self, consumer: Consumer) -> None:
        for message in consumer.consume(RECORDS_AT_ONCE, WAIT_SECONDS):
            number = message.partition()
            if message.error() is None and number is not None:
                self.chains.take(number, read_headers(headers_of(message)))
