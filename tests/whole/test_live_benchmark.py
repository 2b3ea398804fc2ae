"""`pms bench live` for a short while: a whole system is traded on, and few clients watch it."""

from __future__ import annotations

import pytest

from tests.whole.system import pms

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SECONDS = "10"


class TestTheLiveBenchmark:
    """A hundred trades a second, six watchers of both dialects, three idle clients."""

    def test_loses_nobody_and_tells_how_late_pushes_are(self) -> None:
        """By destination; what breaches a rule is told of those portfolios that do."""
        ended = pms(
            "bench", "live",
            "--seconds", SECONDS, "--rate", "100", "--clients", "6", "--idle", "3",
            "--alert-rules", "1",
        )  # fmt: skip

        report = ended.result
        assert ended.status == 0, ended.said
        assert report["check"]["ok"]
        assert report["trades_accepted"] == 1_000
        assert 0 < report["trades_pushed"] < report["trades_accepted"]
        assert set(report["by_destination"]) == {"positions", "cash", "trades", "pnl"}
        assert all(report[name] > 0 for name in ("p50_ms", "p95_ms", "p99_ms", "pushes"))
        assert {"alerts", "breach_to_socket_p50_ms", "breach_to_socket_p95_ms"} <= report.keys()
