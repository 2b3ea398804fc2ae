"""`pms bench rebuild` on a small log: every way of folding it is measured, and the tables agree."""

from __future__ import annotations

import pytest

from infra.read_models import READ_MODELS
from tests.whole.system import pms

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class TestTheRebuildBenchmark:
    """Ten portfolios, one trade in each of their instruments."""

    def test_measures_and_verifies(self) -> None:
        """Every model has its cost, the log is as large as asked, and verification agrees."""
        ended = pms("bench", "rebuild", "--portfolios", "10", "--trades", "1", "--rounds", "1")

        report = ended.result
        assert ended.status == 0, ended.said
        assert report["check"] == {"ok": True, "difference": None}
        assert report["log"]["events_by_type"]["portfolio.trade_booked.v1"] == 500
        assert report["log"]["events_by_type"]["market.session_closed.v1"] == 20
        assert report["log"]["events_by_type"]["portfolio.cash_settled.v1"] > 0
        assert set(report["models_alone"]) == {model.name for model in READ_MODELS}
        for key in ("events_per_second", "ratio_to_baseline", "ratio_to_one_process"):
            assert report[key] > 0, key
