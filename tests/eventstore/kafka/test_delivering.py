"""Delivering: one report for many records, and a loss of any of them is heard."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import closing

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from hypothesis import given
from hypothesis import strategies as st

from eventstore.kafka.delivering import Arrivals, Delivery, DeliveryFailed
from eventstore.kafka.parting import OutgoingRecord
from eventstore.kafka.topics import Topics
from tests.conftest import KafkaSpace
from tests.eventstore.kafka.relaying import SECONDS
from tests.infra.up import wait_until

SMALL, LARGE = b"small", random.Random(1).randbytes(4_000)
BYTES_MAX = 2_000

counts = st.lists(st.integers(1, 50), min_size=1, max_size=20)


class TestArrivals:
    """What the offsets of a partition tell."""

    @given(counts=counts, others=st.data(), end=st.integers(0, 1_000))
    def test_are_complete_whatever_others_write_between(
        self, counts: list[int], others: st.DataObject, end: int
    ) -> None:
        """An old leader may still deliver; reports may come later than the next batch is sent."""
        arrivals = Arrivals(end)
        for count in counts:
            arrivals.expect(count)

        for count in counts:
            end += count + others.draw(st.integers(0, 5))

            assert arrivals.are_complete(end - 1)

    @given(before=counts, count=st.integers(1, 50), lost=st.integers(1, 50))
    def test_that_are_fewer_than_were_sent_are_a_loss(
        self, before: list[int], count: int, lost: int
    ) -> None:
        """Of one record, of many, or of the whole topic, made anew."""
        arrivals, end = Arrivals(0), 0
        for each in [*before, count]:
            arrivals.expect(each)
        for each in before:
            end += each
            assert arrivals.are_complete(end - 1)

        assert not arrivals.are_complete(max(0, end + count - 1 - lost))

    @given(counts=counts, lost=st.integers(0, 1))
    def test_of_an_unknown_offset_are_counted_with_the_next(
        self, counts: list[int], lost: int
    ) -> None:
        """Kafka does not tell it of what it had already."""
        arrivals = Arrivals(7)
        for each in [*counts, 3]:
            arrivals.expect(each)

        assert all(arrivals.are_complete(None) for _ in counts)

        assert arrivals.are_complete(7 + sum(counts) + 3 - 1 - lost) is not lost


def record(topics: Topics, value: bytes, *, told: int) -> OutgoingRecord:
    """Make a record of the only partition."""
    return (topics.portfolios, 0, b"key", value, 1_700_000_000_000, {"ce_id": b"1"}, told)


def listen_until(delivery: Delivery[str], is_true: Callable[[], bool]) -> None:
    """Hear reports until something is true."""

    def listened() -> bool:
        delivery.poll(0.05)
        return is_true()

    wait_until(listened)


def send_apart(delivery: Delivery[str], topics: Topics, stop: threading.Event) -> None:
    """Send one large record alone; when it is away, a small one whose report stands for both."""
    delivery.send([record(topics, LARGE, told=0)], stop)
    delivery.flush(SECONDS)
    delivery.send([record(topics, SMALL, told=2)], stop)
    delivery.mark("both")
    listen_until(delivery, lambda: delivery.acknowledged() == "both")


@pytest.fixture
def narrow(kafka: KafkaSpace) -> Topics:
    """A topic whose broker refuses large records, for good."""
    topics = Topics(kafka.prefix, partitions=1)
    config = {"max.message.bytes": str(BYTES_MAX), "retention.ms": "-1"}
    names = (topics.portfolios, topics.market)
    made = [NewTopic(name, num_partitions=1, config=config) for name in names]
    client = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for done in client.create_topics(made).values():
        done.result(SECONDS)
    return topics


class TestDelivery:
    """One producer's life on a real broker."""

    def test_acknowledges_a_batch_when_its_last_record_is_there(
        self, kafka: KafkaSpace, narrow: Topics
    ) -> None:
        """Then all of them are, in order."""
        stop = threading.Event()
        values = [b"%d" % number for number in range(100)]
        records = [record(narrow, value, told=0) for value in values[:-1]]
        records.append(record(narrow, values[-1], told=len(values)))

        with closing(self.delivery(kafka, narrow)) as delivery:
            assert delivery.send(records, stop) == len(values)
            delivery.mark("all")
            listen_until(delivery, lambda: delivery.acknowledged() == "all")

        assert self.values(kafka, narrow) == values

    def test_hears_of_a_refused_record_whose_report_it_did_not_ask_for(
        self, kafka: KafkaSpace, narrow: Topics
    ) -> None:
        """It is fatal: what came behind it would hide a gap."""
        stop = threading.Event()

        with closing(self.delivery(kafka, narrow)) as delivery:
            with pytest.raises((DeliveryFailed, KafkaException)):
                send_apart(delivery, narrow, stop)
            assert delivery.acknowledged() is None

    def test_hears_from_the_offsets_that_records_are_missing(
        self, kafka: KafkaSpace, narrow: Topics
    ) -> None:
        """Whatever lost them: here the topic holds fewer than it did."""
        stop = threading.Event()

        with closing(Delivery[str](kafka.bootstrap, {(narrow.portfolios, 0): 5})) as delivery:
            delivery.send([record(narrow, SMALL, told=1)], stop)
            delivery.mark("lost")
            with pytest.raises(DeliveryFailed, match=r"partition 0 of .* are missing"):
                listen_until(delivery, lambda: delivery.acknowledged() is not None)
            assert delivery.acknowledged() is None

    @staticmethod
    def delivery(kafka: KafkaSpace, topics: Topics) -> Delivery[str]:
        """Begin a life on an empty topic."""
        return Delivery(kafka.bootstrap, {(topics.portfolios, 0): 0})

    @staticmethod
    def values(kafka: KafkaSpace, topics: Topics) -> list[bytes]:
        """Read what the topic holds."""
        consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": kafka.prefix})
        try:
            place = TopicPartition(topics.portfolios, 0, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=SECONDS)
            consumer.assign([place])
            messages = consumer.consume(end, SECONDS)
        finally:
            consumer.close()
        return [message.value() or b"" for message in messages]
