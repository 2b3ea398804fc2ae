"""`pms bench query` on a small state: a whole system is asked everything there is to ask."""

from __future__ import annotations

import pytest

from tests.whole.system import pms

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

NOT_MEASURED = {"/v1/alert-rules:try", "/v1/portfolios/{portfolio}/struck/explain"}
"""A trial folds the whole history and is asked once at a time; a session may not be struck yet."""


class TestTheQueryBenchmark:
    """Two hundred portfolios of two positions over ten sessions, each query asked once a phase."""

    def test_asks_every_query_in_every_phase(self) -> None:
        """None fails; what is not asked is told."""
        ended = pms(
            "bench", "query",
            "--portfolios", "200", "--positions", "2", "--sessions", "10", "--rounds", "1",
            "--seconds", "20",
        )  # fmt: skip

        report = ended.result
        assert ended.status == 0, ended.said
        assert report["check"] == {"ok": True, "failed": []}
        assert set(report["not_measured"]) == NOT_MEASURED
        assert report["writes"]["accepted_per_second"] > 0
        assert report["state"]["sessions"] == 10
        for phase in ("p95_ms", "p95_ms_under_writes", "p95_ms_during_rebuild"):
            assert len(report[phase]) > 40, phase
            assert all(found > 0 for found in report[phase].values()), phase
            assert "/v1/portfolios/{portfolio}/performance" in report[phase], phase
