"""PostgreSQL 18 from a wheel, as our own child on 127.0.0.1, with its data kept between runs."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.child_processes import run_child, service_account, start_child, stop_child
from infra.data_directory import DataDirectory, generated_passwords
from infra.database import APP_ROLE, DATABASE_NAME, OWNER_ROLE, Database
from infra.errors import OperatorError
from infra.programs import postgres_programs
from infra.stopping import signals_held

SUPERUSER = "postgres"
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 60.0
STOP_SECONDS_MAX_UNKEPT = 15.0
PREDECESSOR_SECONDS_MAX = 60.0
FREE_PORT_ATTEMPTS = 5


class EmbeddedPostgres:
    """A PostgreSQL server of our own.

    Reached over TCP with generated passwords (SCRAM) only: no socket file another user could open,
    no trusted connection. `durable=False` is for tests that prove nothing about a crash. With
    `kept=False` the data goes with the server: it is stopped at once, without a checkpoint.
    """

    name = "postgresql"

    def __init__(
        self, data: DataDirectory, *, port: int = 0, durable: bool = True, kept: bool = True
    ) -> None:
        self._data = data
        self._wanted_port = port
        self._durable = durable
        self._kept = kept
        # PostgreSQL's fast shutdown, and its immediate one.
        self._shutdown = signal.SIGINT if kept else signal.SIGQUIT
        self._account = service_account()
        self._process: subprocess.Popen[bytes] | None = None
        self._passwords: dict[str, str] = {}
        self._programs = Path()
        self.port = port

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
        """The postmaster's process id while it runs."""
        return None if self._process is None else self._process.pid

    @property
    def database(self) -> Database:
        """The database `pms` with the two roles' ways in."""
        return self.database_named(DATABASE_NAME)

    def database_named(self, name: str) -> Database:
        """Another database of this server, reached by the same two roles."""
        return Database(
            owner_conninfo=self.conninfo(OWNER_ROLE, name),
            app_conninfo=self.conninfo(APP_ROLE, name),
        )

    def conninfo(self, role: str, database: str) -> str:
        """Say how `role` connects to `database` (holds the password)."""
        return make_conninfo(
            host="127.0.0.1",
            port=self.port,
            user=role,
            password=self._passwords[role],
            dbname=database,
            connect_timeout=10,
        )

    def start(self) -> None:
        """Start the server, first making its data directory, roles and database where missing.

        Raises:
            OperatorError: it cannot start; the message says why and where its log is.
        """
        assert self._process is None, "already started"
        self._data.prepare(self._account)
        self._data.require_reachable(self._account)
        self._programs = postgres_programs(self._data.path, self._account)
        self._passwords = self._known_passwords()
        if not self._data.postgresql.exists():
            self._create()
        self._outlive_predecessor()
        self._write_access_rules()
        try:
            self._start_on_a_port()
            with psycopg.connect(
                self.conninfo(SUPERUSER, "postgres"), autocommit=True
            ) as connection:
                create_roles(connection, self._passwords)
                create_database(connection, DATABASE_NAME)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server: sessions are ended, what is kept is checkpointed. Safe to repeat."""
        process, self._process = self._process, None
        if process is not None:
            # A killed server recovers from its log.
            patience = STOP_SECONDS_MAX if self._kept else STOP_SECONDS_MAX_UNKEPT
            stop_child(process, first=self._shutdown, patience_seconds=patience)

    def is_running(self) -> bool:
        """Tell whether the server process lives."""
        return self._process is not None and self._process.poll() is None

    def _known_passwords(self) -> dict[str, str]:
        path = self._data.secrets / "postgresql.json"
        if self._data.postgresql.exists() and not path.exists():
            raise OperatorError(
                f"{self._data.postgresql} has data, but its passwords are missing: {path}. "
                "Put that file back from a backup, or start with another --data directory."
            )
        return generated_passwords(path, (SUPERUSER, OWNER_ROLE, APP_ROLE))

    def _create(self) -> None:
        """Run initdb beside the final place and move the finished cluster there."""
        for left_over in self._data.path.glob(".postgresql-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".postgresql-", dir=self._data.path))
        try:
            password_file = unfinished / "password"
            password_file.touch(mode=0o600)
            password_file.write_text(self._passwords[SUPERUSER], encoding="ascii")
            if self._account is not None:
                for path in (unfinished, password_file):
                    os.chown(path, self._account.user_id, self._account.group_id)
            self._run_initdb(unfinished / "cluster", password_file)
            (unfinished / "cluster").rename(self._data.postgresql)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _run_initdb(self, cluster: Path, password_file: Path) -> None:
        status, said = run_child(
            [
                self._programs / "bin" / "initdb",
                f"--pgdata={cluster}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                # One order of text on every machine: an index never depends on the system's locale.
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                *(() if self._durable and self._kept else ("--no-sync",)),
            ],
            account=self._account,
            environment=_environment(),
            directory=Path("/"),
        )
        if status != 0:
            raise OperatorError(f"PostgreSQL's initdb failed: {said.strip()}")

    def _write_access_rules(self) -> None:
        rules = self._data.postgresql / "pg_hba.conf"
        rules.write_text(
            "# Written by PMS at every start: this machine only, and always with a password.\n"
            "host all all 127.0.0.1/32 scram-sha-256\n",
            encoding="ascii",
        )

    def _outlive_predecessor(self) -> None:
        """Wait for a server of a killed PMS to finish its shutdown; drop a stale process id.

        We hold the directory's lock, so no living PMS uses it. PostgreSQL itself would refuse to
        start while any process of that account carries the recorded id.
        """
        pid_file = self._data.postgresql / "postmaster.pid"
        try:
            process_id = int(pid_file.read_text(encoding="ascii").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        predecessor = _server_process(process_id, self._data.postgresql)
        if predecessor is None:
            pid_file.unlink(missing_ok=True)
            return
        predecessor.send_signal(signal.SIGINT)
        try:
            predecessor.wait(timeout=PREDECESSOR_SECONDS_MAX)
        except psutil.TimeoutExpired as error:
            raise OperatorError(
                f"An earlier PostgreSQL (process {process_id}) on {self._data.postgresql} does not "
                "stop. End it, then try again."
            ) from error

    def _start_on_a_port(self) -> None:
        attempts = 1 if self._wanted_port else FREE_PORT_ATTEMPTS
        for attempt in range(1, attempts + 1):
            self.port = self._wanted_port or free_port()
            self._spawn()
            reason = self._wait_until_ready()
            if reason is None:
                self._wanted_port = self.port  # clients know it: a restart comes back to it
                return
            self.stop()
            if attempt == attempts or "could not bind" not in reason:
                raise OperatorError(
                    f"PostgreSQL did not start on 127.0.0.1:{self.port}: {reason} "
                    f"(its log: {self._log_file})"
                )

    @property
    def _log_file(self) -> Path:
        return self._data.logs / "postgresql.log"

    def _spawn(self) -> None:
        arguments: list[str | Path] = [
            self._programs / "bin" / "postgres", "-D", self._data.postgresql,
        ]  # fmt: skip
        for name, value in server_parameters(self.port, durable=self._durable).items():
            arguments += ["-c", f"{name}={value}"]
        with self._log_file.open("ab") as log, signals_held():
            self._process = start_child(
                arguments,
                # A fast, clean shutdown even when we are killed: the next start needs no recovery.
                death_signal=self._shutdown,
                account=self._account,
                environment=_environment(),
                directory=Path("/"),
                output=log,
            )

    def _wait_until_ready(self) -> str | None:
        """Wait for the first connection; return None, or the reason why it will not come."""
        log_start = self._log_file.stat().st_size
        deadline = time.monotonic() + START_SECONDS_MAX
        failure = ""
        while time.monotonic() < deadline:
            if not self.is_running():
                return _last_complaint(self._log_file, log_start) or "it ended at once"
            try:
                psycopg.connect(self.conninfo(SUPERUSER, "postgres"), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                failure = str(error).strip().splitlines()[-1]
                time.sleep(0.02)
            else:
                return None
        return f"not ready after {START_SECONDS_MAX:.0f} s: {failure}"


def server_parameters(port: int, *, durable: bool) -> dict[str, str | int]:
    """The server's settings, each with its reason."""
    memory_megabytes = psutil.virtual_memory().total // 2**20
    settings: dict[str, str | int] = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 100,
        "timezone": "UTC",
        "log_timezone": "UTC",
        # An eighth of the memory, at most 512 MB: somebody's desktop is not ours to fill.
        "shared_buffers": f"{max(64, min(512, memory_megabytes // 8))}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": "128MB",
        # Many appends between two checkpoints: fewer full pages in the write-ahead log.
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "wal_buffers": "16MB",
        # The wheel's only way, pglz, took a fifth of what rebuilt tables cost, and saved no log.
        "wal_compression": "off",
        # Our queries are short; compiling them costs more than it gives.
        "jit": "off",
        # Durable before the caller hears "yes". Projectors switch it off for their own sessions.
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        # Refused statements are reported without their text and values: no secret in a log.
        "log_min_messages": "warning",
        "log_min_error_statement": "panic",
        "log_parameter_max_length_on_error": 0,
        "log_line_prefix": "%m [%p] %u@%d ",
    }
    if not durable:
        settings |= {
            "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
            "max_wal_size": "1GB", "shared_buffers": "64MB",
        }  # fmt: skip
    return settings


def create_roles(connection: psycopg.Connection, passwords: dict[str, str]) -> None:
    """Make the roles `pms_owner` and `pms_app`, with the given passwords; safe to repeat."""
    for role in (OWNER_ROLE, APP_ROLE):
        # The server sees, and could log, only the salted hash.
        hashed = connection.pgconn.encrypt_password(
            passwords[role].encode(), role.encode(), b"scram-sha-256"
        ).decode()
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        statement = sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB PASSWORD {}")
        verb = sql.SQL("ALTER" if known else "CREATE")
        connection.execute(statement.format(verb, sql.Identifier(role), sql.Literal(hashed)))


def create_database(
    connection: psycopg.Connection, name: str, *, template: str = "template1"
) -> None:
    """Make a database owned by `pms_owner` in which `pms_app` may make schemas of its own."""
    known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if not known:
        connection.execute(
            # Copying the template's files takes a fifth of the time of logging its pages.
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(OWNER_ROLE), sql.Identifier(template)
            )
        )
    connection.execute(
        sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name))
    )
    connection.execute(
        sql.SQL("GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {} TO {}").format(
            sql.Identifier(name), sql.Identifier(APP_ROLE)
        )
    )


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def free_port() -> int:
    """Name a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _server_process(process_id: int, cluster: Path) -> psutil.Process | None:
    """Return the process if it is a PostgreSQL server standing in `cluster`."""
    try:
        process = psutil.Process(process_id)
        if process.name() == "postgres" and Path(process.cwd()) == cluster.resolve():
            return process
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        pass
    return None


def _last_complaint(log_file: Path, start: int) -> str:
    with log_file.open("rb") as log:
        log.seek(start)
        lines = log.read().decode(errors="replace").splitlines()
    complaints = [line for line in lines if "FATAL" in line or "could not bind" in line]
    return " / ".join(line.split(": ", 1)[-1].strip() for line in complaints[-2:])
