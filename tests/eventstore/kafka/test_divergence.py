"""Log and topics that do not fit: found before the relay writes a record."""

from __future__ import annotations

import random
from collections.abc import Callable
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from eventstore.connections import connect
from eventstore.kafka.divergence import TopicDiverged
from eventstore.kafka.relay import Relay
from eventstore.kafka.topic_creation import create_topics
from eventstore.kafka.topics import Topics
from eventstore.log import Log
from infra.database import Database
from tests.conftest import KafkaSpace
from tests.eventstore.kafka.relaying import (
    SECONDS,
    append,
    arrived,
    lose_progress,
    require_complete,
    running,
)
from tests.eventstore.kafka.test_relay import wait_until_level

NewRelay = Callable[..., Relay]
CHANGE = "UPDATE log.events SET {}"


@pytest.fixture
def relayed(log: Log, log_database: Database, topics: Topics, new_relay: NewRelay) -> Log:
    """A log whose topics are level with it."""
    append(log, random.Random(7), commands=40)
    with running(new_relay()):
        wait_until_level(log, log_database, topics)
    return log


def require_stops(new_relay: NewRelay, reason: str) -> None:
    """Let the relay begin, and see it stop before it does anything."""
    with pytest.raises(TopicDiverged, match=reason) as diverged, running(new_relay()) as thread:
        thread.join(SECONDS)
    assert "PMS_KAFKA_GENERATION" in str(diverged.value)


def repeat_all(kafka: KafkaSpace, topics: Topics) -> None:
    """Write every record but the last of each chain once more, as they are."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": str(uuid4())})
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    sizes = {place: len(chain) for place, chain in arrived(kafka.bootstrap, topics).items()}
    consumer.assign([TopicPartition(*place, 0) for place, size in sizes.items() if size])
    for message in consumer.consume(sum(sizes.values()), SECONDS):
        place = (str(message.topic()), int(message.partition() or 0))
        if int(message.offset() or 0) < sizes[place] - 1:
            producer.produce(
                *(place[0], message.value(), message.key(), place[1]),
                headers=message.headers(),
                timestamp=message.timestamp()[1],
            )
    consumer.close()
    assert producer.flush(SECONDS) == 0


def change_log(database: Database, statement: str) -> None:
    """Do to the log what only its owner can."""
    with connect(database.owner_conninfo, application_name="test") as connection:
        connection.execute(statement)


class TestDivergence:
    """Each way in which they can fail to fit."""

    def test_fitting_topics_are_gone_on_with(
        self, relayed: Log, kafka: KafkaSpace, topics: Topics, new_relay: NewRelay
    ) -> None:
        """Otherwise nothing below would mean anything."""
        before = arrived(kafka.bootstrap, topics)

        with running(new_relay()):
            pass

        assert arrived(kafka.bootstrap, topics) == before

    def test_finds_another_log(
        self, relayed: Log, log_database: Database, new_relay: NewRelay
    ) -> None:
        """The database was made anew, and even holds as many events."""
        change_log(log_database, "UPDATE log.identity SET log_id = gen_random_uuid()")

        require_stops(new_relay, "the progress kept is of the log")

    def test_finds_topics_of_another_log(
        self, relayed: Log, log_database: Database, new_relay: NewRelay
    ) -> None:
        """Without any progress the records themselves tell."""
        change_log(log_database, "UPDATE log.identity SET log_id = gen_random_uuid()")
        lose_progress(log_database)

        require_stops(new_relay, "offset [0-9]+ of partition 0 of .* is of the log")

    def test_finds_a_log_that_ends_before_what_was_acknowledged(
        self, relayed: Log, log_database: Database, new_relay: NewRelay
    ) -> None:
        """It was restored from a backup that is too old."""
        change_log(log_database, "DELETE FROM log.events WHERE position > 20")

        require_stops(new_relay, "was acknowledged, the log ends at 20")

    def test_finds_topics_ahead_of_the_log(
        self, relayed: Log, log_database: Database, new_relay: NewRelay
    ) -> None:
        """The same, where the progress was restored with the log."""
        change_log(log_database, "DELETE FROM log.events WHERE position > 20")
        lose_progress(log_database)

        require_stops(new_relay, "which the log does not reach")

    @pytest.mark.parametrize(
        "change",
        [
            "stream_version = stream_version + 1",
            "stream_id = gen_random_uuid()",
            "tenant = 'initech'",
            "recorded_at = recorded_at + interval '1 microsecond'",
            "event_type = 'portfolio.cash_withdrawn.v1'",
            "data = convert_to(replace(convert_from(data, 'UTF8'), '\"', ' \"'), 'UTF8')",
        ],
    )
    def test_finds_an_event_that_is_another_now(
        self, relayed: Log, log_database: Database, new_relay: NewRelay, change: str
    ) -> None:
        """A log restored and written on: the same positions, other facts."""
        change_log(log_database, CHANGE.format(change))

        require_stops(new_relay, "is not what the log has at position")

    @pytest.mark.parametrize("is_market", [False, True])
    def test_finds_a_topic_made_anew(
        self,
        relayed: Log,
        kafka: KafkaSpace,
        topics: Topics,
        new_relay: NewRelay,
        *,
        is_market: bool,
    ) -> None:
        """It is empty, though it was acknowledged to hold events."""
        name = topics.market if is_market else topics.portfolios
        client = AdminClient({"bootstrap.servers": kafka.bootstrap})
        client.delete_topics([name])[name].result()
        create_topics(kafka.bootstrap, topics)

        require_stops(new_relay, f"partition 0 of {name} was acknowledged .* it is empty")

    def test_finds_a_stranger_in_the_topic(
        self, relayed: Log, kafka: KafkaSpace, topics: Topics, new_relay: NewRelay
    ) -> None:
        """Somebody else writes there."""
        producer = Producer({"bootstrap.servers": kafka.bootstrap})
        producer.produce(topics.portfolios, b"hello", partition=2)
        producer.flush()

        require_stops(new_relay, "partition 2 of .* is no record of a log")

    def test_bears_what_an_old_leader_sent_late(
        self,
        relayed: Log,
        log_database: Database,
        kafka: KafkaSpace,
        topics: Topics,
        new_relay: NewRelay,
    ) -> None:
        """Repeats behind the newest record are no divergence: readers drop them as well."""
        before = arrived(kafka.bootstrap, topics)
        repeat_all(kafka, topics)

        with running(new_relay()):
            append(relayed, random.Random(8), commands=5)
            wait_until_level(relayed, log_database, topics)

        after = require_complete(relayed, kafka.bootstrap, topics)
        assert all(len(after[place]) > len(chain) for place, chain in before.items())
