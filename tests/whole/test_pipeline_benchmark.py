"""`pms bench pipeline` for a few seconds: it measures a whole system and finds it complete."""

from __future__ import annotations

import pytest

from tests.whole.system import pms

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

RATE = 100
SECONDS = 6


class TestThePipelineBenchmark:
    """A run at a rate that any machine holds."""

    def test_accounts_for_every_trade_and_model(self) -> None:
        """Everything accepted is booked, every model was heard of, and every process has a cost."""
        ended = pms(
            "bench", "pipeline",
            "--rate", str(RATE), "--seconds", str(SECONDS), "--batch-trades", "10",
        )  # fmt: skip

        report = ended.result
        assert ended.status == 0, ended.said
        assert report["check"]["ok"]
        assert report["check"]["trades_accepted"] == report["outcomes"]["accepted"] > 0
        assert set(report["per_model"]) == {
            "positions",
            "cash",
            "trades",
            "performance",
            "controls",
            "outcomes",
            "market",
            "alerts",
        }
        assert all(each["lag_p95_ms"] > 0 for each in report["per_model"].values())
        assert {"write", "projector", "generator: sending"} <= set(report["microseconds_per_trade"])
        assert len(report["series"]["events_behind"]["cash"]) == SECONDS
