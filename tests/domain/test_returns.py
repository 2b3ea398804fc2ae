"""Daily returns: worked examples of convention 11, each edge in a pair, and their laws."""

import ast
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import returns
from domain.returns import (
    Chain,
    DailyReturn,
    ReturnMethod,
    ReturnReason,
    TimedFlow,
    Valuation,
    cumulative,
    daily_return,
)

MONDAY, TUESDAY, WEDNESDAY = date(2024, 3, 4), date(2024, 3, 5), date(2024, 3, 6)
NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)
ONE_O_CLOCK = datetime(2024, 3, 5, 13, tzinfo=UTC)
HUNDRED = Chain(value=Decimal(100), is_emptied=False, since=MONDAY)
EMPTIED = Chain(value=Decimal(0), is_emptied=True, since=MONDAY)
WORTHLESS = Chain(value=Decimal(0), is_emptied=False, since=MONDAY)
NOTHING = Valuation(Decimal(0), is_empty=True)


def on_tuesday(
    chain: Chain,
    end: int | Valuation | None,
    *timed: TimedFlow,
    inflow: int = 0,
    outflow: int = 0,
    has_unvalued_flow: bool = False,
) -> tuple[DailyReturn, Chain]:
    """The return of a Tuesday that ends at a value; None is an incomplete one."""
    valuation = (
        end if isinstance(end, Valuation) else Valuation(None if end is None else Decimal(end))
    )
    return daily_return(
        chain,
        session=TUESDAY,
        end=valuation,
        inflow=Decimal(inflow),
        outflow=Decimal(outflow),
        timed=timed,
        has_unvalued_flow=has_unvalued_flow,
    )


def flow(amount: int, before: int | Valuation | None, at: datetime = NOON) -> TimedFlow:
    """A flow with a time, and the value just before it."""
    valuation = (
        before if isinstance(before, Valuation)
        else Valuation(None if before is None else Decimal(before))
    )  # fmt: skip
    return TimedFlow(at, Decimal(amount), valuation)


class TestADayWithoutFlows:
    """One sub-period, from the last complete valuation to this one."""

    def test_is_the_change_over_the_start(self) -> None:
        """100 becomes 110: a tenth, as a fraction; the next day starts at 110."""
        found, chain = on_tuesday(HUNDRED, 110)

        assert found == DailyReturn(Decimal("0.1"), None, ReturnMethod.TRUE, MONDAY)
        assert chain == Chain(value=Decimal(110), is_emptied=False, since=TUESDAY)

    def test_is_rounded_half_even_to_18_decimals(self) -> None:
        """3 becomes 4: a third, cut where the wire ends."""
        found, _ = on_tuesday(Chain(Decimal(3), is_emptied=False), 4)

        assert found.value == Decimal("0.333333333333333333")


class TestFlowsWithoutATimeOfDay:
    """In at the start, out at the end."""

    def test_counts_an_inflow_from_the_start(self) -> None:
        """100 and 100 in become 210: 5 %, not 110 %."""
        found, _ = on_tuesday(HUNDRED, 210, inflow=100)

        assert (found.value, found.method) == (Decimal("0.05"), ReturnMethod.DAILY)

    def test_counts_an_outflow_at_the_end(self) -> None:
        """100 become 60 after 50 went out: 10 %."""
        found, _ = on_tuesday(HUNDRED, 60, outflow=50)

        assert (found.value, found.method) == (Decimal("0.1"), ReturnMethod.DAILY)


class TestFlowsWithATimeOfDay:
    """Sub-periods break at each flow, valued just before it."""

    def test_chains_the_sub_periods(self) -> None:
        """100 to 110, 90 in at noon, 200 to 180: 1.1 x 0.9 - 1."""
        found, _ = on_tuesday(HUNDRED, 180, flow(90, 110))

        assert (found.value, found.method) == (Decimal("-0.01"), ReturnMethod.TRUE)

    def test_takes_flows_of_one_moment_as_one(self) -> None:
        """In and out at the same moment is no sub-period of its own, even through zero."""
        found, _ = on_tuesday(HUNDRED, 110, flow(-100, 100), flow(100, 100))

        assert found.value == Decimal("0.1")

    def test_breaks_at_each_moment(self) -> None:
        """The same two flows an hour apart: emptied between, nothing lost."""
        found, _ = on_tuesday(HUNDRED, 110, flow(-100, 100), flow(100, NOTHING, ONE_O_CLOCK))

        assert found.value == Decimal("0.1")

    def test_falls_back_where_a_value_before_is_incomplete(self) -> None:
        """Then the whole day is taken in at start, out at end, and says so."""
        found, _ = on_tuesday(HUNDRED, 220, flow(100, None))

        assert (found.value, found.method) == (Decimal("0.1"), ReturnMethod.DAILY)

    def test_is_daily_as_soon_as_one_flow_has_no_time(self) -> None:
        """A mixed day shows the weaker method."""
        found, _ = on_tuesday(HUNDRED, 300, flow(100, 200), inflow=100)

        assert (found.value, found.method) == (Decimal(0), ReturnMethod.DAILY)


class TestAStartThatIsNotPositive:
    """Undefined, and the chain restarts."""

    @pytest.mark.parametrize("start", [0, -1])
    def test_gives_no_return(self, start: int) -> None:
        """From zero or less no return can be counted; tomorrow starts at today's value."""
        found, chain = on_tuesday(Chain(Decimal(start), is_emptied=False, since=MONDAY), 10)

        assert (found.value, found.reason) == (None, ReturnReason.START_VALUE_NOT_POSITIVE)
        assert chain == Chain(value=Decimal(10), is_emptied=False, since=TUESDAY)

    def test_is_helped_by_an_inflow(self) -> None:
        """What counts is the start with the inflow: -10 and 20 in is 10."""
        found, _ = on_tuesday(Chain(Decimal(-10), is_emptied=False), 11, inflow=20)

        assert found.value == Decimal("0.1")

    def test_is_undefined_in_the_middle_of_a_day_too(self) -> None:
        """A withdrawal on credit leaves -50; what follows has no return."""
        found, _ = on_tuesday(HUNDRED, 10, flow(-150, 100))

        assert found.reason is ReturnReason.START_VALUE_NOT_POSITIVE


class TestAnEmptiedPortfolio:
    """Factor 1 until the next inflow."""

    def test_returns_nothing_while_it_holds_nothing(self) -> None:
        """Zero, not undefined, and it stays emptied."""
        found, chain = on_tuesday(EMPTIED, NOTHING)

        assert found.value == 0
        assert chain.is_emptied

    def test_starts_with_the_next_inflow(self) -> None:
        """100 in become 110."""
        found, chain = on_tuesday(EMPTIED, 110, inflow=100)

        assert found.value == Decimal("0.1")
        assert not chain.is_emptied

    def test_is_undefined_once_it_holds_anything(self) -> None:
        """Bought on credit at a value of zero: that is a start of zero."""
        found, _ = on_tuesday(EMPTIED, Valuation(Decimal(0), is_empty=False))

        assert found.reason is ReturnReason.START_VALUE_NOT_POSITIVE

    def test_keeps_the_return_made_before_the_withdrawal(self) -> None:
        """100 to 110, all of it withdrawn at noon: 10 %, then nothing."""
        found, chain = on_tuesday(HUNDRED, NOTHING, flow(-110, 110))

        assert found.value == Decimal("0.1")
        assert chain.is_emptied

    def test_is_not_one_that_lost_everything(self) -> None:
        """Worth nothing without a withdrawal: -100 %, and tomorrow is undefined."""
        lost, chain = on_tuesday(HUNDRED, NOTHING)
        after, _ = on_tuesday(WORTHLESS, NOTHING)

        assert (lost.value, chain.is_emptied) == (Decimal(-1), False)
        assert after.reason is ReturnReason.START_VALUE_NOT_POSITIVE


class TestALossOfMoreThanEverything:
    """Lost to zero or below is -100 %, never less."""

    @pytest.mark.parametrize("end", [0, -50])
    def test_is_minus_one(self, end: int) -> None:
        """Down to zero or through it: the same."""
        assert on_tuesday(HUNDRED, end)[0].value == -1

    def test_stays_minus_one_for_the_day_whatever_comes_in(self) -> None:
        """Lost by noon, funded again and doubled: the day is still -100 %."""
        assert on_tuesday(HUNDRED, 200, flow(100, 0))[0].value == -1


class TestAGap:
    """Without a complete NAV there is no return; the next complete one covers the gap."""

    def test_gives_a_reason_and_keeps_the_flows(self) -> None:
        """Flows of the gap, with or without a time, are kept for the return over it."""
        found, chain = on_tuesday(HUNDRED, None, flow(30, 100), flow(-5, 130), inflow=20)

        assert (found.value, found.reason) == (None, ReturnReason.NAV_INCOMPLETE)
        assert (chain.inflow, chain.outflow, chain.since) == (Decimal(50), Decimal(5), MONDAY)

    def test_ends_with_one_return_over_all_of_it(self) -> None:
        """(NAV + out) over (start + in), since the last complete valuation."""
        _, gap = on_tuesday(HUNDRED, None, inflow=50)

        found, chain = daily_return(
            gap, session=WEDNESDAY, end=Valuation(Decimal(155)), inflow=Decimal(0),
            outflow=Decimal(10), timed=(),
        )  # fmt: skip

        assert found == DailyReturn(Decimal("0.1"), None, ReturnMethod.DAILY, MONDAY)
        assert chain == Chain(value=Decimal(155), is_emptied=False, since=WEDNESDAY)


class TestWhatCannotBeSaid:
    """Numbers that would be invented are null with a reason."""

    def test_a_flow_without_a_rate_has_no_return(self) -> None:
        """The NAV is known, the flow's worth is not."""
        found, chain = on_tuesday(HUNDRED, 110, has_unvalued_flow=True)

        assert (found.value, found.reason) == (None, ReturnReason.FLOW_WITHOUT_RATE)
        assert chain.value == 110

    def test_a_factor_that_the_context_cannot_round_has_no_return(self) -> None:
        """Eighty digits before the point and 18 behind do not fit in 100; 79 do."""
        start = Chain(Decimal(1), is_emptied=False)
        fits, _ = on_tuesday(start, Valuation(Decimal(10) ** 79))
        beyond, _ = on_tuesday(start, Valuation(Decimal(10) ** 80))

        assert fits.value == Decimal(10) ** 79 - 1
        assert (beyond.value, beyond.reason) == (None, ReturnReason.OUT_OF_RANGE)


class TestChainingDays:
    """Cumulative returns multiply the factors."""

    def test_multiplies(self) -> None:
        """10 % and 10 % are 21 %."""
        tenth = (Decimal("0.1"), None)

        assert list(cumulative([tenth, tenth])) == [Decimal("0.1"), Decimal("0.21")]

    @pytest.mark.parametrize("behind", [0, 1, 2, 3])
    def test_leaves_out_the_first_days_and_chains_them(self, behind: int) -> None:
        """What is told of the others is the same."""
        days = [(Decimal("0.1"), None), (Decimal("-0.3"), None), (Decimal("0.07"), None)]

        assert list(cumulative(days, behind=behind)) == list(cumulative(days))[behind:]

    def test_passes_over_an_incomplete_day(self) -> None:
        """The day of the gap shows none; the day behind it goes on from before."""
        days = [
            (Decimal("0.1"), None),
            (None, ReturnReason.NAV_INCOMPLETE),
            (Decimal("0.1"), None),
        ]

        assert list(cumulative(days)) == [Decimal("0.1"), None, Decimal("0.21")]

    def test_is_undefined_behind_an_undefined_day(self) -> None:
        """No number may span a day that has none."""
        days = [
            (Decimal("0.1"), None),
            (None, ReturnReason.START_VALUE_NOT_POSITIVE),
            (Decimal("0.1"), None),
        ]

        assert list(cumulative(days)) == [Decimal("0.1"), None, None]

    @given(
        values=st.lists(st.integers(1, 10**9), min_size=2, max_size=8),
        flows=st.lists(st.integers(-(10**8), 10**8), min_size=8, max_size=8),
    )
    def test_equals_one_day_with_the_same_breaks(self, values: list[int], flows: list[int]) -> None:
        """Days that break at each flow, and one day with timed flows there, give one return."""
        chain, product = Chain(Decimal(values[0]), is_emptied=False), Fraction(1)
        start, timed = values[0], []
        for hour, (value, amount) in enumerate(zip(values[1:], flows, strict=False)):
            if start <= 0 or value + amount <= 0:
                return
            product *= Fraction(value, start)
            timed.append(flow(amount, value, NOON.replace(hour=hour)))
            start = value + amount
        last = values[-1] + flows[len(values) - 2]

        found, _ = on_tuesday(chain, last, *timed)

        assert found.value is not None
        assert abs(Fraction(found.value) - (product - 1)) <= Fraction(1, 2 * 10**18)


class TestTheModule:
    """`test_tidy` lets statistics modules use floats; this one must not."""

    def test_holds_no_float(self) -> None:
        """Not a literal, not the name, not the module math."""
        tree = ast.parse(Path(returns.__file__).read_text(encoding="utf-8"))
        found = [
            node for node in ast.walk(tree)
            if (isinstance(node, ast.Constant) and isinstance(node.value, float))
            or (isinstance(node, ast.Name) and node.id == "float")
            or (isinstance(node, ast.Import | ast.ImportFrom)
                and any(each.name in {"math", "statistics"} for each in node.names))
        ]  # fmt: skip

        assert not found
