"""The `up` of tests ends with the test run that started it, however that ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.conftest import REPOSITORY
from tests.infra.up import PATIENCE_SECONDS, Up

RUN = """
import sys
from pathlib import Path
from tests.infra.up import Up

up = Up(Path(sys.argv[1]))
up.wait_until_ready()
print(*(each.pid for each in up.family()), flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.slow


class TestAKilledTestRun:
    """One that was stopped by SIGKILL, and could tell nobody."""

    def test_leaves_no_process_behind(self, start_up: Callable[..., Up], directory: Path) -> None:
        """All that its `up` had started are gone, the servers too."""
        with subprocess.Popen(
            [sys.executable, "-c", RUN, directory],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as run:
            assert run.stdout is not None
            family = [psutil.Process(int(each)) for each in run.stdout.readline().split()]
            assert len(family) > 5

            run.kill()

        _, alive = psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
        try:
            assert alive == []
        finally:
            for each in alive:
                each.kill()
