"""Valkey from a wheel, as our own child on 127.0.0.1, with its data kept between runs."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from infra.child_processes import service_account, start_child, stop_child
from infra.data_directory import DataDirectory, generated_passwords
from infra.embedded_postgres import FREE_PORT_ATTEMPTS, free_port
from infra.errors import OperatorError
from infra.programs import valkey_program
from infra.stopping import signals_held

START_SECONDS_MAX = 30.0


class EmbeddedValkey:
    """A Valkey server of our own, reached over TCP with a generated password."""

    name = "valkey"

    def __init__(self, data: DataDirectory, *, port: int = 0, durable: bool = True) -> None:
        self._data = data
        self._wanted_port = port
        self._durable = durable
        self._account = service_account()
        self._process: subprocess.Popen[bytes] | None = None
        self._password = ""
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
        """The server's process id while it runs."""
        return None if self._process is None else self._process.pid

    @property
    def url(self) -> str:
        """The address with the password, as Redis clients take it."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server.

        Raises:
            OperatorError: it cannot start; the message says why and where its log is.
        """
        assert self._process is None, "already started"
        self._data.prepare(self._account)
        self._data.require_reachable(self._account)
        program = valkey_program(self._data.path, self._account)
        passwords = generated_passwords(self._data.secrets / "valkey.json", ("valkey",))
        self._password = passwords["valkey"]
        self._data.valkey.mkdir(mode=0o700, exist_ok=True)
        if self._account is not None:
            os.chown(self._data.valkey, self._account.user_id, self._account.group_id)
        try:
            self._start_on_a_port(program)
        except BaseException:
            self.stop()
            raise

    def _start_on_a_port(self, program: Path) -> None:
        attempts = 1 if self._wanted_port else FREE_PORT_ATTEMPTS
        for attempt in range(1, attempts + 1):
            self.port = self._wanted_port or free_port()
            self._spawn(program)
            reason = self._wait_until_ready()
            if reason is None:
                self._wanted_port = self.port  # clients know it: a restart comes back to it
                return
            self.stop()
            if attempt == attempts:
                raise OperatorError(
                    f"Valkey did not start on 127.0.0.1:{self.port}: {reason} "
                    f"(its log: {self._log_file})"
                )

    def stop(self) -> None:
        """Stop the server; it writes what it holds first. Safe to repeat."""
        process, self._process = self._process, None
        if process is not None:
            stop_child(process, first=signal.SIGTERM, patience_seconds=30.0)

    def is_running(self) -> bool:
        """Tell whether the server process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def _log_file(self) -> Path:
        return self._data.logs / "valkey.log"

    def _configuration(self) -> str:
        settings = {
            "bind": "127.0.0.1",
            "port": self.port,
            "requirepass": self._password,
            "dir": self._data.valkey,
            "daemonize": "no",
            # What is lost in a power cut is folded again from the log: a second's loss is cheap.
            "appendonly": "yes" if self._durable else "no",
            "appendfsync": "everysec",
            "save": '""',
            # Read models must never lose a key to make room: a full server refuses the write.
            "maxmemory-policy": "noeviction",
            "loglevel": "notice",
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items())

    def _spawn(self, program: Path) -> None:
        with self._log_file.open("ab") as log, signals_held():
            self._process = start_child(
                [program, "-"],  # the configuration comes by pipe: no password in a process list
                death_signal=signal.SIGTERM,
                account=self._account,
                environment={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                directory=Path("/"),
                output=log,
                takes_input=True,
            )
        assert self._process.stdin is not None, "started with an input pipe"
        with self._process.stdin as pipe:
            pipe.write(self._configuration().encode())

    def _wait_until_ready(self) -> str | None:
        """Wait for the first answer; return None, or the reason why it will not come."""
        deadline = time.monotonic() + START_SECONDS_MAX
        failure = ""
        client = redis.Redis.from_url(self.url, socket_timeout=5.0)
        try:
            while time.monotonic() < deadline:
                if not self.is_running():
                    return "it ended at once; is the port taken?"
                try:
                    client.ping()
                except redis.RedisError as error:  # refused at first, then loading its data
                    failure = str(error)
                    time.sleep(0.01)
                else:
                    return None
        finally:
            client.close()
        return f"not ready after {START_SECONDS_MAX:.0f} s: {failure}"
