"""Drawdowns, against empyrical and a naive walk."""

import empyrical
import numpy as np
import pytest
from hypothesis import given

from domain.statistics.drawdowns import Drawdown, deepest, drawdowns, maximum_drawdown
from domain.statistics.measured import Floats
from tests.domain.statistics.series import NEAR, returns


def walked(daily: Floats) -> list[Drawdown]:
    """Walk from value to value and note each fall; nothing is an array here."""
    value = peak = trough = 1.0
    peak_at = trough_at = 0
    found: list[Drawdown] = []
    is_below = False
    for place, each in enumerate(daily.tolist(), start=1):
        value *= 1 + each
        if value < peak * (1 - 1e-12):
            if not is_below or value < trough:
                trough, trough_at = value, place
            is_below = True
            continue
        if is_below:
            found.append(Drawdown(peak_at, trough_at, place, trough / peak - 1))
        is_below = False
        peak, peak_at = max(peak, value), place
    if is_below:
        found.append(Drawdown(peak_at, trough_at, None, trough / peak - 1))
    return found


class TestDrawdowns:
    """Peak, trough and recovery."""

    @given(returns(1, 120))
    def test_are_those_of_a_walk(self, daily: Floats) -> None:
        """Place by place, and as deep."""
        found = drawdowns(daily)

        assert [each[:3] for each in found] == [each[:3] for each in walked(daily)]
        depths = [each.depth for each in walked(daily)]
        assert [each.depth for each in found] == pytest.approx(depths, rel=NEAR)

    @given(returns(1, 120))
    def test_deepest_is_that_of_empyrical(self, daily: Floats) -> None:
        """Its maximum drawdown counts the start as a peak too."""
        found = deepest(drawdowns(daily), 1)
        oracle = empyrical.max_drawdown(daily)

        assert maximum_drawdown(daily).value == pytest.approx(oracle, rel=NEAR, abs=1e-12)
        depth = found[0].depth if found else 0.0
        assert depth == pytest.approx(oracle, rel=NEAR, abs=2e-12)

    def test_a_fall_by_a_rounding_is_none(self) -> None:
        """There is none to list, so it has no depth."""
        daily = np.array([0.01, -1e-15, 0.01])

        assert (drawdowns(daily), maximum_drawdown(daily).value) == ([], 0.0)

    def test_an_example(self) -> None:
        """100, 110, 99, 88, 110, 121, 60.5: two, of which one lasts."""
        daily = np.array([0.1, -0.1, 88 / 99 - 1, 0.25, 0.1, -0.5])

        first, second = drawdowns(daily)

        assert (first[:3], second[:3]) == ((1, 3, 4), (5, 6, None))
        assert (first.depth, second.depth) == pytest.approx((-0.2, -0.5))
        assert deepest([first, second], 1) == [second]

    def test_of_all_lost_lasts(self) -> None:
        """Nothing grows from zero."""
        assert drawdowns(np.array([0.0, -1.0, 0.5])) == [Drawdown(1, 2, None, -1.0)]
