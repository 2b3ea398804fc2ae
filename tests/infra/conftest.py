"""Fixtures of the tests that run whole systems."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.data_directory import DataDirectory
from infra.embedded_postgres import EmbeddedPostgres
from tests.conftest import reachable_directory
from tests.infra.up import Up


@pytest.fixture
def directory() -> Iterator[Path]:
    """A data directory of the test's own."""
    made = reachable_directory()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def new_cluster() -> Iterator[Path]:
    """A data directory in which PostgreSQL was started once: a copy of it saves making it."""
    made = reachable_directory()
    with EmbeddedPostgres(DataDirectory(made)):
        pass
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def start_up(directory: Path, new_cluster: Path) -> Iterator[Callable[..., Up]]:
    """Start an `up` on the test's directory; whatever still runs at the end is killed."""
    for folder in ("postgresql", "secrets"):
        subprocess.run(["cp", "-a", new_cluster / folder, directory], check=True)
    started: list[Up] = []

    def start(*real: str) -> Up:
        started.append(Up(directory, real))
        return started[-1]

    yield start
    for up in started:
        if up.process.poll() is None:
            up.process.kill()
        up.process.communicate()
