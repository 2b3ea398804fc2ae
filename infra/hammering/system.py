"""The system under the hammer: servers and lines of its own, and a whole PMS between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.conninfo import make_conninfo

from eventstore.kafka.topics import Topics
from infra.data_directory import DataDirectory
from infra.database import Database
from infra.embedded_kafka import EmbeddedKafka
from infra.embedded_postgres import EmbeddedPostgres
from infra.embedded_valkey import EmbeddedValkey
from infra.hammering.plan import Targets
from infra.hammering.proxy import Line, Proxy
from infra.running import RunningSystem, running_system
from infra.settings import load_settings
from infra.supervisor import Supervised, Supervisor

Say = Callable[[str], None]


@dataclass(frozen=True)
class HammeredSystem:
    """A whole PMS whose servers, processes and lines can be hurt.

    `database` and `kafka_bootstrap` (None without a Kafka) lead straight to the servers, for
    checks; everybody else goes through the lines.
    """

    running: RunningSystem
    database: Database = field(repr=False)
    kafka_bootstrap: str | None
    servers: Supervisor
    lines: dict[str, Line]

    @property
    def process_ids(self) -> dict[str, int]:
        """The process id of everything that runs, by name."""
        return self.servers.process_ids | self.running.supervisor.process_ids

    @property
    def restarts(self) -> int:
        """How often something was started again."""
        return self.servers.restarts + self.running.supervisor.restarts

    @property
    def topics(self) -> Topics:
        """The topics of its log, if there is a Kafka."""
        settings = self.running.settings
        return Topics(settings.kafka_prefix, settings.partitions, settings.kafka_generation)

    @property
    def targets(self) -> Targets:
        """What can be hurt."""
        processes = sorted(self.running.supervisor.process_ids)
        return Targets(
            processes=processes,
            members=[name for name in processes if name.startswith(("projector", "relay"))],
            servers=sorted(self.servers.process_ids),
            lines=sorted(self.lines),
        )


@contextmanager
def hammered_system(
    directory: Path, *, feed: str, say: Say, stop: threading.Event
) -> Iterator[HammeredSystem]:
    """Start everything on a throwaway directory; on leaving, stop it all in good order.

    Raises:
        OperatorError: something cannot start.
        StopRequested: `stop` was set before everything was ready.
    """
    data = DataDirectory(directory)
    with ExitStack() as opened:
        proxy = opened.enter_context(Proxy())
        say("starting the servers, each behind a line that can be cut")
        postgres = opened.enter_context(EmbeddedPostgres(data))
        valkey = opened.enter_context(EmbeddedValkey(data))
        units: list[Supervised] = [postgres, valkey]
        lines = {"database": proxy.line(postgres.port), "redis": proxy.line(valkey.port)}
        direct = postgres.database
        given: dict[str, object] = {}
        kafka = _kafka(opened, data, proxy, lines, say) if feed == "kafka" else None
        if kafka is not None:
            units.append(kafka)
            given["kafka_bootstrap"] = f"127.0.0.1:{lines['kafka'].port}"
        settings = load_settings(
            data=directory, write_port=0, read_port=0, projector_port=0, feed=feed, **given,
            postgres_owner=_through(direct.owner_conninfo, lines["database"]),
            postgres_app=_through(direct.app_conninfo, lines["database"]),
            redis_url=valkey.url.replace(f":{valkey.port}/", f":{lines['redis'].port}/"),
        )  # fmt: skip
        # What is hammered is all our own, whatever the operator's environment names.
        settings = settings.model_copy(update={"schema_registry_url": None})
        servers = opened.enter_context(Supervisor(units, say=say))
        running = opened.enter_context(running_system(settings, say=say, stop=stop))
        lines["api"] = proxy.line(running.settings.write_port)
        bootstrap = None if kafka is None else kafka.bootstrap
        yield HammeredSystem(running, direct, bootstrap, servers, lines)


def _kafka(
    opened: ExitStack, data: DataDirectory, proxy: Proxy, lines: dict[str, Line], say: Say
) -> EmbeddedKafka:
    """Start a broker that sends whoever comes by its line back to that line."""
    line = lines["kafka"] = proxy.line(None)
    cache = load_settings().cache
    kafka = EmbeddedKafka(data, cache=cache, advertised_port=line.port, say=say)
    opened.enter_context(kafka)
    line.server_port = kafka.line_port
    return kafka


def _through(conninfo: str, line: Line) -> str:
    return make_conninfo(conninfo, port=line.port)
