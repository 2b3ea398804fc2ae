"""Three times what a write process can do: what holds whatever the machine's other load.

How fast it answers then is measured by `pms bench overload` on a machine of its own; here a
generous bound tells a stall from a slow machine.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.flood.overload import Lengths, run
from infra.data_directory import DataDirectory
from infra.database import Database
from tests.conftest import reachable_directory

LENGTHS = Lengths(capacity=2.0, calm=2.0, over=6.0)
GROWTH_MB_MAX = 50
STALL_MS = 20_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def measured(new_log_database: Callable[[], Database]) -> Iterator[dict[str, Any]]:
    """What the benchmark tells of a short run."""
    database = new_log_database()
    directory = reachable_directory()
    try:
        yield run(
            DataDirectory(directory),
            database,
            lengths=LENGTHS,
            kinds=("batches", "singles"),
            say=lambda _sentence: None,
        )
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class TestOverload:
    """Honest when full."""

    def test_books_every_acceptance_once_and_no_refusal(self, measured: dict[str, Any]) -> None:
        """Held against the log; nobody is left without an answer, and none is a defect."""
        check = measured["check"]

        assert check["other_answers"] == {}
        assert check["accepted_and_not_in_the_log"] == 0
        assert check["in_the_log_twice"] == 0
        assert check["refused_and_in_the_log"] == 0
        assert check["trades_accepted"] > 0

    @pytest.mark.parametrize("kind", ["batches", "singles"])
    def test_refuses_some_and_goes_on_with_others(
        self, measured: dict[str, Any], kind: str
    ) -> None:
        """Each refusal says when to come again; memory does not grow; nothing stalls."""
        over = measured[kind]["over"]

        assert over["statuses"]["429"] > 0
        assert over["accepted_per_second"] > 0
        assert over["without_retry_after"] == 0
        assert measured[kind]["resident_growth_mb"] <= GROWTH_MB_MAX
        assert over["accepted_p95_ms"] < STALL_MS
        assert over["refused_p99_ms"] < STALL_MS

    @pytest.mark.parametrize("kind", ["batches", "singles"])
    def test_lets_the_quiet_in_beside_the_flood(self, measured: dict[str, Any], kind: str) -> None:
        """Who sends a tenth of capacity is refused less often than who sends nearly three times."""
        over = measured[kind]["over"]

        assert over["quiet_accepted_part"] > over["flood_accepted_part"]
