"""From announcements to lags: when a trade was current in every partition of a read model."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pipeline.lags import Levels, Listener, Weighted, percentile, slowest
from benchmarks.pipeline.sending import Recorded
from projections.announcing import Announcement

positions = st.lists(st.integers(1, 1_000), max_size=40)


class TestLevels:
    """What is remembered of announcements."""

    @given(positions, st.integers(1, 1_000))
    def test_tell_the_first_moment_at_or_beyond(self, heard: list[int], position: int) -> None:
        """Whatever order announcements came in, repeats and old ones included."""
        levels = Levels()
        for at, each in enumerate(heard):
            levels.hear(each, float(at))

        reached = next((at for at, each in enumerate(heard) if each >= position), None)
        assert levels.reached(position, otherwise=-1.0) == (-1.0 if reached is None else reached)

    @given(positions, st.integers(0, 50))
    def test_tell_how_far_it_was(self, heard: list[int], moment: int) -> None:
        """The farthest announcement before the moment; 0 before any."""
        levels = Levels()
        for at, each in enumerate(heard):
            levels.hear(each, float(at))

        assert levels.position_at(float(moment)) == max(heard[:moment], default=0)


class TestTheLagOfAModel:
    """Of several partitions, the last one counts."""

    def test_is_that_of_its_last_partition(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """And what another model announces is nothing to it."""
        clock = iter([10.5, 11.0, 12.5, 20.0, 20.0])
        monkeypatch.setattr("benchmarks.pipeline.lags.time.time", lambda: next(clock))
        listener = Listener("redis://unused", {"cash": ["cash_0", "cash_1"], "other": ["other"]})
        for model, position in (("cash_0", 100), ("other", 100), ("cash_1", 100)):
            listener._hear(Announcement(model, position, 0))
        recorded = [Recorded(10.0, 90, 3), Recorded(10.2, 101, 2)]

        lags = listener.lags("cash", recorded)

        assert (lags[0].at, lags[0].trades) == (10.0, 3)
        assert lags[0].seconds == pytest.approx(2.5)
        assert lags[1].seconds == pytest.approx(20.0 - 10.2), "never heard of: late until now"
        assert listener.lags("other", recorded)[0].seconds == pytest.approx(1.0)


class TestPercentiles:
    """Nearest rank, each trade counted."""

    @given(
        st.lists(st.tuples(st.floats(0, 10), st.integers(1, 5)), min_size=1, max_size=30),
        st.floats(0.01, 1.0),
    )
    def test_are_those_of_the_single_trades(
        self, drawn: list[tuple[float, int]], part: float
    ) -> None:
        """Weights save only space."""
        points = [Weighted(0.0, seconds, trades) for seconds, trades in drawn]
        singles = sorted(seconds for seconds, trades in drawn for _ in range(trades))
        rank = max(1, math.ceil(part * len(singles)))

        assert percentile(points, part) == singles[rank - 1]

    def test_need_a_trade(self) -> None:
        """There is no percentile of nothing."""
        assert percentile([], 0.5) is None

    def test_of_the_slowest_model_are_of_each_trade(self) -> None:
        """One model is late with the first trade, the other with the second."""
        first = [Weighted(1.0, 0.1, 5), Weighted(2.0, 0.9, 5)]
        second = [Weighted(1.0, 0.4, 5), Weighted(2.0, 0.2, 5)]

        assert slowest([first, second]) == [second[0], first[1]]
