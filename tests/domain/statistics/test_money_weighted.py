"""Internal rates against pyxirr and by their definition; Modified Dietz in exact fractions."""

from datetime import date, timedelta
from fractions import Fraction

import numpy as np
import pytest
import pyxirr
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.statistics.measured import Measured, Reason
from domain.statistics.money_weighted import (
    Earned,
    _all_roots,
    annual_rate,
    modified_dietz,
    money_weighted,
)
from tests.domain.statistics.series import NEAR

START = date(2024, 1, 1)


@st.composite
def histories(draw: st.DrawFn, *, deposits_only: bool = False) -> Earned:
    """A start, some flows by day, an end."""
    days = draw(st.integers(1, 1_500))
    count = draw(st.integers(0, 12))
    on = sorted(draw(st.lists(st.integers(0, days), min_size=count, max_size=count)))
    lowest = 1 if deposits_only else -200
    flows = draw(st.lists(st.integers(lowest, 400), min_size=count, max_size=count))
    start, end = draw(st.integers(1, 1_000)), draw(st.integers(1, 3_000))
    return Earned(float(start), float(end), days, on, [float(each) for each in flows])


def present_value(earned: Earned, growth: float) -> tuple[float, float]:
    """Discount by definition; give the sum, and the sum of the sizes."""
    log = np.log1p(growth) / earned.days
    paid = [(0, -earned.start_value), (earned.days, earned.end_value)]
    paid += [(day, -each) for day, each in zip(earned.flow_days, earned.flows, strict=True)]
    terms = [amount * np.exp(-log * day) for day, amount in paid]
    return sum(terms), sum(abs(each) for each in terms)


class TestTheInternalRate:
    """The rate at which everything paid in is worth what came out."""

    @given(histories(deposits_only=True))
    def test_is_that_of_pyxirr(self, earned: Earned) -> None:
        """As near as its own search comes; its present value of ours is zero to 1e-9."""
        days = [0, *earned.flow_days, earned.days]
        dates = [START + timedelta(days=day) for day in days]
        amounts = [-earned.start_value, *(-each for each in earned.flows), earned.end_value]
        oracle = pyxirr.xirr(dates, amounts)
        # A rate of a year near -1 has few digits of its growth left; ours is kept as growth.
        assume(oracle is not None and -0.999 < oracle < 1e6)
        assert oracle is not None

        growth = money_weighted(earned).value

        assert growth is not None
        assert 1 + growth == pytest.approx((1 + oracle) ** (earned.days / 365), rel=1e-6)
        rate = float((1 + growth) ** (365 / earned.days) - 1)
        size = pyxirr.xnpv(rate, dates, [abs(each) for each in amounts])
        assert size is not None
        assert pyxirr.xnpv(rate, dates, amounts) == pytest.approx(0, abs=NEAR * size)

    @given(histories(deposits_only=True))
    def test_is_found_by_our_own_scan_too(self, earned: Earned) -> None:
        """The grid has the one root that pyxirr finds."""
        sums: dict[int, float] = {0: -earned.start_value, earned.days: 0.0}
        for day, each in zip(earned.flow_days, earned.flows, strict=True):
            sums[day] = sums.get(day, 0.0) - each
        sums[earned.days] += earned.end_value
        assume(sums[earned.days] > 0)
        found = money_weighted(earned).value
        # Of what nearly all is lost of, a return has few digits left.
        assume(found is not None and found > -1 + 1e-6)
        assert found is not None

        (root,) = _all_roots(sorted(sums), np.array([sums[day] for day in sorted(sums)]))

        assert np.exp(root) == pytest.approx(1 + found, rel=NEAR)

    @given(histories())
    def test_solves_its_equation(self, earned: Earned) -> None:
        """Whatever the flows: what is paid in, discounted, is what comes out."""
        found = money_weighted(earned)
        assume(found.value is not None and found.value > -1 + 1e-9)
        assert found.value is not None

        value, size = present_value(earned, found.value)

        assert abs(value) <= 1e-8 * size

    def test_of_several_is_nearest_to_modified_dietz(self) -> None:
        """100 in, 230 out after a year, 132 in after two: 10 % and 20 % a year both solve it."""
        earned = Earned(100.0, -132.0, 730, [365], [-230.0])
        roots = _all_roots([0, 365, 730], np.array([-100.0, 230.0, -132.0]))
        assert np.exp(roots) == pytest.approx([1.1**2, 1.2**2])

        found = money_weighted(earned)

        # The capital at work is 100 - 115: Modified Dietz has no value, so the nearest to zero.
        assert modified_dietz(earned).reason is Reason.CAPITAL_NOT_POSITIVE
        assert found.value == pytest.approx(0.21)

    def test_of_two_losses_takes_the_one_dietz_is_near(self) -> None:
        """100, out 200 after 642 of 730 days, in 190 after 729, 70 left: -98.5 % or -27.5 %."""
        earned = Earned(100.0, 70.0, 730, [642, 729], [-200.0, 190.0])
        roots = np.expm1(_all_roots([0, 642, 729, 730], np.array([-100.0, 200.0, -190.0, 70.0])))
        assert roots == pytest.approx([-0.98516163, -0.27531024])

        assert modified_dietz(earned).value == pytest.approx(-0.26263716)
        assert money_weighted(earned).value == pytest.approx(-0.27531024)

    def test_a_published_example(self) -> None:
        """Microsoft's page of XIRR: five amounts, 37.3362535 %."""
        days = [(date(2008, *on) - date(2008, 1, 1)).days for on in ((3, 1), (10, 30))]
        days.append((date(2009, 2, 15) - date(2008, 1, 1)).days)
        last = (date(2009, 4, 1) - date(2008, 1, 1)).days
        earned = Earned(10_000.0, 2_750.0, last, days, [-2_750.0, -4_250.0, -3_250.0])

        rate = annual_rate(money_weighted(earned), last).value

        assert rate == pytest.approx(0.373362535, abs=1e-8)

    def test_is_null_with_a_reason(self) -> None:
        """All lost: no rate brings it back. No time: no rate. Under a year: none of a year."""
        assert money_weighted(Earned(100.0, 0.0, 30, [], [])).reason is Reason.NO_RATE
        assert money_weighted(Earned(0.0, 0.0, 30, [], [])).reason is Reason.NO_RATE
        assert money_weighted(Earned(100.0, -5.0, 30, [], [])).reason is Reason.NO_RATE
        assert money_weighted(Earned(1.0, 1.0, 0, [], [])) == Measured(None, 0, Reason.NO_TIME)
        short = money_weighted(Earned(100.0, 110.0, 364, [], []))
        assert short.value == pytest.approx(0.1)
        assert annual_rate(short, 364).reason is Reason.UNDER_A_YEAR


class TestModifiedDietz:
    """The gain for the capital at work."""

    @given(histories())
    def test_is_that_of_exact_fractions(self, earned: Earned) -> None:
        """By its definition, without a float."""
        flows = [Fraction(each) for each in earned.flows]
        weights = [Fraction(earned.days - day, earned.days) for day in earned.flow_days]
        gain = Fraction(earned.end_value) - Fraction(earned.start_value) - sum(flows)
        at_work = Fraction(earned.start_value) + sum(
            (weight * each for weight, each in zip(weights, flows, strict=True)), Fraction(0)
        )

        found = modified_dietz(earned)

        if at_work <= 0:
            assert found.reason in {Reason.CAPITAL_NOT_POSITIVE, None}
        else:
            assert found.value == pytest.approx(float(gain / at_work), rel=NEAR, abs=1e-9)

    def test_an_example(self) -> None:
        """1,000, then 100 after 10 of 30 days, 1,155 at the end: 55 on 1,066.67."""
        earned = Earned(1_000.0, 1_155.0, 30, [10], [100.0])

        assert modified_dietz(earned).value == pytest.approx(55 / (1_000 + 100 * 20 / 30))
