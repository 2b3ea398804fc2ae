"""The real processes with Kafka between the log and the read models."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import KafkaSpace
from tests.infra.test_processes import authorization, open_portfolio
from tests.infra.up import Up, wait_until

REAL = ("registry", "read", "projector", "relay", "write")

pytestmark = [pytest.mark.slow, pytest.mark.kafka]


@pytest.fixture
def start_real(
    start_up: Callable[..., Up], kafka: KafkaSpace, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Up]:
    """Start the real processes on the session's Kafka, with topics of the test's own."""
    monkeypatch.setenv("PMS_FEED", "kafka")
    monkeypatch.setenv("PMS_KAFKA_BOOTSTRAP", kafka.bootstrap)
    monkeypatch.setenv("PMS_KAFKA_PREFIX", kafka.prefix)
    monkeypatch.delenv("PMS_SCHEMA_REGISTRY_URL", raising=False)

    def start() -> Up:
        up = start_up(*REAL)
        up.wait_until_ready()
        return up

    return start


def is_read_at(up: Up, position: int) -> bool:
    """Ask for the portfolio as of its own writing, or later."""
    answer = httpx.get(
        f"{up.addresses()['read_url']}/v1/portfolios/alpha",
        params={"min_position": position},
        headers=authorization(up.data.path),
        timeout=60,
    )
    return answer.status_code == httpx.codes.OK and int(answer.json()["position"]) >= position


def leading_relay(up: Up) -> str | None:
    """Name the relay that says it leads."""
    for name, url in up.addresses()["process_urls"].items():
        if name.startswith("relay-"):
            try:
                metrics = httpx.get(f"{url}/metrics", timeout=5).text
            except httpx.TransportError:
                continue
            if re.search(r"^pms_relay_is_leader 1", metrics, re.MULTILINE):
                return str(name)
    return None


class TestACommand:
    """From a token to a read model, by way of Kafka."""

    def test_is_read_at_its_own_position(self, start_real: Callable[[], Up]) -> None:
        """Three projectors share the partitions, and the caller reads what it wrote."""
        up = start_real()
        position = open_portfolio(up, "key-1").json()["position"]

        wait_until(lambda: is_read_at(up, position))

        assert up.end(signal.SIGTERM)[0] == 0

    def test_is_relayed_by_the_standby_when_the_leader_is_killed(
        self, start_real: Callable[[], Up]
    ) -> None:
        """Two relays run, so that one can die."""
        up = start_real()
        wait_until(lambda: leading_relay(up) is not None)
        leader = leading_relay(up)
        assert leader is not None

        def another_leads() -> bool:
            found = leading_relay(up)
            if found == leader:  # still, or again: the supervisor is quick
                with suppress(ProcessLookupError):
                    os.kill(up.addresses()["process_ids"][leader], signal.SIGKILL)
            return found not in {None, leader}

        wait_until(another_leads)
        position = open_portfolio(up, "key-1").json()["position"]

        wait_until(lambda: is_read_at(up, position))
        assert up.end(signal.SIGTERM)[0] == 0


class TestTheUpCommand:
    """`pms up --kafka` as an operator types it."""

    def test_says_where_kafka_and_the_registry_are_and_leaves_nothing_behind(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A broker of its own; after SIGTERM none of its processes lives."""
        for name in ("PMS_KAFKA_BOOTSTRAP", "PMS_SCHEMA_REGISTRY_URL"):
            monkeypatch.delenv(name, raising=False)
        command = [
            sys.executable, "-m", "infra.cli", "up", "--kafka", "--data", str(directory),
            "--write-port", "0", "--read-port", "0", "--projector-port", "0",
        ]  # fmt: skip
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as up:
            assert up.stderr is not None
            shown = ""
            while "Try:" not in shown:
                line = up.stderr.readline()
                assert line, shown
                shown += line
            process = psutil.Process(up.pid)
            family = [process, *process.children(recursive=True)]
            (registry,) = re.findall(r"^registry +(http\S+)", shown, re.MULTILINE)
            subjects = httpx.get(f"{registry}/subjects", timeout=10)

            up.send_signal(signal.SIGTERM)
            shown += up.stderr.read()

        assert up.returncode == 0
        assert re.search(r"^kafka +127\.0\.0\.1:\d+", shown, re.MULTILINE)
        assert subjects.status_code == 200
        assert "all data is kept" in shown
        assert "ended unasked" not in shown
        assert [process for process in family if process.is_running()] == []
