"""A whole PMS, running: the servers, the log made, every process ready, and where to find it all.

`running_system` is what `up` and `demo` stand on; `reachable_database` is for commands that need
the log only (`verify`, `rebuild`), whether or not a PMS is running on the directory.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from eventstore.failures import LogUnavailable
from eventstore.log import Log
from eventstore.tables import create_log
from infra.build_name import build_name
from infra.child_processes import service_account
from infra.clock import now
from infra.data_directory import DataDirectory, write_closed
from infra.database import Database
from infra.embedded_kafka import EmbeddedKafka
from infra.embedded_postgres import EmbeddedPostgres
from infra.embedded_valkey import EmbeddedValkey
from infra.errors import OperatorError
from infra.keys import signing_key
from infra.members import Member, chosen_members, ports_in_use
from infra.read_models import chosen_models, require_log_not_behind
from infra.settings import Settings
from infra.supervisor import ChildProcess, Supervised, Supervisor

Say = Callable[[str], None]
CommandLine = Callable[[str], list[str]]


@dataclass(frozen=True)
class RunningSystem:
    """A PMS that is up. `settings` hold the ports and addresses really in use."""

    settings: Settings
    data: DataDirectory
    database: Database
    redis_url: str = field(repr=False)
    members: Sequence[Member]
    supervisor: Supervisor

    @property
    def write_url(self) -> str:
        """Where commands are sent."""
        return self.settings.write_url

    @property
    def read_url(self) -> str:
        """Where queries are asked."""
        return self.settings.read_url

    @property
    def kafka_addresses(self) -> dict[str, str]:
        """Where Kafka and the schema registry are, for people; empty where there is none."""
        if self.settings.feed != "kafka":
            return {}
        registry = urlsplit(self.settings.registry_address)
        return {
            "kafka": self.settings.kafka_address,
            # A given address may hold a password, which is not for the screen.
            "registry": registry._replace(netloc=registry.netloc.rpartition("@")[2]).geturl(),
        }


class StopRequested(Exception):
    """The operator wished to stop before everything was up."""


def process_command_line(name: str) -> list[str]:
    """Say how one of our processes is started."""
    return [sys.executable, "-m", "infra.process", name]


@contextmanager
def running_system(
    settings: Settings,
    *,
    say: Say,
    stop: threading.Event | None = None,
    command_line: CommandLine = process_command_line,
) -> Iterator[RunningSystem]:
    """Start everything and wait until it is ready; on leaving, stop it all in good order.

    `say` is told each step in a sentence. Call it from the main thread (its life is what the
    servers live by), under `stop_signals` with the event those set.

    Raises:
        OperatorError: something cannot start, or another PMS uses the directory.
        StopRequested: `stop` was set before everything was ready.
    """
    stop = stop or threading.Event()
    chosen_models(settings)  # a name that there is not ends this at once, not each projector
    data = DataDirectory(settings.data)
    data.prepare(service_account())
    with ExitStack() as stack:
        stack.enter_context(data.locked())
        members = stack.enter_context(chosen_members(settings))
        settings = settings.model_copy(update=ports_in_use(members))
        servers, database, redis_url = _start_servers(stack, settings, data, say)
        settings = _with_kafka(stack, settings, data, say, servers)
        _require_sound_log(database)
        signing_key(data)  # made before the processes look for it
        settings = settings.model_copy(
            update={
                "data": data.path,
                "postgres_app": SecretStr(database.app_conninfo),
                "redis_url": SecretStr(redis_url),
                "build": settings.build or build_name(),
            }
        )
        _give_up_if(stop)
        say("starting the processes")
        processes = [_child_process(member, settings, data, command_line) for member in members]
        addresses = data.run / "addresses.json"

        def leave_word() -> None:
            _write_addresses(addresses, settings, database, members, supervisor)

        supervisor = Supervisor([*servers, *processes], say=say, changed=leave_word)
        stack.callback(addresses.unlink, missing_ok=True)
        stack.enter_context(supervisor)
        if not supervisor.wait_until_ready(stop):
            raise StopRequested
        leave_word()
        yield RunningSystem(
            settings=settings,
            data=data,
            database=database,
            redis_url=redis_url,
            members=members,
            supervisor=supervisor,
        )
        say("stopping: writing first, then what follows the log, then the servers")


def _give_up_if(stop: threading.Event) -> None:
    if stop.is_set():
        raise StopRequested


def _start_servers(
    stack: ExitStack, settings: Settings, data: DataDirectory, say: Say
) -> tuple[list[Supervised], Database, str]:
    """Start the embedded servers that are needed; say where PostgreSQL and Redis are."""
    servers: list[Supervised] = []
    database = settings.given_database
    if database is None:
        say("starting PostgreSQL" + ("" if data.postgresql.exists() else " on a new directory"))
        postgres = stack.enter_context(EmbeddedPostgres(data, port=settings.postgres_port))
        servers.append(postgres)
        database = postgres.database
    try:
        create_log(database.owner_conninfo)
    except LogUnavailable as error:
        raise OperatorError(f"PostgreSQL cannot be reached: {error}") from error
    if settings.redis_url is not None:
        return servers, database, settings.redis_url.get_secret_value()
    say("starting Valkey")
    valkey = stack.enter_context(EmbeddedValkey(data, port=settings.redis_port))
    servers.append(valkey)
    return servers, database, valkey.url


def _with_kafka(
    stack: ExitStack, settings: Settings, data: DataDirectory, say: Say, servers: list[Supervised]
) -> Settings:
    """Say where Kafka and the registry are, if the feed needs them; a broker of ours is started."""
    if settings.feed != "kafka":
        return settings
    found: dict[str, object] = {}
    if settings.kafka_bootstrap is None:
        say("starting Kafka")
        broker = EmbeddedKafka(data, cache=settings.cache, port=settings.kafka_port, say=say)
        stack.enter_context(broker)
        servers.append(broker)
        found["kafka_bootstrap"] = broker.bootstrap
    if settings.schema_registry_url is None:  # the member `registry` will answer there
        url = f"http://{settings.host}:{settings.registry_port}"
        found["schema_registry_url"] = SecretStr(url)
    return settings.model_copy(update=found)


def _require_sound_log(database: Database) -> None:
    """Say at once, and once, what every process would refuse to start on."""
    with Log(database.app_conninfo, clock=now, build=build_name(), pool_size=1) as log:
        require_log_not_behind(log, database.app_conninfo)


def _child_process(
    member: Member, settings: Settings, data: DataDirectory, command_line: CommandLine
) -> ChildProcess:
    return ChildProcess(
        name=member.name,
        arguments=command_line(member.process),
        log=data.logs / f"{member.name}.jsonl",
        ready_url=f"{member.url}/health/ready",
        environment=member.settings(settings).environment(),
    )


def _write_addresses(
    path: Path,
    settings: Settings,
    database: Database,
    members: Sequence[Member],
    supervisor: Supervisor,
) -> None:
    """Leave word, for ourselves only, of what runs where."""
    assert settings.redis_url is not None, "chosen before"
    content: dict[str, object] = {
        "write_url": settings.write_url,
        "read_url": settings.read_url,
        "projector_url": settings.projector_url,
        "postgres_owner": database.owner_conninfo,
        "postgres_app": database.app_conninfo,
        "redis_url": settings.redis_url.get_secret_value(),
        "process_urls": {member.name: member.url for member in members},
        "supervisor_process_id": os.getpid(),
        "process_ids": supervisor.process_ids,
    }
    if settings.feed == "kafka":
        content["kafka_bootstrap"] = settings.kafka_address
        content["schema_registry_url"] = settings.registry_address
    write_closed(path, json.dumps(content, indent=1).encode())


def running_addresses(data: DataDirectory) -> dict[str, object] | None:
    """Return where the PMS running on this directory is; None when there is none."""
    if not data.is_locked():
        return None
    try:
        found: dict[str, object] = json.loads((data.run / "addresses.json").read_bytes())
    except FileNotFoundError:
        return None
    return found


@contextmanager
def reachable_database(settings: Settings, *, say: Say) -> Iterator[Database]:
    """Reach the database: the given one, the running PMS's, or the directory's own, started for us.

    Raises:
        OperatorError: there is no data yet, or PostgreSQL cannot start.
    """
    given = settings.given_database
    if given is not None:
        yield given
        return
    data = DataDirectory(settings.data)
    running = running_addresses(data)
    if running is not None:
        yield Database(
            owner_conninfo=str(running["postgres_owner"]), app_conninfo=str(running["postgres_app"])
        )
        return
    if not data.postgresql.exists():
        raise OperatorError(
            f"There is no PMS in {data.path} yet. Start one with `pms up`, or name another "
            "directory with --data."
        )
    with data.locked():
        say("starting PostgreSQL for this command only")
        with EmbeddedPostgres(data, port=settings.postgres_port) as postgres:
            create_log(postgres.database.owner_conninfo)
            yield postgres.database


@contextmanager
def throwaway_database(*, say: Say) -> Iterator[EmbeddedPostgres]:
    """Run a PostgreSQL of its own, durable like a real one, in a directory removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="pms-bench-"))
    directory.chmod(0o711)
    try:
        say("starting a PostgreSQL of its own")
        with EmbeddedPostgres(DataDirectory(directory), kept=False) as postgres:
            yield postgres
    finally:
        shutil.rmtree(directory, ignore_errors=True)
