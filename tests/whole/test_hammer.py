"""`pms hammer` for a short while: a whole system is hurt, and what it promised still holds."""

from __future__ import annotations

import pytest

from tests.whole.system import pms

pytestmark = [pytest.mark.slow, pytest.mark.crash, pytest.mark.timeout(480)]

MINUTES = "0.4"
SECONDS_MAX = 450
"""A machine that is busy with other tests starts every process again several times more slowly."""
ON_LOG = ("log", "184")
ON_KAFKA = ("kafka", "1490")
"""Both begin by losing the answer to a COMMIT: a desk that then denied it was found. On Kafka the
broker, PostgreSQL and the registry die, and relays and projectors wake as zombies."""
FAULTS_MIN = 10
COMMANDS_MIN = 300


class TestTheHammer:
    """A short seeded run."""

    @pytest.mark.parametrize(
        ("feed", "seed"),
        [
            pytest.param(*ON_LOG, id="log"),
            pytest.param(*ON_KAFKA, id="kafka", marks=pytest.mark.kafka),
        ],
    )
    def test_finds_every_promise_kept(self, feed: str, seed: str) -> None:
        """The report says what was done, and that nothing was found."""
        ended = pms(
            "hammer", "--minutes", MINUTES, "--seed", seed, "--feed", feed, seconds=SECONDS_MAX
        )

        report = ended.result
        assert ended.status == 0, [each for each in report["checks"] if not each["ok"]]
        assert report["passed"]
        assert all(each["ok"] for each in report["checks"])
        assert report["feed"] == feed
        assert report["faults_total"] >= FAULTS_MIN
        assert report["commands"] >= COMMANDS_MIN
        assert report["events"] > report["commands"]
        assert report["requests"]["rejected"], "the load is not only sunshine"
        assert (report.get("records", 0) > report["events"]) is (feed == "kafka")
