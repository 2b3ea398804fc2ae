"""The contract of a feed, kept by the log and by Kafka alike."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from eventstore.kafka.reader import TopicDamaged
from eventstore.log import Log
from eventstore.partitions import Partition, partitions
from infra.database import Database
from projections.batches import Batch
from projections.building import connect
from projections.checkpoint import Checkpoint
from projections.feeds import Feed, LogFeed
from tests.conftest import KafkaSpace
from tests.projections.reading import (
    COUNT,
    EVERY_TYPE,
    contents,
    expected,
    next_batch,
    read_all,
    tell,
    wait_for_partitions,
)
from tests.projections.story import Story
from tests.projections.topic import HandmadeTopic

START = Checkpoint(0, 0, None, 1, UUID(int=0))
Opened = tuple[Feed, Callable[[int], None]]
"""A feed, and what carries the log's events behind a position to it."""


def ticking() -> Callable[[], datetime]:
    """A clock that moves on by some milliseconds each time it is read."""
    seconds = itertools.count()
    begin = datetime(2024, 3, 8, 12, tzinfo=UTC)
    return lambda: begin + timedelta(milliseconds=7 * next(seconds))


@pytest.fixture
def log(log_database: Database) -> Iterator[Log]:
    """An empty log whose events differ in their moments."""
    with Log(log_database.app_conninfo, clock=ticking(), build="test", pool_size=4) as made:
        yield made


@pytest.fixture(params=["log", pytest.param("kafka", marks=pytest.mark.kafka)])
def opened(request: pytest.FixtureRequest, log: Log, log_database: Database) -> Iterator[Opened]:
    """Give a feed of all partitions, and what carries the log's events behind a position to it."""
    with ExitStack() as stack:
        if request.param == "log":
            connection = stack.enter_context(
                connect(log_database.app_conninfo, application_name="test")
            )
            feed: Feed = LogFeed(log, partitions(COUNT))
            feed.begin(connection)
            yield feed, lambda _: None
            return
        topic = HandmadeTopic(request.getfixturevalue("kafka"), log.log_id, COUNT)
        kafka_feed = stack.enter_context(topic.feed())
        wait_for_partitions(kafka_feed)
        yield kafka_feed, lambda after: topic.send(log.read(after, 100_000))


class TestEveryFeed:
    """What the engine relies on."""

    @pytest.mark.parametrize("limit", [1, 2, 7, 5_000])
    def test_gives_each_partition_its_events_once_in_order(
        self, log: Log, story: Story, opened: Opened, limit: int
    ) -> None:
        """Whatever the size of batches, and all partitions together hold the log."""
        feed, carry = opened
        tell(story, 30)
        head = story.append_to(log, together=4)
        carry(0)

        seen: set[int] = set()
        for partition in partitions(COUNT):
            batches = read_all(feed, log, partition, START, head, limit=limit)
            assert contents(batches) == expected(log, partition)
            assert all(batch.size for batch in batches)
            positions = [batch.position for batch in batches]
            assert positions == sorted(set(positions))
            seen.update(position for position, _, _ in contents(batches))
        assert seen == set(range(1, head + 1))

    def test_ends_a_batch_with_a_command(self, log: Log, story: Story, opened: Opened) -> None:
        """A capture and its booking are never parted, unless the limit is one event."""
        feed, carry = opened
        tell(story, 30)
        head = story.append_to(log, together=4)
        carry(0)
        commands = {event.position: event.command_id for event in log.read(0, 100_000)}

        for partition in partitions(COUNT):
            for batch in read_all(feed, log, partition, START, head, limit=4):
                after = commands.get(batch.decoded[-1].position + 1) if batch.decoded else None
                last = commands[batch.decoded[-1].position] if batch.decoded else None
                assert after is None or after != last

    def test_can_be_read_again_from_any_checkpoint(
        self, log: Log, story: Story, opened: Opened
    ) -> None:
        """After a lost race, a lost commit or a takeover: the same events follow."""
        feed, carry = opened
        tell(story, 30)
        head = story.append_to(log, together=3)
        carry(0)
        partition = partitions(COUNT)[1]
        checkpoints = [START]
        for batch in read_all(feed, log, partition, START, head, limit=9):
            checkpoints.append(batch.moved(checkpoints[-1]))
        assert len(checkpoints) > 5

        for checkpoint in (checkpoints[-2], checkpoints[1], checkpoints[3], checkpoints[0]):
            again = read_all(feed, log, partition, checkpoint, head)
            assert contents(again) == expected(log, partition, checkpoint.position)

    def test_goes_on_with_what_arrives(self, log: Log, story: Story, opened: Opened) -> None:
        """Nothing follows the head until something does; then it follows at once."""
        feed, carry = opened
        tell(story, 10)
        head = story.append_to(log)
        carry(0)
        checkpoints = {}
        for partition in partitions(COUNT):
            at = START
            for batch in read_all(feed, log, partition, START, head):
                at = batch.moved(at)
            checkpoints[partition] = at
            feed.wait(0)
            assert feed.read(partition, at, limit=9, event_types=EVERY_TYPE) is None

        story.deposit("fund-1", "1")
        story.register("LATER")
        new_head = story.append_to(log)
        carry(head)

        for partition, at in checkpoints.items():
            batches = read_all(feed, log, partition, at, new_head)
            assert contents(batches) == expected(log, partition, at.position)
            assert batches[-1].moved(at).market_position == new_head

    def test_stops_at_an_event_nobody_can_read(
        self, log: Log, story: Story, opened: Opened
    ) -> None:
        """What is before it is given first; then it is named by position and type."""
        feed, carry = opened
        tell(story, 3)
        before = story.append_to(log)
        story.damage_next("portfolio.cash_deposited.v1")
        story.deposit("fund-0", "1")
        story.append_to(log)
        carry(0)

        for partition in partitions(COUNT):
            batches = read_until_stopped(feed, partition)
            assert contents(batches) == expected(log, partition, until=before)
            stopped = batches[-1].undecodable
            assert stopped is not None
            bad = (before + 1, "portfolio.cash_deposited.v1")
            assert (stopped.position, stopped.event_type) == bad


def read_until_stopped(feed: Feed, partition: Partition) -> list[Batch]:
    """Read a partition up to an event that nobody can read."""
    batches: list[Batch] = []
    after = START
    while not batches or batches[-1].undecodable is None:
        batch = next_batch(feed, partition, after)
        assert batch is not None, "an event that nobody can read follows"
        batches.append(batch)
        after = batch.moved(after)
    return batches


@pytest.fixture
def topic(kafka: KafkaSpace, log: Log) -> HandmadeTopic:
    """A topic nothing was sent to yet."""
    return HandmadeTopic(kafka, log.log_id, COUNT)


class TestKafka:
    """What only happens on Kafka."""

    def test_repeats_change_nothing(self, log: Log, story: Story, topic: HandmadeTopic) -> None:
        """An old leader sends everything again, in the middle of the new leader's records."""
        tell(story, 20)
        head = story.append_to(log, together=3)
        events = log.read(0, 100_000)
        half = len(events) // 2
        topic.send(events[:half])
        topic.repeat(events[: half // 2])
        topic.send(events[half:])
        topic.repeat(events)

        with topic.feed() as feed:
            wait_for_partitions(feed)
            for partition in partitions(COUNT):
                batches = read_all(feed, log, partition, START, head, limit=6)
                assert contents(batches) == expected(log, partition)
                middle = batches[len(batches) // 2].moved(START)
                again = read_all(feed, log, partition, middle, head)
                assert contents(again) == expected(log, partition, middle.position)

    def test_a_missing_record_is_found(self, log: Log, story: Story, topic: HandmadeTopic) -> None:
        """Nobody reads across a gap: each record names the one before it."""
        tell(story, 20)
        story.append_to(log, together=3)
        events = log.read(0, 100_000)
        partition = partitions(COUNT)[0]
        own = [event for event in events if partition.holds(event)]
        topic.send(own[:5], only=[partition])
        topic.skip(partition, own[5].position)
        topic.send(own[6:], only=[partition])

        with topic.feed() as feed:
            wait_for_partitions(feed)
            with pytest.raises(TopicDamaged, match=f"lacks position {own[5].position}"):
                read_all(feed, log, partition, START, own[-1].position)

    def test_a_forgotten_beginning_is_found_though_nothing_follows(
        self, log: Log, story: Story, topic: HandmadeTopic
    ) -> None:
        """An emptied partition is not one that nothing was sent to."""
        tell(story, 5)
        head = story.append_to(log)
        topic.send(log.read(0, 100_000))
        forgotten, *kept = partitions(COUNT)
        topic.forget(forgotten)

        with topic.feed() as feed:
            wait_for_partitions(feed)
            with pytest.raises(TopicDamaged, match="no longer has its first"):
                read_all(feed, log, forgotten, START, head)
            for partition in kept:
                batches = read_all(feed, log, partition, START, head)
                assert contents(batches) == expected(log, partition)

    def test_a_damaged_partition_does_not_hold_up_the_others(
        self, log: Log, story: Story, topic: HandmadeTopic
    ) -> None:
        """What is before the damage is read, and every other partition to its end."""
        tell(story, 20)
        head = story.append_to(log, together=3)
        events = log.read(0, 100_000)
        damaged, *healthy = partitions(COUNT)
        own = [event for event in events if damaged.holds(event)]
        topic.send(own[:5], only=[damaged])
        topic.skip(damaged, own[5].position)
        topic.send(own[6:], only=[damaged])
        topic.send(events, only=healthy)

        with topic.feed() as feed:
            wait_for_partitions(feed)
            for partition in healthy:
                assert contents(read_all(feed, log, partition, START, head)) == expected(
                    log, partition
                )
            first = next_batch(feed, damaged, START)
            assert first is not None
            assert [position for position, _, _ in contents([first])] == [
                event.position for event in own[: len(first.decoded)]
            ]
            with pytest.raises(TopicDamaged, match="lacks position"):
                read_all(feed, log, damaged, START, head)

    def test_a_topic_parted_otherwise_is_refused(
        self, log: Log, story: Story, topic: HandmadeTopic
    ) -> None:
        """Portfolios would be looked for in the wrong place, and mixed with others."""
        topic.partitions = partitions(COUNT + 1)
        with topic.feed() as feed:
            wait_for_partitions(feed)
            with pytest.raises(TopicDamaged, match=f"has {COUNT} partitions"):
                next_batch(feed, partitions(COUNT)[0], START)

    def test_a_record_of_another_log_is_refused(
        self, kafka: KafkaSpace, log: Log, story: Story
    ) -> None:
        """A topic that another log writes into says nothing of this one."""
        topic = HandmadeTopic(kafka, UUID(int=7), COUNT)
        tell(story, 1)
        head = story.append_to(log)
        topic.send(log.read(0, 100_000))

        with topic.feed(log.log_id) as feed:
            wait_for_partitions(feed)
            with pytest.raises(TopicDamaged, match="a record of the log"):
                read_all(feed, log, partitions(COUNT)[0], START, head)

    def test_a_watermark_hides_no_missing_record(
        self, log: Log, story: Story, topic: HandmadeTopic
    ) -> None:
        """It names the last event before it, like every record."""
        tell(story, 20)
        story.append_to(log, together=3)
        events = log.read(0, 100_000)
        partition = partitions(COUNT)[0]
        own = [event for event in events if partition.holds(event)]
        topic.send(own[:5], only=[partition])
        topic.skip(partition, own[5].position)
        topic.watermark(own[6], partition)

        with topic.feed() as feed:
            wait_for_partitions(feed)
            with pytest.raises(TopicDamaged, match=f"lacks position {own[5].position}"):
                read_all(feed, log, partition, START, own[-1].position)

    def test_a_watermark_moves_a_silent_partition(
        self, log: Log, story: Story, topic: HandmadeTopic
    ) -> None:
        """It holds no event, says how far nothing is missing, and an older one says nothing."""
        tell(story, 5)
        head = story.append_to(log, together=3)
        events = log.read(0, 100_000)
        partition = partitions(COUNT)[0]
        own = [event for event in events if partition.holds(event)]
        topic.send(own, only=[partition])
        topic.watermark(events[2], partition)
        story.register("LAST")
        story.append_to(log)
        (last,) = log.read(head, 10)
        topic.watermark(last, partition)

        with topic.feed() as feed:
            wait_for_partitions(feed)
            batches = read_all(feed, log, partition, START, last.position)

        assert contents(batches) == expected(log, partition)[: len(own)]
        assert batches[-1].position == last.position
        assert batches[-1].recorded_at == last.recorded_at
