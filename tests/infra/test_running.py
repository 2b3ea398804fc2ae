"""A whole system: one owner per directory, restarts, an orderly end, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.infra.up import PATIENCE_SECONDS, Up, wait_until

pytestmark = pytest.mark.slow


class TestASecondUp:
    """One directory has one owner."""

    def test_is_refused_on_the_same_directory(self, start_up: Callable[..., Up]) -> None:
        """The message names the directory and the holder; the first one is not disturbed."""
        first = start_up()
        first.wait_until_ready()

        status, said = start_up().end()

        assert status == 1
        assert f"in use by another PMS (process {first.process.pid})" in said
        assert str(first.data.path) in said
        assert first.process.poll() is None
        assert first.end(signal.SIGTERM)[0] == 0

    def test_is_welcome_after_a_crash(self, start_up: Callable[..., Up]) -> None:
        """A killed `up` leaves its lock file; the lock itself died with it."""
        first = start_up()
        first.wait_until_ready()
        first.end(signal.SIGKILL)

        second = start_up()
        second.wait_until_ready()

        assert second.end(signal.SIGTERM)[0] == 0


class TestStopping:
    """An orderly end, whoever asks for it."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_leaves_no_process_behind(
        self, start_up: Callable[..., Up], number: signal.Signals
    ) -> None:
        """Every process of the family is gone when `up` is gone, and so is its word."""
        up = start_up()
        up.wait_until_ready()
        family = up.family()

        status, _ = up.end(number)

        assert status == 0
        assert len(family) > 8
        assert [process for process in family if process.is_running()] == []
        assert not (up.data.run / "addresses.json").exists()

    def test_ends_writing_first_and_reading_last(
        self, start_up: Callable[..., Up], directory: Path
    ) -> None:
        """What was written last is still projected, and readers are served to the end."""
        up = start_up()
        up.wait_until_ready()

        up.end(signal.SIGTERM)

        assert (directory / "ends").read_text().split() == ["write", "projector", "read"]

    def test_by_a_terminals_ctrl_c_is_as_orderly(
        self, start_up: Callable[..., Up], directory: Path
    ) -> None:
        """A terminal signals the whole job at once; only `up` may hear it, or the order is lost."""
        up = start_up()
        up.wait_until_ready()

        os.killpg(up.process.pid, signal.SIGINT)
        status, said = up.end()

        assert status == 0
        assert "ended unasked" not in said
        assert (directory / "ends").read_text().split() == ["write", "projector", "read"]

    def test_by_sigkill_leaves_no_process_behind(self, start_up: Callable[..., Up]) -> None:
        """Even an `up` that could do nothing more takes everything with it."""
        up = start_up()
        up.wait_until_ready()
        family = up.family()

        up.end(signal.SIGKILL)

        _, alive = psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
        assert alive == []

    def test_while_starting_is_heard(self, start_up: Callable[..., Up]) -> None:
        """A signal before everything is up ends it in good order too."""
        up = start_up()
        wait_until(lambda: len(up.family()) > 1)
        family = up.family()

        status, _ = up.end(signal.SIGINT)

        assert status == 0
        psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
        assert [process for process in family if process.is_running()] == []

    def test_twice_forces(self, start_up: Callable[..., Up]) -> None:
        """A second signal does not wait for a process that does not end."""
        up = start_up()
        up.wait_until_ready()
        family = up.family()
        hanging = psutil.Process(up.addresses()["process_ids"]["write"])
        hanging.suspend()  # it will never drain
        up.process.send_signal(signal.SIGINT)
        wait_until(lambda: "stopping" in _line(up))

        status, _ = up.end(signal.SIGINT)

        assert status == 130
        _, alive = psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
        assert alive == []


def _line(up: Up) -> str:
    assert up.process.stderr is not None
    return up.process.stderr.readline().decode()


class TestStartingAgain:
    """A stop keeps every byte."""

    def test_finds_what_was_committed(self, start_up: Callable[..., Up]) -> None:
        """Rows and passwords are the same after the restart; the log is the same log."""
        first = start_up()
        first.wait_until_ready()
        before = _log_id(first.addresses())
        first.end(signal.SIGTERM)

        second = start_up()
        second.wait_until_ready()

        assert _log_id(second.addresses()) == before
        second.end(signal.SIGTERM)


def _log_id(addresses: dict[str, Any]) -> object:
    with psycopg.connect(addresses["postgres_app"]) as connection:
        found = connection.execute("SELECT log_id FROM log.identity").fetchone()
    assert found is not None
    return found[0]


class TestACrashedUnit:
    """What ends unasked comes back, and the operator is told."""

    @pytest.mark.parametrize("name", ["write", "projector", "valkey", "postgresql"])
    def test_is_started_again_at_the_same_address(
        self, start_up: Callable[..., Up], name: str
    ) -> None:
        """The restarted unit has another process id and everything else stays as it was."""
        up = start_up()
        up.wait_until_ready()
        before = up.addresses()
        killed = before["process_ids"][name]

        os.kill(killed, signal.SIGKILL)

        wait_until(lambda: up.addresses()["process_ids"].get(name, killed) != killed)
        after = up.addresses()
        with psycopg.connect(after["postgres_app"]) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        others = {key: value for key, value in after.items() if key != "process_ids"}
        assert others == {key: value for key, value in before.items() if key != "process_ids"}
        status, said = up.end(signal.SIGTERM)
        assert status == 0
        assert f"{name} ended unasked; starting it again" in said

    def test_that_never_becomes_ready_ends_the_start(
        self, start_up: Callable[..., Up], directory: Path
    ) -> None:
        """A process that ends again and again while starting is reported with its last words."""
        (directory / "projector.broken").touch()

        status, said = start_up().end()

        assert status == 1
        assert "projector ended 3 times while starting: broken on purpose" in said


class TestTheAddresses:
    """The word left for `verify`, `rebuild` and tests."""

    def test_are_readable_by_the_owner_only(self, start_up: Callable[..., Up]) -> None:
        """They hold passwords; the processes themselves never get the owner's."""
        up = start_up()
        up.wait_until_ready()

        path = up.data.run / "addresses.json"
        assert path.stat().st_mode & 0o077 == 0
        owner = json.loads(path.read_text())["postgres_owner"]
        write = psutil.Process(up.addresses()["process_ids"]["write"])
        assert owner not in write.environ().values()
        up.end(signal.SIGTERM)
