"""Apache Kafka as our own child on 127.0.0.1: one node (KRaft), its data kept between runs.

It is made small: 512 MB of heap, few threads, few internal partitions. Anybody on this machine can
read and write its topics; a cluster given from outside (`PMS_KAFKA_BOOTSTRAP`) is for the rest.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.child_processes import service_account, start_child, stop_child
from infra.data_directory import DataDirectory
from infra.embedded_postgres import FREE_PORT_ATTEMPTS, free_port
from infra.errors import OperatorError
from infra.kafka_programs import java_program, kafka_jars
from infra.stopping import signals_held

START_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 30.0
ASK_SECONDS = 1.0
HEAP_MEGABYTES = 512
# What does not depend on the address or the folder.
FIXED_PROPERTIES: Mapping[str, object] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,LINE:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 5,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 5,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    # A group of three members on one machine forms at once, and misses a dead one in seconds.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1_000,
    # After a SIGKILL the broker is let in again only when its former life has timed out, by
    # default 9 s; with much less, a busy machine would shut out a broker that lives.
    "broker.session.timeout.ms": 6_000,
    "broker.heartbeat.interval.ms": 500,
    # acks come from the page cache, which outlives the process; a power cut may take a second,
    # which the relay finds at its next start. It also bounds what a start has to check again.
    "log.flush.interval.ms": 1_000,
    "log.segment.bytes": 128 * 2**20,
    "log.index.size.max.bytes": 2**20,
    "log.cleaner.dedupe.buffer.size": 4 * 2**20,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
    "num.recovery.threads.per.data.dir": 2,
    "group.coordinator.threads": 1,
    "share.coordinator.threads": 1,
}
LOGGING_PROPERTIES = """\
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %c{1}: %m%n%throwable
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
"""


class EmbeddedKafka:
    """A Kafka broker of our own; `cache` is where its jars are, or will be fetched to.

    With an `advertised_port`, such as that of a proxy in front of `line_port`, clients who come by
    it are sent there again; who comes to `port` is not.
    """

    name = "kafka"

    def __init__(
        self,
        data: DataDirectory,
        *,
        cache: Path,
        port: int = 0,
        advertised_port: int | None = None,
        say: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self._data = data
        self._cache = cache
        self._wanted_port = port
        self._advertised_port = advertised_port
        self._say = say
        self._account = service_account()
        self._process: subprocess.Popen[bytes] | None = None
        self._controller_port = 0
        self._told_before_bytes = 0
        self._has_served = False
        self.port = port
        self.line_port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def process_id(self) -> int | None:
        """The broker's process id while it runs."""
        return None if self._process is None else self._process.pid

    @property
    def bootstrap(self) -> str:
        """The address, as Kafka clients take it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the broker; the first time, wait until it serves.

        When it comes back its clients know where, and wait for it themselves: whoever supervises it
        must not, for seconds, be kept from the processes that do not need it.

        Raises:
            OperatorError: it cannot start; the message says why and where its log is.
        """
        assert self._process is None, "already started"
        java = java_program()
        jars = kafka_jars(self._cache, say=self._say)
        self._data.prepare(self._account)
        self._data.require_reachable(self._account)
        DataDirectory(jars).require_reachable(self._account)
        try:
            self._start_on_a_port(java, jars)
        except BaseException:
            self.stop()
            raise

    def _start_on_a_port(self, java: Path, jars: Path) -> None:
        attempts = 1 if self._wanted_port else FREE_PORT_ATTEMPTS
        for attempt in range(1, attempts + 1):
            self.port = self._wanted_port or free_port()
            self._controller_port = self._controller_port or _free_port_but(self.port)
            if self._advertised_port is not None and not self.line_port:
                self.line_port = _free_port_but(self.port, self._controller_port)
            self._configure()
            self._format(java, jars)
            self._spawn(java, jars)
            reason = None if self._has_served else self._wait_until_ready()
            if reason is None:
                self._has_served = True
                self._wanted_port = self.port  # clients know it: a restart comes back to it
                return
            self.stop()
            self._controller_port = self.line_port = 0
            if attempt == attempts:
                raise OperatorError(
                    f"Kafka did not start on {self.bootstrap}: {reason} (its log: {self._log_file})"
                )

    def stop(self) -> None:
        """Stop the broker; it closes its files first. Safe to repeat."""
        process, self._process = self._process, None
        if process is not None:
            stop_child(process, patience_seconds=STOP_SECONDS_MAX)

    def is_running(self) -> bool:
        """Tell whether the broker's process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def _log_file(self) -> Path:
        return self._data.logs / "kafka.log"

    @property
    def _topics(self) -> Path:
        return self._data.kafka / "topics"

    def _configure(self) -> None:
        """Write the configuration, which the broker's account may read (it holds no secret)."""
        self._data.kafka.mkdir(exist_ok=True)
        self._data.kafka.chmod(0o755)  # ours: the account owns only the folders it writes in
        self._own_folder(self._data.kafka / "temporary")
        listeners = f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{self._controller_port}"
        line = ",LINE://127.0.0.1:{}".format
        properties = {
            **FIXED_PROPERTIES,
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self._controller_port}",
            "listeners": listeners + (line(self.line_port) if self.line_port else ""),
            "advertised.listeners": listeners
            + (line(self._advertised_port) if self.line_port else ""),
            "log.dirs": self._topics,
        }
        lines = "".join(f"{name}={value}\n" for name, value in properties.items())
        for name, text in (
            ("server.properties", lines),
            ("log4j2.properties", LOGGING_PROPERTIES),
        ):
            path = self._data.kafka / name
            path.write_text(text, encoding="utf-8")
            path.chmod(0o644)

    def _own_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        if self._account is not None:
            os.chown(folder, self._account.user_id, self._account.group_id)

    def _format(self, java: Path, jars: Path) -> None:
        """Make a new broker's folder; one that a crash left half made is made anew."""
        formatted = self._data.kafka / "formatted"
        if formatted.exists():
            return
        shutil.rmtree(self._topics, ignore_errors=True)
        self._own_folder(self._topics)
        # Of Kafka's own form (base64) one id in 64 begins with a dash: an option, to the tool.
        cluster = uuid.uuid4().hex
        tool = ["kafka.tools.StorageTool", "format", "--standalone", "--cluster-id", cluster]
        answer = subprocess.run(
                [*_java_command(java, jars, 128), *tool, "--config", "server.properties"],
                capture_output=True, text=True, check=False, timeout=START_SECONDS_MAX,
                cwd=self._data.kafka, env=_environment(),
                user=None if self._account is None else self._account.user_id,
                group=None if self._account is None else self._account.group_id,
                extra_groups=None if self._account is None else [],
            )  # fmt: skip
        if answer.returncode != 0:
            words = (answer.stderr + answer.stdout).strip().splitlines()
            raise OperatorError(
                f"Kafka could not format {self._topics}: "
                f"{words[0] if words else f'it ended with {answer.returncode}'}"
            )
        formatted.touch()

    def _spawn(self, java: Path, jars: Path) -> None:
        with self._log_file.open("ab") as log, signals_held():
            self._told_before_bytes = log.tell()
            self._process = start_child(
                [*_java_command(java, jars, HEAP_MEGABYTES), "kafka.Kafka", "server.properties"],
                # What it acknowledged is in the page cache: a broker left alone has nothing to
                # save, and the next one must not wait for its folder.
                death_signal=signal.SIGKILL,
                account=self._account,
                environment=_environment(),
                directory=self._data.kafka,
                output=log,
            )

    def _wait_until_ready(self) -> str | None:
        """Wait until the broker is in its cluster; return None, or why that will not come."""
        deadline = time.monotonic() + START_SECONDS_MAX
        client = AdminClient(
            {
                "bootstrap.servers": self.bootstrap,
                "reconnect.backoff.max.ms": 200,
                "log_level": 0,  # that nobody listens yet is no news
            }
        )
        while time.monotonic() < deadline:
            if not self.is_running():
                return f"it ended at once; is a port taken? {self._last_complaint()}"
            try:
                cluster = client.describe_cluster(request_timeout=ASK_SECONDS).result()
            except KafkaException:
                continue  # it has waited already: as long as it was allowed to
            if cluster.nodes:
                return None
            time.sleep(0.05)
        return f"not ready after {START_SECONDS_MAX:.0f} s. {self._last_complaint()}"

    def _last_complaint(self) -> str:
        told = self._log_file.read_bytes()[self._told_before_bytes :].decode(errors="replace")
        complaints = [line for line in told.splitlines() if " ERROR " in line or " FATAL " in line]
        return complaints[-1] if complaints else ""


def _java_command(java: Path, jars: Path, heap_megabytes: int) -> list[str | Path]:
    return [
        java,
        f"-Xms{heap_megabytes}m",
        f"-Xmx{heap_megabytes}m",
        "-XX:+UseG1GC",
        "-XX:-UsePerfData",
        "-Djava.io.tmpdir=temporary",
        "-Djava.awt.headless=true",
        "-Dlog4j2.disableJmx=true",
        "-Dlog4j2.configurationFile=log4j2.properties",
        "-cp",
        f"{jars}/*",
    ]


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _free_port_but(*taken: int) -> int:
    while (port := free_port()) in taken:
        pass
    return port
