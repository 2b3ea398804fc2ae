"""`pms hammer` for a short while: a whole system is hurt, and what it promised still holds."""

from __future__ import annotations

import pytest

from tests.whole.system import pms

pytestmark = [pytest.mark.slow, pytest.mark.crash, pytest.mark.timeout(300)]

MINUTES = "0.4"
SEED = "184"
"""Its first fault loses the answer to a COMMIT: a desk that then denied it was found."""

FAULTS_MIN = 5
COMMANDS_MIN = 500


class TestTheHammer:
    """A short seeded run."""

    def test_finds_every_promise_kept(self) -> None:
        """The report says what was done, and that nothing was found."""
        ended = pms("hammer", "--minutes", MINUTES, "--seed", SEED)

        report = ended.result
        assert ended.status == 0, [each for each in report["checks"] if not each["ok"]]
        assert report["passed"]
        assert all(each["ok"] for each in report["checks"])
        assert report["faults_total"] >= FAULTS_MIN
        assert report["commands"] >= COMMANDS_MIN
        assert report["events"] > report["commands"]
        assert report["requests"]["rejected"], "the load is not only sunshine"
