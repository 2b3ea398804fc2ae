"""Relays, brokers and databases that end, stall or wake up late: nothing is lost."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest

from eventstore.connections import connect
from eventstore.kafka import delivering
from eventstore.kafka.relay import Relay
from eventstore.kafka.topics import Topics
from eventstore.log import Log
from infra.data_directory import DataDirectory
from infra.database import Database
from infra.embedded_kafka import EmbeddedKafka
from infra.embedded_postgres import free_port
from infra.running import process_command_line
from schemas.codec import UnknownEventType
from tests.conftest import KAFKA_CACHE, KafkaSpace, reachable_directory
from tests.eventstore.kafka.relaying import (
    SECONDS,
    append,
    progress_of,
    require_complete,
    running,
)
from tests.eventstore.kafka.test_relay import wait_until_level
from tests.infra.up import wait_until

NewRelay = Callable[..., Relay]
Spawn = Callable[[], "RelayProcess"]


class RelayProcess:
    """`pms process relay`, with its probes."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        # A file: into a pipe that nobody empties it could not say all that it says at its start.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `kill`
        self._process = subprocess.Popen(
            process_command_line("relay"),
            env=os.environ | environment | {"PMS_RELAY_PORT": str(port)},
            stderr=subprocess.STDOUT,
            stdout=self._said,
        )

    @property
    def process_id(self) -> int:
        """Its process id."""
        return self._process.pid

    def state(self) -> str | None:
        """Ask what it is doing; None while it does not answer."""
        try:
            checks = httpx.get(f"{self.url}/health/ready", timeout=SECONDS).json()["checks"]
        except httpx.TransportError:
            return None
        return str(checks["state"])

    def metric(self, name: str) -> float:
        """Read one metric."""
        lines = httpx.get(f"{self.url}/metrics", timeout=SECONDS).text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Wait for its end; the exit status and what it said."""
        self._process.wait(SECONDS)
        self._said.seek(0)
        return self._process.returncode, self._said.read().decode()

    def kill(self) -> None:
        """Make sure that it is gone."""
        self._process.kill()
        self._process.wait()
        self._said.close()


@pytest.fixture
def spawn(
    log_database: Database, kafka: KafkaSpace, topics: Topics, registry_url: str
) -> Iterator[Spawn]:
    """Start relay processes of the test's log; they are gone afterwards."""
    started: list[RelayProcess] = []
    environment = {
        "PMS_POSTGRES_APP": log_database.app_conninfo,
        "PMS_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "PMS_KAFKA_PREFIX": kafka.prefix,
        "PMS_PARTITIONS": str(topics.partitions),
        "PMS_SCHEMA_REGISTRY_URL": registry_url,
    }

    def start() -> RelayProcess:
        started.append(RelayProcess(environment))
        return started[-1]

    yield start
    for each in started:
        each.kill()


class TestProcesses:
    """Two of them, as `pms up --kafka` runs them."""

    pytestmark = pytest.mark.slow

    def test_a_standby_takes_over_from_a_leader_that_was_killed(
        self, log: Log, log_database: Database, kafka: KafkaSpace, topics: Topics, spawn: Spawn
    ) -> None:
        """Again and again, in the middle of its work; without repeats the topics are complete."""
        draw = random.Random(9)
        append(log, draw, commands=200)
        leader = spawn()
        wait_until(lambda: leader.state() == "leading")

        for _ in range(3):
            standby = spawn()
            wait_until(lambda: standby.state() == "standing by")  # noqa: B023
            for _ in range(10):
                append(log, draw, commands=300)
            leader.send(signal.SIGKILL)
            append(log, draw, commands=100)
            wait_until(lambda: standby.state() == "leading")  # noqa: B023
            leader = standby
        wait_until_level(log, log_database, topics)

        require_complete(log, kafka.bootstrap, topics)
        head = log.head().position
        wait_until(lambda: leader.metric("pms_relay_position") == head)
        assert leader.metric("pms_relay_is_leader") == 1
        assert leader.metric("pms_relay_lag_events") == 0
        assert leader.metric("pms_relay_lag_seconds") == 0

    def test_a_leader_that_slept_does_no_harm(
        self, log: Log, log_database: Database, kafka: KafkaSpace, topics: Topics, spawn: Spawn
    ) -> None:
        """It wakes with records on their way, beside a successor: repeats at most."""
        draw = random.Random(10)
        sleeper = spawn()
        wait_until(lambda: sleeper.state() == "leading")
        successor = spawn()
        wait_until(lambda: successor.state() == "standing by")
        for _ in range(10):
            append(log, draw, commands=300)
        sleeper.send(signal.SIGSTOP)
        end_sessions(log_database, "pms leader")
        wait_until(lambda: successor.state() == "leading")
        append(log, draw, commands=300)
        wait_until_level(log, log_database, topics)
        reached = progress_of(log_database.app_conninfo, topics)

        sleeper.send(signal.SIGCONT)
        wait_until(lambda: sleeper.state() == "standing by")
        append(log, draw, commands=100)
        wait_until_level(log, log_database, topics)

        require_complete(log, kafka.bootstrap, topics)
        kept = progress_of(log_database.app_conninfo, topics)
        assert kept is not None
        assert reached is not None
        assert kept.position > reached.position

    def test_a_divergence_ends_the_process_with_one_sentence(
        self, log: Log, log_database: Database, topics: Topics, spawn: Spawn
    ) -> None:
        """Nobody but a person can mend that."""
        append(log, random.Random(11), commands=10)
        first = spawn()
        wait_until_level(log, log_database, topics)
        first.send(signal.SIGTERM)
        status, told = first.end()
        assert status == 0, told
        with connect(log_database.owner_conninfo, application_name="test") as connection:
            connection.execute("UPDATE log.identity SET log_id = gen_random_uuid()")

        status, told = spawn().end()

        assert status == 1
        assert "topic and log diverged" in told
        assert "Traceback" not in told


def end_sessions(database: Database, name: str) -> None:
    """End the sessions of this database whose name begins so."""
    with connect(database.app_conninfo, application_name="test") as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE %s",
            (f"{name}%",),
        )


class TestPreparer:
    """The process that reads and encodes beside the relay."""

    def test_that_is_killed_is_started_again(
        self,
        log: Log,
        log_database: Database,
        kafka: KafkaSpace,
        topics: Topics,
        new_relay: NewRelay,
    ) -> None:
        """It holds nothing that is not in the log."""
        draw = random.Random(15)

        with running(new_relay()):
            append(log, draw, commands=100)
            wait_until_level(log, log_database, topics)
            for preparer in preparers(psutil.Process()):
                preparer.kill()
            append(log, draw, commands=100)
            wait_until_level(log, log_database, topics)

        require_complete(log, kafka.bootstrap, topics)
        assert preparers(psutil.Process()) == []

    @pytest.mark.slow
    def test_ends_with_its_relay(
        self, log: Log, log_database: Database, topics: Topics, spawn: Spawn
    ) -> None:
        """Even where that was killed, and could end nothing."""
        append(log, random.Random(16), commands=10)
        relay = spawn()
        wait_until_level(log, log_database, topics)
        (preparer,) = preparers(psutil.Process(relay.process_id))

        relay.send(signal.SIGKILL)

        psutil.wait_procs([preparer], SECONDS)
        assert not preparer.is_running()

    def test_tells_what_this_build_cannot_read(
        self, log: Log, log_database: Database, topics: Topics, new_relay: NewRelay
    ) -> None:
        """Leaving the event out would be a gap; a newer build has to take over."""
        append(log, random.Random(17), commands=3)
        with connect(log_database.owner_conninfo, application_name="test") as connection:
            connection.execute("UPDATE log.events SET event_type = 'order.placed.v1'")

        with (
            pytest.raises(UnknownEventType, match=r"order\.placed"),
            running(new_relay()) as thread,
        ):
            thread.join(SECONDS)


def preparers(process: psutil.Process) -> list[psutil.Process]:
    """Find the preparing processes that a process has started."""
    return [
        child
        for child in process.children(recursive=True)
        if "eventstore.kafka.preparing" in child.cmdline()
    ]


class TestLostDatabase:
    """PostgreSQL ends the relay's session."""

    def test_is_reached_again(
        self,
        log: Log,
        log_database: Database,
        kafka: KafkaSpace,
        topics: Topics,
        new_relay: NewRelay,
    ) -> None:
        """It goes on from what it kept."""
        draw = random.Random(12)

        with running(new_relay()):
            for _ in range(3):
                append(log, draw, commands=100)
                wait_until_level(log, log_database, topics)
                end_sessions(log_database, "pms relay")
                append(log, draw, commands=100)
            wait_until_level(log, log_database, topics)

        require_complete(log, kafka.bootstrap, topics)


@pytest.fixture
def broker() -> Iterator[EmbeddedKafka]:
    """A broker of the test's own, to be treated badly."""
    directory = reachable_directory()
    with EmbeddedKafka(DataDirectory(directory), cache=KAFKA_CACHE) as started:
        yield started
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.kafka
class TestBroker:
    """Kafka dies, or answers nobody."""

    def test_that_is_killed_and_comes_back_gets_everything(
        self,
        log: Log,
        log_database: Database,
        broker: EmbeddedKafka,
        topics: Topics,
        registry_url: str,
    ) -> None:
        """While it is away, writers notice nothing, and the relay waits."""
        draw = random.Random(13)
        relay = Relay(
            log_database.app_conninfo,
            topics,
            bootstrap=broker.bootstrap,
            registry_url=registry_url,
        )
        append(log, draw, commands=500)

        with running(relay):
            wait_until_level(log, log_database, topics)
            for _ in range(2):
                append(log, draw, commands=1_000)
                assert broker.process_id is not None
                os.kill(broker.process_id, signal.SIGKILL)
                append(log, draw, commands=1_000)
                broker.stop()
                broker.start()
                append(log, draw, commands=100)
            wait_until_level(log, log_database, topics)

        require_complete(log, broker.bootstrap, topics)

    def test_that_stalls_fills_no_memory(
        self,
        log: Log,
        log_database: Database,
        broker: EmbeddedKafka,
        topics: Topics,
        registry_url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A few batches are under way, the rest stays in the log; then all arrives."""
        sent: list[object] = []
        monkeypatch.setattr(delivering, "BATCHES_UNDERWAY_MAX", 4)
        monkeypatch.setattr(delivering.Delivery, "mark", counting(sent, delivering.Delivery.mark))
        draw = random.Random(14)
        relay = Relay(
            log_database.app_conninfo,
            topics,
            bootstrap=broker.bootstrap,
            registry_url=registry_url,
            batch_events_max=100,
        )
        append(log, draw, commands=10)

        with running(relay):
            wait_until_level(log, log_database, topics)
            assert broker.process_id is not None
            os.kill(broker.process_id, signal.SIGSTOP)
            sent.clear()
            try:
                append(log, draw, commands=2_000)
                wait_until(lambda: len(sent) == 4)
                threading.Event().wait(1.0)
                assert len(sent) == 4
            finally:
                os.kill(broker.process_id, signal.SIGCONT)
            wait_until_level(log, log_database, topics)

        require_complete(log, broker.bootstrap, topics)


def counting(marked: list[object], mark: Callable[..., None]) -> Callable[..., None]:
    """Note the batches that are handed over."""

    def counted(delivery: object, tag: object) -> None:
        marked.append(tag)
        mark(delivery, tag)

    return counted
