"""The command line as a newcomer meets it: help everywhere, one clear line on failure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer

from gateway.tokens import TokenVerifier
from infra.cli import app
from infra.data_directory import DataDirectory
from infra.keys import public_key
from tests.infra.up import PATIENCE_SECONDS, wait_until


def pms(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the real command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "infra.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def every_command(
    command: Any,  # noqa: ANN401 - typer brings a click of its own, which exports no types
    path: tuple[str, ...] = (),
) -> Iterator[tuple[str, Any]]:
    """List every command below one, with the words that name it."""
    yield " ".join(path), command
    for name, inner in getattr(command, "commands", {}).items():
        yield from every_command(inner, (*path, name))


class TestHelp:
    """A newcomer is told what each command does and what each option means."""

    def test_is_there_for_every_command_and_option(self) -> None:
        """No command and no option is without a sentence."""
        commands = list(every_command(typer.main.get_command(app)))
        silent = [
            f"{name} {parameter.name}"
            for name, command in commands
            for parameter in command.params
            if not getattr(parameter, "help", None) and parameter.name != "help"
        ]
        unexplained = [name for name, command in commands if not command.help]

        assert len(commands) > 3
        assert silent == []
        assert unexplained == []

    def test_is_shown_without_any_argument(self) -> None:
        """The bare command lists what can be done."""
        shown = pms()

        assert "up" in shown.stdout + shown.stderr
        assert "Traceback" not in shown.stderr


class TestAMistake:
    """It ends in a non-zero status and a sentence, never a traceback."""

    def test_of_the_operators_is_one_line(self, tmp_path: Path) -> None:
        """A data directory that cannot be made names itself and the reason."""
        (tmp_path / "file").touch()

        ended = pms("up", "--data", str(tmp_path / "file" / "data"))

        assert ended.returncode == 1
        assert ended.stderr.startswith("pms: Cannot prepare the data directory")
        assert len(ended.stderr.strip().splitlines()) == 1

    def test_in_an_option_names_the_option(self) -> None:
        """An unknown role is refused with the roles there are."""
        ended = pms("token", "--tenant", "acme", "--subject", "me", "--role", "king")

        assert ended.returncode == 2
        assert "--role" in ended.stderr
        assert "Traceback" not in ended.stderr


class TestTheTokenCommand:
    """Standard output holds the token and nothing else."""

    def test_prints_a_token_the_gateway_accepts(self, tmp_path: Path) -> None:
        """It can be put into a shell variable and sent as it is."""
        ended = pms(
            "token", "--tenant", "acme", "--subject", "me", "--role", "trader", "--role", "viewer",
            "--data", str(tmp_path / "data"),
        )  # fmt: skip

        assert ended.returncode == 0, ended.stderr
        verifier = TokenVerifier(
            public_key(DataDirectory(tmp_path / "data")), clock=lambda: datetime.now(UTC)
        )
        assert verifier(ended.stdout.strip()).roles == {"trader", "viewer"}


STAGES: dict[str, tuple[str, ...]] = {
    "with its first child": (),
    "while it makes the cluster": ("initdb", "--pgdata"),
    "while the server starts": ("postgres", "port="),
    "while it measures": ("postgres: pms_app",),
}


def is_above(process: psutil.Process, *words: str) -> bool:
    """Tell whether there is a process below it whose command line holds all the words."""
    for child in process.children(recursive=True):
        with suppress(psutil.Error):  # it has ended
            line = " ".join(child.cmdline())
            if all(word in line for word in words):
                return True
    return False


Begin = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def said(tmp_path: Path) -> Path:
    """The file to which the benchmark's output goes."""
    return tmp_path / "said"


@pytest.fixture
def begin_bench(directory: Path, said: Path) -> Iterator[Begin]:
    """Start a long benchmark; whatever still runs at the end is killed."""
    begun: list[subprocess.Popen[bytes]] = []

    def begin(*, shell_job: bool) -> subprocess.Popen[bytes]:
        with said.open("wb") as output:
            bench = subprocess.Popen(
                [
                    *(sys.executable, "-X", "faulthandler", "-m", "infra.cli"),
                    *("bench", "append", "--transactions", "100000"),
                ],
                env={**os.environ, "TMPDIR": str(directory)},
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=become_shell_job if shell_job else None,  # noqa: PLW1509 - no locks
            )
        begun.append(bench)
        return bench

    yield begin
    for bench in begun:
        bench.kill()
        bench.wait()


def runs(process: psutil.Process) -> bool:
    """Tell whether a process has not ended; one that init has yet to take note of has."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def become_shell_job() -> None:
    """Do as a shell does for `&`: Ctrl-C is not heard, nor is it by any child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)


def status_at_the_end(process: subprocess.Popen[bytes], said: Path) -> int:
    """Wait for the end; if it does not come, say where each thread of the process stands."""
    try:
        return process.wait(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        children = [each.cmdline() for each in psutil.Process(process.pid).children()]
        process.send_signal(signal.SIGABRT)  # faulthandler writes the stacks and ends it
        process.wait()
        pytest.fail(f"it did not end; its children: {children}; it said: {said.read_text()}")


@pytest.mark.slow
class TestEndingAShortCommand:
    """A command that runs servers of its own takes them along, whenever it is ended."""

    @pytest.mark.parametrize("stage", STAGES)
    @pytest.mark.parametrize("shell_job", [False, True], ids=["", "in the background"])
    def test_leaves_neither_processes_nor_files(
        self, directory: Path, said: Path, begin_bench: Begin, stage: str, *, shell_job: bool
    ) -> None:
        """SIGTERM in the middle of a benchmark: its PostgreSQL and its directory are gone."""
        bench = begin_bench(shell_job=shell_job)
        process = psutil.Process(bench.pid)
        wait_until(lambda: is_above(process, *STAGES[stage]), look_seconds=0.002)
        family = [process, *process.children(recursive=True)]

        bench.terminate()

        assert status_at_the_end(bench, said) == 128 + signal.SIGTERM
        assert [each for each in family if runs(each)] == []
        assert list(directory.iterdir()) == []
