"""The real processes under the real supervisor: what was answered stays answered."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from tests.infra.up import Up, wait_until

REAL = ("write", "projector", "read")
PORTFOLIO = {"portfolio": "alpha", "base_currency": "USD", "cost_basis": "FIFO"}

pytestmark = pytest.mark.slow


@cache
def authorization(directory: Path) -> dict[str, str]:
    """Have the command line issue a token, once for each system."""
    issued = subprocess.run(
        [
            sys.executable, "-m", "infra.cli", "token", "--tenant", "acme", "--subject", "desk-1",
            "--role", "portfolio_manager", "--data", str(directory),
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {"Authorization": f"Bearer {issued.stdout.strip()}"}


def open_portfolio(up: Up, key: str) -> httpx.Response:
    """Send one command."""
    return httpx.post(
        f"{up.addresses()['write_url']}/v1/portfolios",
        json=PORTFOLIO,
        headers={**authorization(up.data.path), "Idempotency-Key": key},
        timeout=30,
    )


def projected_position(up: Up) -> int:
    """Ask the projector how far its slowest read model has come."""
    answer = httpx.get(f"{up.addresses()['projector_url']}/health/ready", timeout=10)
    models: dict[str, dict[str, Any]] = answer.json()["checks"]["models"]
    return min(int(model["position"]) for model in models.values())


class TestACommand:
    """From a token to a read model, through real processes."""

    def test_is_read_at_its_own_position(self, start_up: Callable[..., Up]) -> None:
        """Read your writes: the answer is of the write's position or a later one."""
        up = start_up(*REAL)
        up.wait_until_ready()
        position = open_portfolio(up, "key-1").json()["position"]

        answer = httpx.get(
            f"{up.addresses()['read_url']}/v1/portfolios/alpha",
            params={"min_position": position},
            headers=authorization(up.data.path),
            timeout=30,
        )

        assert answer.status_code == 200, answer.text
        assert answer.json()["position"] >= position
        assert up.end(signal.SIGTERM)[0] == 0

    def test_is_projected_and_outlives_a_restart(self, start_up: Callable[..., Up]) -> None:
        """After stop and start the same key gets the first outcome, and nothing is written."""
        up = start_up(*REAL)
        up.wait_until_ready()

        first = open_portfolio(up, "key-1")
        position = first.json()["position"]
        wait_until(lambda: projected_position(up) >= position)
        up.end(signal.SIGTERM)
        again = start_up(*REAL)
        again.wait_until_ready()
        second = open_portfolio(again, "key-1")

        assert first.status_code == 201, first.text
        assert second.status_code == 201, second.text
        assert second.json()["replayed"] is True
        assert second.json()["position"] == position
        assert projected_position(again) == position
        assert again.end(signal.SIGTERM)[0] == 0

    def test_survives_the_death_of_the_process_that_took_it(
        self, start_up: Callable[..., Up]
    ) -> None:
        """SIGKILL right after the answer loses nothing; the supervisor brings the process back."""
        up = start_up(*REAL)
        up.wait_until_ready()
        first = open_portfolio(up, "key-1")
        killed = up.addresses()["process_ids"]["write"]

        os.kill(killed, signal.SIGKILL)
        ready = f"{up.addresses()['write_url']}/health/ready"
        wait_until(lambda: up.addresses()["process_ids"].get("write", killed) != killed)
        wait_until(lambda: _answers(ready))
        second = open_portfolio(up, "key-1")

        assert (first.status_code, second.status_code) == (201, 201)
        assert second.json()["position"] == first.json()["position"]
        assert up.end(signal.SIGTERM)[0] == 0

    def test_leaves_its_identities_in_the_log_file_and_no_token(
        self, start_up: Callable[..., Up]
    ) -> None:
        """The JSON log can be searched by command and correlation id."""
        up = start_up(*REAL)
        up.wait_until_ready()
        answered = open_portfolio(up, "key-1")
        up.end(signal.SIGTERM)

        text = (up.data.logs / "write.jsonl").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        told = [line for line in lines if line.get("command_id") == answered.json()["command_id"]]

        assert told
        assert told[0]["correlation_id"]
        assert "eyJ" not in text
        assert lines[-1]["event"] == "stopped"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


class TestALogBehindItsReadModels:
    """A restored old backup would give out positions that were given out before."""

    def test_is_not_served(self, start_up: Callable[..., Up]) -> None:
        """The start ends with the reason, and names a read model that knows more."""
        up = start_up(*REAL)
        up.wait_until_ready()
        position = open_portfolio(up, "key-1").json()["position"]
        wait_until(lambda: projected_position(up) >= position)
        with psycopg.connect(up.addresses()["postgres_owner"]) as owner:
            owner.execute("TRUNCATE log.events, log.receipts")
        up.end(signal.SIGTERM)

        status, said = start_up(*REAL).end()

        assert status == 1
        assert "The log lacks events that positions has folded: the log ends at 0" in said


class TestTheUpCommand:
    """`pms up` as an operator types it."""

    def test_shows_where_to_point_a_browser_and_leaves_nothing_behind(
        self, directory: Path
    ) -> None:
        """The addresses it prints answer; after SIGTERM none of its processes lives."""
        command = [
            sys.executable, "-m", "infra.cli", "up", "--data", str(directory),
            "--write-port", "0", "--read-port", "0", "--projector-port", "0",
        ]  # fmt: skip
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as up:
            assert up.stderr is not None
            shown = ""
            while "PMS is up" not in shown:
                line = up.stderr.readline()
                assert line, shown
                shown += line
            process = psutil.Process(up.pid)
            family = [process, *process.children(recursive=True)]
            while "/health/ready" not in shown:
                shown += up.stderr.readline()
            (health,) = re.findall(r"http\S+/health/ready", shown)
            answer = httpx.get(health, timeout=10)

            up.send_signal(signal.SIGTERM)
            shown += up.stderr.read()

        assert up.returncode == 0
        assert answer.json()["status"] == "ready"
        assert "all data is kept" in shown
        assert [process for process in family if process.is_running()] == []
