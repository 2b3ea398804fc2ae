"""The schedule of the load: evenly spread, complete, and the same for every number of lanes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pipeline.pacing import Pace

paces = st.builds(
    Pace,
    trades_per_second=st.floats(10, 50_000),
    batch_trades=st.integers(1, 5_000),
    lanes=st.integers(1, 16),
)


class TestThePace:
    """When batches are due."""

    @given(paces, st.integers(1, 300))
    def test_is_even_over_all_lanes(self, pace: Pace, count: int) -> None:
        """Taken together, batches are due at equal distances from the start on."""
        rounds = count // pace.lanes + 1
        due = sorted(pace.due(lane, n) for lane in range(pace.lanes) for n in range(rounds))

        assert due[0] == 0
        for earlier, later in pairwise(due):
            assert abs(later - earlier - pace.batch_seconds) < 1e-6

    @given(paces, st.floats(0.1, 100))
    def test_counts_what_is_due_before_the_end(self, pace: Pace, seconds: float) -> None:
        """A lane's last batch is due before the end, the one after it is not."""
        for lane in range(pace.lanes):
            count = pace.batches(lane, until=seconds)
            slack = 1e-5 * pace.batch_seconds

            assert count == 0 or pace.due(lane, count - 1) < seconds + slack
            assert pace.due(lane, count) >= seconds - slack

    def test_sends_as_many_trades_as_asked_for(self) -> None:
        """6,000 a second for 60 s in batches of 500 are 720 batches."""
        pace = Pace(6_000, 500, 8)

        assert sum(pace.batches(lane, until=60) for lane in range(8)) == 720
