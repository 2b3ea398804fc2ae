"""Fixtures of the tests that run whole systems."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import reachable_directory
from tests.infra.up import Up


@pytest.fixture
def directory() -> Iterator[Path]:
    """A data directory of the test's own."""
    made = reachable_directory()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def start_up(directory: Path) -> Iterator[Callable[..., Up]]:
    """Start an `up` on the test's directory; whatever still runs at the end is killed."""
    started: list[Up] = []

    def start(*real: str) -> Up:
        started.append(Up(directory, real))
        return started[-1]

    yield start
    for up in started:
        if up.process.poll() is None:
            up.process.kill()
        up.process.communicate()
