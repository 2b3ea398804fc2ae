"""`pms demo`: it trades, nothing is refused by accident, it verifies, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import REPOSITORY, reachable_directory
from tests.whole.system import Ended, pms

PATIENCE_SECONDS = 90.0
SECONDS = 6.0

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ended() -> Ended:
    """A demo that ended by itself."""
    return pms("demo", "--for", f"{SECONDS:.0f}s", "--portfolios", "6")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A data directory of the test's own."""
    made = reachable_directory()
    yield made
    shutil.rmtree(made, ignore_errors=True)


def demo_directories() -> set[Path]:
    """List the directories that demos have made for themselves."""
    return set(Path(tempfile.gettempdir()).glob("pms-demo-*"))


class TestADemoOfSomeSeconds:
    """It ends with one JSON object."""

    def test_ends_verified(self, ended: Ended) -> None:
        """And says so by its status."""
        assert ended.status == 0, ended.said
        assert ended.result["verified"] is True

    def test_refuses_nothing_by_accident(self, ended: Ended) -> None:
        """Whatever was refused was meant to be."""
        result = ended.result

        assert result["trades_accepted"] > 100
        assert result["trades_refused"] == result["trades_refused_intended"]
        assert result["trades_refused_by_accident"] == 0
        assert result["trades_accepted_by_accident"] == result["trades_unanswered"] == 0

    def test_counts_what_is_there(self, ended: Ended) -> None:
        """Two events for each accepted trade at least, six portfolios that hold something."""
        result = ended.result

        assert result["events"] > 2 * result["trades_accepted"]
        assert result["portfolios"] == 6
        assert result["positions"] > 50
        assert result["seconds"] == pytest.approx(SECONDS, abs=2)
        assert result["trades_per_second"] > 20

    def test_measures_the_lag_of_every_trade(self, ended: Ended) -> None:
        """One sample each, and none below zero."""
        result = ended.result

        assert result["lag_samples"] == result["trades_accepted"]
        assert 0 < result["lag_p50_ms"] <= result["lag_p95_ms"]

    def test_offers_a_query_to_paste(self, ended: Ended) -> None:
        """A whole command on one line."""
        assert any(line.startswith("curl -H ") for line in ended.said.splitlines())


class TestADemoWithoutEnd:
    """It runs until it is told to stop."""

    def test_leaves_nothing_behind(self, directory: Path) -> None:
        """After SIGTERM: no process, and the data where it was asked to be kept."""
        before = demo_directories()
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.cli", "demo", "--data", str(directory)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={name: text for name, text in os.environ.items() if not name.startswith("PMS_")},
        )
        try:
            assert process.stderr is not None
            deadline = time.monotonic() + PATIENCE_SECONDS
            for line in process.stderr:
                if "trades accepted" in line:
                    break
                assert time.monotonic() < deadline, line
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()

        assert process.returncode == 0, said
        assert f"all data is kept in {directory}" in said.replace("\n", "")
        assert len(family) >= 5
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive
        assert demo_directories() == before


class TestADemoOnOldData:
    """A directory that has seen a demo before takes another one."""

    def test_goes_on(self, directory: Path) -> None:
        """Portfolios are found as they were left; new trades come on top, and all verifies."""
        first = pms("demo", "--for", "2s", "--data", str(directory))
        second = pms("demo", "--for", "3s", "--data", str(directory), "--seed", "2")

        assert first.status == 0, first.said
        assert second.status == 0, second.said
        assert second.result["events"] > first.result["events"]
        assert second.result["trades_refused_by_accident"] == 0


class TestWrongOptions:
    """They are refused in one sentence."""

    @pytest.mark.parametrize("duration", ["soon", "0s", "-5"])
    def test_an_unreadable_duration(self, duration: str) -> None:
        """It says what one looks like."""
        ended = pms("demo", f"--for={duration}")

        assert ended.status == 2
        assert "duration such as 20s" in " ".join(ended.said.replace("│", " ").split())
