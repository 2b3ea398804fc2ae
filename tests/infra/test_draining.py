"""SIGTERM under load: what was let in gets its outcome, what comes then hears 503, and it ends."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import psutil
import pytest

from benchmarks.flood.overload import captured
from benchmarks.flood.system import Writers, open_market, write_processes
from domain.identity import command_id
from eventstore.log import Log
from gateway.access import Role
from infra.clock import now
from infra.data_directory import DataDirectory
from infra.database import Database
from infra.embedded_postgres import EmbeddedPostgres
from infra.process_write import STALLED_EXIT_STATUS
from tests.conftest import reachable_directory

TENANT = "acme"
CALLERS = 8
BATCH = 100
WELL = frozenset({200, 201})
LOAD_SECONDS = 1.0
END_SECONDS_MAX = 45.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Asked(NamedTuple):
    """Trades that were sent together, and what was heard: nothing where the line broke."""

    key: str
    external_ids: tuple[str, ...]
    status: int | None
    code: str


@pytest.fixture
def writers(log_database: Database) -> Iterator[Writers]:
    """One write process with portfolios."""
    directory = reachable_directory()
    try:
        with write_processes(DataDirectory(directory), log_database, 1) as writers:
            open_market(writers, (TENANT,))
            yield writers
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def trade(external_id: str) -> dict[str, Any]:
    """One share bought."""
    return {
        "portfolio": "portfolio-00", "external_id": external_id, "intent": "executed",
        "instrument": "STOCK00", "side": "buy", "quantity": "1", "price": "10", "currency": "USD",
        "executed_at": now().isoformat(),
    }  # fmt: skip


def call(writers: Writers, heard: list[Asked], count: int) -> None:
    """Send so many trades at once, again and again, until the process says that it stops."""
    token = writers.token(TENANT, Role.ADMIN, "desk")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(
        base_url=writers.urls[0], headers=headers, timeout=30, trust_env=False
    ) as client:
        while True:
            name = uuid4().hex
            names = (name,) if count == 1 else tuple(f"{name}-{item}" for item in range(count))
            items = [trade(each) for each in names]
            key = {"Idempotency-Key": name}
            try:
                if count == 1:
                    answer = client.post("/v1/trades", json=items[0], headers=key)
                else:
                    answer = client.post("/v1/trades:batch", json=items, headers=key)
            except httpx.ConnectError:
                return
            except httpx.TransportError:
                heard.append(Asked(name, names, None, ""))
                return
            told = answer.json()
            heard.append(Asked(name, names, answer.status_code, told.get("code", "")))
            if told.get("code") == "shutting_down":
                return


class TestStoppingUnderLoad:
    """Nothing that was let in is lost, and nobody waits for an answer that does not come."""

    def test_answers_what_it_has_and_ends(self, writers: Writers, log_database: Database) -> None:
        """Each acceptance is in the log once; a refusal and a broken line left nothing."""
        heard: list[Asked] = []
        threads = [
            threading.Thread(target=call, args=(writers, heard, count), daemon=True)
            for count in (1, BATCH) * (CALLERS // 2)
        ]
        for thread in threads:
            thread.start()
        time.sleep(LOAD_SECONDS)
        process = writers.children[0]._process
        assert process is not None

        os.kill(process.pid, signal.SIGTERM)
        status = process.wait(END_SECONDS_MAX)
        for thread in threads:
            thread.join(END_SECONDS_MAX)

        counted = captured(log_database)
        accepted = {name for each in heard if each.status in WELL for name in each.external_ids}
        others = [each for each in heard if each.status not in WELL]
        assert status in {0, -signal.SIGTERM}
        assert not any(thread.is_alive() for thread in threads)
        assert set(counted) == accepted
        assert set(counted.values()) == {1}
        assert {each.status for each in heard} <= {200, 201, 503, None}
        assert "shutting_down" in {each.code for each in heard}
        assert len(accepted) > CALLERS
        with Log(log_database.app_conninfo, clock=now, build="test") as log:
            assert log.receipts([command_id(TENANT, each.key) for each in others]) == {}


class TestStoppingBesideAFrozenDatabase:
    """The process ends in bounded time whatever the log does."""

    def test_ends_and_says_that_it_was_not_drained(
        self, writers: Writers, log_database: Database, postgres_server: EmbeddedPostgres
    ) -> None:
        """Who waited is told that nobody knows; the log tells once it is back."""
        heard: list[Asked] = []
        caller = threading.Thread(target=call, args=(writers, heard, 1), daemon=True)
        caller.start()
        time.sleep(LOAD_SECONDS)
        process = writers.children[0]._process
        assert process is not None
        assert postgres_server.process_id is not None
        postmaster = psutil.Process(postgres_server.process_id)
        frozen = [postmaster, *postmaster.children(recursive=True)]
        for each in frozen:
            each.suspend()
        try:
            os.kill(process.pid, signal.SIGTERM)
            status = process.wait(END_SECONDS_MAX)
            caller.join(END_SECONDS_MAX)
        finally:
            for each in frozen:
                each.resume()

        counted = captured(log_database)
        accepted = {name for each in heard if each.status in WELL for name in each.external_ids}
        assert status == STALLED_EXIT_STATUS
        assert not caller.is_alive()
        assert accepted <= set(counted)
        assert set(counted.values()) == {1}
        assert {each.status for each in heard} <= {201, 503, None}
