"""`pms bench capture` for moments: it measures a real write process and finds all of it there."""

from __future__ import annotations

import pytest

from tests.whole.system import pms

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class TestTheCaptureBenchmark:
    """Phases of a quarter of a second."""

    def test_accounts_for_every_trade(self) -> None:
        """What was accepted is in the log, every phase has its figures, every process its cost."""
        ended = pms(
            "bench", "capture",
            "--seconds", "0.25", "--portfolios", "128", "--senders", "2", "--batch-trades", "50",
            "--large-batch-trades", "100", "--decisions", "200",
        )  # fmt: skip

        report = ended.result
        assert ended.status == 0, ended.said
        assert report["check"]["ok"]
        assert report["check"]["trades_accepted"] > 0
        assert set(report["single_p95_ms"]) == {"1", "16", "64"}
        for key in (
            "batch_trades_per_second", "copy_events_per_second", "ratio_to_copy",
            "single_beside_batches_p95_ms", "hot_trades_per_second", "decide_p99_us",
        ):  # fmt: skip
            assert report[key] > 0, key
        costs = report["phases"]["batches"]["microseconds_per_trade"]
        assert {"write", "postgresql: pms log", "generator: sending"} <= set(costs)
