"""When a rate counts as held, and how the highest such rate is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pipeline.holding import (
    FINE,
    GROWTH_SECONDS_MAX,
    growth,
    highest_confirmed,
    highest_probed,
)
from benchmarks.pipeline.lags import Weighted

SECONDS = 60.0


def lags(steady: float, *, slope: float = 0.0) -> list[Weighted]:
    """A minute of lags, ten a second, that grow by `slope` seconds a second."""
    return [Weighted(at / 10, steady + slope * at / 10, 50) for at in range(600)]


class TestGrowth:
    """What a lag did during a run."""

    @given(st.floats(0, 10))
    def test_is_none_where_the_lag_is_steady(self, steady: float) -> None:
        """However large it is."""
        assert growth(lags(steady), start=0, seconds=SECONDS) == pytest.approx(0)

    @given(st.floats(-0.5, 0.5))
    def test_is_the_slope_over_two_thirds_of_the_run(self, slope: float) -> None:
        """The middles of the first and the last third are so far apart."""
        found = growth(lags(1.0, slope=slope), start=0, seconds=SECONDS)

        assert found == pytest.approx(slope * 40, abs=0.1)

    def test_ignores_a_single_hiccup(self) -> None:
        """One bad second in the last third is no trend."""
        points = [
            point._replace(seconds=5.0) if 55 <= point.at < 56 else point for point in lags(0.1)
        ]

        assert growth(points, start=0, seconds=SECONDS) < GROWTH_SECONDS_MAX

    def test_is_endless_where_trades_stopped(self) -> None:
        """A run whose last third saw nothing has not held anything."""
        points = [point for point in lags(0.1) if point.at < 30]

        assert growth(points, start=0, seconds=SECONDS) == float("inf")

    def test_looks_at_its_own_time_only(self) -> None:
        """What came before the start does not count."""
        before = [point._replace(at=point.at - SECONDS, seconds=9.0) for point in lags(0.1)]

        assert growth([*before, *lags(0.1)], start=0, seconds=SECONDS) == pytest.approx(0)


class TestTheSearch:
    """Finding the highest rate."""

    @given(st.floats(700, 20_000), st.floats(700, 20_000))
    def test_comes_close_to_the_limit_from_below(self, limit: float, start: float) -> None:
        """What it gives is held, and a little more would not be."""
        tried: list[float] = []

        def attempt(rate: float) -> bool:
            tried.append(rate)
            return rate <= limit

        found = highest_probed(start, attempt)

        if found is None:
            assert limit < start / 4
        else:
            assert found in tried
            assert found <= limit < found * FINE

    def test_gives_up_where_nothing_is_held(self) -> None:
        """After so many steps down."""
        assert highest_probed(1_000, lambda _rate: False) is None

    def test_confirms_lower_when_the_long_run_fails(self) -> None:
        """The first rate down that is held for long."""
        assert highest_confirmed(1_000, lambda rate: rate < 900) == pytest.approx(1_000 * 0.94**2)

    def test_confirms_nothing_without_end(self) -> None:
        """Patience ends."""
        assert highest_confirmed(1_000, lambda _rate: False) is None
