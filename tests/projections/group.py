"""Projectors in threads as members of one group, which may sleep, leave and come back."""

import threading
from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from domain.event import Event
from eventstore.log import Log
from eventstore.partitions import Partition
from infra.database import Database
from infra.read_models import READ_MODELS
from projections.batches import Batch
from projections.checkpoint import Checkpoint
from projections.kafka_feed import KafkaFeed
from projections.projector import Projector
from projections.read_model import ReadModel
from tests.projections.conftest import Connection
from tests.projections.topic import HandmadeTopic


class Held:
    """A feed that can be made to sleep, whole or in one partition, as a stopped process would."""

    is_log = False

    def __init__(self, feed: KafkaFeed) -> None:
        self._feed = feed
        self.asleep: set[int] = set()
        self.is_awake = threading.Event()
        self.is_awake.set()

    def begin(self, connection: Connection) -> None:
        """Begin."""
        self._feed.begin(connection)

    @property
    def has_begun(self) -> bool:
        """Whether it is a member."""
        return self._feed.has_begun

    def partitions(self) -> Collection[Partition]:
        """Tell the partitions."""
        return self._feed.partitions()

    def read(
        self,
        partition: Partition,
        after: Checkpoint,
        *,
        limit: int,
        event_types: Iterable[type[Event]],
    ) -> Batch | None:
        """Read, and fall asleep with what was read in hand."""
        if partition.number in self.asleep:
            return None
        batch = self._feed.read(partition, after, limit=limit, event_types=event_types)
        if batch is not None:
            self.is_awake.wait()
        return batch

    def wait(self, seconds: float) -> None:
        """Wait."""
        self._feed.wait(seconds)

    def close(self) -> None:
        """Close."""
        self._feed.close()


class Members:
    """Projectors in threads of this process, each a member of the topic's group."""

    def __init__(self, log: Log, database: Database, topic: HandmadeTopic) -> None:
        self._log = log
        self._database = database
        self._topic = topic
        self.models: tuple[ReadModel, ...] = READ_MODELS
        self.running: dict[str, tuple[Projector, Held, threading.Event, threading.Thread]] = {}
        self.failures: list[BaseException] = []

    def start(self, name: str) -> Held:
        """Start one more."""
        feed = Held(self._topic.new_feed())
        projector = Projector(
            self._log,
            self._database.app_conninfo,
            self.models,
            redis_url=None,
            clock=lambda: datetime.now(UTC),
            feed=feed,
            batch_events_max=40,
        )
        stop = threading.Event()

        def run() -> None:
            try:
                projector.run(stop)
            except BaseException as error:  # noqa: BLE001 - raised at the end
                self.failures.append(error)

        thread = threading.Thread(target=run, name=name)
        thread.start()
        self.running[name] = (projector, feed, stop, thread)
        return feed

    def stop(self, name: str) -> None:
        """Let one leave."""
        _, feed, stop, thread = self.running.pop(name)
        stop.set()
        feed.is_awake.set()
        thread.join(30)
        assert not thread.is_alive()

    def partitions_of(self, name: str) -> set[int]:
        """Tell the partitions a member has."""
        return {each.number for each in self.running[name][1].partitions()}

    def share_all(self) -> bool:
        """Tell whether each partition is one member's, and each member has some."""
        shares = [self.partitions_of(name) for name in self.running]
        return all(shares) and sorted(n for share in shares for n in share) == list(
            range(len(self._topic.partitions))
        )
