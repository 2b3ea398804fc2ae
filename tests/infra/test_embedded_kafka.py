"""The embedded Kafka: what it keeps, who reaches it, and how it comes back."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra.data_directory import DataDirectory
from infra.embedded_kafka import EmbeddedKafka
from infra.errors import OperatorError
from infra.hammering.proxy import Proxy
from tests.conftest import KAFKA_CACHE, KafkaSpace, reachable_directory
from tests.infra.up import wait_until

PATIENCE_SECONDS = 30.0
QUIET = {"log_level": 0}
AS_ROOT = os.geteuid() == 0

pytestmark = [pytest.mark.kafka, pytest.mark.services]


@pytest.fixture
def data() -> Iterator[DataDirectory]:
    """A data directory of the test's own."""
    directory = reachable_directory()
    yield DataDirectory(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def server(data: DataDirectory) -> Iterator[EmbeddedKafka]:
    """A broker of the test's own, to be treated badly."""
    with EmbeddedKafka(data, cache=KAFKA_CACHE) as started:
        yield started


def create_topic(bootstrap: str, name: str) -> None:
    """Make a topic of two partitions."""
    client = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
    client.create_topics([NewTopic(name, 2, 1)])[name].result(PATIENCE_SECONDS)


def produce(bootstrap: str, topic: str, *values: str) -> None:
    """Write to partition 1, and wait for every acknowledgement."""
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", **QUIET})
    for value in values:
        producer.produce(topic, value.encode(), partition=1)
    assert producer.flush(PATIENCE_SECONDS) == 0


def consume(bootstrap: str, topic: str, count: int) -> list[str]:
    """Read partition 1 from its beginning."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, **QUIET})
    try:
        consumer.assign([TopicPartition(topic, 1, 0)])
        records = consumer.consume(count, PATIENCE_SECONDS)
        return [(record.value() or b"").decode() for record in records]
    finally:
        consumer.close()


class TestABroker:
    """A real one: topics made by its administration, records kept in order."""

    def test_keeps_what_was_acknowledged_in_order(self, kafka: KafkaSpace) -> None:
        """What one client wrote another reads."""
        topic = f"{kafka.prefix}.rows"
        create_topic(kafka.bootstrap, topic)

        produce(kafka.bootstrap, topic, "a", "b", "c")

        assert consume(kafka.bootstrap, topic, 3) == ["a", "b", "c"]

    def test_is_reached_over_loopback_only(self, server: EmbeddedKafka) -> None:
        """Its topics need no password, so nobody else may knock."""
        listening = {
            connection.laddr.ip.removeprefix("::ffff:")
            for connection in psutil.Process(server.process_id).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }

        assert listening == {"127.0.0.1"}

    @pytest.mark.skipif(not AS_ROOT, reason="only root runs servers as another account")
    def test_is_not_run_by_root(self, server: EmbeddedKafka) -> None:
        """A server on a port needs no rights of root, and cannot change its own configuration."""
        properties = server._data.kafka / "server.properties"

        assert psutil.Process(server.process_id).uids().effective != 0
        assert properties.stat().st_uid == 0

    def test_makes_no_topic_by_itself(self, kafka: KafkaSpace) -> None:
        """A wrong name must not become a topic with the wrong number of partitions."""
        topic = f"{kafka.prefix}.unmade"
        client = AdminClient({"bootstrap.servers": kafka.bootstrap, **QUIET})

        client.list_topics(topic, PATIENCE_SECONDS)

        assert topic not in client.list_topics(timeout=PATIENCE_SECONDS).topics


class TestBehindAProxy:
    """Whoever comes by the proxy stays with it."""

    def test_sends_its_clients_to_the_advertised_port(self, data: DataDirectory) -> None:
        """Else the proxy would carry the first question only."""
        with Proxy() as proxy:
            line = proxy.line(None)
            with EmbeddedKafka(data, cache=KAFKA_CACHE, advertised_port=line.port) as server:
                line.server_port = server.line_port
                ways = {port: f"127.0.0.1:{port}" for port in (line.port, server.port)}

                found = {port: brokers(bootstrap) for port, bootstrap in ways.items()}

        assert found == {port: {port} for port in ways}


def brokers(bootstrap: str) -> set[int]:
    """The ports that a client which comes by this address is sent to."""
    client = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
    return {broker.port for broker in client.list_topics(timeout=PATIENCE_SECONDS).brokers.values()}


class TestStoppingAndStarting:
    """Every acknowledged record is there again, whatever way the end came."""

    def test_after_sigkill_comes_back_to_its_address_with_its_records(
        self, server: EmbeddedKafka
    ) -> None:
        """The supervisor's way: stop what is left, start again."""
        create_topic(server.bootstrap, "kept")
        produce(server.bootstrap, "kept", "a", "b")
        bootstrap, killed = server.bootstrap, server.process_id
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(killed)], timeout=PATIENCE_SECONDS)
        was_running = server.is_running()

        server.stop()
        server.start()

        assert not was_running
        assert server.bootstrap == bootstrap
        assert server.process_id != killed
        assert consume(bootstrap, "kept", 2) == ["a", "b"]

    def test_again_keeps_nobody_waiting(self, server: EmbeddedKafka) -> None:
        """A broker that cannot come back must not hold up the restarts of others: it just ends."""
        server.stop()
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", server.port))
            other.listen()

            server.start()

            assert server.process_id is not None
            wait_until(lambda: not server.is_running())

    def test_on_another_port_keeps_its_records(self, data: DataDirectory) -> None:
        """A next `up` chooses its ports anew."""
        with EmbeddedKafka(data, cache=KAFKA_CACHE) as first:
            create_topic(first.bootstrap, "kept")
            produce(first.bootstrap, "kept", "a")

        with EmbeddedKafka(data, cache=KAFKA_CACHE) as second:
            assert second.port != first.port
            assert consume(second.bootstrap, "kept", 1) == ["a"]

    def test_makes_a_half_formatted_folder_anew(self, data: DataDirectory) -> None:
        """A crash in the middle of the very first start is no obstacle to the second."""
        (data.kafka / "topics").mkdir(parents=True)
        (data.kafka / "topics" / "meta.properties").write_text("version=1\n", encoding="utf-8")

        with EmbeddedKafka(data, cache=KAFKA_CACHE) as server:
            assert server.is_running()

    def test_says_where_to_look_when_the_port_is_taken(self, data: DataDirectory) -> None:
        """One clear sentence with the reason, not a Java traceback."""
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]

            with pytest.raises(OperatorError, match=f"127.0.0.1:{port}.*kafka.log") as caught:
                EmbeddedKafka(data, cache=KAFKA_CACHE, port=port).start()

        assert "\n" not in str(caught.value)


PARENT = """
import sys, time
from pathlib import Path
from infra.data_directory import DataDirectory
from infra.embedded_kafka import EmbeddedKafka

with EmbeddedKafka(DataDirectory(Path(sys.argv[1])), cache=Path(sys.argv[2])) as kafka:
    print(kafka.process_id, flush=True)
    time.sleep(600)
"""


class TestTheParentsDeath:
    """No broker outlives the process that started it."""

    def test_by_sigkill_ends_it_and_leaves_a_folder_that_starts(self, data: DataDirectory) -> None:
        """The next one finds neither a lock nor a half-written file in its way."""
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(data.path), str(KAFKA_CACHE)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert parent.stdout is not None
        with parent.stdout as answers:
            broker = psutil.Process(int(answers.readline()))
            parent.send_signal(signal.SIGKILL)
            parent.wait()

        broker.wait(timeout=PATIENCE_SECONDS)
        with EmbeddedKafka(data, cache=KAFKA_CACHE) as again:
            assert again.is_running()
