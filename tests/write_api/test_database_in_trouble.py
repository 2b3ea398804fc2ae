"""PostgreSQL stopped, killed and started again under callers of the API.

Clients hear 503 at once instead of waiting; afterwards everything goes on without a restart, every
acceptance is in the log, and nothing is there twice.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import httpx
import psutil
import pytest

from commands.breaker import BreakerState
from commands.desk import Desk
from domain.identity import MARKET_TENANT
from eventstore.log import Log
from eventstore.tables import create_log
from infra.data_directory import DataDirectory
from infra.embedded_postgres import EmbeddedPostgres
from tests.commands.desks import booked_external_ids, wait_until
from tests.conftest import reachable_directory
from tests.gateway.serving import client_of, now, serving, surroundings, token
from tests.write_api.conftest import instrument, key, trade
from write_api.application import create_app

CALLERS = 4
OPEN_WITHIN_SECONDS = 20
CLOSED_WITHIN_SECONDS = 60
REFUSED_WITHIN_SECONDS = 2.0
"""Far below any wait for a database; a busy machine may take its time."""

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(240)]


class Heard(NamedTuple):
    """One answer: to which trade, what, and after how long."""

    external_id: str
    status: int
    outcome: str
    retry_after: str | None
    seconds: float


class System:
    """A desk behind HTTP on a PostgreSQL of its own, with callers that never stop asking."""

    def __init__(self, server: EmbeddedPostgres, log: Log, desk: Desk, address: str) -> None:
        self.server = server
        self.log = log
        self.desk = desk
        self.heard: list[Heard] = []
        self.failures: list[BaseException] = []
        self._address = address
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(number,), daemon=True)
            for number in range(CALLERS)
        ]

    def _call(self, caller: int) -> None:
        """Send each trade until it is accepted, under its own key."""
        try:
            with client_of(self._address, token("acme", "admin", source="desk-1")) as client:
                number = 0
                while not self._stop.is_set():
                    name = f"c{caller}-{number}"
                    if self.send(client, name).status == httpx.codes.CREATED:
                        number += 1
                    self._stop.wait(0.01)
        except BaseException as error:  # noqa: BLE001 - told by the test, in its own thread
            self.failures.append(error)

    def send(self, client: httpx.Client, name: str) -> Heard:
        """Send one trade once."""
        begun = time.monotonic()
        body = trade("AAPL", external_id=name, intent="executed", quantity="1")
        answer = client.post("/v1/trades", json=body, headers=key(name))
        told = answer.json()
        heard = Heard(
            name,
            answer.status_code,
            told["outcome"],
            answer.headers.get("retry-after"),
            time.monotonic() - begun,
        )
        self.heard.append(heard)
        return heard

    def start(self) -> None:
        """Let the callers begin, and wait until each has been accepted."""
        for thread in self._threads:
            thread.start()
        self.wait_for_acceptances()

    def wait_for_acceptances(self) -> None:
        """Wait until every caller has had another one."""
        before = len(self.heard)
        wait_until(
            lambda: (
                len({each.external_id.split("-")[0] for each in self.accepted(before)}) == CALLERS
            ),
            CLOSED_WITHIN_SECONDS,
        )

    def accepted(self, since: int = 0) -> list[Heard]:
        """What was accepted."""
        return [each for each in self.heard[since:] if each.status == httpx.codes.CREATED]

    def refused_while_open(self) -> list[Heard]:
        """Let the callers be refused for a second while the breaker is open, at least ten times."""
        assert self.desk.breaker.is_open
        before = len(self.heard)
        wait_until(lambda: len(self.heard) > before + 2 * CALLERS)
        # Whoever waited when it opened may have waited for longer; those behind him may not.
        return self.heard[before + CALLERS :]

    def end(self) -> None:
        """Let the callers end."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert self.failures == []

    def assert_honest(self) -> None:
        """Every acceptance is in the log, and nothing twice."""
        counted: Counter[str] = booked_external_ids(self.log)
        accepted = {each.external_id for each in self.accepted()}
        assert set(counted.values()) == {1}
        assert accepted <= set(counted)
        assert {each.status for each in self.heard} <= {201, 503}
        assert {each.outcome for each in self.heard} <= {"accepted", "unknown", "not_attempted"}


@pytest.fixture
def system() -> Iterator[System]:
    """Everything running, and callers asking."""
    directory = reachable_directory()
    try:
        with (
            EmbeddedPostgres(DataDirectory(directory)) as server,
            running(server) as system,
        ):
            system.start()
            yield system
            system.end()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def running(server: EmbeddedPostgres) -> Iterator[System]:
    """A desk and its API on a server, with a portfolio and an instrument."""
    create_log(server.database.owner_conninfo)
    with Log(server.database.app_conninfo, clock=now, build="test") as log:
        desk = Desk(log)
        desk.start()
        with serving(create_app(desk, surroundings())) as address:
            with client_of(address, token(MARKET_TENANT, "market_data", source="x")) as market:
                sent = market.post("/v1/instruments", json=instrument("AAPL"), headers=key())
                assert sent.status_code == 201, sent.text
            with client_of(address, token("acme", "admin", source="desk-1")) as admin:
                opening = {"portfolio": "growth", "base_currency": "USD"}
                sent = admin.post("/v1/portfolios", json=opening, headers=key())
                assert sent.status_code == 201, sent.text
            yield System(server, log, desk, address)
        assert desk.stop(timeout=60)


def family(server: EmbeddedPostgres) -> list[psutil.Process]:
    """The server and all its children."""
    assert server.process_id is not None
    postmaster = psutil.Process(server.process_id)
    return [postmaster, *postmaster.children(recursive=True)]


def freeze(server: EmbeddedPostgres) -> list[psutil.Process]:
    """Stop every process of the server where it stands."""
    processes = family(server)
    for process in processes:
        process.suspend()
    return processes


def stop_in_order(server: EmbeddedPostgres) -> None:
    """End the server as its operator does."""
    server.stop()


def kill(server: EmbeddedPostgres) -> None:
    """Take the server away at once."""
    for process in family(server):
        os.kill(process.pid, signal.SIGKILL)
    server.stop()


class TestAFrozenDatabase:
    """SIGSTOP: connections stay open, and nothing answers."""

    def test_is_met_with_quick_refusals_and_goes_on_afterwards(self, system: System) -> None:
        """The breaker opens by itself, refuses at once, and closes by itself."""
        frozen = freeze(system.server)
        try:
            wait_until(lambda: system.desk.breaker.is_open, OPEN_WITHIN_SECONDS)
            refused = system.refused_while_open()
        finally:
            for process in frozen:
                process.resume()
        wait_until(lambda: not system.desk.breaker.is_open, CLOSED_WITHIN_SECONDS)
        system.wait_for_acceptances()
        system.end()

        assert {each.status for each in refused} == {503}
        assert {each.outcome for each in refused} == {"unknown"}
        assert {each.retry_after for each in refused} == {"1"}
        assert max(each.seconds for each in refused) < REFUSED_WITHIN_SECONDS
        system.assert_honest()


class TestALostDatabase:
    """Stopped or killed, and started again after a while."""

    @pytest.mark.parametrize("lose", [stop_in_order, kill])
    def test_is_met_with_quick_refusals_and_goes_on_afterwards(
        self, system: System, lose: Callable[[EmbeddedPostgres], None]
    ) -> None:
        """Readiness, too, says so meanwhile."""
        lose(system.server)
        wait_until(lambda: system.desk.breaker.is_open, OPEN_WITHIN_SECONDS)
        refused = system.refused_while_open()
        state = system.desk.breaker.state
        system.server.start()
        wait_until(lambda: not system.desk.breaker.is_open, CLOSED_WITHIN_SECONDS)
        system.wait_for_acceptances()
        system.end()

        assert state is not BreakerState.CLOSED
        assert {each.status for each in refused} == {503}
        assert max(each.seconds for each in refused) < REFUSED_WITHIN_SECONDS
        system.assert_honest()
