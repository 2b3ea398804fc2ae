"""A whole PMS for tests: started as `pms up` starts it, and spoken to like from outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from uuid import uuid4

from client import Client
from gateway.access import Role
from infra.clock import now
from infra.keys import signing_key
from infra.running import RunningSystem, running_system
from infra.settings import load_settings
from infra.tokens import issue_token
from tests.conftest import REPOSITORY, reachable_directory

COMMAND_SECONDS = 170


class Ended(NamedTuple):
    """How a command line ended: its status, standard output and standard error."""

    status: int
    output: str
    said: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON object of its last line."""
        found: dict[str, Any] = json.loads(self.output.strip().splitlines()[-1])
        return found


class WholeSystem:
    """A running PMS and ways to speak to it; everything opened is closed at its end."""

    def __init__(self, running: RunningSystem, opened: ExitStack) -> None:
        self.running = running
        self._opened = opened

    def token(self, tenant: str, *roles: Role, source: str | None = None) -> str:
        """Issue a token."""
        return issue_token(
            signing_key(self.running.data),
            tenant=tenant,
            subject="tester",
            roles=[role.value for role in roles],
            source=source,
            issued_at=now(),
            token_id=uuid4(),
        )

    def writer(self, tenant: str, *roles: Role, source: str | None = None) -> Client:
        """Open a connection to the command side."""
        return self._client(self.running.write_url, self.token(tenant, *roles, source=source))

    def reader(self, tenant: str) -> Client:
        """Open a connection to the query side."""
        return self._client(self.running.read_url, self.token(tenant, Role.AUDITOR))

    def pms(self, *arguments: str) -> Ended:
        """Run the command line on this system's data directory."""
        return pms(*arguments, "--data", str(self.running.data.path))

    def _client(self, url: str, token: str) -> Client:
        return self._opened.enter_context(Client.to(url, token=token))


def pms(*arguments: str, seconds: float = COMMAND_SECONDS) -> Ended:
    """Run the command line to its end, which must come within so many seconds."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PMS_")}
    ended = subprocess.run(
        [sys.executable, "-m", "infra.cli", *arguments],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@contextmanager
def whole_system(**given: object) -> Iterator[WholeSystem]:
    """Start a PMS on a directory of its own, on free ports; stop and remove it at the end.

    Settings `given` go before the usual ones.
    """
    directory = reachable_directory()
    settings = load_settings(data=directory, write_port=0, read_port=0, projector_port=0, **given)
    stop = threading.Event()
    try:
        with (
            running_system(settings, say=lambda _sentence: None, stop=stop) as running,
            ExitStack() as opened,
        ):
            yield WholeSystem(running, opened)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
