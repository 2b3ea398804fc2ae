"""The relay against a real Kafka: what arrives, and that going on again loses nothing."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from eventstore.connections import connect
from eventstore.kafka import leadership
from eventstore.kafka.progress import Progress, move_progress
from eventstore.kafka.records import RecordHeaders, WatermarkHeaders
from eventstore.kafka.relay import Relay
from eventstore.kafka.topic_creation import TopicUnsuitable
from eventstore.kafka.topics import Topics
from eventstore.log import Log
from infra.database import Database
from tests.conftest import KafkaSpace
from tests.eventstore.kafka.relaying import (
    SECONDS,
    append,
    append_of_one_portfolio,
    arrived,
    lose_progress,
    one_portfolio_of,
    progress_of,
    require_complete,
    running,
)
from tests.infra.up import wait_until

NewRelay = Callable[..., Relay]


def wait_until_level(log: Log, database: Database, topics: Topics) -> None:
    """Wait until everything is acknowledged."""

    def is_level() -> bool:
        progress = progress_of(database.app_conninfo, topics)
        return progress is not None and progress.position == log.head().position

    wait_until(is_level)


class TestRelaying:
    """From the log to the topics."""

    @pytest.mark.parametrize("seed", range(3))
    def test_brings_each_partition_its_part_of_a_growing_log(
        self,
        log: Log,
        log_database: Database,
        kafka: KafkaSpace,
        topics: Topics,
        new_relay: NewRelay,
        seed: int,
    ) -> None:
        """What was there before, and what comes while it runs, in batches of any size."""
        draw = random.Random(seed)
        append(log, draw, commands=50)

        with running(new_relay(batch_events_max=draw.randint(5, 60))):
            for _ in range(20):
                append(log, draw, commands=draw.randint(1, 20))
            wait_until_level(log, log_database, topics)

        found = require_complete(log, kafka.bootstrap, topics)
        events = [each for chain in found.values() for each in chain]
        assert all(isinstance(each.told, RecordHeaders | WatermarkHeaders) for each in events)

    def test_ends_each_command_in_each_partition(
        self,
        log: Log,
        log_database: Database,
        kafka: KafkaSpace,
        topics: Topics,
        new_relay: NewRelay,
    ) -> None:
        """The last record of a command says so there, and no other does."""
        append(log, random.Random(1), commands=200)

        with running(new_relay(batch_events_max=17)):
            wait_until_level(log, log_database, topics)

        for chain in arrived(kafka.bootstrap, topics).values():
            told = [each.told for each in chain if isinstance(each.told, RecordHeaders)]
            for each, following in zip(told, [*told[1:], None], strict=True):
                is_last = following is None or following.command_id != each.command_id
                assert each.is_command_end == is_last

    def test_goes_on_where_another_ended(
        self,
        log: Log,
        log_database: Database,
        kafka: KafkaSpace,
        topics: Topics,
        new_relay: NewRelay,
    ) -> None:
        """One relay after the other: complete, the chain of predecessors unbroken."""
        draw = random.Random(2)

        for _ in range(3):
            with running(new_relay()):
                append(log, draw, commands=100)
                wait_until_level(log, log_database, topics)

        require_complete(log, kafka.bootstrap, topics)

    def test_finds_its_place_when_its_progress_is_lost(
        self,
        log: Log,
        log_database: Database,
        kafka: KafkaSpace,
        topics: Topics,
        new_relay: NewRelay,
    ) -> None:
        """In the topics themselves: nothing is left out, and not all is sent again."""
        draw = random.Random(3)
        append(log, draw, commands=100)
        with running(new_relay()):
            wait_until_level(log, log_database, topics)
        lose_progress(log_database)
        append(log, draw, commands=50)

        with running(new_relay()):
            wait_until_level(log, log_database, topics)

        found = require_complete(log, kafka.bootstrap, topics)
        firsts = [each for chain in found.values() for each in chain if each.told.position == 1]
        assert len(firsts) <= len(found)

    def test_a_new_generation_is_written_anew_beside_the_old(
        self,
        log: Log,
        log_database: Database,
        kafka: KafkaSpace,
        topics: Topics,
        new_relay: NewRelay,
    ) -> None:
        """With another number of partitions; the market's topic is not written twice."""
        append(log, random.Random(4), commands=100)
        second = Topics(topics.prefix, partitions=5, generation=2)
        with running(new_relay()):
            wait_until_level(log, log_database, topics)

        with running(new_relay(topics=second)):
            wait_until_level(log, log_database, second)

        found = require_complete(log, kafka.bootstrap, second)
        market = [each.told.position for each in found[second.market, 0]]
        assert market == sorted(set(market))

    def test_refuses_another_number_of_partitions(
        self, log: Log, log_database: Database, topics: Topics, new_relay: NewRelay
    ) -> None:
        """Portfolios would be in two partitions: that needs another generation."""
        with running(new_relay()):
            wait_until_level(log, log_database, topics)

        with (
            pytest.raises(TopicUnsuitable, match="has 3 partitions, 4 are asked for"),
            running(new_relay(topics=Topics(topics.prefix, partitions=4))) as thread,
        ):
            thread.join(SECONDS)


class TestWatermarks:
    """What a silent partition hears."""

    def test_come_where_nothing_else_does(
        self,
        log: Log,
        log_database: Database,
        kafka: KafkaSpace,
        topics: Topics,
        new_relay: NewRelay,
    ) -> None:
        """Each silent partition soon says how far the log has come, and then is silent."""
        portfolio = one_portfolio_of(topics, 1)

        def ends() -> list[int]:
            found = arrived(kafka.bootstrap, topics)
            chains = [found[topics.portfolios, number] for number in range(topics.partitions)]
            return [chain[-1].told.position if chain else 0 for chain in chains]

        with running(new_relay()):
            wait_until_level(log, log_database, topics)
            for position in range(1, 4):
                append_of_one_portfolio(log, portfolio)
                wait_until(lambda: ends() == [position] * 3)  # noqa: B023
            wait_until_level(log, log_database, topics)

        found = require_complete(log, kafka.bootstrap, topics)
        kinds = {place: [type(each.told) for each in chain] for place, chain in found.items()}
        assert kinds == {
            (topics.portfolios, 0): [WatermarkHeaders] * 3,
            (topics.portfolios, 1): [RecordHeaders] * 3,
            (topics.portfolios, 2): [WatermarkHeaders] * 3,
            (topics.market, 0): [],
        }

    def test_come_from_a_successor_when_the_leader_could_not_send_them(
        self,
        log: Log,
        log_database: Database,
        kafka: KafkaSpace,
        topics: Topics,
        new_relay: NewRelay,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Who waits for a position must not wait for the next event."""
        append_of_one_portfolio(log, one_portfolio_of(topics, 1))
        with monkeypatch.context() as patched, running(new_relay()):
            patched.setattr(leadership, "SILENCE_SECONDS", 1e9)
            wait_until_level(log, log_database, topics)

        with running(new_relay()):
            wait_until(
                lambda: (
                    [
                        len(arrived(kafka.bootstrap, topics)[topics.portfolios, number])
                        for number in range(topics.partitions)
                    ]
                    == [1, 1, 1]
                )
            )

        require_complete(log, kafka.bootstrap, topics)


class TestProgress:
    """What is kept beside the log."""

    def test_is_not_moved_back_by_an_old_leader(
        self, log: Log, log_database: Database, topics: Topics, new_relay: NewRelay
    ) -> None:
        """A move from where it no longer stands is no move."""
        append(log, random.Random(5), commands=10)
        with running(new_relay()):
            wait_until_level(log, log_database, topics)
        kept = progress_of(log_database.app_conninfo, topics)
        assert kept is not None
        before = Progress(log.log_id, kept.position - 1, kept.previous)

        with connect(log_database.app_conninfo, application_name="test") as connection:
            is_moved = move_progress(connection, topics, origin=before, target=before)
            is_begun = move_progress(connection, topics, origin=None, target=before)

        assert not is_moved
        assert not is_begun
        assert progress_of(log_database.app_conninfo, topics) == kept

    def test_moved_by_another_makes_a_leader_begin_anew(
        self,
        log: Log,
        log_database: Database,
        kafka: KafkaSpace,
        topics: Topics,
        new_relay: NewRelay,
    ) -> None:
        """It reads what is kept and goes on from there; the topics stay complete."""
        draw = random.Random(6)
        append(log, draw, commands=30)
        with running(new_relay()):
            wait_until_level(log, log_database, topics)
            with connect(log_database.app_conninfo, application_name="test") as connection:
                connection.execute(
                    "UPDATE relay.progress SET position = 0, "
                    "previous = array_fill(0, ARRAY[4])::bigint[]"
                )
            append(log, draw, commands=30)
            wait_until_level(log, log_database, topics)

        found = require_complete(log, kafka.bootstrap, topics)
        repeated = [each for chain in found.values() for each in chain if each.told.position == 1]
        assert len(repeated) > 1
